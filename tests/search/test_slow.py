"""A slow thread: the world that shows what it does is shrunk to one that stands still once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake._search.shrinking import parts_of, shrink
from zkfake._search.trials import Trial
from zkfake._search.worlds import decisions
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


def go_on_after_a_loss(sim: Simulation) -> None:
    """Fails where the session ends between a look and what is done about it, after a lost reply."""
    client = sim.client("ann", timeout=4.0)
    told: list[str] = []
    client.add_listener(lambda state: told.append(state) and None)
    mutex = client.handler.lock_object()
    for _ in range(10):
        try:
            client.exists("/")
        except KazooException:  # noqa: PERF203
            for _ in range(10):
                sim.sleep(0.5)
                if "LOST" not in told:
                    with mutex:  # only a lost connection leads here
                        assert "LOST" not in told, "it has ended meanwhile"


def test_a_task_that_was_slow_after_a_fault_is_slow_after_one_in_a_calm_world() -> None:
    arguments = {
        "profile": "calm",
        "schedule": "pct",
        "latency": (0.0001, 0.3),
        "drop_before_reply": 0.1,
        "expire": 0.01,
    }
    trial = Trial(go_on_after_a_loss, None, (), arguments)
    seed = next(seed for seed in range(1000) if trial.run(seed=seed).error is not None)
    found = shrink(trial, {"seed": seed}, 300)
    assert found is not None
    assert found.complete
    parts = parts_of(found.world)
    assert len(parts) <= 3
    (delay,) = (part for part in parts if isinstance(part, Delay))
    assert (
        f"in {go_on_after_a_loss.__name__}"
        in decisions(found.run.simulation).schedule.stood[delay.task, delay.step].place
    )
