"""Locks, events and queues that a module made when it was imported, before any simulation.

Rules that live here:

- They are looked for among a module's globals, the attributes of the classes that it defines, and
  the attributes of its globals that are instances of those classes. What lies deeper stays real;
  the guards and the watchdog of the simulation name it when a task waits for it.
- Thread-local attributes are exchanged for those of the standard library in Python, which go by the
  current thread. They begin empty. A subclass of `threading.local` is made again on that base,
  where its objects can be made without arguments.
- What is put in the place of all others acts as the real one outside a simulation. Inside it acts
  as one that the simulation makes in the state that the real one has: set, taken or filled. So each
  simulation begins alike.
"""

from __future__ import annotations

import _threading_local
import queue
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from zkfake._simulation.scheduling import sync
from zkfake._simulation.stand_ins.current import LOCAL

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterator

    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.stand_ins.current import CurrentSimulation

__all__ = ["exchanges", "made_anew"]

_OF_THE_CLASS = ("__dict__", "__weakref__")
_LOCK, _R_LOCK = type(threading.Lock()), type(threading.RLock())


class _Exchanged:
    """Stands for an object that a module made when it was imported."""

    __slots__ = ("_make", "_real", "_simulated")

    def __init__(self, real: Any, make: Callable[[Scheduler, Any], Any]) -> None:
        self._real = real
        self._make = make
        self._simulated: WeakKeyDictionary[CurrentSimulation, Any] = WeakKeyDictionary()

    def here(self) -> Any:
        """The real object, or the one of this thread's simulation."""
        simulation = LOCAL.simulation
        if simulation is None:
            return self._real
        found = self._simulated.get(simulation)
        if found is None:
            found = self._simulated[simulation] = self._make(simulation.scheduler, self._real)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.here(), name)

    def __enter__(self) -> Any:
        return self.here().__enter__()

    def __exit__(self, *exc: object) -> Any:
        return self.here().__exit__(*exc)

    def __repr__(self) -> str:
        return repr(self.here())


def _lock(scheduler: Scheduler, real: Any) -> sync.Lock:
    lock = sync.Lock(scheduler)
    if real.locked():
        lock.acquire()
    return lock


def _r_lock(scheduler: Scheduler, _real: Any) -> sync.RLock:
    return sync.RLock(scheduler)


def _event(scheduler: Scheduler, real: threading.Event) -> sync.Event:
    event = sync.Event(scheduler)
    if real.is_set():
        event.set()
    return event


def _queue(kind: type[sync.Queue]) -> Callable[[Scheduler, Any], sync.Queue]:
    def make(scheduler: Scheduler, real: queue.Queue[Any]) -> sync.Queue:
        made = kind(scheduler, real.maxsize)
        for item in list(real.queue):
            made.put(item)
        return made

    return make


def _simple_queue(scheduler: Scheduler, _real: Any) -> sync.Queue:
    return sync.Queue(scheduler)


def _semaphore(scheduler: Scheduler, real: Any) -> sync.Semaphore:
    return sync.Semaphore(scheduler, real._value)  # noqa: SLF001  no public way to ask


def _bounded_semaphore(scheduler: Scheduler, real: Any) -> sync.BoundedSemaphore:
    made = sync.BoundedSemaphore(scheduler, real._initial_value)  # noqa: SLF001  likewise
    for _ in range(real._initial_value - real._value):  # noqa: SLF001
        made.acquire()
    return made


def _barrier(scheduler: Scheduler, real: threading.Barrier) -> sync.Barrier:
    return sync.Barrier(scheduler, real.parties, real._action)  # type: ignore[attr-defined]  # noqa: SLF001


_MAKERS: dict[type, Callable[[Scheduler, Any], Any]] = {
    _LOCK: _lock,
    _R_LOCK: _r_lock,
    threading.Event: _event,
    threading.Semaphore: _semaphore,
    threading.BoundedSemaphore: _bounded_semaphore,
    threading.Barrier: _barrier,
    queue.Queue: _queue(sync.Queue),
    queue.LifoQueue: _queue(sync.LifoQueue),
    queue.PriorityQueue: _queue(sync.PriorityQueue),
    queue.SimpleQueue: _simple_queue,
}


def made_anew(value: Any) -> Any:
    """What stands for an object of whose class each simulation makes one of its own."""
    return _Exchanged(value, lambda _scheduler, real: type(real)())


def exchanges(module: types.ModuleType) -> Iterator[tuple[Any, str, Any]]:
    """What is to be exchanged for a module: in what object, under which name, by what."""
    taken: dict[int, _Exchanged] = {}

    def stand_in(value: Any) -> _Exchanged:
        found = taken.get(id(value))
        if found is None:
            make = _condition if type(value) is threading.Condition else _MAKERS[type(value)]
            found = taken[id(value)] = _Exchanged(value, make)
        return found

    def _condition(scheduler: Scheduler, real: Any) -> sync.Condition:
        lock = real._lock  # noqa: SLF001  it may be one that has a name of its own
        return sync.Condition(scheduler, stand_in(lock).here())

    for place in _places(module):
        for name, value in list(vars(place).items()):
            if type(value) in _MAKERS or type(value) is threading.Condition:
                yield place, name, stand_in(value)
            elif isinstance(value, threading.local) and (attributes := _local(value)) is not None:
                yield place, name, attributes


def _local(real: threading.local) -> Any:
    """Thread-local attributes of the same kind; None where they cannot be made."""
    kind = type(real)
    if kind is threading.local:
        return _threading_local.local()
    if kind.__bases__ != (threading.local,):
        return None
    body = {name: value for name, value in vars(kind).items() if name not in _OF_THE_CLASS}
    try:
        return type(kind.__name__, (_threading_local.local,), body)()
    except TypeError:
        return None


def _places(module: types.ModuleType) -> Iterator[Any]:
    """The module, the classes that it defines, and its globals that are instances of those."""
    yield module
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    yield from own
    seen: set[int] = set()
    for value in list(vars(module).values()):
        if type(value) in own and hasattr(value, "__dict__") and id(value) not in seen:
            seen.add(id(value))
            yield value
