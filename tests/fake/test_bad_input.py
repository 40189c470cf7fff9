"""Bad input on real sockets, fake and live alike: answered or closed, and nobody else notices."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..support import wire
from ..support.replies import MARSHALLING, OK, UNIMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_zkdict.clients import ServerFactory
    from pytest_zkdict.servers import ZooKeeperServer

PATIENCE = 30.0
Address = tuple[str, int]


class Peer:
    """A raw client on a socket."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self._received = bytearray()

    def send(self, data: bytes) -> None:
        # The server may have closed already; what it said before is still to be read.
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def frame(self) -> bytes | None:
        """The next frame's payload; ``None`` at the end of the connection."""
        while True:
            frames = wire.Frames()
            if frames.take(self._received):
                return frames.list[0]
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self._received += data

    def rest(self) -> list[bytes]:
        """Every further frame up to the end of the connection."""
        return list(iter(self.frame, None))

    def connect(self) -> Peer:
        self.send(wire.frame(wire.connect()))
        assert self.frame() is not None
        return self

    def call(self, op: str, body: bytes, xid: int = 1) -> tuple[int, bytes]:
        self.send(wire.request(xid, wire.OPS[op], body))
        payload = self.frame()
        assert payload is not None, "the connection was closed"
        return struct.unpack_from(">i", payload, 12)[0], payload[16:]

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def address(zk_server: ZooKeeperServer) -> Address:
    host, _, port = zk_server.hosts.rpartition(":")
    return host, int(port)


@pytest.fixture
def peer(address: Address) -> Iterator[Callable[[], Peer]]:
    peers: list[Peer] = []

    def make() -> Peer:
        peers.append(Peer(address))
        return peers[-1]

    yield make
    for made in peers:
        made.close()


@pytest.fixture
def innocent(peer: Callable[[], Peer]) -> Iterator[Peer]:
    """A client that was there before, and has to notice nothing."""
    client = peer().connect()
    assert client.call("ping", b"")[0] == OK
    yield client
    assert client.call("exists", wire.path_watch("/zookeeper"))[0] == OK
    fresh = peer().connect()
    assert fresh.call("ping", b"")[0] == OK
    for ending in (client, fresh):
        ending.send(wire.request(9, wire.OPS["closeSession"]))
        assert len(ending.rest()) == 1


BEFORE = {
    "garbage": b"\xde\xad\xbe\xef" * 20,
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "negative length": wire.i32(-1),
    "most negative length": wire.i32(-(2**31)),
    "oversize length": wire.i32(1_048_576) + b"x",
    "huge length": wire.i32(2**31 - 1) + b"x" * 100,
    "empty frame": wire.i32(0),
    "short frame": wire.frame(b"\0" * 10),
    "no password": wire.frame(wire.connect()[:24]),
    "password too long": wire.frame(wire.connect()[:24] + wire.i32(10**6)),
    "upper case word": b"RUOK",
    "unknown word": b"kill",
}


@pytest.mark.parametrize("data", BEFORE.values(), ids=BEFORE)
@pytest.mark.usefixtures("innocent")
def test_bad_first_bytes_end_the_connection(peer: Callable[[], Peer], data: bytes) -> None:
    client = peer()
    client.send(data)
    assert client.rest() == []


AFTER = {
    "negative length": wire.i32(-1),
    "oversize length": wire.i32(1_048_576) + b"x",
    "huge length": wire.i32(2**31 - 1),
    "empty frame": wire.i32(0),
    "half a header": wire.frame(wire.i32(1)),
    "a word": b"ruok",
    "garbage": b"\xff" * 64,
}


@pytest.mark.parametrize("data", AFTER.values(), ids=AFTER)
@pytest.mark.usefixtures("innocent")
def test_bad_bytes_after_the_handshake_end_the_connection(
    peer: Callable[[], Peer], data: bytes
) -> None:
    client = peer().connect()
    client.send(data)
    assert client.rest() == []


@pytest.mark.parametrize("op", [0, 10, 999, -1, 2**31 - 1, -(2**31)])
@pytest.mark.usefixtures("innocent")
def test_unknown_operations_are_answered_and_end_the_connection(
    peer: Callable[[], Peer], op: int
) -> None:
    client = peer().connect()
    client.send(wire.request(7, op, wire.path_version("/")))
    assert client.rest() == [wire.i32(7) + wire.i64(-1) + wire.i32(UNIMPLEMENTED)]


BODIES = [b"", b"\0", wire.i32(-5), wire.i32(2**31 - 1), b"\0\0\0\5/a"]


@pytest.mark.parametrize(
    "op", ["exists", "getData", "getChildren", "getACL", "setWatches", "multiRead", "addWatch"]
)
@pytest.mark.usefixtures("innocent")
def test_reads_cut_short_get_an_error_and_may_go_on(peer: Callable[[], Peer], op: str) -> None:
    client = peer().connect()
    for body in BODIES:
        assert client.call(op, body) == (MARSHALLING, b"")
    assert client.call("ping", b"")[0] == OK


@pytest.mark.parametrize("op", ["create", "create2", "delete", "setData", "setACL", "multi"])
@pytest.mark.usefixtures("innocent")
def test_writes_cut_short_get_an_error_and_may_go_on(peer: Callable[[], Peer], op: str) -> None:
    client = peer().connect()
    for body in BODIES:
        assert client.call(op, body) == (MARSHALLING, b"")
    assert client.call("ping", b"")[0] == OK


@pytest.mark.usefixtures("innocent")
def test_clients_that_go_away_in_the_middle(peer: Callable[[], Peer]) -> None:
    whole = wire.frame(wire.connect())
    request = wire.request(1, wire.OPS["create"], wire.create("/never"))
    for data in (b"", whole[:2], whole[:20], whole, whole + request[:3], whole + request[:-1]):
        client = peer()
        client.send(data)
        client.close()
        abrupt = peer()
        abrupt.send(data)
        # Closing with a linger of zero resets the connection.
        abrupt.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        abrupt.close()
    reader = peer().connect()
    assert reader.call("exists", wire.path_watch("/never"))[0] == -101


@pytest.mark.usefixtures("innocent")
def test_half_open_handshakes_hold_up_nobody(peer: Callable[[], Peer]) -> None:
    halves = [peer() for _ in range(20)]
    for half in halves:
        half.send(wire.frame(wire.connect())[:10])
    assert peer().connect().call("ping", b"")[0] == OK
    for half in halves:
        half.send(wire.frame(wire.connect())[10:])
        assert half.frame() is not None


@pytest.mark.usefixtures("innocent")
def test_a_client_that_does_not_read(peer: Callable[[], Peer]) -> None:
    """Its replies pile up on its own connection."""
    lazy = peer().connect()
    big = b"x" * 500_000
    assert lazy.call("create", wire.create("/big", big, flags=1))[0] == OK
    lazy.send(b"".join(wire.request(9, 4, wire.path_watch("/big")) for _ in range(40)))
    other = peer().connect()
    assert other.call("ping", b"")[0] == OK
    for _ in range(40):
        payload = lazy.frame()
        assert payload is not None
        assert payload[20:-68] == big


RANDOM = st.one_of(
    st.binary(min_size=1, max_size=100),
    st.binary(max_size=60).map(wire.frame),
    st.builds(
        wire.request,
        st.integers(-9, 9),
        # Writes that a test could leave lying about on somebody's server are not among them.
        st.sampled_from([0, 3, 4, 6, 8, 9, 11, 12, 18, 100, 101, 103, 104, 106, 107, 999]),
        st.binary(max_size=40) | st.sampled_from(BODIES),
    ),
)


@settings(max_examples=30)
@given(frames=st.lists(RANDOM, min_size=1, max_size=6), shaken=st.booleans())
def test_random_bytes(address: Address, innocent: Peer, frames: list[bytes], shaken: bool) -> None:
    client = Peer(address)
    if shaken:
        client.connect()
    client.send(b"".join(frames))
    with contextlib.suppress(OSError):
        client.socket.shutdown(socket.SHUT_WR)
    client.rest()  # whatever it is, it comes to an end
    client.close()
    assert innocent.call("ping", b"")[0] == OK


def test_connects_while_the_server_stops(zk_server_factory: ServerFactory) -> None:
    server = zk_server_factory()
    host, _, port = server.hosts.rpartition(":")
    address = (host, int(port))
    waiting = [Peer(address) for _ in range(5)]
    shaken = [Peer(address).connect() for _ in range(5)]
    half = Peer(address)
    half.send(wire.frame(wire.connect())[:7])
    server.stop()
    for peer in (*waiting, *shaken, half):
        assert peer.rest() == []
        peer.close()
    with pytest.raises(OSError, match=r".+"):
        Peer(address)
    server.start()
    again = Peer(address).connect()
    assert again.call("ping", b"")[0] == OK
    again.close()
