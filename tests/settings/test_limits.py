"""How many connections a server has, and how long it waits for who says nothing."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ..support.client import PATIENCE
from ..support.core import World
from ..support.replies import OK
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_zkdict.plugin import ServerFactory

    from ..support.client import Client

    Serve = Callable[[dict[str, object]], Callable[[], Client]]


def test_a_server_has_so_many_connections(serve: Serve) -> None:
    connect = serve({"maxCnxns": 3})

    def tried() -> Client | None:
        with contextlib.suppress(OSError):  # it may be closed before the client has connected
            client = connect()
            return None if client.response is None else client
        return None

    def admitted() -> Client:
        # The server may still have to notice that somebody has gone.
        deadline = time.monotonic() + PATIENCE
        while (client := tried()) is None:
            assert time.monotonic() < deadline
        return client

    first, *others = [admitted() for _ in range(3)]
    assert tried() is None
    first.close()
    others.append(admitted())
    assert tried() is None
    assert [client.call("ping").error for client in others] == [OK, OK, OK]


def test_who_says_nothing_is_sent_away(zk_server_factory: ServerFactory) -> None:
    # Not shorter, for the same reason as in test_mntr.py.
    server = zk_server_factory({"nio.sessionlessCnxnTimeout": 3000})
    start = time.monotonic()
    silent = SocketChannel(("127.0.0.1", int(server.hosts.rpartition(":")[2])), PATIENCE)
    assert silent.read_frame() == ([], True)
    assert time.monotonic() - start >= 3


def test_how_long_a_server_waits_for_a_handshake() -> None:
    world = World({"nio.sessionlessCnxnTimeout": 300})
    world.advance(100)
    silent, shaken = world.accept(), world.client()
    world.advance(599)  # to the end of the second whole span
    assert not silent.closed
    world.advance(1)
    assert silent.closed
    assert not shaken.closed
