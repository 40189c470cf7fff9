"""An ensemble in virtual time: what may be stale, what may not, and what elections keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import KazooException

from zkfake.simulation import Simulation
from zkfake.simulation.history import Reply, ServerEvent, WatchEvent

if TYPE_CHECKING:
    from kazoo.client import KazooClient

seeds = st.integers(0, 2**32)


def _client_of(sim: Simulation, server: int, **arguments: Any) -> KazooClient:
    return sim.client(hosts=f"zk{server}:2181", **arguments)


def _leader(sim: Simulation) -> int:
    assert sim.leader is not None
    return sim.leader


def _follower(sim: Simulation) -> int:
    return next(number for number in (1, 2, 3) if number != sim.leader)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_sync_shows_what_was_committed_before_it(seed: int) -> None:
    with Simulation(seed=seed, servers=3, profile="realistic", replica_lag=(0, 0.5)) as sim:
        sim.faults.stop_chance()
        followers = [number for number in (1, 2, 3) if number != sim.leader]
        writer = sim.client()
        readers = [_client_of(sim, number) for number in followers]
        writer.create("/a", b"")
        for number in range(10):
            writer.set("/a", b"%d" % number)
            for reader in readers:
                reader.sync("/a")
                assert reader.get("/a")[0] == b"%d" % number


def test_reads_may_be_stale_without_it() -> None:
    stale = 0
    for seed in range(10):
        with Simulation(seed=seed, servers=3, profile="realistic") as sim:
            sim.faults.stop_chance()
            writer, reader = sim.client(), _client_of(sim, _follower(sim))
            writer.create("/a", b"")
            reader.sync("/a")
            for number in range(10):
                writer.set("/a", b"%d" % number)
                stale += reader.get("/a")[0] != b"%d" % number
    assert stale > 0


def test_a_frozen_server_serves_what_it_had() -> None:
    with Simulation(servers=3) as sim:
        follower = _follower(sim)
        reader, writer = _client_of(sim, follower), _client_of(sim, _leader(sim))
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
    with Simulation(seed=seed, servers=3, profile="hostile") as sim:
        clients = [sim.client(timeout=8.0) for _ in range(3)]

        def work(client: Any) -> None:
            for number in range(8):
                try:
                    client.ensure_path("/a")
                    client.get("/a", watch=lambda _event: None)
                    client.set("/a", b"%d" % number)
                except KazooException:  # noqa: PERF203
                    sim.sleep(1)

        for task in [sim.spawn(work, client) for client in clients]:
            task.result()
        sim.settle()
        for client in clients:
            client.sync("/a")
        assert len({client.get("/a") for client in clients}) == 1
        first, *others = [dict(replica.tree.nodes) for replica in sim.replicas]
        assert all(nodes == first for nodes in others)

        seen: dict[str, int] = {}
        for event in sim.history:
            if isinstance(event, Reply) and event.operation != "connect":
                assert event.zxid >= seen.get(event.client, 0)
                seen[event.client] = event.zxid
            elif isinstance(event, WatchEvent):
                assert event.zxid >= seen.get(event.client, 0)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_no_acknowledged_write_is_lost_by_elections(seed: int) -> None:
    with Simulation(seed=seed, servers=5, profile="realistic", election_time=(0.1, 3)) as sim:
        sim.faults.stop_chance()
        client = sim.client()
        written: list[str] = []

        def write() -> None:
            for number in range(40):
                try:
                    written.append(client.create(f"/{number}"))
                except KazooException:  # noqa: PERF203
                    sim.sleep(0.5)

        writer = sim.spawn(write)
        for _ in range(3):
            sim.sleep(1)
            sim.run_until(lambda: sim.leader is not None)
            with sim.faults.stop_server():
                sim.sleep(5)
        writer.result()
        sim.settle()
        assert {*written} <= {f"/{name}" for name in client.get_children("/")}
        epochs = [event.text for event in sim.history.of(ServerEvent)]
        assert len(epochs) >= 2


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
        client = _client_of(sim, 2)
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
        leader, follower = _leader(sim), _follower(sim)
        client = _client_of(sim, leader)
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
            reader = _client_of(sim, follower)
            client.set("/a", b"3")
            sim.sleep(0.5)
            assert reader.get("/a")[0] != b"3"
        sim.settle()
        assert reader.get("/a")[0] == b"3"
