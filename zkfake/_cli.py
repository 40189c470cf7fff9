"""The command ``zkfake``: the fake as a process of its own, for offline development, and what
judges the histories of runs.

The rules that live here, of ``serve``:

- the first line on standard output is the connect string, printed once connections are accepted;
  the second one, with TLS, is that of the TLS ports; everything else goes to standard error, one
  line for each thing that is to be said;
- an option beats the configuration file;
- SIGINT, SIGTERM and SIGHUP end it, however many come and when. One that was ignored when the
  process started (``nohup``, a shell's background job) stays ignored.
"""

from __future__ import annotations

import argparse
import ipaddress
import signal
import socket
import ssl
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from zkfake import _zoo_cfg as zoo_cfg
from zkfake._history import commands
from zkfake._realtime.server import FakeZooKeeper
from zkfake._versions import DEFAULT, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from typing_extensions import Self

_ENDED, _FAILED, _REFUSED = 0, 1, 2
"""The exit statuses."""

_STATUSES = """\
exit status:
  0  ended by SIGINT (Ctrl-C), SIGTERM or SIGHUP
  1  could not print the connect string, or failed while it served
  2  an option, a file or an address that cannot be
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``zkfake`` command; returns its exit status: 0, 1 for a failure, 2 for what cannot be
    served or read.

    To be called by the main thread of a process that ends with it.
    """
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as ended:  # --help, --version, or an option that cannot be
        return _print() or int(ended.code or 0)
    if options.command != "serve":
        status, text = commands.run(options, _say)
        return (_print(text) if text else _ENDED) or status
    with _EndingSignals() as signals:
        try:
            server, notes = _server(options)
            server.start()
        except (OSError, ValueError) as error:
            return _say(_reason(error), _REFUSED)
        try:
            for note in notes:
                _say(note)
            lines = [server.hosts]
            if server.tls is not None:
                lines.append(",".join(member.secure_hosts for member in server.members))
            status = _print(*lines)
            if not status:
                signals.wait()
        finally:
            try:
                server.stop()
            except RuntimeError as error:
                status = _say(f"{error}: {error.__cause__!r}", _FAILED)
        return status


class _EndingSignals:
    """The signals that end the program.

    A handler that raises, as Python's own for SIGINT does, strikes wherever the main thread happens
    to be, also while it is ending. This one does nothing: the interpreter tells a socket of every
    signal, and who waits reads from it.
    """

    _NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # not every system has all of them

    def __enter__(self) -> Self:
        self._over = False
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._told = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {}
        for name in self._NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _do_nothing)
        return self

    def wait(self) -> None:
        """Returns once a signal has come, be it before this was called."""
        self._reader.recv(1)
        self._over = True

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            # One that comes while the interpreter ends must not change the exit status.
            signal.signal(number, signal.SIG_IGN if self._over else before or signal.SIG_DFL)
        signal.set_wakeup_fd(self._told)
        self._reader.close()
        self._writer.close()


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass


# -- what it says


def _print(*lines: str) -> int:
    """Prints the lines; the exit status if that is impossible."""
    if sys.stdout is not None:  # closed before the start: nobody wants to know
        try:
            for line in lines:
                print(line)
            sys.stdout.flush()
        except OSError as error:
            with suppress(OSError):
                sys.stdout.close()  # or the interpreter tries again at its end
            return _say(f"cannot write to standard output: {error.strerror or error}", _FAILED)
    return _ENDED


def _say(text: str, status: int = _ENDED) -> int:
    """One line on standard error; returns ``status``."""
    if sys.stderr is not None:
        try:
            print(f"zkfake: {text}", file=sys.stderr, flush=True)
        except OSError:
            with suppress(OSError):
                sys.stderr.close()
    return status


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{error.filename}: "
        return f"{name}{error.strerror}"
    return str(error)


# -- options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, where the usual one prints the usage as well."""
        self.exit(_REFUSED, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="zkfake",
        description="A fake ZooKeeper that speaks the real protocol; the state is in memory.",
        epilog="'zkfake COMMAND --help' tells of the options of a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"zkfake {_own_version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    serve = subparsers.add_parser(
        "serve",
        help="serve until interrupted",
        description="Serve until interrupted. Prints the connect string once clients can connect;\n"
        "with TLS, a second line has the connect string of the TLS ports.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    where = serve.add_argument_group("addresses")
    where.add_argument("--host", type=_address, metavar="ADDRESS", help="to listen on (127.0.0.1)")
    where.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        help="port of the first server, the others have the next ones; 0 for any free ones (2181)",
    )
    ensemble = serve.add_argument_group("servers")
    ensemble.add_argument("--servers", type=int, metavar="N", help="servers that have a vote (1)")
    ensemble.add_argument(
        "--observers", type=int, metavar="N", help="servers that have no vote (0)"
    )
    ensemble.add_argument(
        "--version",
        default=DEFAULT,
        choices=sorted(VERSIONS),
        help="of ZooKeeper that they are (%(default)s)",
    )
    ensemble.add_argument(
        "--config",
        metavar="ZOO.CFG",
        help="ZooKeeper's configuration file: settings, clientPort, clientPortAddress, "
        "secureClientPort and the number of servers are taken from it, and what is ignored is "
        "named. An option beats the file",
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
    tls = serve.add_argument_group("TLS", "Every server then has a second port, for TLS.")
    tls.add_argument(
        "--tls-cert", metavar="FILE", help="the servers' certificate, a PEM file; turns TLS on"
    )
    tls.add_argument(
        "--tls-key", metavar="FILE", help="its key, a PEM file without password (--tls-cert)"
    )
    tls.add_argument(
        "--tls-ca",
        metavar="FILE",
        help="clients must show a certificate that one of these authorities, a PEM file, has "
        "signed. Without it, clients are not asked for one",
    )
    tls.add_argument(
        "--secure-port",
        type=_port,
        metavar="PORT",
        help="TLS port of the first server, the others have the next ones (any free ones)",
    )
    commands.add_parsers(subparsers)
    return parser


def _address(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected an address, such as 127.0.0.1")
    return text


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 0xFFFF:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 0 to 65535")


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


def _own_version() -> str:
    try:
        return metadata.version("zkdict")
    except metadata.PackageNotFoundError:  # run from its sources
        return "(not installed)"


# -- what they come to

_SETTINGS: dict[str, object] = {"4lw.commands.whitelist": "*"}
"""Every word is answered, as every launcher of test servers has it: kazoo asks ``envi`` for the
version.
"""


def _server(options: argparse.Namespace) -> tuple[FakeZooKeeper, list[str]]:
    """The fake that the options describe, and what there is to say about it. Raises `OSError` and
    `ValueError`.
    """
    notes = []
    config = zoo_cfg.Configuration()
    if options.config is not None:
        config = zoo_cfg.read(options.config)
    tls = _tls(options)
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
    if options.port is not None or len(own) != count:
        own = [None] * count
    in_a_row = _in_a_row(_first(options.port, config.port, 2181), count)
    host = _first(options.host, config.host, "127.0.0.1")
    server = FakeZooKeeper(
        host=host,
        port=[_first(port, other) for port, other in zip(own, in_a_row, strict=True)],
        secure_port=0
        if tls is None
        else _in_a_row(_first(options.secure_port, config.secure_port, 0), count),
        servers=servers,
        observers=observers,
        version=options.version,
        settings=settings,
        tls=tls,
    )
    if not _is_loopback(host):
        notes.append(
            f"warning: {host} can be reached from other machines; whoever connects may read and "
            "change everything"
        )
    return server, notes


def _first(*values: int | str | None) -> Any:
    """The first one that is given."""
    return next(value for value in values if value is not None)


def _in_a_row(first: int, count: int) -> list[int]:
    return [first + number if first else 0 for number in range(count)]


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_cert is None:
        for name in ("tls_key", "tls_ca", "secure_port"):
            if getattr(options, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} needs --tls-cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = {"--tls-cert": options.tls_cert, "--tls-key": options.tls_key}
    try:
        # With a password, though an empty one, nobody is asked for it on the terminal.
        context.load_cert_chain(options.tls_cert, options.tls_key, password="")
        if options.tls_ca is not None:
            files = {"--tls-ca": options.tls_ca}
            context.load_verify_locations(options.tls_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        named = ", ".join(f"{option} {file}" for option, file in files.items() if file is not None)
        lacking = _lacking(options) if isinstance(error, ssl.SSLError) else None
        raise ValueError(lacking or f"{named}: {error.strerror or error}") from None
    return context


def _lacking(options: argparse.Namespace) -> str | None:
    """What the files for TLS lack, if they lack something: OpenSSL says "PEM lib", and no more."""
    cert, key = options.tls_cert, options.tls_key
    if b"CERTIFICATE-----" not in Path(cert).read_bytes():
        return f"--tls-cert {cert}: there is no certificate in it; expected a PEM file"
    pem = Path(key or cert).read_bytes()
    if b"PRIVATE KEY-----" not in pem:
        if key is None:
            return f"--tls-cert {cert}: there is no key in it; give the file of its key: --tls-key"
        return f"--tls-key {key}: there is no key in it; expected a PEM file"
    if b"ENCRYPTED" in pem:
        return f"--tls-{'key' if key else 'cert'} {key or cert}: the key must have no password"
    return None


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    with suppress(OSError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)
    return True  # there is no such host, which is told when it comes to listening
