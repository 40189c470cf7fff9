"""The smallest conversations with a fresh server, byte for byte, on the fake and on live.

Written out by hand, so that the fake and the live server cannot agree on something else. All
servers are standalone, new, with a tick of 2000 ms and no other setting that shows here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..support import wire
from ..support.wire import OPS, RawChannel
from .engine.servers import PLAIN_SETTINGS, FakeServer, LiveServer, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CREATE_A = wire.create("/a")
# An event's zxid is that of its cause from 3.9 on; before, -1.
EVENT_ZXID = {"3.8": "ffffffffffffffff", "3.9": "0000000000000003"}


@pytest.fixture(params=["fake 3.8", "fake 3.9", pytest.param("live", marks=pytest.mark.needs_java)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    kind, _, version = request.param.partition(" ")
    made: Server
    if kind == "live":
        made = LiveServer(request.getfixturevalue("live_home"), PLAIN_SETTINGS)
    else:
        made = FakeServer(version, PLAIN_SETTINGS)
    yield made
    made.stop()


@pytest.fixture
def client(server: Server) -> Iterator[RawChannel]:
    channel = server.channel()
    channel.send(wire.frame(wire.connect(timeout=10_000)))
    channel.read_frame()
    yield channel
    channel.abandon()


@pytest.fixture
def call(client: RawChannel) -> Callable[..., str]:
    """Sends one request and gives its reply in hex."""

    def exchange(xid: int, op: str, body: bytes = b"") -> str:
        client.send(wire.request(xid, OPS[op], body))
        (reply,), _ended = client.read_frame()
        return reply.hex()

    return exchange


def packed(*parts: str) -> str:
    return "".join(parts).replace(" ", "")


def test_connecting_gives_the_negotiated_timeout_an_id_and_its_password(server: Server) -> None:
    for asked, granted in ((10_000, 10_000), (0, 4_000), (-1, 4_000), (100_000, 40_000)):
        channel = server.channel()
        channel.send(wire.frame(wire.connect(timeout=asked)))
        (reply,), _ = channel.read_frame()
        session = int.from_bytes(reply[8:16], "big")
        password = wire.session_password(session)
        expected = wire.i32(0) + wire.i32(granted) + wire.i64(session) + wire.buffer(password)
        assert reply == expected + b"\0"
        assert session >> 56 == 1, "a standalone server's id"
        channel.finish()


def test_the_read_only_byte_is_answered_where_it_was_sent(server: Server) -> None:
    for read_only, length in ((0, 37), (1, 37), (None, 36)):
        channel = server.channel()
        channel.send(wire.frame(wire.connect(read_only=read_only)))
        (reply,), _ = channel.read_frame()
        assert len(reply) == length
        assert reply[36:] in (b"", b"\0")
        channel.finish()


def test_a_session_that_is_not_there_is_answered_with_zeros(server: Server) -> None:
    channel = server.channel()
    channel.send(wire.frame(wire.connect(session=0x1234)))
    assert channel.read(1) == ([bytes(16) + wire.buffer(bytes(16)) + b"\0"], True)


def test_ping_create_and_failures_use_zxids_as_they_should(call: Callable[..., str]) -> None:
    assert call(-2, "ping") == packed("fffffffe", "0000000000000001", "00000000")
    assert call(1, "create", CREATE_A) == packed(
        "00000001", "0000000000000002", "00000000", "00000002 2f61"
    )
    assert call(2, "create", CREATE_A) == packed("00000002", "0000000000000003", "ffffff92")
    nope = wire.set_data("/nope", b"")
    assert call(3, "setData", nope) == packed("00000003", "0000000000000004", "ffffff9b")
    read = wire.path_watch("/nope")
    assert call(4, "getData", read) == packed("00000004", "0000000000000004", "ffffff9b")


def test_the_root_of_a_fresh_server(call: Callable[..., str]) -> None:
    stat = packed(
        "0000000000000000",  # czxid
        "0000000000000000",  # mzxid
        "0000000000000000",  # ctime
        "0000000000000000",  # mtime
        "00000000",  # version
        "ffffffff",  # cversion
        "00000000",  # aversion
        "0000000000000000",  # ephemeralOwner
        "00000000",  # dataLength
        "00000001",  # numChildren
        "0000000000000000",  # pzxid
    )
    header = packed("00000001", "0000000000000001", "00000000")
    assert call(1, "exists", wire.path_watch("/")) == header + stat


def test_an_event_comes_before_the_reply_to_what_caused_it(
    server: Server, client: RawChannel, call: Callable[..., str]
) -> None:
    call(1, "create", CREATE_A)
    call(2, "exists", wire.path_watch("/a", 1))
    client.send(wire.request(3, OPS["setData"], wire.set_data("/a", b"new")))
    (event,), _ = client.read_frame()
    assert event.hex() == packed(
        "ffffffff", EVENT_ZXID[server.version], "00000000", "00000003", "00000003", "00000002 2f61"
    )
    (reply,), _ = client.read_frame()
    assert reply[:16].hex() == packed("00000003", "0000000000000003", "00000000")


def test_a_failed_multi_tells_of_each_operation(call: Callable[..., str]) -> None:
    body = wire.multi(
        [
            (OPS["create"], CREATE_A),
            (OPS["check"], wire.path_version("/", 7)),
            (OPS["create"], wire.create("/b")),
        ]
    )
    assert call(1, "multi", body) == packed(
        "00000001 0000000000000002 00000000",
        "ffffffff 00 00000000 00000000",
        "ffffffff 00 ffffff99 ffffff99",
        "ffffffff 00 fffffffe fffffffe",
        "ffffffff 01 ffffffff",
    )
    assert call(2, "exists", wire.path_watch("/a")) == packed("00000002 0000000000000002 ffffff9b")


def test_an_unknown_request_is_told_so_and_the_connection_ends(client: RawChannel) -> None:
    client.send(wire.request(5, 999))
    (reply,), _ = client.read_frame()
    assert reply.hex() == packed("00000005", "ffffffffffffffff", "fffffffa")
    assert client.read(1) == ([], True)


@pytest.mark.parametrize("length", [-1, -2147483648, 1_048_576, 2_147_483_647])
def test_a_length_that_cannot_be_ends_the_connection(client: RawChannel, length: int) -> None:
    client.send(wire.i32(length))
    assert client.read(1) == ([], True)


def test_the_longest_frame_is_taken(call: Callable[..., str]) -> None:
    room = 1_048_575 - 8 - len(CREATE_A)
    assert call(1, "create", wire.create("/a", bytes(room))) == packed(
        "00000001", "0000000000000002", "00000000", "00000002 2f61"
    )
