"""Programs as people write them: unnamed threads, pools, thread-local attributes, logs, chance.

The application is the package `shop` beside this file; `programs.shopping` runs it, with clients,
on every Python and under several hash seeds.
"""

from __future__ import annotations

import datetime as dt
import gc
import importlib
import logging
import os
import queue
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zkfake.simulation import Simulation, SimulationBlocked

from . import everything
from .shop import sale, stock

if TYPE_CHECKING:
    from collections.abc import Callable

SHOP = f"{__package__}.shop"


class Lines(logging.Handler):
    """Keeps the lines of a log as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(
            logging.Formatter(
                "%(asctime)s %(relativeCreated)d %(process)d %(threadName)s %(thread)d %(message)s"
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def day_of(seed: int, profile: str = "hostile") -> tuple[list[Any], list[str]]:
    handler = Lines()
    sale.log.addHandler(handler)
    sale.log.propagate = False
    try:
        with Simulation(seed=seed, patch=[SHOP], profile=profile):
            return sale.day(), handler.lines
    finally:
        sale.log.removeHandler(handler)
        sale.log.propagate = True


def test_a_day_depends_on_nothing_but_the_seed() -> None:
    days = {seed: day_of(seed) for seed in range(8)}
    assert days == {seed: day_of(seed) for seed in range(8)}
    assert len({repr(day) for day in days.values()}) == 8


def test_every_task_is_a_thread_to_the_code_in_it() -> None:
    results, lines = day_of(0, "calm")
    assert [name for name, _ in results[:5]] == [
        "Thread-1 (serve)", "Thread-2 (serve)", "Thread-3 (serve)", "Thread-4 (wait_for_change)",
        "Thread-5",
    ]  # fmt: skip
    assert [ident for _, ident in results[:5]] == [2, 3, 4, 5, 6]
    assert results[5] == sorted(["MainThread", *(name for name, _ in results[:5])])
    pool = results[6:18]
    for number, _, own, name, ident, asked in pool:
        assert own == number
        assert ident == asked
        assert name.startswith("ThreadPoolExecutor-0_")
    workers = {name: 0 for *_, name, _, _ in pool}
    assert len(workers) == 8  # by the processors of the simulation, not by the machine's
    for _, sold, _, name, _, _ in pool:
        workers[name] += 1
        assert sold == workers[name]
    assert results[18:21] == [[True], "made at import", 4]
    assert results[21:23] == [True, 1]
    date, clock, milliseconds, process, thread, *_ = lines[0].split()
    assert (date, process, thread) == ("2026-01-01", "4242", "Thread-1")
    assert clock == f"00:00:{int(milliseconds) // 1000:02},{int(milliseconds) % 1000:03}"
    assert 1_000 <= int(milliseconds) <= 2_000


def test_what_a_module_made_at_import_is_its_own_again_after_the_simulation() -> None:
    places: list[tuple[Any, str]] = [
        *((stock, name) for name in ("lock", "changed", "is_open", "orders", "context", "plain")),
        (stock.Store, "_all"),
        (stock.store, "counter"),
    ]
    before = [vars(place)[name] for place, name in places]
    with Simulation(patch=[SHOP]):
        assert not any(
            vars(place)[name] is real for (place, name), real in zip(places, before, strict=True)
        )
        assert stock.orders.get() == "made at import"
        stock.is_open.clear()
        stock.lock.acquire()
        stock.store.counter.acquire()
        # Other threads have the real ones at the same time.
        seen: list[Any] = []
        real_thread = _real_thread(
            lambda: seen.extend([stock.is_open.is_set(), stock.lock.locked(), stock.orders.qsize()])
        )
        while real_thread():
            pass
        assert seen == [True, False, 1]
    assert all(
        vars(place)[name] is real for (place, name), real in zip(places, before, strict=True)
    )
    assert stock.is_open.is_set()
    assert not stock.lock.locked()
    assert stock.orders.qsize() == 1
    with Simulation(patch=[SHOP]):  # begins like the first
        assert (stock.is_open.is_set(), stock.lock.locked(), stock.orders.qsize()) == (
            True, False, 1,
        )  # fmt: skip


_pool = ThreadPoolExecutor(1)
_pool.submit(int).result()


def _real_thread(function: Callable[[], object]) -> Callable[[], bool]:
    """Runs it in a thread that was there before the simulation; says whether it still does."""
    done: Future[object] = _pool.submit(function)
    return lambda: not done.done()


def test_a_package_is_patched_whole_and_what_it_imports_later_as_well() -> None:
    sys.modules.pop(f"{SHOP}.late", None)
    with Simulation(patch=[SHOP]) as sim:
        late = importlib.import_module(f"{SHOP}.late")
        assert late.nap() == 3600
        assert sim.now == 3600
    assert late.time is time
    assert late.monotonic is time.monotonic
    with Simulation(patch=[SHOP]):
        assert late.nap() == 3600


def test_a_real_thread_makes_a_real_pool_meanwhile() -> None:
    begin, end = socket.socketpair(), socket.socketpair()
    names: list[str] = []

    def make() -> None:
        begin[1].recv(1)
        for _ in range(2):
            with ThreadPoolExecutor(1) as pool:
                names.append(pool._thread_name_prefix)
        end[0].send(b"x")

    thread = threading.Thread(target=make)
    thread.start()
    with begin[0], begin[1], end[0], end[1]:
        with Simulation(), ThreadPoolExecutor(1) as simulated:
            begin[0].send(b"x")
            end[1].recv(1)
            assert simulated._thread_name_prefix == "ThreadPoolExecutor-0"
        thread.join()
    first, second = (int(name.removeprefix("ThreadPoolExecutor-")) for name in names)
    assert second == first + 1


def test_a_pool_that_is_left_behind_keeps_nobody_waiting() -> None:
    program = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from zkfake.simulation import Simulation\n"
        "with Simulation(preemption=0.5) as sim:\n"
        "    pool = ThreadPoolExecutor(2)\n"
        "    print(pool.submit(pow, 2, 3).result())\n"
        "    pool.submit(sim.sleep, 1e5)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("8\n", "")


def test_a_pools_worker_that_fails_gives_its_error_to_the_future() -> None:
    with Simulation(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()
        slow = pool.submit(time.sleep, 1)
        with pytest.raises(SimulationBlocked, match=r"ThreadPoolExecutor-0_0 calls time\.sleep"):
            slow.result()


def test_the_processors_time_is_refused_by_name() -> None:
    with Simulation(patch=[SHOP]):
        for name in ("process_time", "process_time_ns", "thread_time"):
            with pytest.raises(SimulationBlocked, match=rf"main calls time\.{name}\(\)"):
                getattr(sale.time, name)()
        with pytest.raises(SimulationBlocked, match="CLOCK_REALTIME and CLOCK_MONOTONIC only"):
            sale.time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)
    assert sale.time.process_time() > 0


# -- the table in docs/simulation.md

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"
ROWS = dict(
    re.findall(
        r"^\| (.*?) \| (virtual|from the seed|the same in every run|tasks|the simulation's|refused)"
        r"\b.* \|$",
        PAGE.read_text(encoding="utf-8").partition("## Your own code")[2],
        re.MULTILINE,
    )
)
STATUS = {
    name: status for names, status in ROWS.items() for name in re.findall(r"`([\w.]+)`", names)
}
ARGUMENTS: dict[str, list[Any]] = {
    "datetime.datetime.now": [],
    "os.urandom": [8],
    "random.choice": [range(1 << 60)],
    "random.randint": [0, 1 << 60],
    "random.shuffle": [],
    "secrets.choice": [range(1 << 60)],
    "secrets.randbelow": [1 << 60],
    "secrets.randbits": [60],
    "time.clock_gettime": [time.CLOCK_REALTIME],
    "time.clock_gettime_ns": [time.CLOCK_MONOTONIC],
    "time.mktime": [(2026, 7, 1, 0, 0, 0, 0, 0, 1)],
    "time.strftime": ["%c"],
    "select.select": [[], [], [], 0],
    "signal.alarm": [1],
    "signal.setitimer": [0, 1],
    "signal.sigwait": [[]],
}


def _value(name: str) -> Any:
    """What a call of that name gives to a module that is patched, or its class does."""
    module, *rest = name.split(".")
    function: Any = vars(everything)[module]
    for attribute in rest:
        function = getattr(function, attribute)
    if name == "random.shuffle":
        numbers = list(range(50))
        function(numbers)
        return numbers
    made = function(*ARGUMENTS.get(name, []))
    return made.random() if isinstance(made, random.Random) else made


def test_the_table_is_read() -> None:
    assert Counter(STATUS.values()) == {
        "virtual": 18, "from the seed": 16, "the same in every run": 7, "tasks": 3,
        "the simulation's": 12, "refused": 11,
    }  # fmt: skip


@pytest.mark.parametrize("name", STATUS)
def test_the_table_is_true(name: str) -> None:
    def value(seed: int, sleep: float) -> Any:
        with Simulation(seed=seed, patch=[everything.__name__]) as sim:
            sim.sleep(sleep)
            return _value(name)

    module, _, function = name.partition(".")
    if module in ("select", "signal") and not hasattr(vars(everything)[module], function):
        return
    match STATUS[name]:
        case "virtual":
            assert value(1, 5) == value(2, 5)
            assert name == "time.mktime" or value(1, 5) != value(1, 100_000)
        case "from the seed":
            assert value(1, 5) == value(1, 100_000)
            assert value(1, 5) != value(2, 5)
        case "the same in every run":
            assert value(1, 5) == value(2, 100_000)
        case "refused":
            with pytest.raises(SimulationBlocked, match=rf"calls {re.escape(name)}\(\)"):
                value(1, 0)
        case _:
            pass  # what these do is a test of its own, above and in test_sync


def test_the_time_zone_of_the_machine_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def local() -> list[Any]:
        with Simulation(patch=[everything.__name__], max_time=1e9) as sim:
            sim.sleep(86_400 * 200)
            return [_value(name) for name, status in STATUS.items() if status == "virtual"]

    if not hasattr(time, "tzset"):
        return
    seen = []
    try:
        for zone in ("UTC", "America/New_York", "Asia/Kathmandu"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            seen.append(local())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert seen[1:] == seen[:-1]


def test_temporary_files_have_names_from_the_seed(tmp_path: Path) -> None:
    def names(seed: int) -> list[str]:
        with Simulation(seed=seed), tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            handle, file = tempfile.mkstemp(dir=folder)
            os.close(handle)
            return [folder, file]

    assert names(1) == names(1)
    assert names(1) != names(2)


def test_instances_are_still_instances() -> None:
    """The classes that stand for others stand for them in `isinstance`, too."""
    with Simulation(patch=[SHOP]):
        today = sale.dt.date.today()
        assert type(today) is dt.date
        assert isinstance(today, sale.dt.date)
        assert isinstance(random.Random(1), sale.random.Random)
        assert sale.random.Random(7).random() == random.Random(7).random()


def test_nothing_of_a_simulation_stays_alive_by_what_was_exchanged() -> None:
    class Marker:
        pass

    with Simulation(patch=[SHOP]):
        stock.orders.put(Marker())  # type: ignore[arg-type]
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Marker]
    assert isinstance(stock.orders, queue.Queue)
    assert isinstance(threading.current_thread(), threading.Thread)
