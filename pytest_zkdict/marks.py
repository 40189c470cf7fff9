"""The mark ``zookeeper``, its short forms ``zk_backend`` and ``zk_simulation``, and ``zk_explore``
and ``zk_sweep``, which run a test in many worlds.

The rules that live here:

- the marks of a test's module, class and function are merged. The nearest one wins; mappings
  (``settings``, ``load``) are merged by key, lists (``patch``) are joined;
- an argument that a mark does not have is a usage error that names the test; none is ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_zkdict.options import CHOICES
from pytest_zkdict.seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_zkdict.seeds import Seeds

__all__ = ["LINES", "Marked", "checked", "is_marked", "marked"]

#: As ``pytest --markers`` shows them.
LINES = (
    (
        "zookeeper(backend=, servers=, version=, settings=, load=, history=, seed=, profile=, "
        "patch=): "
        "what this test wants. backend: where it runs, 'fake', 'live', 'simulation', 'both', 'all' "
        "or a list; "
        "servers, version, settings: of zk_server and zk_simulation; load: znodes to start with, "
        "{'/path': b'data'}, or a tree file; history: whether zk_server records what happens, for "
        "the report of a failure (with zk_history it always does); seed, profile, patch: of "
        "zk_simulation. Marks of module, class and function add up; where they differ, the nearest "
        "one wins."
    ),
    "zk_backend(*names): short for zookeeper(backend=[*names]): run this test on no other backend",
    "zk_simulation(**arguments): any argument of zkfake.simulation.Simulation, for zk_simulation",
    (
        "zk_explore(seeds=, budget=, demand=, allow=): run this test in many simulated worlds. "
        "seeds: how many, or a list; budget: seconds; demand: probes that have to fire in at least "
        "one of them; allow: exceptions that the test may end with"
    ),
    (
        "zk_sweep(faults=, pairs=, deviations=, allow=): run this test once for each fault at each "
        "of its requests. faults: their names, or 'all' (default: those of clients and "
        "connections); pairs: True for a second fault at each later request, too; deviations: 1 or "
        "2, how many choices of the order are made otherwise; allow: exceptions that the test may "
        "end with"
    ),
)

_ARGUMENTS = (
    "backend",
    "servers",
    "version",
    "settings",
    "load",
    "history",
    "seed",
    "profile",
    "patch",
)
_OF_SERVER = ("servers", "version", "settings")
_NOT_OF_SIMULATION = ("backend", "history")
#: What both marks have, `zookeeper` and `zk_simulation`, and of what form it has to be before it is
#: merged. What else a `Simulation` takes, it checks itself.
_SHARED = ("settings", "load", "profile", "patch")


class Marked:
    """What the marks of one test come to."""

    def __init__(
        self,
        backends: tuple[str, ...] | None = None,
        server: Mapping[str, Any] | None = None,
        load: Seeds | None = None,
        simulation: Mapping[str, Any] | None = None,
        history: bool | None = None,
        explore: Mapping[str, Any] | None = None,
        sweep: Mapping[str, Any] | None = None,
    ) -> None:
        """``server``: the ``servers``, ``version`` and ``settings`` that a mark has.
        ``simulation``: arguments of the `Simulation`. ``history``: whether servers record.
        ``explore``, ``sweep``: the arguments of the marks ``zk_explore`` and ``zk_sweep``; `None`
        without them.
        """
        self.backends = backends
        self.server = server or {}
        self.load = load or {}
        self.simulation = simulation or {}
        self.history = history
        self.explore = explore
        self.sweep = sweep


def marked(node: pytest.Item | pytest.Collector | Any) -> Marked:
    """What the marks of ``node``, and of what it is in, come to. Raises `pytest.UsageError`."""
    common: dict[str, Any] = {}
    simulation: dict[str, Any] = {}
    searches: dict[str, dict[str, Any]] = {}
    # From the module to the function, so that the nearest one comes last.
    for name, arguments in reversed(list(_checked(node))):
        if name in _SEARCHES:
            searches.setdefault(name, {}).update(arguments)
        elif name == "zk_simulation":
            _add(simulation, arguments)
        else:
            _add(common, arguments)
            shared = {k: arg for k, arg in arguments.items() if k not in _NOT_OF_SIMULATION}
            _add(simulation, shared)
    return Marked(
        backends=common.get("backend"),
        server={key: common[key] for key in _OF_SERVER if key in common},
        load=common.get("load", {}),
        simulation=simulation,
        history=common.get("history"),
        explore=searches.get("zk_explore"),
        sweep=searches.get("zk_sweep"),
    )


def is_marked(node: pytest.Item) -> bool:
    """Whether ``node``, or what it is in, has a mark of ours."""
    return any(mark.name in _CHECKS for mark in node.iter_markers())


def _add(found: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        before = found.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            found[key] = {**before, **value}
        elif key == "patch" and before is not None:
            found[key] = tuple(dict.fromkeys((*before, *value)))
        else:
            found[key] = value


def _checked(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for mark in node.iter_markers():
        if mark.name in _CHECKS:
            try:
                yield mark.name, _CHECKS[mark.name](mark)
            except ValueError as error:
                raise pytest.UsageError(f"{node.nodeid}: the mark {mark.name} {error}") from None


def _zk_backend(mark: pytest.Mark) -> dict[str, Any]:
    if mark.kwargs or not mark.args:
        raise ValueError(f"takes a backend, as in zk_backend('fake'), not {_shown(mark)}")
    return {"backend": _backends(mark.args)}


def _zk_simulation(mark: pytest.Mark) -> dict[str, Any]:
    if mark.args:
        raise ValueError(
            f"takes arguments by name only, as in zk_simulation(seed=7), not {_shown(mark)}"
        )
    for name in _SHARED:
        if mark.kwargs.get(name) is not None:
            _checked_argument(name, mark.kwargs[name])
    return dict(mark.kwargs)  # as they were given: a report prints them


def _search(mark: pytest.Mark) -> dict[str, Any]:
    if mark.args:
        raise ValueError(f"takes arguments by name only, not {_shown(mark)}")
    known = _SEARCHES[mark.name]
    for name in mark.kwargs:
        if name not in known:
            raise ValueError(f"has no argument {name!r}; there are {', '.join(known)}")
    return {name: known[name](value) for name, value in mark.kwargs.items()}


def _seeds(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, Iterable) and not isinstance(value, str):
        which = tuple(value)
        if which and all(isinstance(one, int) and not isinstance(one, bool) for one in which):
            return which
    raise ValueError(f"takes as seeds how many, at least 1, or a list of them, not {value!r}")


def _budget(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    raise ValueError(f"takes a number of seconds, more than 0, as budget, not {value!r}")


def _demand(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple, set, frozenset)) and all(
        isinstance(name, str) for name in value
    ):
        return tuple(value)
    raise ValueError(f"takes a list of the names of probes as demand, not {value!r}")


def _allow(value: Any) -> tuple[type[BaseException], ...]:
    classes = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if all(isinstance(each, type) and issubclass(each, BaseException) for each in classes):
        return classes
    raise ValueError(f"takes a class of exceptions, or several, as allow, not {value!r}")


def _pairs(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"takes a bool as pairs, not {value!r}")


def _deviations(value: Any) -> int:
    if value in (0, 1, 2):
        return int(value)
    raise ValueError(f"takes 0, 1 or 2 as deviations, not {value!r}")


def _faults(value: Any) -> Any:
    if value == "all":
        return value
    from zkfake._simulation.faults.points import FaultPoint

    if isinstance(value, (list, tuple)) and all(
        isinstance(each, (str, FaultPoint)) for each in value
    ):
        return value
    raise ValueError(f"takes 'all' or a list of the names of faults as faults, not {value!r}")


#: The arguments of the marks that run a test in many worlds, and how each is checked.
_SEARCHES: dict[str, dict[str, Any]] = {
    "zk_explore": {"seeds": _seeds, "budget": _budget, "demand": _demand, "allow": _allow},
    "zk_sweep": {
        "faults": _faults,
        "pairs": _pairs,
        "deviations": _deviations,
        "allow": _allow,
    },
}


def _zookeeper(mark: pytest.Mark) -> dict[str, Any]:
    if mark.args:
        raise ValueError(
            f"takes arguments by name only, as in zookeeper(backend='fake'), not {_shown(mark)}"
        )
    return {name: _checked_argument(name, value) for name, value in mark.kwargs.items()}


def checked(who: str, **arguments: Any) -> None:
    """Arguments that the mark ``zookeeper`` has and a factory, ``who``, has as well; `None` where
    they are left out. Raises `ValueError`.
    """
    __tracebackhide__ = True
    for name, value in arguments.items():
        if value is not None:
            try:
                _checked_argument(name, value)
            except ValueError as error:
                raise ValueError(f"{who} {error}") from None


def _checked_argument(name: str, value: Any) -> Any:
    if name not in _ARGUMENTS:
        raise ValueError(f"has no argument {name!r}; there are {', '.join(_ARGUMENTS)}")
    if name == "backend":
        names = value if isinstance(value, (tuple, list)) else (value,)
        return _backends(tuple(names))
    if name in ("servers", "seed"):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"takes an int as {name}, not {value!r}")
        if name == "servers" and not 1 <= value <= 254:
            raise ValueError(f"takes 1 to 254 servers, not {value}")
    elif name == "version":
        if not isinstance(value, str):
            raise ValueError(f"takes a str as version, such as '3.9', not {value!r}")
    elif name == "profile":
        from zkfake._simulation.chance.profiles import Profile

        if not isinstance(value, (str, Profile)):
            raise ValueError(
                f"takes the name of a profile, or a Profile, as profile, not {value!r}"
            )
    elif name == "settings":
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(
                f"takes a mapping as settings, such as {{'tickTime': 100}}, not {value!r}"
            )
    elif name == "load":
        return _checked_seeds(value)
    elif name == "history":
        if not isinstance(value, bool):
            raise ValueError(f"takes a bool as history, not {value!r}")
    elif name == "patch":
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError(f"takes a list of module names as patch, not {value!r}")
        return tuple(value)
    return value


def _backends(names: tuple[Any, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if not isinstance(name, str) or name not in CHOICES]
    if unknown or not names:
        *others, last = map(repr, CHOICES)
        known = f"{', '.join(others)} or {last}"
        given = ", ".join(map(repr, unknown)) or "an empty list"
        raise ValueError(f"takes {known} as backend, not {given}")
    wanted = {backend for name in names for backend in CHOICES[name]}
    return tuple(backend for backend in CHOICES["all"] if backend in wanted)


def _checked_seeds(load: Any) -> Seeds:
    if isinstance(load, (str, os.PathLike)):
        try:
            return seeds(load)
        except ValueError as error:
            raise ValueError(f"takes the name of a tree file as load: {error}") from None
    if not isinstance(load, Mapping):
        raise ValueError(  # noqa: TRY004  # told as a mark's mistake, as all of them
            f"takes a mapping {{'/path': b'data'}}, or the name of a tree file, as load, not "
            f"{load!r}"
        )
    for path, data in load.items():
        if not _is_path(path):
            raise ValueError(f"takes paths such as '/a/b' in load, not {path!r}")
        if data is not None and not isinstance(data, bytes):
            raise ValueError(f"takes bytes or None as data in load, not {data!r} (of {path})")
    return load


def _is_path(path: object) -> bool:
    """Whether it is the path of a znode that can be made."""
    return (
        isinstance(path, str)
        and path.startswith("/")
        and not {"", ".", ".."} & set(path[1:].split("/"))
    )


def _shown(mark: pytest.Mark) -> str:
    given = [*map(repr, mark.args), *(f"{key}={arg!r}" for key, arg in mark.kwargs.items())]
    return f"{mark.name}({', '.join(given)})"


_CHECKS = {
    "zookeeper": _zookeeper,
    "zk_backend": _zk_backend,
    "zk_simulation": _zk_simulation,
    **dict.fromkeys(_SEARCHES, _search),
}
