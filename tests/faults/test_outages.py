"""Outages between clients and servers, as an unmodified `KazooClient` meets them over TCP: on the
fake, and behind a proxy on the fake and on a live server.

Nothing here waits for a time to pass: a rule or an outage is waited for until it has struck, a
client until it tells its state.
"""

from __future__ import annotations

import queue
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss

from ..support import wire
from ..support.faulty import PATIENCE, States, session_of

if TYPE_CHECKING:
    from ..support.faulty import Clients
    from ..support.wire import SocketChannel


@pytest.mark.parametrize("direction", ["both", "to_server", "to_client"])
def test_a_partition_is_silence_that_heals(faulty: Clients, direction: Any) -> None:
    cut, other = faulty.client(timeout=30.0), faulty.client()
    cut.ensure_path("/a")
    with faulty.faults.partition(cut, direction=direction) as outage:
        write = cut.set_async("/a", b"1")
        assert outage.wait(PATIENCE)
        assert not write.ready()
        # The write arrives unless its own direction is cut; what nobody sees is the reply.
        assert other.get("/a")[0] == (b"1" if direction == "to_client" else b"")
        other.set("/a", b"2")
        assert not write.ready()
    assert write.get(timeout=PATIENCE)
    assert other.get("/a")[1].version == 2


def test_what_waited_in_a_partition_arrives_in_order(faulty: Clients) -> None:
    client = faulty.client(timeout=30.0)
    client.ensure_path("/a")
    with faulty.faults.partition(client) as outage:
        results = [client.set_async("/a", b"%d" % number) for number in range(100)]
        assert outage.wait(PATIENCE)
    assert [result.get(timeout=PATIENCE).version for result in results] == list(range(1, 101))


def test_a_session_expires_in_a_partition_and_its_client_learns_it_behind(faulty: Clients) -> None:
    other, cut = faulty.client(timeout=30.0), faulty.client(timeout=5.0)
    session = session_of(cut)
    cut.create("/e", ephemeral=True)
    states = States(cut)
    gone = threading.Event()
    with faulty.faults.partition(cut):
        if other.exists("/e", watch=lambda _event: gone.set()):
            assert gone.wait(PATIENCE)
        states.expect("SUSPENDED")
        assert session not in faulty.session_ids()
    states.expect("LOST", "CONNECTED")
    assert session_of(cut) != session


def test_nobody_connects_through_a_partition(faulty: Clients) -> None:
    before = faulty.session_ids()
    with faulty.faults.partition() as outage:
        client = faulty.client(start=False)
        started = client.start_async()
        assert outage.wait(PATIENCE)
        assert faulty.session_ids() == before
        assert not started.is_set()
    assert started.wait(PATIENCE)


def test_other_clients_notice_nothing(faulty: Clients) -> None:
    cut, other = faulty.client(timeout=30.0), faulty.client()
    other.ensure_path("/a")
    with faulty.faults.partition(cut), faulty.faults.slow(cut, (3600, 3600)) as slow:
        read = cut.get_async("/a")
        assert slow.wait(PATIENCE)
        for _ in range(100):
            other.set("/a", b"")
        assert not read.ready()
    faulty.faults.drop(cut)  # the read would be under way for an hour yet
    with pytest.raises(ConnectionLoss):
        read.get(timeout=PATIENCE)


def test_a_slow_link(faulty: Clients) -> None:
    client = faulty.client()
    client.ensure_path("/a")
    with faulty.faults.slow(client, (0.1, 0.2)) as slow:
        before = time.monotonic()
        results = [client.set_async("/a", b"%d" % number) for number in range(20)]
        versions = [result.get(timeout=PATIENCE).version for result in results]
        assert time.monotonic() - before >= 0.2, "there and back"
    assert versions == list(range(1, 21))
    assert slow.struck
    assert slow.over


def test_the_newest_of_two_latencies_counts(faulty: Clients) -> None:
    client = faulty.client()
    with faulty.faults.slow(latency=(3600, 3600)) as outer:
        with faulty.faults.slow(client, (0, 0)):
            assert client.exists("/") is not None
        assert not outer.struck


def test_held_events_hold_what_is_behind_them(faulty: Clients) -> None:
    client, writer = faulty.client(timeout=30.0), faulty.client()
    client.ensure_path("/w")
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.get("/w", watch=lambda event: seen.put(event.path))
    with faulty.faults.hold_events(client) as outage:
        assert client.get("/w")[0] == b""
        assert not outage.struck, "nothing to hold yet"
        writer.set("/w", b"new")
        read = client.get_async("/w")
        read.rawlink(lambda _result: seen.put("reply"))
        assert outage.wait(PATIENCE)
        writer.get("/w")
        assert not read.ready()
        assert seen.empty()
    assert read.get(timeout=PATIENCE)[0] == b"new"
    # kazoo calls watches and completions in two threads: that both came is all there is to see.
    assert {seen.get(timeout=PATIENCE) for _ in range(2)} == {"/w", "reply"}


def test_no_client_sees_the_new_data_before_a_held_event(faulty: Clients) -> None:
    """By the bytes of the connection: kazoo's own threads would hide the order."""
    writer = faulty.client()
    writer.ensure_path("/w")
    channel, session = raw(faulty)
    channel.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/w", watch=True)))
    assert xids(channel, 1) == [1]
    with faulty.faults.hold_events(session) as outage:
        channel.send(wire.request(2, wire.OPS["getData"], wire.path_watch("/w")))
        assert xids(channel, 1) == [2]
        writer.set("/w", b"new")
        assert outage.wait(PATIENCE)
        for xid in (3, 4):
            channel.send(wire.request(xid, wire.OPS["getData"], wire.path_watch("/w")))
    assert xids(channel, 3) == [-1, 3, 4]
    channel.abandon()


def raw(faulty: Clients) -> tuple[SocketChannel, int]:
    """A connection and its session's id."""
    channel = faulty.raw()
    channel.send(wire.frame(wire.connect(timeout=30_000)))
    (response,), _ = channel.read_frame()
    return channel, struct.unpack_from(">q", response, 8)[0]


def xids(channel: SocketChannel, count: int) -> list[int]:
    frames = [frame for _ in range(count) for frame in channel.read_frame()[0]]
    return [struct.unpack_from(">i", frame)[0] for frame in frames]


def test_dropping_a_connection_by_hand(faulty: Clients) -> None:
    client = faulty.client()
    session = session_of(client)
    states = States(client)
    assert faulty.faults.drop(client) == 1
    faulty.faults.drop(client)  # kazoo tells no session just now, and is known all the same
    states.expect("SUSPENDED", "CONNECTED")
    client.retry(client.get, "/")
    assert session_of(client) == session
    assert faulty.faults.drop(12345) == 0


def test_dropping_every_connection(faulty: Clients) -> None:
    clients = [faulty.client() for _ in range(3)]
    states = [States(client) for client in clients]
    assert faulty.faults.drop() == 3
    for each in states:
        each.expect("SUSPENDED", "CONNECTED")


def test_expiring_a_session(faulty: Clients) -> None:
    client, other = faulty.client(), faulty.client()
    session = session_of(client)
    client.create("/e", ephemeral=True)
    states = States(client)
    assert faulty.faults.expire(client)
    assert other.exists("/e") is None
    states.expect("SUSPENDED", "LOST", "CONNECTED")
    assert not faulty.faults.expire(session)
    assert session_of(client) != session


def test_a_client_that_gets_no_answers_to_pings_takes_its_connection_for_dead(
    faulty: Clients,
) -> None:
    client = faulty.client(timeout=6.0)
    session = session_of(client)
    states = States(client)
    with faulty.faults.lose_pings(client) as outage:
        assert outage.wait(PATIENCE)
        states.expect("SUSPENDED", "CONNECTED")
    assert session_of(client) == session
