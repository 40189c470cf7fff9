"""The faults of a `FakeZooKeeper`, as an unmodified `KazooClient` meets them over TCP.

Each does what its name says, to whom it names, and heals. Nothing here waits for a time to pass:
a rule or an outage is waited for until it has struck, a client until it tells its state.
"""

from __future__ import annotations

import inspect
import logging
import queue
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, KazooException, SessionExpiredError

from zkfake import FakeZooKeeper
from zkfake import simulation as virtual
from zkfake.faults.realtime import Faults

from ..differential import wire
from ..differential.wire import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0
"""Seconds; nobody waits as long unless something is broken."""


@pytest.fixture(autouse=True)
def _quiet_kazoo() -> Iterator[None]:
    """kazoo warns about every connection that a fault breaks."""
    logger = logging.getLogger("kazoo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


class World:
    """A fake, and clients that end with the test."""

    def __init__(self, **arguments: Any) -> None:
        self.server = FakeZooKeeper(settings={"tickTime": 200}, **arguments).start()
        self.faults = self.server.faults
        self._clients: list[KazooClient] = []

    def client(self, hosts: str | None = None, *, start: bool = True, **more: Any) -> KazooClient:
        arguments: dict[str, Any] = {"timeout": 10.0, "randomize_hosts": False, **more}
        client = KazooClient(hosts or self.server.hosts, **arguments)
        self._clients.append(client)
        if start:
            client.start(PATIENCE)
        return client

    def member(self, mode: str) -> Any:
        return next(member for member in self.server.members if member.mode == mode)

    def close(self) -> None:
        self.faults.heal()
        for client in self._clients:
            client.stop()
            client.close()
        self.server.stop()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def ensemble() -> Iterator[World]:
    world = World(servers=3, observers=1)
    yield world
    world.close()


class States:
    """What a client tells of its state, in order."""

    def __init__(self, client: KazooClient) -> None:
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        client.add_listener(self._told.put)

    def expect(self, *states: str) -> None:
        assert [self._told.get(timeout=PATIENCE) for _ in states] == list(states)

    def wait_for(self, state: str) -> None:
        while self._told.get(timeout=PATIENCE) != state:
            pass


def session_of(client: KazooClient) -> int:
    return int(client.client_id[0])


# -- rules


def test_a_request_dropped_on_its_way_is_not_carried_out(world: World) -> None:
    client = world.client()
    session = session_of(client)
    rule = world.faults.drop_before_request(client, operation="create", path="/a")
    with rule, pytest.raises(ConnectionLoss):
        client.create("/a")
    assert world.server.dump() == {}
    assert rule.hits == [f"request 2 of session {session:#x}: create /a"]
    assert client.retry(client.create, "/a") == "/a"


def test_a_request_whose_reply_is_dropped_is_carried_out(world: World) -> None:
    client = world.client()
    session = session_of(client)
    rule = world.faults.drop_before_reply(operation="create", path="/a")
    with pytest.raises(ConnectionLoss):
        client.create("/a", b"1")
    assert rule.over
    assert world.server.dump() == {"/a": b"1"}
    assert client.retry(client.get, "/a")[0] == b"1"
    assert session_of(client) == session


def test_a_connection_can_break_behind_a_reply(world: World) -> None:
    client = world.client()
    states = States(client)
    for number in range(10):
        with world.faults.drop_after_reply(client, operation="create") as rule:
            assert client.create(f"/a{number}") == f"/a{number}"
            states.expect("SUSPENDED", "CONNECTED")
            assert rule.wait(PATIENCE)


def test_rules_match_by_client_operation_path_and_place(world: World) -> None:
    one, two = world.client(), world.client()
    one.ensure_path("/dir/sub")
    faults = world.faults
    rule = faults.drop_before_reply(two, operation="setData", path="/dir/*", nth=2, times=2)
    states = States(two)
    one.set("/dir/sub", b"")
    two.get("/dir/sub")
    two.set("/dir", b"")
    two.set("/dir/sub", b"1")
    for _ in range(2):
        with pytest.raises(ConnectionLoss):
            two.set("/dir/sub", b"2")
        states.expect("SUSPENDED", "CONNECTED")
    two.set("/dir/sub", b"3")
    assert [hit.partition(": ")[2] for hit in rule.hits] == ["setData /dir/sub"] * 2
    assert one.get("/dir/sub")[1].version == 5


def test_a_client_may_be_named_by_its_session_id(world: World) -> None:
    one, two = world.client(), world.client()
    rule = world.faults.drop_before_request(session_of(two), operation="create")
    one.create("/a")
    assert not rule.hits
    with pytest.raises(ConnectionLoss):
        two.create("/b")


def test_a_rule_finds_a_path_inside_a_multi(world: World) -> None:
    client = world.client()
    world.faults.drop_before_reply(path="/b")
    transaction = client.transaction()
    transaction.create("/a")
    transaction.create("/b")
    with pytest.raises(ConnectionLoss):
        transaction.commit()
    assert world.server.dump() == {"/a": b"", "/b": b""}


def test_a_rule_for_one_request_of_the_run(world: World) -> None:
    client = world.client()
    rule = world.faults.drop_before_request(number=3)
    client.create("/a")
    with pytest.raises(ConnectionLoss):
        client.create("/b")
    client.retry(client.create, "/c")
    assert rule.hits == [f"request 3 of session {session_of(client):#x}: create /b"]


def test_a_client_cannot_even_connect(world: World) -> None:
    rule = world.faults.drop_before_request(operation="connect", times=None)
    client = world.client(start=False)
    started = client.start_async()
    assert rule.wait(PATIENCE, hits=3)
    assert not client.connected
    rule.cancel()
    assert started.wait(PATIENCE)


def test_a_new_session_whose_client_does_not_hear_of_it_is_left_behind(world: World) -> None:
    world.faults.drop_before_reply(operation="connect")
    client = world.client()
    assert {session_of(client)} < {session.id for session in world.server.sessions}


def test_a_client_goes_on_by_its_name_from_session_to_session(world: World) -> None:
    client = world.client()
    states = States(client)
    rule = world.faults.drop_before_request(client, operation="create")
    assert world.faults.expire(client)
    states.wait_for("CONNECTED")
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert len(rule.hits) == 1


def test_an_action_of_ones_own_upon_a_request(ensemble: World) -> None:
    faults = ensemble.faults
    client = ensemble.client(ensemble.member("follower").hosts)
    leader = ensemble.member("leader")
    outages: list[Any] = []
    rule = faults.upon(lambda: outages.append(faults.stop_server()), operation="create")
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert rule.wait(PATIENCE)
    assert not leader.running
    outages[0].heal()
    assert leader.running


@pytest.mark.parametrize("point", ["before_request", "before_reply", "after_reply"])
def test_an_action_may_drop_the_connection_that_it_is_called_for(world: World, point: Any) -> None:
    client = world.client()
    world.faults.upon(lambda: world.faults.drop(client), operation="create", point=point)
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert ("/a" in world.server.dump()) == (point != "before_request")


def test_an_action_that_fails_is_told_by_stop(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    client = world.client()
    world.faults.upon(lambda: 1 / 0, operation="create")
    rule = world.faults.upon(lambda: rule.wait(), operation="setData")
    assert client.create("/a") == "/a", "the request goes on its way"
    with pytest.raises(RuntimeError, match=r"an action of .* failed") as caught:
        world.close()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "an action of" in caplog.text
    world.server.start()
    client = world.client()
    rule = world.faults.upon(lambda: rule.wait(), operation="setData")
    client.set("/a", b"")
    with pytest.raises(RuntimeError) as caught:
        world.close()
    assert "cannot wait" in str(caught.value.__cause__)


def test_a_rule_that_never_struck_is_seen(world: World) -> None:
    client = world.client()
    with world.faults.drop_before_request(operation="delete") as rule:
        client.create("/a")
        assert not rule.wait(0)
        assert not rule.over
    assert rule.hits == []
    assert not rule.wait(PATIENCE), "it will never strike"
    client.delete("/a")
    assert rule.over


def test_waiting_ends_when_the_rule_is_over(world: World) -> None:
    rule = world.faults.drop_before_request(operation="delete")
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(rule.wait, 2 * PATIENCE) for _ in range(2)]
        rule.cancel()
        assert [each.result(PATIENCE) for each in waiting] == [False, False]


def test_who_waits_for_a_rule_finds_its_work_done(world: World) -> None:
    client = world.client()
    at_it, release = threading.Event(), threading.Event()
    done: list[str] = []

    def act() -> None:
        at_it.set()
        release.wait(PATIENCE)
        done.append("done")

    rule = world.faults.upon(act, operation="create")
    with ThreadPoolExecutor(1) as pool:
        client.create_async("/a")
        assert at_it.wait(PATIENCE)
        waiting = pool.submit(lambda: (rule.wait(PATIENCE), list(done)))
        with pytest.raises(FutureTimeoutError):
            waiting.result(0.05)  # a broken one would be through by now
        release.set()
        assert waiting.result(PATIENCE) == (True, ["done"])


# -- between a client and a server


@pytest.mark.parametrize("direction", ["both", "to_server", "to_client"])
def test_a_partition_is_silence_that_heals(world: World, direction: Any) -> None:
    cut, other = world.client(timeout=30.0), world.client()
    cut.ensure_path("/a")
    with world.faults.partition(cut, direction=direction) as outage:
        write = cut.set_async("/a", b"1")
        assert outage.wait(PATIENCE)
        assert not write.ready()
        # The write arrives unless its own direction is cut; what nobody sees is the reply.
        assert other.get("/a")[0] == (b"1" if direction == "to_client" else b"")
        other.set("/a", b"2")
        assert not write.ready()
    assert write.get(timeout=PATIENCE)
    assert other.get("/a")[1].version == 2


def test_what_waited_in_a_partition_arrives_in_order(world: World) -> None:
    client = world.client(timeout=30.0)
    client.ensure_path("/a")
    with world.faults.partition(client) as outage:
        results = [client.set_async("/a", b"%d" % number) for number in range(100)]
        assert outage.wait(PATIENCE)
    assert [result.get(timeout=PATIENCE).version for result in results] == list(range(1, 101))


def test_a_session_expires_in_a_partition_and_its_client_learns_it_behind(world: World) -> None:
    cut, other = world.client(timeout=1.0), world.client()
    session = session_of(cut)
    cut.create("/e", ephemeral=True)
    states = States(cut)
    gone = threading.Event()
    with world.faults.partition(cut):
        if other.exists("/e", watch=lambda _event: gone.set()):
            assert gone.wait(PATIENCE)
        states.expect("SUSPENDED")
        assert session not in {each.id for each in world.server.sessions}
    states.expect("LOST", "CONNECTED")
    assert session_of(cut) != session


def test_a_partition_from_one_server_moves_the_session_to_another(ensemble: World) -> None:
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


def test_nobody_connects_through_a_partition(world: World) -> None:
    with world.faults.partition() as outage:
        client = world.client(start=False)
        started = client.start_async()
        assert outage.wait(PATIENCE)
        assert world.server.sessions == ()
        assert not started.is_set()
    assert started.wait(PATIENCE)


def test_other_clients_notice_nothing(world: World) -> None:
    cut, other = world.client(timeout=30.0), world.client()
    other.ensure_path("/a")
    with world.faults.partition(cut), world.faults.slow(cut, (3600, 3600)) as slow:
        read = cut.get_async("/a")
        assert slow.wait(PATIENCE)
        for _ in range(100):
            other.set("/a", b"")
        assert not read.ready()
    world.faults.drop(cut)  # the read would be under way for an hour yet
    with pytest.raises(ConnectionLoss):
        read.get(timeout=PATIENCE)


def test_a_slow_link(world: World) -> None:
    client = world.client()
    client.ensure_path("/a")
    with world.faults.slow(client, (0.1, 0.2)) as slow:
        before = time.monotonic()
        results = [client.set_async("/a", b"%d" % number) for number in range(20)]
        versions = [result.get(timeout=PATIENCE).version for result in results]
        assert time.monotonic() - before >= 0.2, "there and back"
    assert versions == list(range(1, 21))
    assert slow.struck
    assert slow.over


def test_the_newest_of_two_latencies_counts(world: World) -> None:
    client = world.client()
    with world.faults.slow(latency=(3600, 3600)) as outer:
        with world.faults.slow(client, (0, 0)):
            assert client.exists("/") is not None
        assert not outer.struck


def test_held_events_hold_what_is_behind_them(world: World) -> None:
    client, writer = world.client(timeout=30.0), world.client()
    client.ensure_path("/w")
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.get("/w", watch=lambda event: seen.put(event.path))
    with world.faults.hold_events(client) as outage:
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


def test_no_client_sees_the_new_data_before_a_held_event(world: World) -> None:
    """By the bytes of the connection: kazoo's own threads would hide the order."""
    writer = world.client()
    writer.ensure_path("/w")
    channel = raw(world)
    channel.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/w", watch=True)))
    assert xids(channel, 1) == [1]
    with world.faults.hold_events(raw_session(world)) as outage:
        channel.send(wire.request(2, wire.OPS["getData"], wire.path_watch("/w")))
        assert xids(channel, 1) == [2]
        writer.set("/w", b"new")
        assert outage.wait(PATIENCE)
        for xid in (3, 4):
            channel.send(wire.request(xid, wire.OPS["getData"], wire.path_watch("/w")))
    assert xids(channel, 3) == [-1, 3, 4]
    channel.abandon()


def raw(world: World) -> SocketChannel:
    host, _, port = world.server.hosts.rpartition(":")
    channel = SocketChannel((host, int(port)), patience=PATIENCE)
    channel.send(wire.frame(wire.connect(timeout=30_000)))
    assert len(channel.read_frame()[0]) == 1
    return channel


def raw_session(world: World) -> int:
    return world.server.sessions[-1].id


def xids(channel: SocketChannel, count: int) -> list[int]:
    frames = [frame for _ in range(count) for frame in channel.read_frame()[0]]
    return [struct.unpack_from(">i", frame)[0] for frame in frames]


def test_dropping_a_connection_by_hand(world: World) -> None:
    client = world.client()
    session = session_of(client)
    states = States(client)
    assert world.faults.drop(client) == 1
    world.faults.drop(client)  # kazoo tells no session just now, and is known all the same
    states.expect("SUSPENDED", "CONNECTED")
    client.retry(client.get, "/")
    assert session_of(client) == session
    assert world.faults.drop(12345) == 0


def test_expiring_a_session(world: World) -> None:
    client, other = world.client(), world.client()
    session = session_of(client)
    client.create("/e", ephemeral=True)
    states = States(client)
    assert world.faults.expire(client)
    assert other.exists("/e") is None
    states.expect("SUSPENDED", "LOST", "CONNECTED")
    assert not world.faults.expire(session)
    assert session_of(client) != session


# -- servers


def test_a_stopped_server_refuses_and_remembers(world: World) -> None:
    client = world.client()
    session = session_of(client)
    client.create("/a")
    states = States(client)
    with world.faults.stop_server():
        states.expect("SUSPENDED")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", world.server.members[0].port), PATIENCE)
    states.expect("CONNECTED")
    assert client.exists("/a")
    assert session_of(client) == session


def test_without_a_quorum_nobody_writes(ensemble: World) -> None:
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
def test_an_isolated_leader_is_replaced_and_its_clients_move(ensemble: World, way: Any) -> None:
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


def test_servers_that_do_not_hear_each_other(ensemble: World) -> None:
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
def test_a_link_that_is_cut_one_way(ensemble: World, way: Any) -> None:
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


def test_a_frozen_server_is_stale_and_a_sync_waits_for_it(ensemble: World) -> None:
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


def test_a_server_that_lags_reads_late(ensemble: World) -> None:
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


def test_a_slow_link_between_servers(ensemble: World) -> None:
    leader, follower = ensemble.member("leader"), ensemble.member("follower")
    client = ensemble.client(follower.hosts)
    with ensemble.faults.slow_servers(leader.id, follower.id, (0.1, 0.1)):
        before = time.monotonic()
        client.create("/a")
        assert time.monotonic() - before >= 0.2, "there and back"


# -- their ends


def test_an_outage_heals_though_the_block_fails(world: World) -> None:
    client = world.client()
    outage = world.faults.partition(client)
    assert world.faults.outages == (outage,)
    with pytest.raises(ZeroDivisionError), outage:
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), world.faults.drop_before_request() as rule:
        raise ZeroDivisionError
    assert outage.over
    assert rule.over
    assert world.faults.outages == ()
    assert client.exists("/") is not None


def test_an_outage_with_a_duration_heals_itself(world: World) -> None:
    client = world.client(timeout=30.0)
    before = time.monotonic()
    outage = world.faults.partition(client, duration=0.2)
    assert client.exists("/") is not None
    assert time.monotonic() - before >= 0.2
    assert outage.over


def test_partitions_may_overlap(world: World) -> None:
    client = world.client(timeout=30.0)
    first, second = world.faults.partition(client), world.faults.partition()
    read = client.get_async("/")
    assert second.wait(PATIENCE)
    first.heal()
    first.heal()
    assert not read.ready()
    second.heal()
    assert read.get(timeout=PATIENCE)[0] == b""


def test_heal_ends_all(ensemble: World) -> None:
    faults = ensemble.faults
    client = ensemble.client()
    begun = [
        faults.partition(client, duration=3600),
        faults.slow(),
        faults.hold_events(client),
        faults.isolate(1),
        faults.partition_servers(2, 3),
        faults.freeze(1),
        faults.lag(2, (1, 1)),
        faults.slow_servers(1, 2, (1, 1)),
        faults.stop_server(4),
        faults.lose_quorum(),
    ]
    rule = faults.drop_before_request()
    assert faults.outages == tuple(begun)
    faults.heal()
    assert rule.over
    assert all(outage.over for outage in begun)
    assert faults.outages == ()
    assert faults.timers.next() is None
    client.retry(client.create, "/a")
    assert all(member.running for member in ensemble.server.members)


def test_a_server_that_stops_ends_every_fault() -> None:
    world = World(servers=3)
    client = world.client()
    faults = world.faults
    rule = faults.drop_before_request(operation="delete")
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        waiting = pool.submit(rule.wait, 2 * PATIENCE)
        outages = [stack.enter_context(begin()) for begin in (faults.partition, faults.slow)]
        outages += [faults.freeze(1), faults.isolate(2), faults.stop_server(3, duration=3600)]
        client.get_async("/")
        assert outages[0].wait(PATIENCE) or outages[1].wait(PATIENCE)
        world.server.stop()
        assert waiting.result(PATIENCE) is False
        assert rule.over
        assert all(outage.over for outage in outages)
        assert faults.outages == ()
        for misuse in (faults.partition, faults.stop_server, faults.drop_before_reply):
            with pytest.raises(RuntimeError, match="not running"):
                misuse()
    for outage in outages:
        outage.heal()
    world.server.start()
    assert world.server.faults is faults
    client.retry(client.create, "/a")
    assert all(member.running for member in world.server.members)
    with faults.drop_before_reply(operation="delete") as rule, pytest.raises(ConnectionLoss):
        client.delete("/a")
    assert rule.hits
    world.close()


def test_a_fake_that_does_not_run_has_no_faults() -> None:
    server = FakeZooKeeper()
    for name in ("drop", "expire", "hold_events"):
        with pytest.raises(RuntimeError, match="not running"):
            getattr(server.faults, name)(1)
    server.faults.heal()


def test_faults_from_many_threads(ensemble: World) -> None:
    clients = [ensemble.client(timeout=30.0) for _ in range(3)]
    clients[0].ensure_path("/a")
    faults = ensemble.faults
    going = threading.Event()

    def disturb(number: int) -> None:
        for turn in range(30):
            client = clients[(number + turn) % 3]
            with ExitStack() as stack:
                stack.enter_context(faults.partition(client))
                stack.enter_context(faults.slow(client, (0, 0.001)))
                stack.enter_context(faults.hold_events(client))
                stack.enter_context(faults.freeze(1 + turn % 3))
                faults.drop_before_reply(client, times=1).cancel()
            with faults.drop_after_reply(client, operation="setData"):
                faults.drop(client)

    def work(client: KazooClient) -> int:
        done = 0
        while not going.is_set() or not done:
            with suppress(KazooException):
                client.set("/a", b"x")
                done += 1
        return done

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work, client) for client in clients]
        for each in [pool.submit(disturb, number) for number in range(3)]:
            each.result(PATIENCE)
        going.set()
        assert all(each.result(PATIENCE) for each in working)
    assert faults.outages == ()


def test_faults_come_into_use_in_the_middle_of_a_request() -> None:
    with FakeZooKeeper() as server:
        host, _, port = server.hosts.rpartition(":")
        channels = [SocketChannel((host, int(port)), patience=PATIENCE) for _ in range(3)]
        handshake = wire.frame(wire.connect())
        request = wire.request(1, wire.OPS["create"], wire.create("/a", b"1"))
        channels[0].send(handshake[:7])
        channels[1].send(handshake)
        channels[1].read_frame()
        channels[1].send(request[:21])
        channels[2].send(b"ruo")
        while [each.received for each in server.connections] != [0, 1, 0]:
            pass  # its thread has yet to see the bytes
        rule = server.faults.drop_after_reply(path="/a")
        channels[0].send(handshake[7:])
        assert len(channels[0].read_frame()[0]) == 1
        channels[1].send(request[21:])
        assert len(channels[1].read_frame()[0]) == 1
        assert channels[1].read_frame() == ([], True)
        assert len(rule.hits) == 1
        for channel in channels:
            channel.abandon()


def test_four_letter_words_go_through(world: World) -> None:
    client = world.client()
    assert client.command(b"srvr").startswith("Zookeeper version")


def test_an_idle_server_sleeps_whatever_waits(world: World) -> None:
    client = world.client(timeout=60.0)
    faults = world.faults
    with faults.partition(client, duration=3600) as outage, faults.hold_events(client):
        faults.slow(client, (1800, 1800)).heal()
        faults.drop_before_request(path="/never")
        client.get_async("/")
        assert outage.wait(PATIENCE)
        turns: list[float | None] = []
        with world.server.at_work():
            select = world.server.selector.select

            def counting(timeout: float | None = None) -> Any:
                turns.append(timeout)
                return select(timeout)

            world.server.selector.select = counting  # type: ignore[method-assign]
        world.server.dump()
        world.server.dump()
    # Every turn was for something that was asked of it, and then for the session's next tick.
    assert len(turns) < 20
    assert all(timeout is None or timeout == 0 or timeout > 0.05 for timeout in turns)


# -- what cannot be


@pytest.mark.parametrize(
    ("misuse", "error", "said"),
    [
        (lambda f: f.partition(direction="sideways"), ValueError, "both, to_server, to_client"),
        (lambda f: f.partition(server=2), ValueError, "there is no server 2, only 1 to 1"),
        (lambda f: f.partition(server="1"), TypeError, "they go by their numbers"),
        (lambda f: f.partition(duration=-1), ValueError, "duration=-1"),
        (lambda f: f.partition("client"), TypeError, "session id or a KazooClient"),
        (lambda f: f.partition(KazooClient()), ValueError, "has no session"),
        (lambda f: f.drop(None), TypeError, "session id or a KazooClient"),
        (lambda f: f.slow(latency=(2, 1)), ValueError, "no range of seconds"),
        (lambda f: f.lag(1, (-1, 1)), ValueError, "no range of seconds"),
        (lambda f: f.isolate(1, way="up"), ValueError, "both, out, in"),
        (lambda f: f.drop_before_request(operation="getdata"), ValueError, "getData"),
        (lambda f: f.drop_before_request(operation="ping"), ValueError, "closeSession"),
        (lambda f: f.drop_before_request(path=b"/a"), TypeError, "expected a str"),
        (lambda f: f.drop_before_request(nth=0), ValueError, "count from 1"),
        (lambda f: f.drop_before_request(times=0), ValueError, "count from 1"),
        (lambda f: f.drop_after_commit(), AttributeError, "drop_after_commit"),
        (lambda f: f.upon(print, point="never"), ValueError, "before_request"),
        (lambda f: f.upon(), TypeError, "action"),
    ],
)
def test_misuse(
    world: World, misuse: Callable[[Any], object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        misuse(world.faults)
    assert world.faults.outages == ()


# -- real time and virtual time


ONLY_IN_VIRTUAL_TIME = {"pause", "hold_watches", "stop_chance", "resume_chance"}
"""What needs a hand inside the client's process, and the faults that a profile brings."""

CALLED_BY_THE_DRIVER = {
    *("active", "task_started", "note", "at_request", "at_reply"),
    *("wire", "stopped", "timers", "now", "count_request", "delay", "stops", "forget"),
}


def actions(faults: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(faults, name)
        for name in dir(faults)
        if not name.startswith("_") and name not in CALLED_BY_THE_DRIVER
    }


def test_both_drivers_have_the_same_faults() -> None:
    real, simulated = actions(Faults), actions(virtual.Faults)
    assert simulated.keys() - real.keys() == ONLY_IN_VIRTUAL_TIME
    assert not real.keys() - simulated.keys()
    assert len(real) >= 15
    for name, action in real.items():
        if isinstance(action, property):
            continue
        ours, theirs = inspect.signature(action), inspect.signature(simulated[name])
        assert ours.parameters == theirs.parameters, name


def test_an_expired_client_is_told_so(world: World) -> None:
    client = world.client()
    transaction = client.create_async("/a")
    transaction.get(timeout=PATIENCE)
    rule = world.faults.upon(
        lambda: world.faults.expire(client), operation="setData", point="before_request"
    )
    with pytest.raises((ConnectionLoss, SessionExpiredError)):
        client.set("/a", b"1")
    assert rule.hits
    assert world.server.dump() == {"/a": b""}
