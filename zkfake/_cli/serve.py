"""``zkfake serve``: the fake as a process of its own, for offline development.

The rules that live here: with TLS, the second line on standard output is the connect string of the
TLS ports. With ``--web`` the last line is the address of the console, token included.
"""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zkfake._cli.fakes import add_options, fake
from zkfake._cli.process import STATUSES, Program
from zkfake._cli.recording import recorded
from zkfake._cli.web import controlled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._cli.process import EndingSignals

__all__ = ["add"]

_PORT = 2181
"""ZooKeeper's own."""

_WEB_PORT = 8181


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """The command and its options."""
    serve = commands.add_parser(
        "serve",
        help="serve until interrupted",
        description="Serve until interrupted. Prints the connect string once clients can connect;\n"
        "with TLS, a second line has the connect string of the TLS ports; with --web, the last\n"
        "line has the address of the console.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_options(serve, _PORT, _WEB_PORT)
    serve.set_defaults(run=_run)


@contextmanager
def _run(options: argparse.Namespace, signals: EndingSignals) -> Iterator[Program]:
    server, notes = fake(options)
    server.on_broken = signals.end
    with (
        server,
        recorded(server, options.record),
        controlled(server, server.host, options) as endpoint,
    ):
        lines = [server.hosts]
        if server.members[0].secure_port is not None:
            lines.append(",".join(member.secure_hosts for member in server.members))
        if endpoint is not None:
            lines.append(endpoint.console)
        yield Program(lines, notes)
