"""Event loops of asyncio in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from zkdict import AsyncZooKeeperDict
from zkfake.simulation import Simulation, SimulationBlocked, SimulationDeadlock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable


def test_a_loop_waits_in_virtual_time() -> None:
    async def work() -> list[float]:
        loop, times = asyncio.get_running_loop(), []
        for seconds in (3600, 0.25, 0):
            await asyncio.sleep(seconds)
            times.append(loop.time())
        return times

    begin = time.monotonic()
    with Simulation() as sim:
        assert asyncio.run(work()) == [3600, 3600.25, 3600.25]
        assert sim.now == 3600.25
    assert time.monotonic() - begin < 600
    assert asyncio.run(asyncio.sleep(0, "real again")) == "real again"


def test_each_task_can_run_a_loop_of_its_own() -> None:
    seen: list[tuple[str, float]] = []

    async def work(sim: Simulation, name: str, pause: float) -> None:
        for _ in range(3):
            await asyncio.sleep(pause)
            seen.append((name, sim.now))

    with Simulation() as sim:
        tasks = [
            sim.spawn(lambda n=name, p=pause: asyncio.run(work(sim, n, p)), name=name)
            for name, pause in (("ann", 1.0), ("bob", 0.75))
        ]
        for task in tasks:
            task.result()
    assert seen == [
        ("bob", 0.75),
        ("ann", 1.0),
        ("bob", 1.5),
        ("ann", 2.0),
        ("bob", 2.25),
        ("ann", 3.0),
    ]


def test_queues_events_timeouts_and_cancelling() -> None:
    async def put(queue: asyncio.Queue[int]) -> None:
        for number in range(3):
            await asyncio.sleep(1)
            await queue.put(number)

    async def work() -> list[Any]:
        queue: asyncio.Queue[int] = asyncio.Queue()
        putting = asyncio.ensure_future(put(queue))
        found: list[Any] = [await queue.get() for _ in range(3)]
        await putting
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(queue.get(), 5)
        waiting = asyncio.ensure_future(asyncio.Event().wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        done, pending = await asyncio.wait(
            [asyncio.ensure_future(asyncio.sleep(n)) for n in (1, 9)], timeout=2
        )
        return [*found, len(done), len(pending), asyncio.get_running_loop().time()]

    with Simulation():
        assert asyncio.run(work()) == [0, 1, 2, 1, 1, 10.0]


def test_threads_are_tasks_and_blocking_calls_of_kazoo_work_in_them() -> None:
    with Simulation() as sim:

        async def work() -> tuple[Any, ...]:
            client = await asyncio.to_thread(sim.client, "ann")
            await asyncio.to_thread(client.create, "/a", b"1")
            slow = asyncio.ensure_future(asyncio.to_thread(sim.sleep, 5))
            await asyncio.sleep(1)
            before = slow.done(), sim.now
            await slow
            return client.get("/a")[0], before, sim.now

        data, (done, before), after = asyncio.run(work())
        assert (data, done) == (b"1", False)
        assert after - before == pytest.approx(4, abs=0.01)


def test_a_dict_in_coroutines() -> None:
    async def work(sim: Simulation, name: str) -> dict[str, int]:
        async with await AsyncZooKeeperDict.open(sim.client(name), "/shop") as shop:
            for number in range(3):
                await shop.set(name, number)
                await asyncio.sleep(1)
            await shop.sync()
            return dict(shop.mapping)

    for _ in range(2):  # what the threads of one simulation left does not hold up the next
        with Simulation(servers=3) as sim:
            tasks = [
                sim.spawn(lambda n=name: asyncio.run(work(sim, n)), name=name)
                for name in ("ann", "bob")
            ]
            assert [task.result() for task in tasks] == [{"ann": 2, "bob": 2}] * 2


def test_asynchronous_generators_are_closed_by_their_own_loop() -> None:
    closed = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            for number in range(9):
                await asyncio.sleep(1)
                yield number
        finally:
            closed.append((name, asyncio.get_running_loop()))

    async def work(name: str) -> object:
        async for _ in numbers(name):
            break
        await asyncio.sleep(1)
        return asyncio.get_running_loop()

    with Simulation() as sim:
        tasks = [sim.spawn(lambda n=name: asyncio.run(work(n))) for name in ("ann", "bob")]
        loops = [task.result() for task in tasks]
    assert sorted(closed, key=lambda each: each[0]) == [("ann", loops[0]), ("bob", loops[1])]


def test_a_loop_that_waits_for_nothing_is_found_out() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationDeadlock, match="an event loop's next"), Simulation():
        asyncio.run(work())


def test_a_loop_that_is_always_busy_lets_others_have_their_turn() -> None:
    async def work(task: Any) -> int:
        turns = 0
        while not task.done:
            turns += 1
            await asyncio.sleep(0)
        return turns

    with Simulation() as sim:
        task = sim.spawn(lambda: "done", name="other")
        assert 0 < asyncio.run(work(task)) <= 1001


def test_a_loop_that_was_made_outside_is_refused() -> None:
    async def nothing() -> None:
        pass

    loop = asyncio.new_event_loop()
    try:
        coroutine = nothing()
        with Simulation(), pytest.raises(SimulationBlocked, match="make the loop inside"):
            loop.run_until_complete(coroutine)
        coroutine.close()
        loop.run_until_complete(nothing())
    finally:
        loop.close()


def test_signal_handlers_are_taken() -> None:
    async def install() -> tuple[bool, bool]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, loop.stop)
        with pytest.raises(ValueError, match="12345"):
            loop.add_signal_handler(12345, loop.stop)
        return loop.remove_signal_handler(signal.SIGINT), loop.remove_signal_handler(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with Simulation():
        assert asyncio.run(install()) == (True, False)
    assert signal.getsignal(signal.SIGINT) is before


def test_each_task_has_the_loop_that_it_has_set() -> None:
    def work(sim: Simulation) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        sim.sleep(1)  # the others set theirs
        assert asyncio.get_event_loop() is loop
        loop.run_until_complete(asyncio.sleep(1))
        loop.close()
        return loop

    outside = asyncio.new_event_loop()
    asyncio.set_event_loop(outside)
    try:
        for _ in range(2):
            with Simulation() as sim:
                tasks = [sim.spawn(work, sim) for _ in range(3)]
                assert len({id(task.result()) for task in tasks}) == 3
                asyncio.set_event_loop(None)
                with pytest.raises(RuntimeError, match="no current event loop"):
                    asyncio.get_event_loop()
        assert asyncio.get_event_loop() is outside
    finally:
        asyncio.set_event_loop(None)
        outside.close()


def test_sockets_are_not_there() -> None:
    async def connect() -> None:
        await asyncio.open_connection("127.0.0.1", 1)

    with Simulation(), pytest.raises(NotImplementedError):
        asyncio.run(connect())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup is of Python 3.11")
def test_a_task_group_cancels_in_the_same_order_in_every_run() -> None:
    def order() -> list[int]:
        cancelled: list[int] = []

        async def wait(number: int) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                cancelled.append(number)

        async def work() -> None:
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]
                garbage = [object() for _ in range(7)]
                tasks: list[Awaitable[None]] = []
                for number in range(20):
                    garbage.append(object())
                    tasks.append(group.create_task(wait(number)))
                group.create_task(asyncio.sleep(1)).add_done_callback(lambda _: tasks[3].cancel())  # type: ignore[attr-defined]
                await asyncio.sleep(2)
                raise KeyError

        with Simulation(), contextlib.suppress(BaseException):
            asyncio.run(work())
        return cancelled

    first = order()
    keep = [object() for _ in range(1001)]
    assert len(first) == 20
    assert first == order()
    del keep
