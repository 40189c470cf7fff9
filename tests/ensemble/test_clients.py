"""What clients of an ensemble see, by example: as live ensembles of 3.9.5 were seen to behave."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from zkfake._control import seeding
from zkfake._settings import Settings

from ..support import wire
from ..support.core import TICK
from ..support.replies import DATA_CHANGED, MARSHALLING, NO_NODE, OK, Event, Reply

if TYPE_CHECKING:
    from ..support.core import Client
    from .conftest import Make, Servers

EPOCH = 1 << 32

SILENCE = Settings().sync_limit * TICK
"""After which servers that do not hear each other know it."""


def answer(response: bytes) -> int:
    """The session id in the response to a connect request; 0 where it was refused."""
    return int(struct.unpack_from(">q", response, 8)[0]) if response else -1


def renew(world: Servers, client: Client, number: int, **more: int) -> Client:
    """The session of ``client`` goes on at another server."""
    again = world.at(number)
    response = again.shake(session=client.session, password=client.password, **more)
    assert answer(response) == client.session
    again.session, again.password = client.session, client.password
    return again


def test_the_first_transaction_of_the_first_epoch(servers: Make) -> None:
    world = servers()
    assert [server.mode for server in world.servers] == ["follower", "follower", "leader"]
    # Server 1 joined a leader that led already.
    assert [server.zxid for server in world.servers] == [EPOCH, 0, EPOCH]
    client = world.at(1).connect()
    assert client.ping().zxid == EPOCH + 1


def test_a_failed_write_uses_a_zxid_everywhere(servers: Make) -> None:
    world = servers(observers=1)
    client = world.at(4).connect()
    reply = client.call("delete", wire.path_version("/nope"))
    assert (reply.error, reply.zxid) == (NO_NODE, EPOCH + 2)
    assert {server.zxid for server in world.servers} == {EPOCH + 2}


def test_replies_keep_their_order_on_a_slow_follower(servers: Make) -> None:
    world = servers()
    client = world.at(1).connect()
    client.create("/a", b"0")
    world.ensemble.links.latency = (50, 50)
    world.servers[0].lag = (100, 100)
    burst = [
        ("setData", wire.set_data("/a", b"1")),
        ("getData", wire.path_watch("/a")),
        ("ping", b""),
        ("sync", wire.string("/")),
        ("setData", wire.set_data("/a", b"2")),
        ("getData", wire.path_watch("/a")),
    ]
    for op, body in burst:
        assert client.ask(op, body) == []
    world.advance(1000)
    replies = client.take()
    xids = [reply.xid for reply in replies if isinstance(reply, Reply)]
    assert xids == [2, 3, wire.PING_XID, 5, 6, 7]
    first, second = replies[1], replies[5]
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert (first.data, second.data) == (b"1", b"2")


@pytest.mark.parametrize("number", [1, 3], ids=["follower", "leader"])
def test_requests_right_behind_the_connect_request_wait_for_the_session(
    servers: Make, number: int
) -> None:
    world = servers()
    world.ensemble.links.latency = (50, 50)
    client = world.at(number)
    client.send(
        wire.frame(wire.connect())
        + client.request("create", wire.create("/a", b"1"))
        + client.request("getData", wire.path_watch("/a"))
        + client.request("ping", xid=wire.PING_XID)
    )
    assert client.inbox == []
    world.advance(1000)
    client.collect()
    assert answer(client.inbox.pop(0)) > 0
    created, got, ping = client.take()
    assert isinstance(created, Reply)
    assert isinstance(got, Reply)
    assert isinstance(ping, Reply)
    assert [created.xid, got.xid, ping.xid] == [1, 2, wire.PING_XID]
    assert (created.error, got.data) == (OK, b"1")


def test_what_a_leader_cannot_read_is_answered_after_the_proposals_before_it(servers: Make) -> None:
    world = servers()
    client = world.at(3).connect()
    world.ensemble.links.latency = (50, 50)
    assert client.ask("create", wire.create("/a", b"")) == []
    assert client.ask("setData", b"\0") == []
    world.advance(1000)
    created, refused = client.take()
    assert isinstance(created, Reply)
    assert isinstance(refused, Reply)
    assert (created.xid, created.error, created.zxid) == (1, OK, EPOCH + 2)
    assert (refused.xid, refused.error, refused.zxid) == (2, MARSHALLING, EPOCH + 2)


def test_the_event_comes_before_the_reply_and_the_new_data(servers: Make) -> None:
    world = servers()
    watcher, writer = world.at(1).connect(), world.at(2).connect()
    writer.create("/a", b"0")
    world.servers[0].lag = (500, 500)
    assert watcher.get("/a", watch=1) == b"0"
    stat = writer.set("/a", b"1")
    assert watcher.get("/a") == b"0"
    world.advance(500)
    found = watcher.ask("getData", wire.path_watch("/a"))
    assert found[0] == Event(stat.mzxid, DATA_CHANGED, "/a")
    assert isinstance(found[1], Reply)
    assert found[1].data == b"1"


def test_a_sync_ends_staleness(servers: Make) -> None:
    world = servers()
    reader, writer = world.at(1).connect(), world.at(3).connect()
    world.servers[0].lag = (300, 300)
    writer.create("/a", b"1")
    assert reader.stat("/a") is None
    assert reader.ask("sync", wire.string("/")) == []
    assert reader.ask("exists", wire.path_watch("/a")) == []
    world.advance(300)
    _, exists = reader.take()
    assert isinstance(exists, Reply)
    assert exists.error == OK


def test_a_server_behind_refuses_who_has_seen_more(servers: Make) -> None:
    world = servers()
    client = world.at(3).connect()
    client.create("/a")
    world.servers[0].freeze()
    client.create("/b")
    behind = world.at(1)
    seen = {"last_zxid": world.zxid + 1, "session": client.session, "password": client.password}
    assert behind.shake(**seen) == b""
    assert behind.closed
    world.servers[0].unfreeze()
    world.advance(0)
    assert answer(world.at(1).shake(**seen)) == client.session


def test_a_moved_session_and_its_old_connection(servers: Make) -> None:
    world = servers()
    on_follower = world.at(1).connect()
    now = renew(world, on_follower, 2)
    assert on_follower.children("/") == ["zookeeper"]
    zxid = world.servers[2].zxid
    assert on_follower.ask("create", wire.create("/x")) == []
    assert on_follower.closed
    assert world.servers[2].zxid == zxid + 1
    assert now.create("/y") == "/y"

    on_leader = world.at(3).connect()
    renew(world, on_leader, 2)
    assert on_leader.ask("getChildren", wire.path_watch("/")) == []
    assert on_leader.closed


def test_a_new_leader_is_ahead_of_its_followers_by_its_epoch(servers: Make) -> None:
    world = servers()
    client = world.at(1).connect()
    client.create("/e", flags=1)
    world.servers[2].stop()
    assert client.closed
    assert [server.mode for server in world.servers] == ["follower", "leader", None]
    assert [server.zxid for server in world.servers[:2]] == [EPOCH + 2, 2 * EPOCH]
    seen = {"session": client.session, "password": client.password, "last_zxid": 2 * EPOCH}
    assert world.at(1).shake(**seen) == b""
    again = renew(world, client, 2, last_zxid=2 * EPOCH)
    assert again.stat("/e") is not None
    again.create("/first")
    assert world.servers[0].zxid == 2 * EPOCH + 1


def test_a_write_that_comes_too_late_uses_a_zxid(servers: Make) -> None:
    """The leader refuses it in the log, when a follower that does not know yet passes it on."""
    world = servers()
    client = world.at(1).connect()
    world.ensemble.links.latency = (50, 50)
    session = world.ensemble.sessions.get(client.session)
    assert session is not None
    world.ensemble.expire(session)
    assert client.ask("create", wire.create("/late")) == []
    world.advance(1000)
    assert client.closed
    assert client.take() == []
    assert {server.zxid for server in world.servers} == {EPOCH + 3}
    assert world.servers[0].tree.get("/late") is None


def test_no_session_id_is_given_twice(servers: Make) -> None:
    """Not even by a server that crashes and starts at the same instant."""
    world = servers()
    first = world.at(1).connect()
    world.servers[0].stop()
    world.servers[0].start()
    assert world.at(1).connect().session > first.session


def test_every_session_gets_its_full_timeout_from_a_new_leader(servers: Make) -> None:
    world = servers()
    client = world.at(1).connect(timeout=2 * TICK)
    client.create("/e", flags=1)
    world.advance(2 * TICK - 1)
    world.servers[2].stop()
    world.advance(2 * TICK)
    assert world.servers[0].tree.get("/e") is not None
    world.advance(2 * TICK)
    assert world.servers[0].tree.get("/e") is None


def test_a_minority_commits_nothing_and_its_proposals_are_lost(servers: Make) -> None:
    world = servers()
    client, reader = world.at(3).connect(), world.at(3).connect()
    client.create("/kept")
    world.split(3)
    assert client.ask("create", wire.create("/lost")) == []
    world.advance(SILENCE)
    # Another one leads by now; it does not know yet.
    assert [server.mode for server in world.servers] == ["follower", "leader", "leader"]
    assert reader.get("/kept") == b""
    (synced,) = reader.ask("sync", wire.string("/kept"))  # asks nobody
    assert isinstance(synced, Reply)
    assert synced.error == OK
    world.advance(TICK)
    assert client.closed
    assert client.take() == []
    assert [server.mode for server in world.servers] == ["follower", "leader", None]
    other = world.at(1).connect()
    assert other.stat("/lost") is None
    other.create("/won")
    world.join(3)
    assert world.servers[2].mode == "follower"
    assert world.at(3).connect().children("/") == other.children("/")


def test_a_proposal_that_a_quorum_has_is_kept(servers: Make) -> None:
    world = servers()
    client = world.at(3).connect()
    for other in (1, 2):  # it is heard, and does not hear that it is
        world.ensemble.cut(other, 3)
    assert client.ask("create", wire.create("/kept")) == []
    world.advance(SILENCE)
    assert not client.closed
    world.advance(TICK)
    assert client.closed
    assert world.at(1).connect().stat("/kept") is not None


def test_who_lost_its_leaders_log_with_its_power_is_not_elected(servers: Make) -> None:
    world = servers()
    one, two, three = world.servers
    one.stop()
    world.at(3).connect().create("/kept")
    two.stop()
    world.advance(2 * TICK)  # the leader has noticed
    one.disk.sync_time = (60_000, 60_000)
    one.start()  # it gets the log of the next epoch's leader, but not onto its disk
    world.advance(TICK)
    assert one.store.accepted_epoch == 2
    assert one.store.log.last_zxid == three.store.log.last_zxid
    one.stop()
    one.lose_power()
    three.stop()
    one.disk.sync_time = (0, 0)
    one.start()
    two.start()
    world.advance(2 * TICK)
    assert [server.mode for server in world.servers] == ["follower", "leader", None]
    assert world.at(1).connect().stat("/kept") is not None


def test_a_cut_that_is_mended_in_time_costs_nothing(servers: Make) -> None:
    world = servers()
    client = world.at(1).connect()
    world.split(1)
    assert client.ask("create", wire.create("/a")) == []
    world.advance(SILENCE - TICK)
    world.join(1)
    (reply,) = client.take()
    assert isinstance(reply, Reply)
    assert reply.error == OK
    assert not client.closed


@pytest.mark.parametrize("missed", [3, 1000])
def test_a_server_that_was_away_catches_up(servers: Make, missed: int) -> None:
    """From the leader's log, or with the whole tree where that does not reach back."""
    world = servers(observers=1)
    client = world.at(1).connect()
    world.servers[1].stop()
    world.servers[3].stop()
    for number in range(missed):
        client.create(f"/n{number}")
    world.servers[1].start()
    world.servers[3].start()
    for server in world.servers:
        assert server.tree.nodes == world.servers[2].tree.nodes
        assert server.store.sessions == world.servers[2].store.sessions


def test_observers_have_no_vote(servers: Make) -> None:
    world = servers(observers=2)
    world.servers[0].stop()
    world.servers[1].stop()
    world.advance(TICK)  # until the leader looks whether it has a quorum
    assert {server.mode for server in world.servers} == {None}
    world.servers[1].start()
    assert [server.mode for server in world.servers[1:]] == [
        "follower",
        "leader",
        *["observer"] * 2,
    ]


def test_sessions_live_on_while_there_is_no_quorum(servers: Make) -> None:
    world = servers()
    client = world.at(1).connect(timeout=2 * TICK)
    client.create("/e", flags=1)
    world.servers[1].stop()
    world.servers[2].stop()
    world.advance(100 * TICK)
    world.servers[1].start()
    assert renew(world, client, 1).stat("/e") is not None


def test_a_follower_reports_whom_it_heard(servers: Make) -> None:
    world = servers()
    client = world.at(1).connect(timeout=2 * TICK)
    for _ in range(10):
        world.advance(TICK)
        client.ping()
    assert not client.closed
    world.advance(5 * TICK)
    assert client.closed


def test_a_restore_with_writes_on_their_way(servers: Make) -> None:
    world = servers()
    client = world.at(1).connect()
    client.create("/before")
    snapshot = seeding.take(world.ensemble)
    client.create("/after")
    world.ensemble.links.latency = (50, 50)
    client.ask("create", wire.create("/under_way"))
    world.advance(60)
    seeding.restore(world.ensemble, snapshot)
    world.advance(1000)
    assert client.closed
    assert client.take() == []
    for server in world.servers:
        assert sorted(server.tree.child_names("/")) == ["before", "zookeeper"]
    world.ensemble.links.latency = (0, 0)
    fresh = world.at(1).connect()
    assert fresh.children("/") == ["zookeeper", "before"]
    assert fresh.create("/on") == "/on"
    for server in world.servers:
        assert "/on" in server.tree.nodes


@pytest.mark.parametrize("leader", [2, 3])
@pytest.mark.parametrize("late", [1, 2, 3])
def test_nobody_looks_for_a_leader_after_a_restore_is_over(
    servers: Make, leader: int, late: int
) -> None:
    """A server that had yet to apply something: all of them begin anew, at once."""
    world = servers()
    if leader == 2:
        world.servers[2].stop()
        world.servers[2].start()
    assert world.servers[leader - 1].mode == "leader"
    snapshot = seeding.take(world.ensemble)
    world.servers[late - 1].lag = (100_000, 100_000)
    seeding.load(world.ensemble, {"/a": b""})
    world.servers[late - 1].lag = (0, 0)
    seeding.restore(world.ensemble, snapshot)
    clients = [world.at(number).connect() for number in (1, 2, 3)]
    epoch = world.ensemble.epoch
    world.advance(2 * TICK)
    assert not any(client.closed for client in clients)
    assert world.ensemble.epoch == epoch
