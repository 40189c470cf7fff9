"""Outages of a `FakeZooKeeper`, as an unmodified `KazooClient` meets them over TCP: what is between
clients and servers, and what happens to servers. How faults begin and end is in `test_faults`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss

from ..support.faulty import PATIENCE, States, session_of

if TYPE_CHECKING:
    from ..support.faulty import Faulty

# -- between a client and a server


def test_a_partition_from_one_server_moves_the_session_to_another(ensemble: Faulty) -> None:
    client = ensemble.client(timeout=9.0)  # it notices after six, and has three to move
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


# -- servers


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
    with ensemble.server._loop.at_work():
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


def test_of_two_slow_links_the_latest_counts_as_long_as_it_lasts(ensemble: Faulty) -> None:
    leader, follower = ensemble.member("leader"), ensemble.member("follower")
    client, slow = ensemble.client(follower.hosts), ensemble.faults.slow_servers
    first = slow(leader.id, follower.id, (3600, 3600))
    second = slow(follower.id, leader.id, (0.1, 0.1))
    first.heal()
    before = time.monotonic()
    client.create("/a")
    assert time.monotonic() - before >= 0.2, "there and back"
    second.heal()
    assert not ensemble.server._ensemble.links._latencies
