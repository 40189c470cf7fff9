"""What chance has decided, spelled out, makes the same run without chance."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import KazooException

from zkfake._search.trials import Trial
from zkfake._search.wording import in_words
from zkfake._search.worlds import recorded, run_recorded
from zkfake._simulation.chance.profiles import FAULT_RATES
from zkfake._simulation.network.network import MessageDelay
from zkfake.history import Fault
from zkfake.simulation import Profile, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._search.trials import TrialRun


def work(sim: Simulation, name: str) -> None:
    client = sim.client(name)
    for number in range(4):
        try:
            client.create("/q/n", b"x", sequence=True, ephemeral=number % 2 == 0, makepath=True)
            children = client.get_children("/q", watch=lambda _: None)
            if children:
                client.delete(f"/q/{min(children)}")
            with client.Lock("/l", name):
                client.get("/q")
        except KazooException:  # noqa: PERF203
            sim.sleep(1)


def program(sim: Simulation) -> None:
    sim.faults.stop_chance()
    sim.load({"/q": b""})
    sim.client("early").exists("/q")
    sim.faults.resume_chance()
    for task in [sim.spawn(work, sim, name, name=name) for name in ("ann", "bob")]:
        task.join(300)


def happened(run: TrialRun) -> list[str]:
    """The events but for the notes of the faults: those of chance and of rules differ."""
    return [repr(event) for event in run.simulation.history if not isinstance(event, Fault)]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    profile=st.sampled_from(["hostile", "swarm"]),
    servers=st.sampled_from([None, 1, 3]),
    schedule=st.sampled_from([None, "fifo", "random", "pct"]),
    steady=st.booleans(),
)
def test_a_world_without_chance_makes_the_same_run(
    seed: int, profile: str, servers: int | None, schedule: str | None, steady: bool
) -> None:
    arguments = {"servers": servers, "profile": profile, "schedule": schedule, "max_time": 3000.0}
    if steady:  # then many messages are due at the same time
        arguments |= {"latency": (0.001, 0.001), "server_latency": (0.002, 0.002)}
    trial = Trial(program, arguments=arguments)
    with_chance = trial.run(seed=seed)
    kept = run_recorded(trial, seed=seed)
    assert happened(kept) == happened(with_chance)
    world = recorded(kept)
    assert not any(getattr(world.profile, name) for name in FAULT_RATES)
    assert happened(world.run(trial)) == happened(with_chance)


@pytest.mark.parametrize("seed", range(3))
def test_a_schedule_that_is_not_given_draws_no_message(seed: int) -> None:
    """Also where what chance decides is kept: the run is the same."""
    arguments = {"profile": "hostile", "latency": (0.001, 0.001), "max_time": 3000.0}
    trial = Trial(program, arguments=arguments)
    kept = run_recorded(trial, seed=seed)
    assert happened(kept) == happened(trial.run(seed=seed))


@pytest.mark.parametrize(
    "fault",
    [
        lambda sim: sim.faults.delay_task("main", step=0, seconds=1),
        lambda sim: sim.faults.delay_task("main", step=1, seconds=-1),
        lambda sim: sim.faults.delay_task("main", step=1, seconds=float("inf")),
        lambda sim: sim.faults.delay_message("ann", nth=0, seconds=1),
        lambda sim: sim.faults.delay_message("ann", nth=1, seconds=-1),
        lambda sim: sim.faults.delay_message("ann", nth=1, seconds=float("inf")),
    ],
)
def test_a_delay_counts_from_one_and_goes_forward(fault: Callable[[Simulation], object]) -> None:
    with Simulation() as sim, pytest.raises(ValueError, match="counted from 1"):
        fault(sim)


def test_a_task_is_delayed_at_its_step_and_others_go_on() -> None:
    seen: list[tuple[str, float]] = []

    def tell(name: str) -> None:
        for _ in range(2):
            sim.sleep(1)
            seen.append((name, sim.now))

    with Simulation() as sim:
        sim.faults.delay_task("ann", step=2, seconds=5)
        for task in [sim.spawn(tell, name, name=name) for name in ("ann", "bob")]:
            task.join()
    assert seen == [("bob", 1.0), ("bob", 2.0), ("ann", 6.0), ("ann", 7.0)]


@pytest.mark.parametrize("heals", ["heal", "settle"])
def test_healing_ends_a_delay(heals: str) -> None:
    with Simulation() as sim:
        sim.faults.delay_task("ann", step=1, seconds=1000)
        task = sim.spawn(lambda: sim.now, name="ann")
        sim.sleep(1)
        assert not task.done
        if heals == "heal":
            sim.faults.heal()
        else:
            sim.settle()
        assert task.result() == 1.0


def test_a_message_is_delayed_and_only_that_one() -> None:
    def times(sim: Simulation) -> list[float]:
        client = sim.client("ann")
        found = []
        for _ in range(3):
            before = sim.now
            client.exists("/")
            found.append(round(sim.now - before, 4))
        return found

    with Simulation() as sim:
        assert times(sim) == [0.0002] * 3
    with Simulation() as sim:
        # Two to connect, two for the session, and a request and a reply for each call.
        sim.faults.delay_message("ann", nth=8, seconds=0.5)
        assert times(sim) == [0.0002, 0.5001, 0.0002]


def test_words_say_whose_way_takes_long() -> None:
    with Simulation() as sim:
        for nth in range(1, 9):
            sim.faults.delay_message("ann", nth=nth, seconds=nth / 10)
        sim.client("ann").exists("/a", watch=lambda _: None)
        sim.client("bob").create("/a")
        sim.settle()
        words = [in_words(MessageDelay("ann", n, n / 10), sim) for n in (2, 3, 4, 5, 6, 7, 99)]
    assert words == [
        "message 2 from or to ann takes 0.2 s",
        "request 1, the 1st of ann (connect) takes 0.3 s to arrive (message 3)",
        "the reply to request 1, the 1st of ann (connect) takes 0.4 s to arrive (message 4)",
        "request 2, the 2nd of ann (exists /a) takes 0.5 s to arrive (message 5)",
        "the reply to request 2, the 2nd of ann (exists /a) takes 0.6 s to arrive (message 6)",
        "message 7 from or to ann takes 0.7 s",
        "message 99 from or to ann takes 9.9 s",
    ]


def test_a_fault_at_a_time() -> None:
    with Simulation() as sim:
        sim.client("ann")
        sim.faults.at(5.0, lambda: sim.faults.partition("ann", duration=2.0))
        sim.sleep(60)
        faults = [(event.time, event.name) for event in sim.history.of(Fault)]
    assert faults == [(5.0, "partition"), (7.0, "partition healed")]


# -- swarm and schedules


def test_swarm_draws_legal_worlds_of_every_kind_and_the_same_for_a_seed() -> None:
    kinds: set[Any] = set()
    for seed in range(300):
        one, other = (Simulation(seed=seed, profile="swarm") for _ in range(2))
        assert (one.profile, one.schedule) == (other.profile, other.schedule)
        kinds |= {one.schedule, *(name for name in FAULT_RATES if getattr(one.profile, name))}
        kinds.add("no fault" if not one.profile.has_faults else "faults")
    assert kinds == {"fifo", "random", "pct", "no fault", "faults", *FAULT_RATES}


def test_swarm_draws_only_what_is_not_given() -> None:
    for seed in range(20):
        drawn = Simulation(seed=seed, profile="swarm")
        given_some = Simulation(
            seed=seed, profile="swarm", servers=3, schedule="fifo", latency=(0.0, 1.0)
        )
        assert given_some.profile.latency == (0.0, 1.0)
        assert given_some.schedule == "fifo"
        assert len({drawn.profile.reorder, given_some.profile.reorder}) <= 2
        for field in fields(Profile):
            if field.name not in {"latency", "reorder", "preemption"}:
                assert getattr(drawn.profile, field.name) == getattr(given_some.profile, field.name)


@pytest.mark.parametrize(
    ("schedule", "error", "text"),
    [
        ("fair", ValueError, "expected one of fifo, random, pct"),
        (3, TypeError, "expected one of fifo, random, pct, or a dict"),
        ({0: 1}, ValueError, "choices are numbered from 1"),
        ({1: -1}, ValueError, "places from 0"),
    ],
)
def test_an_invalid_schedule_is_refused(schedule: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Simulation(schedule=schedule)


def test_the_replay_of_a_swarm_world_names_no_more_than_the_seed() -> None:
    assert Simulation(seed=3, profile="swarm").replay == "Simulation(seed=3, profile='swarm')"


def starved(sim: Simulation) -> bool:
    """Whether one task alone stood still while a session went by and the next one was opened."""
    client = sim.client("ann", timeout=4)

    def use() -> bool:
        for _ in range(10):
            session = client.client_id[0]
            client.exists("/")
            if client.client_id[0] != session:
                return True
            sim.sleep(1)
        return False

    task = sim.spawn(use, name="use")
    for second in range(0, 60, 5):
        sim.faults.at(second + 0.5, lambda: sim.faults.expire("ann"))
    return bool(task.result())


def test_pct_starves_a_single_task_and_random_does_not() -> None:
    def found(schedule: str) -> bool:
        trial = Trial(starved, arguments={"schedule": schedule, "preemption": 0.2})
        return any(trial.run(seed=seed).value for seed in range(60))

    assert not found("random")
    assert found("pct")
