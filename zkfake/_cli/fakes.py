"""The options that describe a fake, and the `FakeZooKeeper` that they come to.

Rules that live here: an option beats the configuration file.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zkfake import _zoo_cfg as zoo_cfg
from zkfake._cli import options_file, recording, web
from zkfake._cli import tls as certificates
from zkfake._cli.arguments import address, in_a_row, is_loopback, port
from zkfake._cli.process import say
from zkfake._control import seeding
from zkfake._realtime.server import FakeZooKeeper
from zkfake._trees import files
from zkfake._versions import DEFAULT, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from zkfake._ensemble.events import Name
    from zkfake._trees.plain import PlainZnode

__all__ = ["ServedZooKeeper", "add_options", "fake"]

SYNCS = ("full", "normal", "off")


def add_options(
    parser: argparse.ArgumentParser, first_port: int, web_port: int, *, takes_ports: bool = True
) -> None:
    """The options that `fake` and `zkfake._cli.web.controlled` read. ``first_port``, ``web_port``:
    the defaults of ``--port`` and ``--web``. ``takes_ports``: whether the configuration file's
    ports count.
    """
    where = parser.add_argument_group("addresses")
    where.add_argument(
        "--host", type=address, metavar="ADDRESS", help="address to listen on (127.0.0.1)"
    )
    where.add_argument(
        "--port",
        type=port,
        metavar="PORT",
        help="port of the first server; the others get the ports after it; 0: free ports "
        f"({first_port or 'free ports'})",
    )
    ensemble = parser.add_argument_group("servers")
    ensemble.add_argument(
        "--servers", type=int, metavar="N", help="number of servers with a vote (1)"
    )
    ensemble.add_argument(
        "--observers", type=int, metavar="N", help="number of servers without a vote (0)"
    )
    ensemble.add_argument(
        "--version",
        default=DEFAULT,
        choices=sorted(VERSIONS),
        help="version of ZooKeeper to be (%(default)s)",
    )
    ensemble.add_argument(
        "--config",
        metavar="ZOO.CFG",
        help="ZooKeeper's configuration file: settings, clientPort, clientPortAddress, "
        "secureClientPort and the number of servers are taken from it; what is ignored is listed "
        "on standard error. Options override the file",
    )
    ensemble.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a setting by ZooKeeper's name, such as tickTime=500; may be repeated",
    )
    ensemble.add_argument(
        "--sasl-user",
        action="append",
        default=[],
        type=_user,
        metavar="NAME:PASSWORD",
        help="a user of SASL DIGEST-MD5; may be repeated. Without any, there is no SASL",
    )
    state = parser.add_argument_group(
        "state", "Without --data-dir it begins with nothing, and ends with the program."
    )
    state.add_argument(
        "--load",
        metavar="FILE",
        help="a tree file of znodes to begin with (.yaml, .json or .toml), or a data directory of "
        "a real ZooKeeper; with --data-dir only while there are none",
    )
    state.add_argument(
        "--data-dir",
        metavar="DIR",
        help="a directory that keeps the state; it is made if there is none",
    )
    state.add_argument(
        "--sync",
        choices=SYNCS,
        help="what survives a loss of power: all that was acknowledged (full), all but the end "
        "(normal), perhaps nothing (off); a killed process loses nothing either way (normal)",
    )
    tls = parser.add_argument_group("TLS", "Every server then has a second port, for TLS.")
    certificates.add_serving(
        tls,
        "the servers' certificate, a PEM file; turns TLS on",
        "clients must show a certificate that one of these authorities, a PEM file, has signed. "
        "Without it, clients are not asked for one",
    )
    tls.add_argument(
        "--tls", metavar="CERT,KEY", help="the same as --tls-cert CERT and --tls-key KEY"
    )
    tls.add_argument(
        "--secure-port",
        type=port,
        metavar="PORT",
        help="TLS port of the first server; the others get the ports after it (free ports)",
    )
    web.add_options(parser, web_port)
    output = parser.add_argument_group("output")
    recording.add_option(output)
    for name, number, does in (
        ("--quiet", -1, "print nothing on standard error but errors"),
        (
            "--verbose",
            1,
            "tell on standard error what servers do: elections, sessions that open and end",
        ),
    ):
        output.add_argument(
            name, action="store_const", dest="verbosity", const=number, default=0, help=does
        )
    options_file.add_options(parser)
    parser.set_defaults(first_port=first_port, takes_ports=takes_ports)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    if name.removeprefix("zookeeper.") == "sasl.users":
        raise argparse.ArgumentTypeError("users of SASL are given by --sasl-user NAME:PASSWORD")
    return name, value


def _user(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not colon or not name:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME:PASSWORD")
    return name, password


# -- what they come to

_SETTINGS: dict[str, object] = {"4lw.commands.whitelist": "*"}
"""Every word is answered, as every launcher of test servers has it: kazoo asks ``envi`` for the
version.
"""


class ServedZooKeeper(FakeZooKeeper):
    """A fake that says what it does, and when it has failed."""

    on_broken: Callable[[], object] = tuple
    """Called by its thread."""

    seeds: Mapping[str, PlainZnode] | None = None
    """The znodes that it begins with, unless it goes on from a state that has some."""

    def start(self) -> Self:
        """As `FakeZooKeeper.start`. Raises `ValueError` also for seeds that its settings do not
        allow; it does not run then.
        """
        super().start()
        if self.seeds is not None and seeding.is_empty(self._ensemble):
            try:
                self.load(self.seeds)
            except BaseException:
                self.stop()
                raise
        return self

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._host

    def tell(self, say: Callable[[str], object]) -> None:
        """Calls ``say`` with what each server does by itself."""
        before = self._ensemble.tell

        def tell(server: int, name: Name, text: str) -> None:
            before(server, name, text)
            say(f"server {server} {name}" + (f": {text}" if text else ""))

        self._ensemble.tell = tell

    def _broken(self) -> None:
        super()._broken()
        self.on_broken()


def fake(options: argparse.Namespace) -> tuple[ServedZooKeeper, list[str]]:
    """The fake that the options describe, and what there is to say about it. Raises `OSError` and
    `ValueError`.
    """
    notes = []
    config = zoo_cfg.ConfigFile()
    if options.config is not None:
        config = zoo_cfg.read(options.config)
    if options.tls is not None:
        if options.tls_cert is not None or options.tls_key is not None:
            raise ValueError("--tls is --tls-cert and --tls-key; give one or the other")
        options.tls_cert, _, key = options.tls.partition(",")
        options.tls_key = key or None
    tls = certificates.serving(options)
    if tls is None and config.secure_port is not None:
        config.ignored.append("secureClientPort (give --tls-cert)")
    if config.ignored:
        notes.append(f"{options.config}: ignored: {', '.join(config.ignored)}")
    servers = _first(options.servers, len(config.voters) or 1)
    observers = _first(options.observers, len(config.observers))
    settings: dict[str, object] = {**_SETTINGS, **config.settings, **dict(options.set)}
    if options.sasl_user:
        settings["sasl.users"] = dict(options.sasl_user)
    count = servers + observers
    own = [*config.voters, *config.observers]
    if options.port is not None or len(own) != count or not options.takes_ports:
        own = [None] * count
    config_port = config_secure_port = None
    if options.takes_ports:
        config_port, config_secure_port = config.port, config.secure_port
    next_to_it = in_a_row(_first(options.port, config_port, options.first_port), count)
    host = _first(options.host, config.host, "127.0.0.1")
    if options.sync is not None and options.data_dir is None:
        raise ValueError("--sync needs --data-dir")
    server = ServedZooKeeper(
        host=host,
        port=[_first(port, other) for port, other in zip(own, next_to_it, strict=True)],
        secure_port=0
        if tls is None
        else in_a_row(_first(options.secure_port, config_secure_port, 0), count),
        servers=servers,
        observers=observers,
        version=options.version,
        settings=settings,
        tls=tls,
        data_dir=options.data_dir,
        sync=options.sync or "normal",
        history=options.record is not None,
    )
    if options.load is not None:
        server.seeds = files.read(options.load, notes.append)
    recording.check(options.record)
    if options.verbosity > 0:
        server.tell(say)
    if not is_loopback(host):
        notes.append(
            f"warning: {host} can be reached from other machines; whoever connects may read and "
            "change everything"
        )
    return server, [] if options.verbosity < 0 else notes


def _first(*values: int | str | None) -> Any:
    """The first argument that is not ``None``."""
    return next(value for value in values if value is not None)
