"""Local sessions: as a live 3.9.5 ensemble with ``localSessionsEnabled`` treated them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from zkfake._connection.connection import Connection
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._settings import Settings

from ..support import wire
from ..support.core import START, Client, World
from ..support.replies import OK, Reply, error_body

if TYPE_CHECKING:
    from collections.abc import Mapping

EPHEMERAL = 1
NO_NODE, SESSION_EXPIRED, NOT_READ_ONLY, ON_LOCAL_SESSION = -101, -112, -119, -120
FIRST = 0x100000000


class Trio(World):
    """Three servers of the core. Server 3 leads, server 1 is asked."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.ensemble = Ensemble(Settings.parse(settings), START)
        self.servers = [Replica(self.ensemble, number) for number in (1, 2, 3)]
        for server in self.servers:
            server.start()
        self.servers[2].stop()  # two have elected server 2 already
        self.servers[1].stop()
        self.servers[2].start()
        self.servers[1].start()
        assert self.ensemble.leader is self.servers[2]
        self.now = START
        self._ports = 40_000
        self.replica = self.servers[0]

    def at(self, number: int) -> Client:
        """A connection to one of the servers, before its handshake."""
        self._ports += 1
        peer = ("127.0.0.1", self._ports)
        return Client(self, Connection(self.servers[number - 1], peer, lambda _: None))


def trio(upgrading: bool = False) -> Trio:
    return Trio(
        {
            "localSessionsEnabled": True,
            "localSessionsUpgradingEnabled": upgrading,
            "readonlymode.enabled": True,
            "4lw.commands.whitelist": "dump",
        }
    )


def counter(world: Trio) -> int:
    """Transactions since the leader was elected."""
    return world.ensemble.log.last_zxid & 0xFFFFFFFF


def create(client: Client, path: str, flags: int = 0) -> Reply:
    return client.call("create", wire.create(path, b"", flags=flags))


def renew(world: Trio, old: Client, number: int, **more: int) -> int:
    """Takes a session over on another connection; the session id in the response, 0 if refused."""
    response = world.at(number).shake(session=old.session, password=old.password, **more)
    return int(struct.unpack_from(">q", response, 8)[0])


def test_opening_and_closing_use_no_zxid() -> None:
    world = trio()
    client = world.at(1).connect()
    assert counter(world) == 0
    assert client.session >> 56 == 1
    assert create(client, "/x").zxid & 0xFFFFFFFF == 1
    assert client.close() == Reply(2, world.zxid, OK, b"")
    assert counter(world) == 1
    assert client.closed


def test_ephemerals_are_refused_before_all_else() -> None:
    world = trio()
    client = world.at(1).connect()
    for used, path in enumerate(("/e", "/nope/e"), start=1):
        assert create(client, path, EPHEMERAL).error == ON_LOCAL_SESSION
        assert counter(world) == used


def test_in_a_multi_only_the_leaders_own_client_is_told_why() -> None:
    world = trio()
    ops = [(1, wire.create("/m1", b"")), (1, wire.create("/m2", b"", flags=EPHEMERAL))]
    for number, code in ((3, ON_LOCAL_SESSION), (1, SESSION_EXPIRED)):
        reply = world.at(number).connect().call("multi", wire.multi(ops))
        assert reply.body.startswith(error_body(OK) + error_body(code))


def test_an_ephemeral_makes_it_a_global_session() -> None:
    world = trio(upgrading=True)
    client = world.at(1).connect()
    refused = create(client, "/nope/e", EPHEMERAL)
    assert (refused.error, refused.zxid & 0xFFFFFFFF) == (NO_NODE, 2)
    assert create(client, "/e", EPHEMERAL).zxid & 0xFFFFFFFF == 3
    assert create(client, "/f", EPHEMERAL).zxid & 0xFFFFFFFF == 4
    stat = client.stat("/e")
    assert stat is not None
    assert stat.owner == client.session
    client.connection.lost()
    assert renew(world, client, 2) == client.session


def test_an_ephemeral_in_a_multi_makes_it_a_global_session() -> None:
    world = trio(upgrading=True)
    client = world.at(1).connect()
    ops = [(1, wire.create("/m1", b"")), (1, wire.create("/m2", b"", flags=EPHEMERAL))]
    assert client.call("multi", wire.multi(ops)).zxid & 0xFFFFFFFF == 2
    assert renew(world, client, 2) == client.session


def test_only_its_own_server_knows_it() -> None:
    world = trio()
    client = world.at(1).connect()
    assert renew(world, client, 2) == 0
    assert client.ping().error == OK
    assert renew(world, client, 1) == client.session
    assert client.closed
    client.password = b"x" * 16
    assert renew(world, client, 1) == 0


def test_expiry_uses_no_zxid() -> None:
    world = trio()
    client = world.at(1).connect(timeout=4000)
    world.advance(4000)
    assert not client.closed
    world.advance(2000)
    assert client.closed
    assert counter(world) == 0
    assert renew(world, client, 1) == 0


def test_pings_keep_it_alive() -> None:
    world = trio()
    client = world.at(1).connect(timeout=4000)
    for _ in range(10):
        world.advance(3000)
        assert client.ping().error == OK


@pytest.mark.parametrize("stopped", [1, 3])
def test_it_ends_with_its_servers_place(stopped: int) -> None:
    world = trio()
    client = world.at(1).connect()
    world.servers[stopped - 1].stop()
    assert client.closed
    world.servers[stopped - 1].start()
    assert renew(world, client, 1) == 0


def test_read_only_server() -> None:
    world = trio()
    before = world.at(1).connect()
    world.servers[1].stop()
    world.servers[2].stop()
    world.advance(2000)  # without a leader so long before it serves reads
    assert renew(world, before, 1, read_only=1) == 0
    assert world.at(1).shake(read_only=0) == b""

    client = world.at(1).connect(read_only=1)
    assert client.children("/") == ["zookeeper"]
    assert create(client, "/q").error == NOT_READ_ONLY
    assert create(client, "/q", EPHEMERAL).error == NOT_READ_ONLY
    assert renew(world, client, 1, read_only=1) == client.session

    closing = world.at(1).connect(read_only=1)
    assert closing.close().error == OK
    assert closing.closed

    idle = world.at(1).connect(read_only=1, timeout=4000)
    world.advance(6000)
    assert idle.closed
    assert renew(world, idle, 1, read_only=1) == 0

    last = world.at(1).connect(read_only=1)
    world.servers[1].start()
    assert last.closed
    assert renew(world, last, 1) == 0


def test_without_the_setting_a_read_only_server_opens_no_session() -> None:
    world = Trio({"readonlymode.enabled": True})
    world.servers[1].stop()
    world.servers[2].stop()
    world.advance(2000)  # without a leader so long before it serves reads
    client = world.at(1)
    response = client.shake(read_only=1)
    assert struct.unpack(">iqi", response) == (0, world.zxid, NOT_READ_ONLY)
    assert not client.closed


def word(world: Trio, number: int, name: bytes) -> str:
    """What a server says to a four-letter word."""
    connection = world.at(number).connection
    connection.receive(name)
    return connection.take_output().decode()


def test_a_server_dumps_its_own_local_sessions_and_the_global_ones_of_all() -> None:
    world = trio(upgrading=True)
    local, upgraded, elsewhere = (world.at(number).connect() for number in (1, 1, 2))
    create(upgraded, "/e", EPHEMERAL)
    dump = word(world, 1, b"dump")
    own, _, rest = dump.partition("Global Sessions(1):\n")
    assert own.startswith("SessionTracker dump:\nLocal Session Sets (1)/(1):\n1 expire at ")
    assert own.endswith(f":\n\t0x{local.session:x}\n")
    assert rest.startswith(f"0x{upgraded.session:x}\t{upgraded.timeout}ms\nephemeral nodes dump:\n")
    assert f"0x{elsewhere.session:x}" not in dump
    leader = word(world, 3, b"dump")
    assert "Local Session Sets (0)/(0):\nGlobal Session Sets (1)/(1):\n" in leader
    assert f"0x{upgraded.session:x}" in leader
