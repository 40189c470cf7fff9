"""Faults do what their names say, to whom they name, and heal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import ConnectionLoss, NodeExistsError

from zkfake.history import Fault
from zkfake.simulation import Simulation, SimulationError

from . import promises


def test_a_request_dropped_on_its_way_is_not_carried_out() -> None:
    with Simulation() as sim:
        client = sim.client()
        rule = sim.faults.drop_before_request(client, operation="create")
        with rule, pytest.raises(ConnectionLoss):
            client.create("/a")
        assert rule.hits == ["request 2 of client-1: create /a"]
        sim.settle()
        assert client.exists("/a") is None


def test_a_request_whose_reply_is_dropped_is_carried_out() -> None:
    with Simulation() as sim:
        client = sim.client()
        sim.faults.drop_before_reply(client, operation="create")
        with pytest.raises(ConnectionLoss):
            client.create("/a")
        sim.settle()
        with pytest.raises(NodeExistsError):
            client.create("/a")


def test_a_connection_can_break_behind_a_reply() -> None:
    with Simulation() as sim:
        client = sim.client()
        states: list[str] = []
        client.add_listener(states.append)
        sim.faults.drop_after_reply(client, operation="create")
        assert client.create("/a") == "/a"
        sim.settle()
        assert states == ["SUSPENDED", "CONNECTED"]


def test_rules_match_by_client_operation_path_and_place() -> None:
    with Simulation() as sim:
        one, two = sim.client("one"), sim.client("two")
        one.ensure_path("/dir/sub")
        rule = sim.faults.drop_before_reply(
            "two", operation="setData", path="/dir/*", nth=2, times=2
        )
        one.set("/dir/sub", b"")
        two.set("/dir", b"")
        two.set("/dir/sub", b"1")
        for _ in range(2):
            with pytest.raises(ConnectionLoss):
                two.set("/dir/sub", b"2")
            sim.run_until(lambda: two.connected)
        two.set("/dir/sub", b"3")
        assert rule.hits == [
            "request 11 of two: setData /dir/sub",
            "request 13 of two: setData /dir/sub",
        ]


def test_a_rule_finds_a_path_inside_a_multi() -> None:
    with Simulation() as sim:
        client = sim.client()
        sim.faults.drop_before_request(path="/b")
        transaction = client.transaction()
        transaction.create("/a")
        transaction.create("/b")
        with pytest.raises(ConnectionLoss):
            transaction.commit()


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
    struck = Simulation()
    struck.before = lambda sim: sim.faults.drop_before_request(number=3)
    assert struck.run(program) == ["/a", "lost", "/c"]


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


@pytest.mark.parametrize("direction", ["both", "to_server", "to_client"])
def test_a_partition_is_silence_that_heals(direction: Any) -> None:
    with Simulation() as sim:
        cut, other = sim.client("cut", timeout=10.0), sim.client("other")
        cut.ensure_path("/a")
        with sim.faults.partition(cut, direction=direction):
            write = sim.spawn(cut.set, "/a", b"1")
            sim.sleep(1)
            assert not write.done
            # The write arrives unless its own direction is cut; what nobody sees is the reply.
            assert other.get("/a")[0] == (b"1" if direction == "to_client" else b"")
            other.set("/a", b"2")
        assert write.result()
        assert other.get("/a")[1].version == 2


def test_what_waited_in_a_partition_arrives_in_order() -> None:
    with Simulation(latency=(0, 0.5), seed=3) as sim:
        client = sim.client()
        client.ensure_path("/a")
        with sim.faults.partition(client, duration=3):
            results = [client.set_async("/a", b"%d" % number) for number in range(10)]
        assert [result.get().version for result in results] == list(range(1, 11))


def test_nobody_connects_through_a_partition() -> None:
    with Simulation() as sim:
        client = sim.client(timeout=4.0)
        outage = sim.faults.partition(client)
        sim.run_until(lambda: not client.connected, timeout=60)
        sim.sleep(60)
        assert not client.connected
        outage.heal()
        sim.run_until(lambda: client.connected, timeout=60)
        assert outage.over


def test_a_partition_from_one_server_leaves_the_others() -> None:
    with Simulation(servers=3) as sim:
        client = sim.client(timeout=10.0)
        outages = [sim.faults.partition(client, server) for server in (1, 2)]
        sim.sleep(60)
        assert client.connected
        assert sim.network.links_of("client-1")[-1].server == 3
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
            sim.faults.pause(client, sim.scheduler.main)


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
        with sim.faults.pause(client):
            own = client.handler.spawn(lambda: "ran")
            other = sim.spawn(lambda: "ran", process=client)
            sim.sleep(1)
            assert not own.done
            assert not other.done
        assert own.result() == other.result() == "ran"


def test_held_watch_callbacks_come_late_while_replies_go_on() -> None:
    with Simulation() as sim:
        client, writer = sim.client("watching"), sim.client()
        client.ensure_path("/w")
        seen: list[Any] = []
        client.get("/w", watch=seen.append)
        with sim.faults.hold_watches(client):
            writer.set("/w", b"new")
            sim.sleep(30)
            assert client.get("/w")[0] == b"new"
            assert seen == []
        sim.sleep(0)
        assert [event.path for event in seen] == ["/w"]


def test_held_events_hold_what_is_behind_them() -> None:
    with Simulation() as sim:
        client, writer = sim.client("watching"), sim.client()
        client.ensure_path("/w")
        seen: list[Any] = []
        client.get("/w", watch=seen.append)
        outage = sim.faults.hold_events(client)
        assert client.get("/w")[0] == b""  # nothing to hold yet
        writer.set("/w", b"new")
        read = sim.spawn(client.get, "/w")
        sim.sleep(1)
        assert not read.done
        assert seen == []
        outage.heal()
        assert read.result()[0] == b"new"
        sim.sleep(0)
        assert len(seen) == 1


def test_a_slow_link() -> None:
    with Simulation() as sim:
        client, other = sim.client("slow"), sim.client()

        def duration(which: Any) -> float:
            before = sim.now
            which.get("/")
            return sim.now - before

        assert duration(client) < 0.01
        with sim.faults.slow(client, (1, 2)):
            assert 2 <= duration(client) <= 4
            assert duration(other) < 0.01
        sim.sleep(5)  # a ping may still be on its slow way
        assert duration(client) < 0.01


def test_a_stopped_server_refuses_and_remembers() -> None:
    with Simulation() as sim:
        client = sim.client()
        session = client.client_id
        client.create("/a")
        with sim.faults.stop_server():
            sim.sleep(3)
            assert not client.connected
        sim.settle()
        assert client.client_id == session
        assert client.exists("/a")


def test_dropping_a_connection_by_hand() -> None:
    with Simulation() as sim:
        client = sim.client()
        session = client.client_id
        assert sim.faults.drop(client) == 1
        sim.sleep(0.01)
        assert not client.connected
        sim.settle()
        assert client.client_id == session


def test_an_action_of_ones_own_upon_a_request() -> None:
    with Simulation() as sim:
        client, other = sim.client(), sim.client()
        client.ensure_path("/a")
        sim.faults.upon(
            lambda: sim.faults.partition(client, duration=1),
            client,
            operation="setData",
            point="after_reply",
        )
        before = sim.now
        client.set("/a", b"1")
        assert sim.now - before >= 1
        assert other.get("/a")[0] == b"1"


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


@pytest.mark.parametrize(
    "misuse",
    [
        lambda sim: sim.faults.partition("nobody", direction="sideways"),
        lambda sim: sim.faults.partition(sim.client(), 2),
        lambda sim: sim.faults.drop_before_request(nth=0),
        lambda sim: sim.faults.drop_before_request(times=0),
        lambda sim: sim.faults.drop_before_request(operation="getdata"),
        lambda sim: sim.faults.drop_before_request(operation="ping"),
        lambda sim: sim.faults.upon(print, point="never"),
        lambda sim: sim.faults.isolate(1, way="up"),
        lambda sim: sim.faults.partition(sim.client(), duration=-1),
        lambda sim: sim.faults.lag(1, (2, 1)),
    ],
)
def test_misuse(misuse: Any) -> None:
    with Simulation() as sim, pytest.raises(ValueError):  # noqa: PT011
        misuse(sim)


def test_what_is_no_client() -> None:
    with Simulation() as sim, pytest.raises(SimulationError, match="no client"):
        sim.faults.expire(object())


seeds = st.integers(0, 2**32)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_hostile_world_breaks_no_promise_and_settles(seed: int) -> None:
    promises.a_hostile_world(seed, servers=1)
