"""``zkfake proxy``: the fake's faults of connections, in front of any server, as a process.

The rules that live here:

- faults of ``--fault`` are in force before the connect string is printed;
- with ``--stdin`` each line of standard input is a fault, whose answer is a line on standard
  output, and the end of standard input ends the proxy: it does not outlive the program that has
  started it.
"""

from __future__ import annotations

import argparse
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from zkfake._cli import recording
from zkfake._cli import tls as certificates
from zkfake._cli.arguments import address, in_a_row, is_loopback, port
from zkfake._cli.control import FAULTS, Control
from zkfake._cli.process import STATUSES, Program, leave_signals_to_others, print_lines
from zkfake._proxy.proxy import ZooKeeperProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._cli.process import EndingSignals

__all__ = ["add"]

_FAULTS = f"""\
faults:
  {", ".join(FAULTS[:5])},
  {", ".join(FAULTS[5:])}
  with the arguments of the methods of these names, each as NAME=VALUE. client= takes a session id:
    drop_before_reply operation=create path='/orders/*' nth=2
    partition client=0x100000001 duration=5
  Standard input also takes heal [NUMBER] and hits NUMBER: the number that the fault was answered.

"""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """The command and its options."""
    proxy = commands.add_parser(
        "proxy",
        help="run a proxy that injects faults into the connections of a server's clients",
        description="Run a proxy in front of ZooKeeper servers until interrupted. It injects\n"
        "faults into the connections of their clients. Prints the connect string for the clients.",
        epilog=_FAULTS + STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    proxy.add_argument(
        "--to",
        required=True,
        metavar="HOST:PORT[,HOST:PORT...]",
        help="the servers, as a client's connect string names them, chroot included",
    )
    proxy.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="LINE",
        help="a fault that begins when the proxy starts; may be repeated",
    )
    proxy.add_argument(
        "--stdin",
        action="store_true",
        help="read faults from standard input, one per line, and answer each on standard output; "
        "the end of standard input ends the proxy",
    )
    where = proxy.add_argument_group("addresses")
    where.add_argument(
        "--host",
        type=address,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on (%(default)s)",
    )
    where.add_argument(
        "--port",
        type=port,
        default=0,
        metavar="PORT",
        help="port for the first server; the others get the ports after it (default: free ports)",
    )
    clients = proxy.add_argument_group("TLS from the clients")
    certificates.add_serving(
        clients,
        "the proxy's certificate, a PEM file; clients are served over TLS only",
        "clients must show a certificate that one of these authorities, a PEM file, has signed",
    )
    servers = proxy.add_argument_group("TLS to the servers")
    servers.add_argument(
        "--server-tls",
        action="store_true",
        help="connect over TLS; the servers' certificates must name their hosts and be signed by "
        "an authority that the system knows",
    )
    servers.add_argument(
        "--server-ca", metavar="FILE", help="the authorities instead, a PEM file (--server-tls)"
    )
    servers.add_argument(
        "--server-cert",
        metavar="FILE",
        help="the certificate to show to the servers, a PEM file (--server-tls)",
    )
    servers.add_argument(
        "--server-key", metavar="FILE", help="its key, a PEM file without password (--server-cert)"
    )
    recording.add_option(proxy.add_argument_group("output"))
    proxy.set_defaults(run=_run)


@contextmanager
def _run(options: argparse.Namespace, signals: EndingSignals) -> Iterator[Program]:
    notes = []
    if not is_loopback(options.host):
        notes.append(
            f"warning: {options.host} can be reached from other machines; whoever connects reaches "
            "the servers"
        )
    recording.check(options.record)
    proxy = ZooKeeperProxy(
        options.to,
        host=options.host,
        port=in_a_row(options.port, options.to.partition("/")[0].count(",") + 1),
        tls=certificates.serving(options),
        server_tls=certificates.connecting(options),
        history=options.record is not None,
    )
    with proxy, recording.recorded(proxy, options.record):
        control = Control(proxy.faults)
        for line in options.fault:
            _begin(control, line)
        begin = partial(_begin_reading, control, signals) if options.stdin else tuple
        yield Program([proxy.hosts], notes, begin)


def _begin(control: Control, line: str) -> None:
    """A fault of ``--fault``. Raises `ValueError`."""
    try:
        control.begin(line)
    except (TypeError, ValueError) as error:
        raise ValueError(f"--fault {line!r}: {error}") from None


def _begin_reading(control: Control, signals: EndingSignals) -> None:
    # Nobody can end a thread that waits for input, so it is a daemon; and unbuffered, as the
    # interpreter can't end while such a thread is inside of a buffered reader.
    threading.Thread(target=_read, args=(control, signals), name="stdin", daemon=True).start()


def _read(control: Control, signals: EndingSignals) -> None:
    leave_signals_to_others()  # this thread still runs when the main one stops handling them
    try:
        with open(0, "rb", buffering=0, closefd=False) as lines:
            for line in lines:
                if print_lines(control.answer(line.decode("utf-8", "replace"))):
                    return
    finally:
        signals.end()
