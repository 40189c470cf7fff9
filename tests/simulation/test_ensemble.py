"""An ensemble in virtual time: what may be stale, what may not, and what elections keep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkfake.history import Reply, ServerEvent
from zkfake.simulation import Simulation

from . import promises
from .promises import client_of, follower_of, leader_of

seeds = st.integers(0, 2**32)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_sync_shows_what_was_committed_before_it(seed: int) -> None:
    promises.a_sync_ends_staleness(seed)


def test_reads_may_be_stale_without_it() -> None:
    assert sum(map(promises.stale_reads, range(10))) > 0


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_reads_are_not_stale_in_a_calm_world(seed: int) -> None:
    assert promises.stale_reads(seed, "calm") == 0


def test_a_frozen_server_serves_what_it_had() -> None:
    with Simulation(servers=3) as sim:
        follower = follower_of(sim)
        reader, writer = client_of(sim, follower), client_of(sim, leader_of(sim))
        writer.create("/a", b"old")
        reader.sync("/a")
        with sim.faults.freeze(follower):
            writer.set("/a", b"new")
            sim.sleep(5)
            assert reader.get("/a")[0] == b"old"
        sim.settle()
        assert reader.get("/a")[0] == b"new"


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_no_client_goes_back_in_zxid_nor_sees_data_before_its_event(seed: int) -> None:
    promises.a_hostile_world(seed)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_no_acknowledged_write_is_lost_by_elections(seed: int) -> None:
    promises.elections(seed)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_no_client_goes_back_from_server_to_server(seed: int) -> None:
    promises.a_wandering_client(seed)


def test_a_leader_that_hears_nobody_leads_no_more() -> None:
    with Simulation(servers=3) as sim:
        first = sim.leader
        client = sim.client()
        client.create("/a")
        with sim.faults.isolate():
            sim.run_until(lambda: sim.leader not in (None, first), timeout=60)
            client.retry(client.set, "/a", b"1")
        sim.settle()
        assert client.get("/a")[0] == b"1"


def test_without_a_quorum_nothing_is_written() -> None:
    with Simulation(servers=3) as sim:
        client = sim.client(timeout=10.0)
        client.create("/a")
        with sim.faults.lose_quorum():
            write = sim.spawn(client.retry, client.set, "/a", b"1")
            sim.sleep(120)
            assert not write.done
            assert sim.leader is None
            with pytest.raises(RuntimeError, match="no server leads"):
                sim.faults.stop_server()
        sim.settle()
        write.join(600)
        assert client.get("/a")[0] == b"1"


def test_observers_serve_and_do_not_vote() -> None:
    with Simulation(servers=1, observers=1) as sim:
        client = client_of(sim, 2)
        client.create("/a", b"1")
        assert client.get("/a")[0] == b"1"
        assert [replica.mode for replica in sim.replicas] == ["leader", "observer"]


def test_the_past_can_be_looked_at() -> None:
    with Simulation(servers=3) as sim:
        client = sim.client()
        client.create("/a", b"0")
        for number in range(1, 5):
            client.set("/a", b"%d" % number)
        zxids = [event.zxid for event in sim.history.of(Reply) if event.operation == "setData"]
        assert [sim.at(zxid).nodes["/a"].data for zxid in zxids] == [b"1", b"2", b"3", b"4"]


def test_slow_and_cut_links_between_servers() -> None:
    with Simulation(servers=3) as sim:
        leader, follower = leader_of(sim), follower_of(sim)
        client = client_of(sim, leader)
        others = [number for number in (1, 2, 3) if number != leader]
        client.create("/a")
        before = sim.now
        slow = [sim.faults.slow_servers(leader, other, (0.5, 0.5)) for other in others]
        client.set("/a", b"1")
        assert sim.now - before > 0.99
        for outage in slow:
            outage.heal()
        sim.settle()
        before = sim.now
        with sim.faults.partition_servers(leader, follower):
            client.set("/a", b"2")
            assert sim.now - before < 0.1
        with sim.faults.lag(follower, (1, 1)):
            reader = client_of(sim, follower)
            client.set("/a", b"3")
            sim.sleep(0.5)
            assert reader.get("/a")[0] != b"3"
        sim.settle()
        assert reader.get("/a")[0] == b"3"


def test_a_leader_that_is_established_late_replaces_nobody() -> None:
    """It is elected and stands still; its quorum acknowledges, gives it up, and elects another."""
    with Simulation(servers=3, server_latency=(0.2, 0.2)) as sim:
        client = sim.client(hosts="zk1:2181")
        stop = sim.faults.stop_server(2)
        sim.run_until(lambda: "elected" in sim.history.of(ServerEvent)[-2].name)
        sim.sleep(0.5)  # it has told its log; the acknowledgement is on its way
        with sim.faults.pause_server(3):
            stop.heal()
            sim.run_until(lambda: sim.leader is not None)
            client.retry(client.ensure_path, "/a")
            leader = sim.leader
            newest = sim._network.servers.ensemble.log.last_zxid
        sim.run_until(lambda: sim._network.servers.ensemble.deposed)
        assert sim.leader == leader != 3
        assert sim._network.servers.ensemble.log.last_zxid >= newest
        sim.settle()
        assert sim.leader == leader
        assert client.exists("/a")
