"""Outages of a `FakeZooKeeper`, as an unmodified `KazooClient` meets them over TCP: what is between
clients and servers, and what happens to servers. How faults begin and end is in `test_faults`.
"""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss

from ..differential import wire
from ..differential.wire import SocketChannel
from .faulty import PATIENCE, States, session_of

if TYPE_CHECKING:
    from .faulty import Faulty

# -- between a client and a server


@pytest.mark.parametrize("direction", ["both", "to_server", "to_client"])
def test_a_partition_is_silence_that_heals(faulty: Faulty, direction: Any) -> None:
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


def test_what_waited_in_a_partition_arrives_in_order(faulty: Faulty) -> None:
    client = faulty.client(timeout=30.0)
    client.ensure_path("/a")
    with faulty.faults.partition(client) as outage:
        results = [client.set_async("/a", b"%d" % number) for number in range(100)]
        assert outage.wait(PATIENCE)
    assert [result.get(timeout=PATIENCE).version for result in results] == list(range(1, 101))


def test_a_session_expires_in_a_partition_and_its_client_learns_it_behind(faulty: Faulty) -> None:
    cut, other = faulty.client(timeout=1.0), faulty.client()
    session = session_of(cut)
    cut.create("/e", ephemeral=True)
    states = States(cut)
    gone = threading.Event()
    with faulty.faults.partition(cut):
        if other.exists("/e", watch=lambda _event: gone.set()):
            assert gone.wait(PATIENCE)
        states.expect("SUSPENDED")
        assert session not in {each.id for each in faulty.server.sessions}
    states.expect("LOST", "CONNECTED")
    assert session_of(cut) != session


def test_a_partition_from_one_server_moves_the_session_to_another(ensemble: Faulty) -> None:
    client = ensemble.client(timeout=1.0)
    (before,) = ensemble.server.connections
    session = session_of(client)
    states = States(client)
    with ensemble.faults.partition(client, before.server_id):
        states.expect("SUSPENDED", "CONNECTED")
        assert session_of(client) == session
        client.create("/a")
        places = {each.server_id for each in ensemble.server.connections}
        assert places - {before.server_id}
    assert client.retry(client.get, "/a")


def test_nobody_connects_through_a_partition(faulty: Faulty) -> None:
    with faulty.faults.partition() as outage:
        client = faulty.client(start=False)
        started = client.start_async()
        assert outage.wait(PATIENCE)
        assert faulty.server.sessions == ()
        assert not started.is_set()
    assert started.wait(PATIENCE)


def test_other_clients_notice_nothing(faulty: Faulty) -> None:
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


def test_a_slow_link(faulty: Faulty) -> None:
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


def test_the_newest_of_two_latencies_counts(faulty: Faulty) -> None:
    client = faulty.client()
    with faulty.faults.slow(latency=(3600, 3600)) as outer:
        with faulty.faults.slow(client, (0, 0)):
            assert client.exists("/") is not None
        assert not outer.struck


def test_held_events_hold_what_is_behind_them(faulty: Faulty) -> None:
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


def test_no_client_sees_the_new_data_before_a_held_event(faulty: Faulty) -> None:
    """By the bytes of the connection: kazoo's own threads would hide the order."""
    writer = faulty.client()
    writer.ensure_path("/w")
    channel = raw(faulty)
    channel.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/w", watch=True)))
    assert xids(channel, 1) == [1]
    with faulty.faults.hold_events(raw_session(faulty)) as outage:
        channel.send(wire.request(2, wire.OPS["getData"], wire.path_watch("/w")))
        assert xids(channel, 1) == [2]
        writer.set("/w", b"new")
        assert outage.wait(PATIENCE)
        for xid in (3, 4):
            channel.send(wire.request(xid, wire.OPS["getData"], wire.path_watch("/w")))
    assert xids(channel, 3) == [-1, 3, 4]
    channel.abandon()


def raw(faulty: Faulty) -> SocketChannel:
    host, _, port = faulty.server.hosts.rpartition(":")
    channel = SocketChannel((host, int(port)), patience=PATIENCE)
    channel.send(wire.frame(wire.connect(timeout=30_000)))
    assert len(channel.read_frame()[0]) == 1
    return channel


def raw_session(faulty: Faulty) -> int:
    return faulty.server.sessions[-1].id


def xids(channel: SocketChannel, count: int) -> list[int]:
    frames = [frame for _ in range(count) for frame in channel.read_frame()[0]]
    return [struct.unpack_from(">i", frame)[0] for frame in frames]


def test_dropping_a_connection_by_hand(faulty: Faulty) -> None:
    client = faulty.client()
    session = session_of(client)
    states = States(client)
    assert faulty.faults.drop(client) == 1
    faulty.faults.drop(client)  # kazoo tells no session just now, and is known all the same
    states.expect("SUSPENDED", "CONNECTED")
    client.retry(client.get, "/")
    assert session_of(client) == session
    assert faulty.faults.drop(12345) == 0


def test_expiring_a_session(faulty: Faulty) -> None:
    client, other = faulty.client(), faulty.client()
    session = session_of(client)
    client.create("/e", ephemeral=True)
    states = States(client)
    assert faulty.faults.expire(client)
    assert other.exists("/e") is None
    states.expect("SUSPENDED", "LOST", "CONNECTED")
    assert not faulty.faults.expire(session)
    assert session_of(client) != session


# -- servers


def test_a_stopped_server_refuses_and_remembers(faulty: Faulty) -> None:
    client = faulty.client()
    session = session_of(client)
    client.create("/a")
    states = States(client)
    with faulty.faults.stop_server():
        states.expect("SUSPENDED")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", faulty.server.members[0].port), PATIENCE)
    states.expect("CONNECTED")
    assert client.exists("/a")
    assert session_of(client) == session


def test_without_a_quorum_nobody_writes(ensemble: Faulty) -> None:
    client = ensemble.client()
    client.create("/a", b"1")
    states = States(client)
    with ensemble.faults.lose_quorum() as outage:
        states.expect("SUSPENDED")
        assert [member.running for member in ensemble.server.members] == [True, False, False, True]
        assert {member.mode for member in ensemble.server.members} == {None}
        with pytest.raises(RuntimeError, match="no server leads"):
            ensemble.faults.isolate()
        write = client.set_async("/a", b"2")
        assert ensemble.server.dump() == {"/a": b"1"}
        assert not write.ready()
    assert outage.over
    states.expect("CONNECTED")
    assert write.get(timeout=PATIENCE).version == 1


@pytest.mark.parametrize("way", ["both", "in"])
def test_an_isolated_leader_is_replaced_and_its_clients_move(ensemble: Faulty, way: Any) -> None:
    leader = ensemble.member("leader")
    hosts = [member.hosts for member in ensemble.server.members if member is not leader]
    client = ensemble.client(",".join([leader.hosts, *hosts]))
    states = States(client)
    assert ensemble.server.connections[0].server_id == leader.id
    with ensemble.faults.isolate(way=way):
        states.expect("SUSPENDED", "CONNECTED")
        assert ensemble.member("leader") is not leader
        assert ensemble.server.connections[0].server_id != leader.id
        client.create("/a")
    reader = ensemble.client(leader.hosts)
    reader.sync("/")
    assert reader.exists("/a")
    assert leader.mode == "follower"


def test_servers_that_do_not_hear_each_other(ensemble: Faulty) -> None:
    leader, follower = ensemble.member("leader"), ensemble.member("follower")
    client, writer = ensemble.client(follower.hosts), ensemble.client(leader.hosts)
    states = States(client)
    with ensemble.faults.partition_servers(leader.id, follower.id):
        writer.create("/a")
        states.expect("SUSPENDED")
        assert follower.mode is None
        assert ensemble.member("leader") is leader
        writer.create("/b")
    states.expect("CONNECTED")
    client.sync("/")
    assert client.exists("/b")


@pytest.mark.parametrize("way", ["both", "in", "out"])
def test_a_link_that_is_cut_one_way(ensemble: Faulty, way: Any) -> None:
    faults = ensemble.faults
    leader, follower = ensemble.member("leader"), ensemble.member("follower")
    writer, client = ensemble.client(leader.hosts), ensemble.client(follower.hosts)

    def cut() -> None:
        faults.partition_servers(leader.id, follower.id, way=way)

    # Cut when the request is there already: after a tick the servers know.
    faults.upon(cut, operation="create")
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert ("/a" in ensemble.server.dump()) == (way == "out"), "it came to the leader"
    faults.heal()
    client.retry(client.sync, "/")
    faults.upon(cut, operation="create")
    writer.create("/b")
    with ensemble.server.at_work():
        told = "/b" in ensemble.server.replicas[follower.id - 1].tree.nodes
    assert told == (way == "in"), "it came to the follower"


def test_a_frozen_server_is_stale_and_a_sync_waits_for_it(ensemble: Faulty) -> None:
    writer = ensemble.client(ensemble.member("leader").hosts)
    frozen = ensemble.member("follower")
    reader = ensemble.client(frozen.hosts)
    writer.create("/a", b"1")
    reader.sync("/")
    with ensemble.faults.freeze(frozen.id):
        writer.set("/a", b"2")
        assert reader.get("/a")[0] == b"1"
        sync = reader.sync_async("/")
        assert not sync.ready()
    assert sync.get(timeout=PATIENCE) == "/"
    assert reader.get("/a")[0] == b"2"


def test_a_server_that_lags_reads_late(ensemble: Faulty) -> None:
    writer = ensemble.client(ensemble.member("leader").hosts)
    late = ensemble.member("observer")
    reader = ensemble.client(late.hosts)
    with ensemble.faults.lag(late.id, (3600, 3600)):
        writer.create("/a")
        assert reader.exists("/a") is None
        assert late.lag == 3600
    assert late.lag == 0
    with ensemble.faults.stop_server(late.id):
        pass
    assert reader.retry(reader.exists, "/a"), "who joins a leader anew catches up"


def test_a_slow_link_between_servers(ensemble: Faulty) -> None:
    leader, follower = ensemble.member("leader"), ensemble.member("follower")
    client = ensemble.client(follower.hosts)
    with ensemble.faults.slow_servers(leader.id, follower.id, (0.1, 0.1)):
        before = time.monotonic()
        client.create("/a")
        assert time.monotonic() - before >= 0.2, "there and back"
