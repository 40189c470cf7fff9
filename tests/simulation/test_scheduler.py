"""Tasks, the virtual clock, and every way in which a run is stopped."""
# ruff: noqa: PT012  # a simulation that fails is a block, not a statement

from __future__ import annotations

import contextlib
import inspect
import re
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkfake._simulation.scheduling.scheduler import Scheduler
from zkfake.simulation import (
    Simulation,
    SimulationDeadlock,
    SimulationError,
    SimulationLimit,
    SimulationTimeout,
    TaskFailed,
)


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=20), st.floats(0, 1))
def test_sleepers_wake_in_the_order_of_their_times(delays: list[int], reorder: float) -> None:
    woken: list[int] = []
    with Simulation(reorder=reorder) as sim:

        def sleeper(delay: int) -> None:
            sim.sleep(delay / 1e6)
            assert sim._scheduler.now == delay
            woken.append(delay)

        tasks = [sim.spawn(sleeper, delay) for delay in delays]
        for task in tasks:
            task.join()
        assert sim._scheduler.now == max(delays)
    assert woken == sorted(delays)


@given(st.floats(min_value=1e-9, max_value=1e6))
def test_a_sleep_takes_what_was_asked_rounded_up_to_a_microsecond(seconds: float) -> None:
    scheduler = Scheduler(Random(0), max_time=1e7)
    scheduler.sleep(seconds)
    try:
        assert seconds - 2e-9 <= scheduler.now / 1e6 <= seconds + 2e-6
    finally:
        scheduler.close()


_WAITS = st.lists(st.integers(0, 9) | st.none(), min_size=2, max_size=9)
_WAKES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), min_size=4, max_size=20)


@settings(max_examples=600)
@given(st.lists(_WAITS, min_size=1, max_size=2), _WAKES)
def test_waits_end_as_if_every_one_of_them_had_a_timer(
    scripts: list[list[int | None]], wakes: list[tuple[int, int]]
) -> None:
    scheduler = Scheduler(Random(0))
    seen: list[tuple[int, int, bool]] = []

    def wait(number: int, script: list[int | None]) -> None:
        for timeout in script:
            deadline = None if timeout is None else scheduler.now + timeout
            woken = scheduler.block("nothing", deadline)
            seen.append((scheduler.now, number, woken))

    wakes = [(when, number) for when, number in wakes if number < len(scripts)]
    tasks = [scheduler.spawn(wait, *each) for each in enumerate(scripts)]
    for when, number in wakes:
        scheduler.call_at(when, partial(scheduler.wake, tasks[number]))
    scheduler.sleep(0.0001)
    scheduler.close()
    assert seen == _ends_of_waits(scripts, wakes)


def _ends_of_waits(
    scripts: list[list[int | None]], wakes: list[tuple[int, int]]
) -> list[tuple[int, int, bool]]:
    """When which script's next wait ends, and whether it was woken: by the plainest means."""
    timers: list[tuple[int, int, int, int | None]] = [
        (when, place, number, None) for place, (when, number) in enumerate(wakes)
    ]
    ready = list(range(len(scripts)))
    begun = [0] * len(scripts)
    waiting = [False] * len(scripts)
    seen, now, place = [], 0, len(wakes)
    while True:
        for number in ready:
            if begun[number] < len(scripts[number]):
                timeout = scripts[number][begun[number]]
                begun[number] += 1
                waiting[number] = True
                if timeout is not None:
                    place += 1
                    timers.append((now + timeout, place, number, begun[number]))
        if not timers:
            return seen
        ready, now = [], max(now, min(timers)[0])
        for timer in sorted(each for each in timers if each[0] <= now):
            timers.remove(timer)
            _, _, number, wait = timer
            if waiting[number] and wait in (None, begun[number]):
                waiting[number] = False
                ready.append(number)
                seen.append((now, number, wait is None))


def test_the_clock_stands_still_while_tasks_run() -> None:
    with Simulation() as sim:
        for _ in range(100):
            sim.sleep(0)
        assert sim.now == 0


def test_without_reordering_ready_tasks_run_oldest_first() -> None:
    order: list[int] = []
    with Simulation(reorder=0) as sim:
        tasks = [sim.spawn(order.append, number) for number in range(20)]
        for task in tasks:
            task.join()
    assert order == list(range(20))


def test_reordering_is_drawn_from_the_seed() -> None:
    def order(seed: int) -> tuple[int, ...]:
        found: list[int] = []
        with Simulation(seed=seed, reorder=1.0) as sim:
            tasks = [sim.spawn(found.append, number) for number in range(6)]
            for task in tasks:
                task.join()
        return tuple(found)

    assert order(1) == order(1)
    assert len({order(seed) for seed in range(20)}) > 10


def test_tasks_may_start_one_after_the_other_in_one_instant() -> None:
    """A task starts at the depth of the stack that the program has, not of the one before it."""
    depths: list[int] = []

    def start(sim: Simulation) -> None:
        depths.append(len(inspect.stack()))
        sim.client()

    with Simulation() as sim:
        tasks = [sim.spawn(start, sim) for _ in range(1_000)]
        for task in tasks:
            task.result()
        assert sim.now == 0.0004
    assert len(depths) == 1_000
    assert len({*depths}) == 1


def test_a_task_gives_its_result_or_its_exception() -> None:
    with Simulation() as sim:
        good = sim.spawn(lambda x, y: x + y, 1, y=2)
        bad = sim.spawn(int, "x")
        assert good.result() == 3
        assert good.done
        with pytest.raises(ValueError, match="invalid literal"):
            bad.result()
        slow = sim.spawn(sim.sleep, 10)
        with pytest.raises(TimeoutError):
            slow.result(timeout=5)
        assert sim.now == 5


def test_a_failure_that_nobody_asked_for_fails_the_simulation() -> None:
    with pytest.raises(TaskFailed) as caught, Simulation() as sim:
        sim.spawn(int, "x")
        sim.sleep(1)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_failed_task_stands_beside_the_blocks_own_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The block's assertion is often but what the failed task led to."""

    def worker() -> None:
        raise LookupError("the cause")

    with pytest.raises(AssertionError, match="nothing done") as caught, Simulation() as sim:
        seen = sim.spawn(int, "seen")
        sim.spawn(worker)
        sim.sleep(1)
        assert seen.exception is not None
        raise AssertionError("nothing done")
    notes = "".join(getattr(caught.value, "__notes__", [capsys.readouterr().err]))
    assert "task worker failed before, and nobody asked for its result:\nTraceback" in notes
    assert "LookupError: the cause" in notes
    assert "invalid literal" not in notes  # that one was asked for


def test_tasks_have_names_of_their_own() -> None:
    def work() -> None:
        pass

    with Simulation() as sim:
        names = [sim.spawn(work).name, sim.spawn(work).name, sim.spawn(work, name="w").name]
    assert names == ["work", "work#2", "w"]


def test_a_deadlock_lists_each_task_with_what_it_waits_for_and_where() -> None:
    with pytest.raises(SimulationDeadlock) as caught, Simulation() as sim:
        lock = sim.handler().lock_object()

        def hold() -> None:
            lock.acquire()
            sim.sleep(2)
            lock.acquire()  # again: hold stands here

        sim.spawn(hold)
        sim.sleep(1)
        lock.acquire()  # in vain: main stands here
    text = str(caught.value)
    source = Path(__file__).read_text().splitlines()
    for task in ("hold", "main"):
        line = next(n for n, each in enumerate(source, 1) if each.endswith(f": {task} stands here"))
        assert re.search(
            rf"^  {task} waits .*\n    at {re.escape(__file__)}:{line} in ", text, re.M
        )
    assert "main waits for a lock taken by hold since 1.000000 s" in text
    assert "hold waits for a lock taken by hold since 2.000000 s" in text
    assert "in hold" in text
    assert __file__ in text


def test_a_swallowed_deadlock_fails_the_simulation_all_the_same() -> None:
    swallow = contextlib.suppress(SimulationDeadlock)
    with pytest.raises(SimulationDeadlock), Simulation() as sim, swallow:
        sim.handler().event_object().wait()


def test_heartbeats_alone_do_not_keep_a_program_alive() -> None:
    with (
        pytest.raises(SimulationDeadlock, match=r"stall_limit.*\n.*main waits for an event"),
        Simulation(stall_limit=600) as sim,
    ):
        client = sim.client()
        client.handler.event_object().wait()
    assert 590 < sim.now <= 600


def test_a_program_that_waits_with_a_timeout_is_not_stalled() -> None:
    with Simulation(stall_limit=600) as sim:
        sim.client()
        sim.spawn(sim.sleep, 5000).join()
        assert sim.now == pytest.approx(5000, abs=1)


def test_the_limits_of_a_program_that_names_none() -> None:
    """Three hours with heartbeats alone, and two days."""
    with pytest.raises(SimulationDeadlock, match="stall_limit"), Simulation() as sim:
        sim.client().handler.event_object().wait()
    assert 3 * 3_600 - 10 < sim.now <= 3 * 3_600
    with pytest.raises(SimulationLimit, match="max_time"), Simulation() as sim:
        while True:
            sim.sleep(60)
    assert sim.now == 2 * 86_400


def test_the_step_limit() -> None:
    told = r"more than 1000 steps \(max_steps\) at virtual second 2\.5\d+, the last one by main"
    with pytest.raises(SimulationLimit, match=told), Simulation(max_steps=1000) as sim:
        sim.sleep(2.5)
        rounds = 0
        while True:
            rounds += 1
            sim.sleep(0)  # a step
    assert 950 < rounds <= 1000


def test_the_limit_of_virtual_time() -> None:
    with pytest.raises(SimulationLimit, match="max_time"), Simulation(max_time=60) as sim:
        while True:
            sim.sleep(1)
    assert sim.now <= 60


def test_run_until_sees_the_first_instant_at_which_the_condition_holds() -> None:
    with Simulation() as sim:
        done: list[float] = []

        def work() -> None:
            for _ in range(5):
                sim.sleep(1)
                done.append(sim.now)

        sim.spawn(work)
        assert sim.run_until(lambda: len(done) == 3 and "three") == "three"
        assert sim.now == 3
        with pytest.raises(SimulationTimeout, match="work waits for a sleep"):
            sim.run_until(lambda: len(done) == 6, timeout=1.5)
        assert sim.now == 4.5


def test_run_until_needs_no_timer_to_find_out_that_nothing_will_happen() -> None:
    with Simulation() as sim:
        with pytest.raises(SimulationTimeout):
            sim.run_until(lambda: False, timeout=5)
        assert sim.now == 5


def test_a_simulation_runs_once_and_one_at_a_time() -> None:
    with Simulation() as sim:
        with pytest.raises(SimulationError, match="this thread has a simulation already"):
            Simulation().__enter__()
        sim.sleep(1)
    with pytest.raises(SimulationError, match="is over"):
        sim.__enter__()
    with pytest.raises(SimulationError, match="is over"):
        sim.sleep(1)


def test_a_simulation_that_is_ended_twice_leaves_the_next_one_alone() -> None:
    sim = Simulation()
    with sim:
        pass
    sim.__exit__(None, None, None)
    with Simulation() as after:
        sim.__exit__(None, None, None)
        with pytest.raises(SimulationError, match="this thread has a simulation already"):
            Simulation().__enter__()
        after.sleep(3600)


def test_what_belongs_to_a_simulation_says_so_when_used_after_it() -> None:
    with Simulation() as sim:
        event = sim.handler().event_object()
    with pytest.raises(SimulationError, match="a simulation that is over"):
        event.wait()


def test_unwinding_tasks_cannot_block_the_end() -> None:
    seen: list[str] = []
    with Simulation() as sim:

        def stubborn() -> None:
            try:
                sim.sleep(100)
            finally:
                seen.append("unwinding")
                sim._scheduler.sleep(100)
                seen.append("slept")

        sim.spawn(stubborn)
        sim.sleep(1)
    assert seen == ["unwinding"]


def test_the_replay_line_is_printed_on_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        Simulation(seed=77, profile="hostile", drop_before_reply=0.5),
    ):
        raise ZeroDivisionError
    line = "Simulation(seed=77, profile='hostile', drop_before_reply=0.5)"
    assert line in capsys.readouterr().err


def test_the_seed_comes_from_the_environment_when_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZKFAKE_SEED", "123")
    assert Simulation().seed == 123
    assert Simulation(seed=4).seed == 4
    monkeypatch.setenv("ZKFAKE_SEED", "seven")
    with pytest.raises(ValueError, match="ZKFAKE_SEED='seven': expected a whole number"):
        Simulation()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"profile": "nasty"}, ValueError),
        ({"latency": (2, 1)}, ValueError),
        ({"pause": 1.5}, ValueError),
        ({"servers": 0}, ValueError),
        ({"settings": {"tickTme": 1}}, ValueError),
        ({"speed": 1}, TypeError),
        ({"seed": "7"}, TypeError),
        ({"seed": True}, TypeError),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        Simulation(**arguments)  # type: ignore[arg-type]
