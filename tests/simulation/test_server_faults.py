"""What clients see of disks that are slow or lose power, of clocks that are wrong, and of servers
and middleboxes that answer in part.
"""

from __future__ import annotations

from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss
from kazoo.protocol.states import KazooState

from zkfake.simulation import Simulation

from .promises import client_of, follower_of, leader_of


def followers_of(sim: Simulation) -> list[int]:
    return [number for number in (1, 2, 3) if number != sim.leader]


def seconds(sim: Simulation, action: Any, *args: Any) -> float:
    before = sim.now
    action(*args)
    return sim.now - before


# -- slow disks


def test_a_single_server_with_a_slow_disk_writes_slowly_and_reads_fast() -> None:
    with Simulation() as sim:
        client, other = sim.client(), sim.client()
        with sim.faults.slow_disk(None, (2, 2)):
            write = sim.spawn(client.create, "/a", b"1")
            sim.sleep(1)
            assert other.exists("/a") is None
            assert not write.done
            assert seconds(sim, other.get, "/") < 0.1
            assert write.result() == "/a"
            assert 2 <= sim.now < 3
            assert other.get("/a")[0] == b"1"
        assert seconds(sim, client.set, "/a", b"2") < 0.1


def test_a_session_that_expired_is_over_before_its_end_is_on_disk() -> None:
    with Simulation() as sim:
        client = sim.client(timeout=4)
        with sim.faults.slow_disk(None, (20, 20)):
            outage = sim.faults.partition(client)
            sim.run_until(lambda: "expires session" in repr(sim.history[-1]), timeout=60)
            outage.heal()
            sim.run_until(lambda: client.state == KazooState.LOST, timeout=60)
            assert not any("closes session" in repr(event) for event in sim.history)


def test_a_write_is_slow_when_the_quorum_needs_a_slow_disk() -> None:
    with Simulation(servers=3) as sim:
        client = client_of(sim, leader_of(sim))
        client.create("/a")
        one, other = followers_of(sim)
        slow = sim.faults.slow_disk
        with slow(one, (2, 2)):
            assert seconds(sim, client.set, "/a", b"1") < 0.1
            with slow(other, (3, 3)):
                assert 1.9 < seconds(sim, client.set, "/a", b"2") < 2.5
        sim.settle()
        with slow(None, (2, 2)):  # the followers are a quorum without their leader
            assert seconds(sim, client.set, "/a", b"3") < 0.1
            with slow(one, (3, 3)):
                assert 1.9 < seconds(sim, client.set, "/a", b"4") < 2.5


def test_an_election_waits_for_what_its_quorum_has_not_on_disk() -> None:
    """What the new leader has in its log counts when a quorum has it on disk."""
    with Simulation(servers=3) as sim:
        first = leader_of(sim)
        client = client_of(sim, first)
        client.create("/a")
        slow = [sim.faults.slow_disk(number, (15, 15)) for number in followers_of(sim)]
        write = sim.spawn(client.set, "/a", b"1")
        sim.sleep(0.1)
        began = sim.now
        with sim.faults.stop_server(first):
            with pytest.raises(ConnectionLoss):
                write.result()
            sim.run_until(lambda: sim.leader not in (None, first), timeout=60)
            assert sim.now - began > 14
        for outage in slow:
            outage.heal()
        sim.settle()
        assert client.get("/a")[0] == b"1"


def test_of_two_slow_disks_the_younger_counts_and_what_was_comes_back() -> None:
    with Simulation() as sim:
        client = sim.client()
        client.create("/a")
        one, two = (sim.faults.slow_disk(1, (time, time)) for time in (1, 3))
        assert seconds(sim, client.set, "/a", b"") > 2.9
        one.heal()
        assert seconds(sim, client.set, "/a", b"") > 2.9
        write = sim.spawn(client.set, "/a", b"")
        sim.sleep(0.1)
        two.heal()
        assert seconds(sim, write.result) < 0.1, "what is being synced takes no longer either"
        assert seconds(sim, client.set, "/a", b"") < 0.1


# -- power


def write_and_end_everything(power: bool) -> bool:
    """A write that is in every log and on no disk, and then every server ends. Is it there?"""
    with Simulation(servers=3) as sim:
        client = sim.client()
        client.create("/a")
        for number in (1, 2, 3):
            sim.faults.slow_disk(number, (5, 5))
        write = sim.spawn(client.set, "/a", b"1")
        sim.sleep(1)
        end = sim.faults.cut_power if power else sim.faults.stop_server
        for number in (1, 2, 3):
            end(number, duration=5)
        with pytest.raises(ConnectionLoss):
            write.result()
        sim.settle()
        return bool(client.get("/a")[0] == b"1")


def test_a_loss_of_power_takes_what_no_disk_had() -> None:
    assert not write_and_end_everything(power=True)
    assert write_and_end_everything(power=False)


def test_no_loss_of_power_takes_what_was_acknowledged() -> None:
    with Simulation(servers=3) as sim:
        client = sim.client()
        client.create("/a")
        slow = [sim.faults.slow_disk(number, (1, 1)) for number in (1, 2, 3)]
        for number in range(5):
            client.set("/a", b"%d" % number)
            for server in (1, 2, 3):
                sim.faults.cut_power(server, duration=0.5)
            sim.run_until(lambda: client.connected, timeout=60)
            assert client.retry(client.get, "/a")[0] == b"%d" % number
        for outage in slow:
            outage.heal()


# -- clocks


def test_znodes_have_their_times_from_the_leaders_clock() -> None:
    with Simulation(servers=3) as sim:
        client = sim.client()

        def ahead(path: str) -> float:
            """Seconds by which a new znode is younger than now."""
            _, stat = client.create(path, include_data=True)
            assert stat.ctime == stat.mtime
            return stat.ctime / 1000 - sim.epoch_time

        with sim.faults.skew_clock(follower_of(sim), 3600):
            assert abs(ahead("/a")) < 1
        with sim.faults.skew_clock(None, -3600):
            assert abs(ahead("/b") + 3600) < 1
            client.set("/a", b"")
            stat = client.exists("/a")
            assert stat is not None
            assert stat.mtime < stat.ctime, "a clock that is put back makes time run backwards"
        assert abs(ahead("/c")) < 1


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("skew", [-3600, 3600])
def test_sessions_do_not_go_by_the_clock(servers: int, skew: float) -> None:
    with Simulation(servers=servers) as sim:
        client, other = sim.client("one", timeout=10.0), sim.client()
        client.create("/e", ephemeral=True)
        with sim.faults.skew_clock(None, skew):
            sim.sleep(60)
            assert client.exists("/e")
            with sim.faults.pause(client):
                before = sim.now
                sim.run_until(lambda: other.exists("/e") is None, timeout=60)
                assert 5 < sim.now - before < 15


# -- answers in part


def test_a_client_goes_on_from_a_mute_server_to_another() -> None:
    with Simulation(servers=3) as sim:
        with sim.faults.mute_server(1), sim.faults.mute_server(2):
            client = sim.client()
            assert sim._network.channels_of("client-1")[-1].server == 3
        client.create("/a")


def test_who_only_listens_misses_the_answers_to_pings() -> None:
    with Simulation() as sim:
        listening, asking = sim.client("listening", timeout=10.0), sim.client("asking")
        states: dict[str, list[str]] = {"listening": [], "asking": []}
        listening.add_listener(states["listening"].append)
        asking.add_listener(states["asking"].append)
        with sim.faults.lose_pings():
            for _ in range(60):
                asking.get("/")
                sim.sleep(1)
        assert states["listening"][:2] == ["SUSPENDED", "CONNECTED"]
        assert "LOST" not in states["listening"]
        assert states["asking"] == []
        sim.settle()
        states["listening"].clear()
        sim.sleep(60)
        assert states["listening"] == []


def test_pings_are_lost_for_whom_it_says() -> None:
    with Simulation(servers=3) as sim:
        one, two = client_of(sim, 1, timeout=10.0), client_of(sim, 2, timeout=10.0)
        told: list[str] = []
        one.add_listener(lambda state: told.append(f"one {state}"))
        two.add_listener(lambda state: told.append(f"two {state}"))
        with sim.faults.lose_pings(one, 2), sim.faults.lose_pings(two, 1):
            sim.sleep(60)
        assert told == []
        with sim.faults.lose_pings(one, 1):
            sim.sleep(60)
        assert "one SUSPENDED" in told
        assert not any(state.startswith("two") for state in told)
