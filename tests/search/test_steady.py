"""A shrunk world has latencies that do not vary: nothing in it is left to chance."""

from __future__ import annotations

import pytest

from zkfake._search.causes import cause_of
from zkfake._search.shrinking import shrink
from zkfake._search.trials import Trial
from zkfake.simulation import Simulation, explore

from .test_explore import pasted


def catch_up(sim: Simulation) -> None:
    """Fails where a server is late for a second or two: neither a fault at a request that lasts a
    minute, nor servers that are all late alike, make it so.
    """
    others = [each.id for each in sim.replicas if each.id != sim.leader]
    writer, reader = (sim.client(f"c{each}", hosts=f"zk{each}:2181") for each in others[:2])
    writer.create("/value", b"0")
    sim.sleep(10)
    writer.set("/value", b"1")
    first = reader.get("/value")[0]
    sim.sleep(5)
    assert (first, reader.get("/value")[0]) != (b"0", b"1"), "it was late"


@pytest.mark.parametrize("seed", range(4))
def test_a_lag_that_varies_becomes_that_of_one_server(seed: int) -> None:
    trial = Trial(catch_up, arguments={"servers": 3, "replica_lag": (0.0, 4.0)})
    seeds = (each for each in range(30 * seed, 30 * seed + 30) if trial.run(seed=each).error)
    found = shrink(trial, {"seed": next(seeds)})
    assert found is not None
    world = found.world
    assert world.profile == Simulation().profile
    (line,) = world.parts_as_text
    assert line.startswith("sim.faults.lag(")
    assert {world.run(trial).cause for _ in range(2)} == {found.run.cause}
    # No seed changes anything any more.
    text = world.text(trial)
    assert "seed=" not in text
    assert "replica_lag" not in text


def test_it_is_told_and_pasted() -> None:
    found = explore(
        catch_up, seeds=30, jobs=1, profile="calm", servers=3, replica_lag=(0, 4), stop_after=1
    )
    (failure,) = found.failures
    assert failure.shrunk
    (line,) = failure.faults
    assert line.startswith("sim.faults.lag(")
    assert " applies late, by " in failure.explanation
    assert " from the start. Without it, it passes." in failure.explanation
    assert cause_of(pasted(failure, catch_up=catch_up)) == failure.cause


def slow_election(sim: Simulation) -> None:
    sim.client("ann")
    before = sim.now
    sim.faults.stop_server(duration=1.0)
    sim.run_until(lambda: sim.leader is not None)
    assert sim.now - before < 3, "it took long"


def test_elections_take_one_time() -> None:
    trial = Trial(slow_election, arguments={"servers": 3, "election_time": (0.2, 6.0)})
    seeds = (each for each in range(30) if trial.run(seed=each).error)
    found = shrink(trial, {"seed": next(seeds)})
    assert found is not None
    low, high = found.world.profile.election_time
    assert low == high
    assert found.world.seed == 0
