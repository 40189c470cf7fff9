"""Pools of threads in virtual time, as programs use them; pools of processes are refused."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import (
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.thread import BrokenThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zkfake.simulation import Simulation, SimulationBlocked

if TYPE_CHECKING:
    from collections.abc import Iterator

Pool = tuple[Simulation, ThreadPoolExecutor]


@pytest.fixture
def made() -> Iterator[Pool]:
    with Simulation(patch=[__name__]) as sim, ThreadPoolExecutor(3) as pool:
        yield sim, pool


def work(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def fail(seconds: float) -> None:
    time.sleep(seconds)
    raise ZeroDivisionError


def at(sim: Simulation, seconds: float) -> bool:
    """Whether it is that time; a wait that ends without result may take a microsecond longer."""
    return seconds <= sim.now <= seconds + 1e-5


def test_results_come_in_the_order_of_virtual_time(made: Pool) -> None:
    sim, pool = made
    done = as_completed([pool.submit(work, seconds) for seconds in (3, 1, 2)])
    assert [(each.result(), sim.now) for each in done] == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_a_pool_works_at_as_many_things_as_it_has_threads(made: Pool) -> None:
    sim, pool = made
    assert list(pool.map(work, [4, 1, 1, 1])) == [4, 1, 1, 1]
    assert sim.now == 4


@pytest.mark.parametrize("timeout", [0, 0.5, 1, 2.5])
def test_every_wait_ends_with_its_timeout(made: Pool, timeout: float) -> None:
    sim, pool = made
    slow = pool.submit(work, 1000)
    begun = sim.now
    with pytest.raises(FutureTimeout):
        slow.result(timeout)
    assert at(sim, begun + timeout)
    with pytest.raises(FutureTimeout):
        slow.exception(timeout)
    done, left = wait([slow], timeout)
    assert (done, left) == (set(), {slow})
    assert at(sim, begun + 3 * timeout)
    with pytest.raises(FutureTimeout, match=r"1 \(of 1\) futures unfinished"):
        list(as_completed([slow], timeout))
    assert at(sim, begun + 4 * timeout)
    with pytest.raises(FutureTimeout):
        list(pool.map(work, [1000], timeout=timeout))
    assert at(sim, begun + 5 * timeout)


def test_waiting_for_the_first(made: Pool) -> None:
    sim, pool = made
    first, second = pool.submit(work, 1), pool.submit(work, 2)
    assert wait([first, second], return_when=FIRST_COMPLETED).done == {first}
    assert sim.now == 1
    failing = pool.submit(fail, 3)
    assert wait([second, failing, pool.submit(work, 9)], return_when=FIRST_EXCEPTION).done == {
        second,
        failing,
    }
    assert sim.now == 4
    with pytest.raises(ZeroDivisionError):
        failing.result()


def test_the_end_of_a_pool(made: Pool) -> None:
    sim, pool = made
    running = [pool.submit(work, 5) for _ in range(3)]
    waiting = pool.submit(work, 5)
    pool.shutdown(wait=False, cancel_futures=True)
    assert sim.now == 0
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(work, 5)
    pool.shutdown()
    assert sim.now == 5
    assert all(each.done() for each in running)


def test_an_initializer_runs_in_each_thread() -> None:
    names: list[str] = []

    def begin(prefix: str) -> None:
        time.sleep(1)
        names.append(prefix + threading.current_thread().name)

    with Simulation(patch=[__name__]) as sim:
        with ThreadPoolExecutor(2, "baker", begin, ("the ",)) as pool:
            list(pool.map(work, [2, 2]))
            assert sim.now == 3
        assert names == ["the baker_0", "the baker_1"]
        with ThreadPoolExecutor(1, initializer=fail, initargs=(1,)) as pool:
            with pytest.raises(BrokenThreadPool):
                pool.submit(work, 1).result()
            assert sim.now == 4


def test_a_future_of_ones_own() -> None:
    with Simulation(patch=[__name__]) as sim:
        promise: Future[int] = Future()
        told: list[int] = []
        promise.add_done_callback(lambda future: told.append(future.result()))
        threading.Timer(2, promise.set_result, [7]).start()
        assert (promise.result(), sim.now, told) == (7, 2, [7])


def test_the_main_program_may_have_a_pool(tmp_path: Path) -> None:
    program = tmp_path / "bakery.py"
    program.write_text(
        "import time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from zkfake.simulation import Simulation\n"
        "def bake(sim, seconds):\n"
        "    time.sleep(seconds)\n"
        "    return sim.now\n"
        "with Simulation(patch=['__main__']) as sim:\n"
        "    with ThreadPoolExecutor(2) as pool:\n"
        "        print(list(pool.map(lambda s: bake(sim, s), [3600, 60])))\n"
    )
    run = subprocess.run(
        [sys.executable, str(program)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("[3600.0, 60.0]\n", "")


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (lambda: multiprocessing.Process(target=work).start(), "Process"),
        (lambda: multiprocessing.get_context("spawn").Process().start(), "SpawnProcess"),
        (lambda: ProcessPoolExecutor(1), "ProcessPoolExecutor"),
    ],
)
def test_processes_are_refused_by_name(begin: Any, name: str) -> None:
    told = f"main wants a {name}, which would run beside the simulation.*use a ThreadPoolExecutor"
    with Simulation(), pytest.raises(SimulationBlocked, match=told):
        begin()


def test_other_threads_and_the_time_after_it_have_processes() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # its thread is a real one
        with Simulation():
            other = pool.submit(ProcessPoolExecutor, 0)
            while not other.done():
                pass
            with pytest.raises(ValueError, match="max_workers must be greater than 0"):
                other.result()
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        ProcessPoolExecutor(0)
