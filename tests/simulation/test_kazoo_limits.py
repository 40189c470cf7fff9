"""Limits of kazoo's recipes that the simulation brings out, each in the smallest world that shows
it.

None of them is a fault of the fake: every step is one that ZooKeeper's contract allows. They are
here for users to know, and to notice when a kazoo release changes one.
"""

from __future__ import annotations

from typing import Any

import pytest
from kazoo.exceptions import NoNodeError

from zkfake.simulation import Simulation, sweep
from zkfake.simulation.sweep import DROP_BEFORE_REPLY


def test_a_counter_counts_twice_when_a_reply_is_lost() -> None:
    """`Counter` retries a set whose reply was lost as a new increment: the old one was applied."""
    with Simulation() as sim:
        client = sim.client()
        counter = client.Counter("/counter")
        with sim.faults.drop_before_reply(client, operation="setData"):
            counter += 1
        assert counter.value == 2


def test_the_sweep_finds_the_counters_limit_and_no_other_in_it() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client()
        counter = client.Counter("/counter")
        counter += 1
        sim.settle()
        assert client.Counter("/counter").value == 1

    report = sweep(program, ["drop_before_request", "drop_before_reply", "drop_after_reply"])
    assert {failure.fault for failure in report.failures} == {DROP_BEFORE_REPLY}
    assert {failure.text.split(": ")[1] for failure in report.failures} == {"setData /counter"}


def test_a_paused_holder_of_a_lock_is_one_of_two() -> None:
    """A process that stands still for longer than its session cannot know that its lock is gone."""
    holders: list[str] = []
    most: list[int] = []

    def hold(sim: Simulation, client: Any) -> None:
        name = client.handler.client_name
        with client.Lock("/lock", name):
            holders.append(name)
            most.append(len(holders))
            sim.sleep(5)
            holders.remove(name)

    with Simulation() as sim:
        first, second = sim.client("first", timeout=10.0), sim.client("second")
        holding = sim.spawn(hold, sim, first, process=first)
        sim.run_until(lambda: holders)
        waiting = sim.spawn(hold, sim, second, process=second)
        with sim.faults.pause(first):
            sim.run_until(lambda: len(holders) == 2, timeout=60)
        waiting.result()
        holding.join()
        assert isinstance(holding.exception, NoNodeError | None)
    assert max(most) == 2


def test_a_lock_may_wait_for_ever_for_a_node_of_its_own() -> None:
    """After a lost reply `Lock` looks for its node among the children. The server it has come to
    may not have that node yet; so it makes another one, and waits for the first, which is its own.
    """
    with Simulation(servers=3) as sim:
        home, lagging = (number for number in (1, 2, 3) if number != sim.leader)
        client = sim.client(hosts=f"zk{home}:2181,zk{lagging}:2181", randomize_hosts=False)
        client.ensure_path("/lock")
        sim.sleep(1)
        slow = sim.faults.lag(lagging, (3, 3))
        sim.faults.drop_before_reply(client, operation="create", path="/lock/*")
        sim.faults.upon(
            lambda: sim.faults.stop_server(home),
            client,
            point="before_reply",
            operation="create",
            path="/lock/*",
        )
        taking = sim.spawn(client.Lock("/lock", "mine").acquire)
        sim.sleep(60)
        slow.heal()
        sim.sleep(600)
        assert not taking.done
        nodes = client.get_children("/lock")
        owners = {client.get(f"/lock/{node}")[1].ephemeralOwner for node in nodes}
        assert len(nodes) == 2
        assert owners == {client.client_id[0]}
        with pytest.raises(TimeoutError):
            taking.result(timeout=3600)
