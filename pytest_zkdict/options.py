"""The settings of a run: options, ini options and environment variables.

The rules that live here:

- every setting has an option, an ini option and an environment variable; the option beats the ini
  option, which beats the variable. A mark or a factory beats all three;
- a value that cannot be is a usage error that names where it stands;
- ``--zk-hosts`` alone means live: who names a live server wants the tests to run there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_zkdict.replays import Replay
from pytest_zkdict.seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_zkdict.seeds import Seeds

__all__ = [
    "CHOICES",
    "DEFAULT_VERSION",
    "Options",
    "add_options",
    "header",
    "resolve",
]

#: What ``--zk-backend`` takes, and the backends that it stands for.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "fake": ("fake",),
    "live": ("live",),
    "both": ("fake", "live"),
    "simulation": ("simulation",),
    "all": ("fake", "live", "simulation"),
}

#: The fake's version where none is chosen: `zkfake._versions.DEFAULT`, without importing it.
DEFAULT_VERSION = "3.9"


class Options:
    """The settings of this run. (No dataclass: to define one takes a millisecond, in everybody's
    runs.)
    """

    backends: tuple[str, ...] = ("fake",)
    hosts: str | None = None
    home: str | None = None
    require_live: bool = False
    servers: int | None = None
    version: str | None = None
    settings: Mapping[str, object] = MappingProxyType({})
    load: Seeds = MappingProxyType({})
    seed: int | None = None
    seeds: int | None = None
    budget: float | None = None
    replay: Replay | None = None
    break_at: str | None = None
    timeline: str | None = None
    profile: str | None = None
    patch: tuple[str, ...] = ()
    history: bool = False
    leaks: str = "warn"
    given: Mapping[str, tuple[str, str]] = MappingProxyType({})
    """Where each setting that is no default comes from, and what stands there:
    ``{"version": ("--zk-version", "3.8")}``.
    """

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


# -- values


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"choose one of {', '.join(choices)}")
        return text

    return parse


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 254:
        raise ValueError("expected a number from 1 to 254")
    return int(text)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("expected an integer") from None


def _seeds(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ValueError("expected how many seeds, a number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < float("inf"):
            return seconds
    raise ValueError("expected a number of seconds, more than 0")


def _truth(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("expected 1, true, yes or on, or else 0, false, no or off")


def _settings(text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for line in text.replace("\n", ";").split(";"):
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise ValueError("expected NAME=VALUE, with semicolons or line ends between them")
        found[name.strip()] = value.strip()
    return found


def _hosts(text: str) -> str:
    for host in text.partition("/")[0].split(","):
        name, colon, port = host.strip().rpartition(":")
        if host.strip().endswith("]") or not colon:
            name, port = host.strip(), "2181"
        if not name or not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise ValueError("expected HOST:PORT, as in zk1:2181,zk2:2181 or zk1:2181/chroot")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


# -- the settings


class _Setting:
    def __init__(
        self,
        name: str,
        variable: str,
        metavar: str,
        text: str,
        parse: Callable[[str], Any] = str,
        *,
        flag: str | None = None,
    ) -> None:
        """``flag``: what the option stands for, where it takes no value."""
        self.name = name
        self.variable = variable
        self.metavar = metavar
        self.help = text
        self.parse = parse
        self.flag = flag


_SETTINGS = (
    _Setting(
        "backend",
        "ZK_BACKEND",
        "fake|live|both|simulation|all",
        "what stands behind the zk_* fixtures (default: fake, or live where --zk-hosts is given)",
        one_of(*CHOICES),
    ),
    _Setting(
        "hosts",
        "ZK_HOSTS",
        "HOST:PORT,...",
        "the live server to use, optionally with a chroot (default: one is started)",
        _hosts,
    ),
    _Setting(
        "home",
        "ZOOKEEPER_HOME",
        "DIR",
        "where the live server to start is: the directory of an unpacked release, or of its jars "
        "(default: Debian's package)",
    ),
    _Setting(
        "require-live",
        "ZK_REQUIRE_LIVE",
        "",
        "fail, rather than skip, tests whose live server is not installed",
        _truth,
        flag="true",
    ),
    _Setting(
        "servers",
        "ZK_SERVERS",
        "N",
        "how many servers zk_server and zk_simulation have (default: 1)",
        _count,
    ),
    _Setting(
        "version",
        "ZK_VERSION",
        "X.Y",
        f"the ZooKeeper version of zk_server and zk_simulation (default: {DEFAULT_VERSION}; on "
        "live the one that is installed, and a live server of another version skips the test)",
    ),
    _Setting(
        "settings",
        "ZK_SETTINGS",
        "NAME=VALUE;...",
        "settings of zk_server and zk_simulation by ZooKeeper's own names, such as tickTime=100",
        _settings,
    ),
    _Setting(
        "load",
        "ZK_LOAD",
        "FILE",
        "a tree file (.yaml, .json, .toml) of znodes that each test starts with, such as "
        '{"/path": "text"}',
        seeds,
    ),
    _Setting(
        "history",
        "ZK_HISTORY",
        "",
        "record what happens on zk_server, and judge and tell it in the report of a failing test",
        _truth,
        flag="true",
    ),
    _Setting(
        "seed",
        "ZKFAKE_SEED",
        "N",
        "the seed of every zk_simulation that has none of its own (default: 0)",
        _integer,
    ),
    _Setting(
        "profile",
        "ZK_PROFILE",
        "calm|realistic|hostile|swarm",
        "how often faults happen by chance in zk_simulation (default: calm, never; swarm, where a "
        "test is marked zk_explore)",
    ),
    _Setting(
        "seeds",
        "ZK_SEEDS",
        "N",
        "in how many worlds a test runs that is marked zk_explore (default: 100; with a budget, as "
        "many as it allows)",
        _seeds,
    ),
    _Setting(
        "budget",
        "ZK_BUDGET",
        "SECONDS",
        "real seconds after which a test that is marked zk_explore or zk_sweep begins no further "
        "run (default: no limit); shrinking a failure takes time on top",
        _seconds,
    ),
    _Setting(
        "replay",
        "ZK_REPLAY",
        "WORLD",
        "run the tests that are marked zk_explore or zk_sweep in this one world, as their report "
        "names it: a seed, or the statements that make it",
        Replay.parse,
    ),
    _Setting(
        "break",
        "ZK_BREAK",
        "EVENT",
        "start a debugger at this event of a simulation: its number in the history, or its kind "
        "and a path, such as Sent:/jobs/*",
    ),
    _Setting(
        "timeline",
        "ZK_TIMELINE",
        "DIR",
        "draw the history of each test that fails in a simulation as a page for a browser, in this "
        "directory",
    ),
    _Setting(
        "patch",
        "ZK_PATCH",
        "MODULE,...",
        "modules that run in the virtual time of zk_simulation: their time, threading, random and "
        "so on are simulated",
        _names,
    ),
    _Setting(
        "leaks",
        "ZK_LEAKS",
        "ignore|warn|fail",
        "what to do when a test leaves sessions or threads behind (default: warn)",
        one_of("ignore", "warn", "fail"),
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Add every option and ini option."""
    group = parser.getgroup("zookeeper", "ZooKeeper, fake or live")
    for setting in _SETTINGS:
        kind: dict[str, Any] = (
            {"metavar": setting.metavar}
            if setting.flag is None
            else {"action": "store_const", "const": setting.flag}
        )
        group.addoption(
            f"--zk-{setting.name}",
            default=None,
            help=f"{setting.help} [{_ini(setting)}, ${setting.variable}]",
            **kind,
        )
        parser.addini(_ini(setting), setting.help)


def _ini(setting: _Setting) -> str:
    return f"zk_{setting.name.replace('-', '_')}"


#: Where a value may stand, the one that wins first.
_OPTION, _INI, _VARIABLE, _NOWHERE = range(4)


def _find(config: pytest.Config, setting: _Setting) -> tuple[Any, int, tuple[str, str]]:
    """The value, its place, and what `Options.given` says of it."""
    for rank, source, value in (
        (_OPTION, f"--zk-{setting.name}", config.getoption(f"--zk-{setting.name}")),
        (_INI, f"the ini option {_ini(setting)}", config.getini(_ini(setting))),
        (
            _VARIABLE,
            f"the environment variable {setting.variable}",
            os.environ.get(setting.variable),
        ),
    ):
        if value:
            try:
                return setting.parse(str(value)), rank, (source, str(value))
            except ValueError as error:
                raise pytest.UsageError(f"{source} is {value!r}; {error}") from None
    return None, _NOWHERE, ("", "")


def resolve(config: pytest.Config) -> Options:
    """The settings of this run. Raises `pytest.UsageError`."""
    found = {setting.name: _find(config, setting) for setting in _SETTINGS}
    values = {
        name.replace("-", "_"): value for name, (value, *_) in found.items() if value is not None
    }
    backend, chosen_at, _ = found["backend"]
    hosts, named_at, _ = found["hosts"]
    values.pop("backend", None)
    values["break_at"] = values.pop("break", None)
    without_live = backend is not None and "live" not in CHOICES[backend]
    if hosts and (backend is None or (without_live and named_at < chosen_at)):
        backend = "live"
    elif hosts and without_live and named_at == chosen_at:
        raise pytest.UsageError(
            f"{found['hosts'][2][0]} is {hosts!r}, a live server, and {found['backend'][2][0]} is "
            f"{backend!r}: choose the backend live, both or all, or leave the hosts out"
        )
    given = {name: words for name, (*_, words) in found.items() if words[0]}
    return Options(backends=CHOICES[backend or "fake"], given=given, **values)


# -- what the terminal says


def header(options: Options) -> str:
    """One line: what the ``zk_*`` fixtures stand on in this run."""
    parts = [_of_backend(options, backend) for backend in options.backends]
    if options.servers:
        parts.append(f"servers={options.servers}")
    if options.seed is not None:
        parts.append(f"seed={options.seed}")
    return f"zookeeper: {', '.join(parts)}"


def _of_backend(options: Options, backend: str) -> str:
    if backend in ("fake", "simulation"):
        return f"{backend} {options.version or DEFAULT_VERSION}"
    if options.hosts:
        return f"live at {options.hosts}"
    from pytest_zkdict.live import LiveUnavailableError, installed_version

    try:
        return f"live {installed_version(options.home)}".rstrip()
    except LiveUnavailableError:
        return "live (not installed)"
    except ValueError:
        return f"live in {options.home} (no server there)"
