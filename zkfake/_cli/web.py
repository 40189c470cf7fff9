"""The options of the control endpoint and the console, and the endpoint that they come to.

Rules that live here: what other machines can reach is refused, unless it is asked for in so many
words.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zkfake._cli.arguments import is_loopback, port

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from zkfake._realtime.server import FakeZooKeeper
    from zkfake.web import ControlEndpoint

__all__ = ["CONTROL", "TOKEN", "add_options", "controlled"]

CONTROL, TOKEN = "ZKFAKE_CONTROL", "ZKFAKE_TOKEN"
"""The variables that tell a command of the control endpoint: its address, and its token."""


def add_options(parser: argparse.ArgumentParser, web_port: int) -> None:
    """The options that `controlled` reads. ``web_port``: the one of a ``--web`` without one."""
    web = parser.add_argument_group("control endpoint and console")
    web.add_argument(
        "--web",
        nargs="?",
        const=web_port,
        type=port,
        metavar="PORT",
        help="serve the control endpoint and the console on --host, at this port; 0: a free port. "
        f"They need a token: {TOKEN} of the environment, or a new one "
        f"({web_port or 'a free port'})",
    )
    web.add_argument(
        "--i-know",
        action="store_true",
        help="--web also at a --host that other machines can reach: whoever has the token can read "
        "and change everything",
    )


@contextmanager
def controlled(
    server: FakeZooKeeper, host: str, options: argparse.Namespace
) -> Iterator[ControlEndpoint | None]:
    """The control endpoint of the block, if the options want one. Raises `OSError` and
    `ValueError`.
    """
    if options.web is None:
        yield None
        return
    if not is_loopback(host) and not options.i_know:
        raise ValueError(
            f"--web at {host} can be reached from other machines, where whoever has the token can "
            "read and change everything; if that is what you want, give --i-know"
        )
    try:
        from zkfake.web import ControlEndpoint  # the others need no web server
    except ImportError as error:
        raise ValueError(f"--web: {error}") from None
    token = os.environ.get(TOKEN) or None
    with ControlEndpoint(server, host=host, port=options.web, token=token) as endpoint:
        yield endpoint
