"""The scheduler's locks, events and queues behave as those of `threading` and `queue`, and every
wait there is ends to the microsecond.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.handlers.threading import KazooTimeoutError

from zkfake._simulation.scheduling import sync
from zkfake.simulation import Simulation, SimulationTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

seeds = st.integers(0, 2**32)


@given(seeds, st.integers(1, 6), st.sampled_from([sync.Lock, sync.RLock]))
def test_a_lock_excludes_and_everybody_gets_it(seed: int, workers: int, kind: Any) -> None:
    inside: list[int] = []
    entries: list[int] = []
    with Simulation(seed=seed, reorder=1.0, preemption=0.5) as sim:
        lock = kind(sim._scheduler)

        def work(number: int) -> None:
            for _ in range(3):
                with lock:
                    inside.append(number)
                    sim.sleep(0.01)
                    assert inside == [number]
                    inside.remove(number)
                    entries.append(number)

        for task in [sim.spawn(work, number) for number in range(workers)]:
            task.result()
    assert sorted(entries) == sorted(list(range(workers)) * 3)


@given(seeds, st.lists(st.sampled_from([0.005, 0.01, 0.02]), min_size=1, max_size=5))
def test_no_wake_up_is_lost_between_waiters_that_time_out(seed: int, timeouts: list[float]) -> None:
    with Simulation(seed=seed, reorder=1.0) as sim:
        lock = sync.Lock(sim._scheduler)
        got: list[bool] = []

        def work(timeout: float) -> None:
            if lock.acquire(timeout=timeout):
                got.append(True)
                lock.release()

        lock.acquire()
        tasks = [sim.spawn(work, timeout) for timeout in timeouts]
        patient = sim.spawn(work, -1)
        sim.sleep(0.01)
        lock.release()
        for task in [*tasks, patient]:
            task.result(timeout=1)
        assert not lock.locked()
        assert got


@given(seeds, st.integers(1, 5), st.integers(1, 5), st.integers(0, 3))
def test_a_queue_hands_each_item_to_one_getter_in_order(
    seed: int, putters: int, getters: int, maxsize: int
) -> None:
    items = [(number, place) for number in range(putters) for place in range(4)]
    got: list[tuple[int, int]] = []
    with Simulation(seed=seed, reorder=1.0, preemption=0.3) as sim:
        work = sync.Queue(sim._scheduler, maxsize)

        def put(number: int) -> None:
            for place in range(4):
                work.put((number, place))
                assert not maxsize or work.qsize() <= maxsize

        def get() -> None:
            while (item := work.get()) is not None:
                got.append(item)
                work.task_done()

        takers = [sim.spawn(get) for _ in range(getters)]
        for task in [sim.spawn(put, number) for number in range(putters)]:
            task.result()
        work.join()
        for _ in takers:
            work.put(None)
        for task in takers:
            task.result()
    assert sorted(got) == items
    if getters == 1:
        for number in range(putters):
            assert [place for which, place in got if which == number] == [0, 1, 2, 3]


@given(st.lists(st.tuples(st.sampled_from(["put", "get"]), st.integers(0, 9)), max_size=30))
@pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue"])
def test_queues_give_what_the_real_ones_give(name: str, steps: list[tuple[str, int]]) -> None:
    real = getattr(queue, name)(maxsize=3)
    with Simulation() as sim:
        ours = getattr(sync, name)(sim._scheduler, maxsize=3)
        for step, value in steps:
            outcomes = []
            for each in (real, ours):
                try:
                    outcomes.append(each.put_nowait(value) if step == "put" else each.get_nowait())
                except (queue.Empty, queue.Full) as error:  # noqa: PERF203
                    outcomes.append(type(error))
            assert outcomes[0] == outcomes[1]
            assert (real.qsize(), real.empty(), real.full()) == (
                ours.qsize(),
                ours.empty(),
                ours.full(),
            )


def test_an_event() -> None:
    with Simulation() as sim:
        event = sync.Event(sim._scheduler)
        assert not event.wait(timeout=1)
        assert sim.now == 1
        waiters = [sim.spawn(event.wait) for _ in range(3)]
        sim.sleep(1)
        event.set()
        assert [task.result() for task in waiters] == [True] * 3
        assert event.wait(0)
        event.clear()
        assert not event.is_set()


@given(seeds)
def test_a_condition(seed: int) -> None:
    with Simulation(seed=seed, reorder=1.0) as sim:
        condition = sync.Condition(sim._scheduler)
        stock: deque[int] = deque()

        def take() -> int:
            with condition:
                assert condition.wait_for(lambda: bool(stock), timeout=60)
                return stock.popleft()

        takers = [sim.spawn(take) for _ in range(3)]
        for item in range(3):
            sim.sleep(1)
            with condition:
                stock.append(item)
                condition.notify(2)
        assert sorted(task.result() for task in takers) == [0, 1, 2]
        with condition:
            assert not condition.wait(timeout=1)
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.notify()


@given(waiting=st.integers(0, 5), number=st.integers(1, 6))
def test_as_many_are_woken_as_were_asked_for(waiting: int, number: int) -> None:
    with Simulation() as sim:
        condition = sync.Condition(sim._scheduler)
        semaphore = sync.Semaphore(sim._scheduler, 0)

        def wait() -> bool:
            with condition:
                return condition.wait(timeout=5)

        notified = [sim.spawn(wait) for _ in range(waiting)]
        admitted = [sim.spawn(semaphore.acquire, timeout=5) for _ in range(waiting)]
        sim.sleep(1)
        with condition:
            condition.notify(number)
        semaphore.release(number)
        sim.sleep(1)
        assert sum(task.done for task in notified) == min(number, waiting)
        assert sum(task.done for task in admitted) == min(number, waiting)
        assert sum(task.result() for task in notified) == min(number, waiting)
        assert sum(task.result() for task in admitted) == min(number, waiting)


def test_a_condition_waits_with_a_lock_held_twice() -> None:
    with Simulation() as sim:
        condition = sync.Condition(sim._scheduler)

        def wake() -> None:
            with condition:
                condition.notify_all()

        sim.spawn(wake)
        with condition, condition:
            assert condition.wait(1)
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.release()


def test_semaphores_and_barriers() -> None:
    with Simulation() as sim:
        semaphore = sync.BoundedSemaphore(sim._scheduler, 2)
        inside: list[int] = []
        most: list[int] = []

        def work(number: int) -> None:
            with semaphore:
                inside.append(number)
                most.append(len(inside))
                sim.sleep(1)
                inside.remove(number)

        for task in [sim.spawn(work, number) for number in range(5)]:
            task.result()
        assert max(most) == 2
        assert sim.now == 3
        with pytest.raises(ValueError, match="too many times"):
            semaphore.release()

        barrier = sync.Barrier(sim._scheduler, 3)
        tasks = [sim.spawn(barrier.wait) for _ in range(3)]
        assert sorted(task.result() for task in tasks) == [0, 1, 2]


def test_misuse_is_answered_as_threading_answers_it() -> None:
    with Simulation() as sim:
        for ours, real in (
            (sync.Lock(sim._scheduler), threading.Lock()),
            (sync.RLock(sim._scheduler), threading.RLock()),
        ):
            for each in (ours, real):
                with pytest.raises(RuntimeError):
                    each.release()
        for semaphore in (sync.Semaphore(sim._scheduler), threading.Semaphore()):
            with pytest.raises(ValueError, match="n must be one or more"):
                semaphore.release(0)
        with pytest.raises(ValueError, match="task_done"):
            sync.Queue(sim._scheduler).task_done()


def _wait_for_lock(sim: Simulation, kind: Any, timeout: float) -> Any:
    lock = kind(sim._scheduler)
    sim.spawn(lock.acquire)
    sim.sleep(0)
    return lock.acquire(timeout=timeout)


def _wait_with(condition: sync.Condition, wait: Callable[[], Any]) -> Any:
    with condition:
        return wait()


def _wait_to_put(sim: Simulation, timeout: float) -> None:
    full = sync.Queue(sim._scheduler, 1)
    full.put(1)
    full.put(2, timeout=timeout)


def _wait_to_read(sim: Simulation, timeout: float) -> bytes:
    one, _other = sim.handler().create_socket_pair()
    one.settimeout(timeout)
    return one.recv(1)  # type: ignore[no-any-return]


def _wait_to_connect(sim: Simulation, timeout: float) -> None:
    client = sim.handler()
    with sim.faults.partition(client.client_name):
        client.create_connection(("10.0.0.1", 2181), timeout)


def _wait_for_a_slow_network(sim: Simulation, timeout: float) -> None:
    client = sim.handler()
    with sim.faults.slow(client.client_name, (30.0, 30.0)):
        client.create_connection(("10.0.0.1", 2181), timeout)


def _conditions(sim: Simulation) -> list[sync.Condition]:
    return [
        sync.Condition(sim._scheduler),
        sync.Condition(sim._scheduler, sync.Lock(sim._scheduler)),
    ]


WAITS: dict[str, Callable[[Simulation, float], Any]] = {
    "sleep": lambda sim, t: sim.sleep(t),
    "run_until": lambda sim, t: sim.run_until(lambda: False, t),
    "join": lambda sim, t: sim.spawn(sim.sleep, 99).join(t),
    "result": lambda sim, t: sim.spawn(sim.sleep, 99).result(t),
    "event": lambda sim, t: sync.Event(sim._scheduler).wait(t),
    "lock": lambda sim, t: _wait_for_lock(sim, sync.Lock, t),
    "reentrant lock": lambda sim, t: _wait_for_lock(sim, sync.RLock, t),
    "semaphore": lambda sim, t: sync.Semaphore(sim._scheduler, 0).acquire(timeout=t),
    "condition": lambda sim, t: _wait_with(c := _conditions(sim)[0], lambda: c.wait(t)),
    "condition, plain lock": lambda sim, t: _wait_with(c := _conditions(sim)[1], lambda: c.wait(t)),
    "condition, predicate": lambda sim, t: _wait_with(
        c := _conditions(sim)[0], lambda: c.wait_for(lambda: False, t)
    ),
    "barrier": lambda sim, t: sync.Barrier(sim._scheduler, 2).wait(t),
    "queue, get": lambda sim, t: sync.Queue(sim._scheduler).get(timeout=t),
    "queue, put": _wait_to_put,
    "answer": lambda sim, t: sim.handler().async_result().get(timeout=t),
    "select": lambda sim, t: any(
        (h := sim.handler()).select(h.create_socket_pair()[:1], [], [], t)
    ),
    "recv": _wait_to_read,
    "connection": _wait_to_connect,
    "slow connection": _wait_for_a_slow_network,
    "rule": lambda sim, t: sim.faults.drop_before_reply().wait(t),
}


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-6, 0.25])
@pytest.mark.parametrize("name", WAITS)
def test_a_wait_for_nothing_takes_its_timeout_to_the_microsecond(name: str, timeout: float) -> None:
    with Simulation() as sim:
        sim.sleep(1)
        result = None
        with contextlib.suppress(
            TimeoutError,
            BlockingIOError,
            KazooTimeoutError,
            SimulationTimeout,
            queue.Empty,
            queue.Full,
        ):
            result = WAITS[name](sim, timeout)
        assert not result
        polls = name == "event" and not timeout  # or a loop of polls would never end
        assert sim._scheduler.now == 1_000_000 + round(timeout * 1_000_000) + polls


def _held(lock: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    lock.acquire()
    return lock.acquire, lock.release


WITHOUT_TIMEOUT: dict[str, Callable[[Simulation], tuple[Callable[[], Any], Callable[[], Any]]]] = {
    "lock": lambda sim: _held(sync.Lock(sim._scheduler)),
    "reentrant lock": lambda sim: _held(sync.RLock(sim._scheduler)),
    "semaphore": lambda sim: ((s := sync.Semaphore(sim._scheduler, 0)).acquire, s.release),
    "event": lambda sim: ((e := sync.Event(sim._scheduler)).wait, e.set),
    "barrier": lambda sim: ((b := sync.Barrier(sim._scheduler, 2)).wait, lambda: sim.spawn(b.wait)),
    "queue, get": lambda sim: ((q := sync.Queue(sim._scheduler)).get, lambda: q.put(1)),
}
"""What waits, and what ends the wait."""


@pytest.mark.parametrize("name", WITHOUT_TIMEOUT)
def test_a_wait_without_a_timeout_takes_as_long_as_it_needs(name: str) -> None:
    with Simulation() as sim:
        wait, end = WITHOUT_TIMEOUT[name](sim)
        waiting = sim.spawn(wait)
        sim.sleep(100_000)
        assert not waiting.done
        end()
        waiting.result(timeout=1)
