"""A slow thread: the world that shows what it does is shrunk to one that stands still once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake._search.shrinking import parts_of, shrink
from zkfake._search.trials import Trial
from zkfake._simulation.scheduling.schedules import Delay
from zkfake.history import Recorded

if TYPE_CHECKING:
    from zkfake.simulation import Simulation

NAMES = ("ann", "bob", "cy", "di")


def work(sim: Simulation, name: str) -> None:
    """Do what only the one is to do who has an ephemeral znode, and look for it before."""
    client = sim.client(name, timeout=4.0)
    with suppress(KazooException):
        client.create(f"/{name}", ephemeral=True)
        for _ in range(6):
            client.exists(f"/{name}")
            client.get_children("/")
            client.set("/log", b"")
            sim.history.record("done", name, client.exists(f"/{name}") is not None)


def program(sim: Simulation) -> None:
    sim.load({"/log": b""})
    for task in [sim.spawn(work, sim, name, name=name, process=name) for name in NAMES]:
        task.join(120)
    done = [event.value for event in sim.history.of(Recorded)]
    assert all(done)


def test_a_slow_thread_is_found_anew_in_a_calm_world() -> None:
    """In the world of chance it depends on hundreds of turns of the tasks: left out one by one,
    they take more runs than a shrinker has here.
    """
    trial = Trial(program, None, (KazooException,), {"profile": "swarm", "schedule": "pct"})
    seed = next(seed for seed in range(1000) if trial.run(seed=seed).error is not None)
    found = shrink(trial, {"seed": seed}, 80)
    assert found is not None
    assert found.complete
    parts = parts_of(found.world)
    assert len(parts) <= 2
    assert any(isinstance(part, Delay) for part in parts)
