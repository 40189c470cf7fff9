"""One connection's bytes: framing, the handshake, the order of answers, the end."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._database import hashset

from ..support import wire
from ..support.core import START, Client, World
from ..support.replies import AUTH_FAILED, MARSHALLING, OK, UNIMPLEMENTED, Event, Reply

# -- framing


def conversation(client: Client, count: int) -> bytes:
    """A handshake and requests of every kind, as one run of bytes."""
    requests = [
        wire.frame(wire.connect(read_only=0)),
        client.request("create", wire.create("/a", b"data", flags=2)),
        client.request("getData", wire.path_watch("/a0000000000", 1)),
        client.request("setData", wire.set_data("/a0000000000", b"x" * 200)),
        client.request("multi", wire.multi([(1, wire.create("/b")), (2, wire.path_version("/b"))])),
        client.request("auth", wire.auth("digest", b"a:b")),
        client.request("exists", b"\0"),
        client.request("ping", xid=wire.PING_XID),
        client.request("getChildren", wire.path_watch("/")),
        client.request("closeSession"),
    ]
    return b"".join(requests[:count])


WHOLE = conversation(World().accept(), 10)


@given(st.lists(st.integers(0, len(WHOLE))))
def test_how_bytes_are_cut_does_not_matter(cuts: list[int]) -> None:
    at_once, piecemeal = World().accept(), World().accept()
    at_once.send(WHOLE)
    edges = [0, *sorted(cuts), len(WHOLE)]
    for start, end in itertools.pairwise(edges):
        piecemeal.send(WHOLE[start:end])
    assert piecemeal.inbox == at_once.inbox
    assert len(at_once.inbox) == 11
    assert piecemeal.closed


def test_byte_by_byte() -> None:
    at_once, piecemeal = World().accept(), World().accept()
    at_once.send(WHOLE)
    for byte in WHOLE:
        piecemeal.send(bytes([byte]))
    assert piecemeal.inbox == at_once.inbox


def test_output_is_taken_once_and_asked_for_once(world: World) -> None:
    client = world.client()
    asked: list[object] = []
    client.connection._on_output = asked.append
    frame = client.request("ping", xid=wire.PING_XID)
    client.connection.receive(3 * frame)
    assert len(asked) == 1, "one call for all there is"
    assert len(client.connection.take_output()) == 3 * 20
    assert client.connection.take_output() == b""


@pytest.mark.parametrize("length", [-1, -(2**31), 1_048_576, 2**31 - 1])
@pytest.mark.parametrize("shaken", [False, True])
def test_lengths_that_cannot_be(world: World, length: int, shaken: bool) -> None:
    client, other = world.accept(), world.client()
    if shaken:
        client.connect()
    client.send(wire.i32(length))
    assert (client.inbox, client.closed) == ([], True)
    assert other.ping().error == OK


def test_the_longest_frame(world: World) -> None:
    client = world.client()
    room = 1_048_575 - 8 - len(wire.create("/a"))
    assert client.create("/a", b"x" * room) == "/a"
    client.send(client.request("create", wire.create("/b", b"x" * (room + 1))))
    assert (client.inbox, client.closed) == ([], True)
    assert world.client().stat("/b") is None


def test_replies_may_be_longer_than_requests() -> None:
    client = World({"jute.maxbuffer": 1000}).client()
    for number in range(30):
        client.create(f"/{number:0100}")
    assert len(client.children("/")) == 31


@pytest.mark.parametrize("length", range(8))
def test_frames_too_short_for_a_header(world: World, length: int) -> None:
    client = world.client()
    client.send(wire.frame(bytes(length)))
    assert (client.inbox, client.closed) == ([], True)


@given(st.integers(0, 43))
def test_connect_requests_cut_short(length: int) -> None:
    world = World()
    client = world.accept()
    client.send(wire.frame(wire.connect(read_only=None)[:length]))
    assert (client.inbox, client.closed, world.zxid) == ([], True, 0)


def test_nothing_is_heard_after_the_end(world: World) -> None:
    client = world.client()
    client.connection.lost()
    assert client.ask("create", wire.create("/a")) == []
    client.connection.lost()
    assert world.client().stat("/a") is None


# -- the handshake


def response(payload: bytes) -> tuple[int, int, int, bytes]:
    protocol, timeout, session, length = struct.unpack_from(">iiqi", payload)
    assert length == 16
    return protocol, timeout, session, payload[20:36]


@pytest.mark.parametrize(("flag", "tail"), [(None, b""), (0, b"\0"), (1, b"\0"), (9, b"\0")])
def test_the_read_only_byte_comes_back_if_it_was_sent(
    world: World, flag: int | None, tail: bytes
) -> None:
    payload = world.accept().shake(read_only=flag)
    assert len(payload) == 36 + len(tail)
    assert payload[36:] == tail


@pytest.mark.parametrize("password", [None, b"", b"nonsense", bytes(100)])
def test_a_new_session_needs_no_password(world: World, password: bytes | None) -> None:
    payload = world.accept().shake(protocol=77, password=password)
    protocol, _, session, given_password = response(payload)
    assert protocol == 0
    assert given_password == wire.session_password(session)


def test_bytes_behind_the_connect_request_are_ignored(world: World) -> None:
    client = world.accept()
    client.send(wire.frame(wire.connect() + b"more and more"))
    assert len(client.inbox) == 1


@pytest.mark.parametrize("seen", [-1, 0, 1, -(2**63)])
def test_a_client_that_has_not_seen_more(world: World, seen: int) -> None:
    world.client()
    assert world.accept().shake(last_zxid=seen)


@pytest.mark.parametrize("seen", [2, 2**63 - 1])
def test_a_client_that_has_seen_more(world: World, seen: int) -> None:
    client = world.client()
    before = world.zxid
    late = world.accept()
    assert late.shake(last_zxid=seen) == b""
    assert late.closed
    assert world.zxid == before
    kept = world.accept()
    kept.shake(last_zxid=seen, session=client.session, password=client.password)
    assert not client.closed, "it was refused before the session was looked at"


def test_renewing_takes_the_session_over(world: World) -> None:
    first = world.client()
    second = world.client(session=first.session, password=first.password, timeout=5000)
    assert first.closed
    assert (second.session, second.password, second.timeout) == (
        first.session,
        first.password,
        5000,
    )


@pytest.mark.parametrize("password", [None, b"", bytes(16), b"x" * 17])
@pytest.mark.parametrize("flag", [None, 1])
def test_a_wrong_password(world: World, password: bytes | None, flag: int | None) -> None:
    first = world.client()
    second = world.accept()
    payload = second.shake(session=first.session, password=password, read_only=flag)
    assert response(payload) == (0, 0, 0, bytes(16))
    assert len(payload) == (36 if flag is None else 37)
    assert second.closed
    assert first.closed, "even so the session's connection was taken from it"
    again = world.client(session=first.session, password=first.password)
    assert again.session == first.session


def test_sessions_nobody_has(world: World) -> None:
    client = world.accept()
    assert response(client.shake(session=123, password=bytes(16))) == (0, 0, 0, bytes(16))
    assert client.closed


def test_a_second_connect_request_is_an_operation_that_does_not_exist(world: World) -> None:
    client = world.client()
    client.send(wire.frame(wire.connect()))
    (reply,) = client.take()
    assert isinstance(reply, Reply)
    assert (reply.xid, reply.zxid, reply.error) == (0, -1, UNIMPLEMENTED)
    assert client.closed


def test_a_client_that_never_shakes_hands(world: World) -> None:
    silent, half = world.accept(), world.accept()
    half.send(wire.frame(wire.connect())[:20])
    world.advance(9_999)
    assert not silent.closed
    assert not half.closed
    world.advance(10_001)
    assert silent.inbox == half.inbox == []
    assert [silent.connection.closing, half.connection.closing] == [True, True]


def test_too_many_connections_from_one_address() -> None:
    world = World({"maxClientCnxns": 2})
    clients = [world.client() for _ in range(2)]
    refused = world.accept()
    assert refused.closed
    assert refused.shake() == b""
    elsewhere = world.accept("10.0.0.1")
    assert elsewhere.shake()
    clients[0].connection.lost()
    assert world.client().ping().error == OK


def test_a_server_that_does_not_run(world: World) -> None:
    client = world.client()
    world.replica.stop()
    assert client.closed
    assert world.accept().closed
    world.replica.start()
    assert world.client(session=client.session, password=client.password).ping().error == OK


# -- requests


@pytest.mark.parametrize("op", [0, 10, 13, -1, 999, 108, 2**31 - 1, -(2**31)])
def test_operations_that_do_not_exist(world: World, op: int) -> None:
    client = world.client()
    frame = client.request(op, wire.path_version("/"))
    client.send(frame + client.request("create", wire.create("/after")))
    (reply,) = client.take()
    assert isinstance(reply, Reply)
    assert (reply.zxid, reply.error, reply.body) == (-1, UNIMPLEMENTED, b"")
    assert client.closed


def test_before_3_9_check_was_an_operation_that_is_answered_only_if_it_fails() -> None:
    client = World(version="3.8").client()
    assert client.ask("check", wire.path_version("/", 0)) == []
    assert client.call("check", wire.path_version("/", 5)).error == -103
    assert client.ping().error == OK


@pytest.mark.parametrize(
    "op",
    [
        *("exists", "getData", "getACL", "getChildren", "getChildren2", "sync", "multiRead"),
        *("getEphemerals", "getAllChildrenNumber", "addWatch", "checkWatches", "removeWatches"),
        *("setWatches", "setWatches2"),
    ],
)
def test_reads_that_cannot_be_read(world: World, op: str) -> None:
    client = world.client()
    for body in (b"", b"\0", wire.i32(-5), wire.i32(2**31 - 1)):
        before = world.zxid
        reply = client.call(op, body)
        assert (reply.error, reply.body, reply.zxid) == (MARSHALLING, b"", before)


@pytest.mark.parametrize("op", ["exists", "getData", "getChildren", "getChildren2", "getACL"])
def test_null_paths(world: World, op: str) -> None:
    body = wire.path_watch(None) if op != "getACL" else wire.string(None)
    assert world.client().call(op, body).error == MARSHALLING


def test_sync_echoes_whatever_it_is_given(world: World) -> None:
    client = world.client()
    for path in ("/", "", "no path", None):
        assert client.call("sync", wire.string(path)).body == wire.string(path)


def test_xids_are_echoed_but_for_pings(world: World) -> None:
    client = world.client()
    for xid in (0, 7, -1 + 2**31, -8, -(2**31)):
        assert client.call("exists", wire.path_watch("/"), xid=xid).xid == xid
        assert client.call("ping", xid=xid).xid == -2


def test_bytes_behind_a_record_are_ignored(world: World) -> None:
    client = world.client()
    assert client.call("exists", wire.path_watch("/") + b"more").error == OK
    assert client.call("create", wire.create("/a") + b"more").error == OK
    assert client.call("ping", b"anything").error == OK


def test_pipelined_requests_are_answered_in_order_each_seeing_the_last(world: World) -> None:
    client = world.client()
    frames = [client.request("create", wire.create("/a"))]
    for number in range(50):
        frames.append(client.request("setData", wire.set_data("/a", b"%d" % number)))
        frames.append(client.request("getData", wire.path_watch("/a", number % 2)))
    client.send(b"".join(frames))
    found = client.take()
    replies = [item for item in found if isinstance(item, Reply)]
    assert [reply.xid for reply in replies] == list(range(1, len(frames) + 1))
    assert [reply.data for reply in replies[2::2]] == [b"%d" % number for number in range(50)]
    zxids = [item.zxid for item in found]
    assert zxids == sorted(zxids)
    assert sum(isinstance(item, Event) for item in found) == 24


def test_requests_right_behind_the_connect_request(world: World) -> None:
    client = world.accept()
    request = client.request("create", wire.create("/early"))
    client.send(wire.frame(wire.connect()) + request)
    assert len(client.inbox) == 2
    assert world.client().stat("/early") is not None


def test_zxids_of_replies(world: World) -> None:
    client = world.client()
    assert (client.ping().xid, client.ping().zxid) == (-2, 1)
    assert client.call("create", wire.create("/a")).zxid == 2
    assert client.call("create", wire.create("/a")).zxid == 3
    assert client.call("getData", wire.path_watch("/nope")).zxid == 3
    assert client.call("auth", wire.auth("digest", b"a:b")).zxid == 0


def test_authentication_counts_for_what_comes_after_it(world: World) -> None:
    client = world.client()
    mine = [(31, "auth", "")]
    frames = [
        client.request("create", wire.create("/before", acl=mine)),
        client.request("auth", wire.auth("digest", b"a:b")),
        client.request("create", wire.create("/after", acl=mine)),
    ]
    client.send(b"".join(frames))
    errors = {item.xid: item.error for item in client.take() if isinstance(item, Reply)}
    assert errors == {1: -114, 2: OK, 3: OK}


def test_a_failed_authentication_stops_the_reading(world: World) -> None:
    client = world.client()
    frames = [
        client.request("create", wire.create("/before")),
        client.request("auth", wire.auth("nonsense", b"")),
        client.request("create", wire.create("/after")),
    ]
    client.send(b"".join(frames))
    found = client.take()
    assert [item.error for item in found if isinstance(item, Reply)] == [OK, AUTH_FAILED]
    other = world.client()
    assert other.stat("/before") is not None
    assert other.stat("/after") is None


def test_sasl_on_a_server_without_it(world: World) -> None:
    client = world.client()
    reply = client.call("sasl", wire.buffer(b"token"))
    assert (reply.zxid, reply.error, reply.body) == (0, OK, wire.i32(-1))


def test_golden_vectors(world: World) -> None:
    """The bytes themselves, once, for what every client relies on."""
    client = world.client()
    assert client.call("create", wire.create("/a")).body == bytes.fromhex("00000002 2f61")
    assert client.stat("/") == client.stat("")
    client.get("/a", watch=1)
    client.send(client.request("setData", wire.set_data("/a", b"")))
    event = client.inbox[0].hex()
    assert event == "ffffffff000000000000000300000000" + "0000000300000003000000022f61"
    client.inbox.clear()
    operations = [
        (1, wire.create("/x")),
        (13, wire.path_version("/a", 9)),
        (1, wire.create("/y")),
    ]
    body = client.call("multi", wire.multi(operations)).body.hex()
    assert body == (
        "ffffffff000000000000000000"
        "ffffffff00ffffff99ffffff99"
        "ffffffff00fffffffefffffffe"
        "ffffffff01ffffffff"
    )
    assert client.ask(999)[0] == Reply(7, -1, UNIMPLEMENTED, b"")


def test_times_are_the_servers(world: World) -> None:
    client = world.client()
    world.advance(5)
    client.create("/a")
    world.advance(5)
    stat = client.set("/a", b"")
    assert (stat.ctime, stat.mtime) == (START + 5, START + 10)


# -- any bytes

FRAMES = st.one_of(
    st.binary(max_size=60).map(wire.frame),
    st.builds(wire.request, st.integers(-9, 9), st.sampled_from([*wire.OPS.values()]), st.binary()),
    st.binary(max_size=30),
    st.just(wire.frame(wire.connect())),
)


@given(st.lists(FRAMES, max_size=12), st.booleans(), st.sampled_from(["3.8", "3.9"]))
def test_any_bytes_are_answered_or_end_the_connection(
    frames: list[bytes], shaken: bool, version: str
) -> None:
    world = World(version=version)
    other, client = world.client(), world.accept()
    if shaken:
        client.connect()
    client.send(b"".join(frames))
    if shaken:
        for payload in client.inbox:
            assert len(payload) >= 16
    zxid = world.zxid
    world.advance(1)
    assert other.create("/innocent") == "/innocent"
    assert world.zxid == zxid + 1


@given(st.data())
def test_damaged_conversations(data: st.DataObject) -> None:
    """Bytes of a good conversation, some of them changed, dropped or doubled."""
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        change = data.draw(st.sampled_from(["set", "drop", "double"]))
        if change == "set":
            damaged[at] = data.draw(st.integers(0, 255))
        elif change == "drop":
            del damaged[at]
        else:
            damaged[at:at] = damaged[at : at + data.draw(st.integers(1, 40))]
    world = World()
    other, client = world.client(), world.accept()
    client.send(bytes(damaged))
    client.connection.lost()
    assert other.ping().error == OK
    assert len(world.replica.clients) == 1


# -- identities


def test_an_auth_costs_the_same_however_many_came_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.client()
    hashed = []
    hash_ = hashset.string_hash

    def counting(text: str) -> int:
        hashed.append(text)
        return hash_(text)

    monkeypatch.setattr(hashset, "string_hash", counting)
    for number in range(100):
        for _ in range(2):  # one that is known already adds nothing
            assert client.call("auth", wire.auth("digest", b"user:%d" % number)).error == OK
    assert len(hashed) == 100 * 2, "two fields each"
    assert len(client.connection.ids) == 101
