"""What a patched module gets in a thread without a simulation, what becomes of what it made before
one began, and that it is refused what Python refuses.
"""

from __future__ import annotations

import datetime as dt
import queue
import random
import sys
import threading
import time
import types
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "module_of_a_program"
SOURCE = """
import datetime, queue, random, select, socket, threading, time, uuid

held, free = threading.Lock(), threading.Lock()
held.acquire()
told, untold = threading.Event(), threading.Event()
told.set()
few = threading.BoundedSemaphore(2)
few.acquire()
simple = queue.SimpleQueue()
met = []
barrier = threading.Barrier(2, lambda: met.append(True))
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = types.ModuleType(NAME)
    exec(SOURCE, vars(made))
    monkeypatch.setitem(sys.modules, NAME, made)
    return made


def test_what_was_made_before_goes_on_as_it_was(module: Any) -> None:
    with Simulation(patch=[NAME]) as sim:
        assert module.held.locked()
        assert not module.held.acquire(blocking=False)
        assert "held" not in repr(module.free)
        assert module.free.acquire(blocking=False)
        assert (module.told.is_set(), module.untold.is_set()) == (True, False)
        assert [module.few.acquire(blocking=False) for _ in range(2)] == [True, False]
        for _ in range(2):
            module.few.release()
        with pytest.raises(ValueError, match="released too many times"):
            module.few.release()
        task = sim.spawn(module.simple.get)
        sim.sleep(5)
        module.simple.put("x")
        assert task.result() == "x"
        waiting = sim.spawn(module.barrier.wait)
        sim.sleep(5)
        assert sorted([module.barrier.wait(), waiting.result()]) == [0, 1]
        assert module.met == [True]
    # The real ones are as they were.
    assert (module.held.locked(), module.free.locked()) == (True, False)
    assert module.few.acquire(blocking=False)


REAL: dict[str, Callable[[Any], bool]] = {
    "monotonic_ns": lambda m: abs(m.time.monotonic_ns() - time.monotonic_ns()) < 100e9,
    "localtime": lambda m: m.time.localtime(0) == time.localtime(0),
    "process_time": lambda m: m.time.process_time() <= time.process_time(),
    "fromtimestamp": lambda m: m.datetime.date.fromtimestamp(0) == dt.date.fromtimestamp(0),
    "isinstance": lambda m: isinstance(dt.datetime.now(), m.datetime.datetime),
    "sleep": lambda m: m.time.sleep(0) is None,
    "main_thread": lambda m: m.threading.main_thread() is threading.main_thread(),
    "current_thread": lambda m: m.threading.current_thread() is threading.current_thread(),
    "enumerate": lambda m: set(m.threading.enumerate()) == set(threading.enumerate()),
    "native id": lambda m: m.threading.get_native_id() == threading.get_native_id(),
    "select": lambda m: m.select.select([], [], [], 0) == ([], [], []),
    "getaddrinfo": lambda m: m.socket.getaddrinfo("127.0.0.1", 1)[0][4] == ("127.0.0.1", 1),
    "uuid1": lambda m: m.uuid.uuid1().node == uuid.getnode(),
    "uuid4": lambda m: m.uuid.uuid4() != m.uuid.uuid4(),
    "random": lambda m: isinstance(m.random.Random(1), random.Random),
}


def test_a_thread_without_a_simulation_has_the_real_world(module: Any) -> None:
    looked: dict[str, Any] = {}
    may, has = threading.Event(), threading.Event()

    def look() -> None:
        may.wait(60)
        for name, check in REAL.items():
            try:
                looked[name] = check(module)
            except Exception as error:  # noqa: PERF203
                looked[name] = error
        has.set()

    thread = threading.Thread(target=look)
    thread.start()
    with Simulation(patch=[NAME]):
        may.set()
        while not has.is_set():
            pass
    thread.join(60)
    assert looked == dict.fromkeys(REAL, True)


def _start_twice(m: Any) -> None:
    thread = m.threading.Thread(target=int)
    thread.start()
    thread.join()
    thread.start()


REFUSED: dict[str, tuple[type[Exception], Callable[[Any], object]]] = {
    "notify": (RuntimeError, lambda m: m.threading.Condition().notify()),
    "semaphore": (ValueError, lambda m: m.threading.Semaphore(-1)),
    "release": (ValueError, lambda m: m.threading.Semaphore().release(0)),
    "start": (RuntimeError, _start_twice),
    "join": (RuntimeError, lambda m: m.threading.current_thread().join()),
    "get": (queue.Empty, lambda m: m.queue.Queue().get_nowait()),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_python_refuses(module: Any, what: str) -> None:
    error, attempt = REFUSED[what]
    with pytest.raises(error) as real:
        attempt(module)
    with Simulation(patch=[NAME]), pytest.raises(error) as simulated:
        attempt(module)
    assert str(simulated.value) == str(real.value)


def test_nobody_waits_for_a_semaphore_who_does_not_want_to(module: Any) -> None:
    with Simulation(patch=[NAME]):
        assert not module.threading.Semaphore(0).acquire(blocking=False)
