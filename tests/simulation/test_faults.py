"""Faults do what their names say, to whom they name, and heal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import ConnectionLoss

from zkfake.history import Fault
from zkfake.simulation import Simulation, SimulationError

from . import promises


def test_a_rule_for_one_request_of_the_run() -> None:
    def program(sim: Simulation) -> list[str]:
        client = sim.client()
        results = []
        for name in "abc":
            try:
                results.append(client.create(f"/{name}"))
            except ConnectionLoss:  # noqa: PERF203
                results.append("lost")
                sim.sleep(5)
        return results

    assert Simulation().run(program) == ["/a", "/b", "/c"]

    def struck(sim: Simulation) -> list[str]:
        sim.faults.drop_before_request(number=3)
        return program(sim)

    assert Simulation().run(struck) == ["/a", "lost", "/c"]


def test_waiting_for_a_rule_to_strike() -> None:
    with Simulation() as sim:
        client = sim.client()
        client.ensure_path("/a")
        rule = sim.faults.drop_after_reply(client, operation="setData", times=2)
        assert not rule.wait(5)
        assert sim.now >= 5
        writes = sim.spawn(lambda: [client.retry(client.set, "/a", b"") for _ in range(2)])
        assert rule.wait()
        assert len(rule.hits) == 1
        assert not rule.over
        assert rule.wait(60, hits=2)
        assert rule.over
        assert len(writes.result()) == 2
        before = sim.now
        assert not rule.wait(hits=3), "it will never strike again"
        with sim.faults.drop_after_reply(client, operation="delete") as other:
            sim.spawn(lambda: (sim.sleep(1), other.cancel()))
            assert not other.wait()
        assert sim.now == before + 1


def test_a_partition_from_one_server_leaves_the_others() -> None:
    with Simulation(servers=3) as sim:
        client = sim.client(timeout=10.0)
        outages = [sim.faults.partition(client, server) for server in (1, 2)]
        sim.sleep(60)
        assert client.connected
        assert sim._network.channels_of("client-1")[-1].server == 3
        for outage in outages:
            outage.heal()


def test_a_paused_client_misses_its_own_expiry() -> None:
    with Simulation() as sim:
        paused, other = sim.client("paused", timeout=10.0), sim.client("other")
        paused.create("/e", ephemeral=True)
        ticks: list[float] = []

        def tick() -> None:
            while True:
                sim.sleep(1)
                ticks.append(sim.now)

        sim.spawn(tick, process=paused)
        sim.sleep(1.5)
        with sim.faults.pause(paused):
            sim.run_until(lambda: other.exists("/e") is None, timeout=30)
            assert paused.connected
            assert paused.state == "CONNECTED"
            assert len(ticks) == 1
        sim.sleep(0.5)
        assert len(ticks) >= 2
        sim.settle()
        assert paused.connected
        assert ticks[1] > 10


def test_the_main_task_cannot_be_paused() -> None:
    with Simulation() as sim:
        client = sim.client()
        with pytest.raises(SimulationError, match="main task"):
            sim.faults.pause(client, sim._scheduler.main)
        assert sim.faults.outages == ()
        assert client.get("/")[0] == b"", "its tasks are not paused either"


def test_pauses_may_overlap() -> None:
    with Simulation() as sim:
        client = sim.client()
        first, second = sim.faults.pause(client), sim.faults.pause(client)
        read = sim.spawn(client.get, "/")
        first.heal()
        sim.sleep(1)
        assert not read.done
        second.heal()
        assert read.result()[0] == b""


def test_a_paused_client_starts_nothing() -> None:
    with Simulation() as sim:
        client = sim.client()
        with sim.faults.pause(client.client_id[0]):
            own = client.handler.spawn(lambda: "ran")
            other = sim.spawn(lambda: "ran", process=client)
            sim.sleep(1)
            assert not own.done
            assert not other.done
        assert own.result() == other.result() == "ran"


def test_a_task_belongs_to_a_client_or_to_a_name() -> None:
    text = r"5 is not a client of this simulation: expected a client, or its name$"
    with Simulation() as sim, pytest.raises(TypeError, match=text):
        sim.spawn(print, process=5)


def test_held_watch_callbacks_come_late_while_replies_go_on() -> None:
    with Simulation() as sim:
        client, writer = sim.client("watching"), sim.client()
        client.ensure_path("/w")
        seen: list[Any] = []
        client.get("/w", watch=seen.append)
        with pytest.raises(ValueError, match="0x1 is no client's present or last session"):
            sim.faults.hold_watches(1)
        with sim.faults.hold_watches(client):
            writer.set("/w", b"new")
            sim.sleep(30)
            assert client.get("/w")[0] == b"new"
            assert seen == []
        sim.sleep(0)
        assert [event.path for event in seen] == ["/w"]


def test_everything_is_in_the_history() -> None:
    with Simulation() as sim:
        client = sim.client()
        with sim.faults.partition(client), sim.faults.pause(client):
            pass
        sim.faults.expire(client)
        sim.faults.drop_before_request(client, operation="getData")
        sim.settle()
        names = [event.name for event in sim.history.of(Fault)]
    assert names == ["partition", "pause", "pause healed", "partition healed", "expire"]


seeds = st.integers(0, 2**32)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_hostile_world_breaks_no_promise_and_settles(seed: int) -> None:
    promises.a_hostile_world(seed, servers=1)
