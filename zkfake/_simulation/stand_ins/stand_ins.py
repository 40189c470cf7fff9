"""What code in a simulation gets instead of the machine and of what threads wait for; and the table
of everything that is replaced.

Rules that live here:

- A stand-in asks at every call whether its thread has a simulation; where it has none it does what
  the real thing does. So one set of them serves every thread, and may be kept by whoever got it.
- The machine is the same for every run: its name, its processors, its processes.
- Locks, events and queues of patched modules are the scheduler's, as their threads are
  (`threads`). Elsewhere what would block the one thread that all tasks share is refused with
  `SimulationBlocked`.
- Time and chance have modules of their own: `virtual_time`, `seeded`.

`zkfake._simulation.patching.patches` puts them in place.
"""

from __future__ import annotations

import builtins
import datetime  # noqa: ICN001  # the module stands for itself here
import os
import queue
import select
import selectors
import signal
import socket
import threading
import time
import types
from functools import partial
from typing import TYPE_CHECKING, Any

from zkfake._simulation.errors import SimulationBlocked
from zkfake._simulation.scheduling import sync
from zkfake._simulation.stand_ins import seeded, threads, virtual_time
from zkfake._simulation.stand_ins.current import LOCAL
from zkfake._simulation.stand_ins.ordered_set import OrderedSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "GUARDED",
    "facade",
    "make_set",
    "plain_handler",
    "replacement",
    "replacements",
    "stand_in_for_default",
]

HOST_NAME = "simulation"
_PROCESSORS = 4
"""The same on every machine: a thread pool has threads by it."""


# -- the machine


def _getpid() -> int:
    simulation = LOCAL.simulation
    return os.getpid() if simulation is None else simulation.process_id()


def _cpu_count(name: str) -> Callable[[], int | None]:
    def count() -> int | None:
        return getattr(os, name)() if LOCAL.simulation is None else _PROCESSORS

    return count


def _gethostname() -> str:
    return socket.gethostname() if LOCAL.simulation is None else HOST_NAME


def _getfqdn(name: str = "") -> str:
    return socket.getfqdn(name) if LOCAL.simulation is None else name or HOST_NAME


def _getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    simulation = LOCAL.simulation
    if simulation is None:
        return socket.getaddrinfo(host, port, *args, **kwargs)
    address = simulation.resolve(host)
    if address is None:
        raise socket.gaierror(
            socket.EAI_NONAME, f"the simulation has no host {host!r}; its servers are in sim.hosts"
        )
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]


# -- what threads wait for


def _primitive(real: Any, simulated: Callable[..., Any]) -> Callable[..., Any]:
    def make(*args: Any, **kwargs: Any) -> Any:
        simulation = LOCAL.simulation
        if simulation is None:
            return real(*args, **kwargs)
        return simulated(simulation.scheduler, *args, **kwargs)

    make.__name__ = getattr(real, "__name__", simulated.__name__)
    return make


_real_wait = threading.Condition.wait


def _guarded_wait(self: threading.Condition, timeout: float | None = None) -> bool:
    simulation = LOCAL.simulation
    if simulation is None or (timeout is not None and timeout <= 0):
        return _real_wait(self, timeout)
    raise SimulationBlocked(
        f"{simulation.scheduler.current.name} waits for a real threading.Event, Condition or "
        "queue.Queue, which would stop every task: make it inside the simulation, in a module "
        "named in Simulation(patch=[...]), or use those of client.handler"
    )


def _guarded_sleep(seconds: float) -> None:
    simulation = LOCAL.simulation
    if simulation is None:
        return virtual_time.real_sleep(seconds)
    raise SimulationBlocked(
        f"{simulation.scheduler.current.name} calls time.sleep({seconds}), which would stop every "
        "task: use sim.sleep, or name the calling module in Simulation(patch=[...])"
    )


def _refused(module: types.ModuleType, names: Iterable[str], why: str) -> dict[str, Any]:
    """What refuses those of the names that the module has."""

    def make(name: str) -> Callable[..., Any]:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            simulation = LOCAL.simulation
            if simulation is None:
                return getattr(module, name)(*args, **kwargs)
            raise SimulationBlocked(
                f"{simulation.scheduler.current.name} calls {module.__name__}.{name}(), {why}"
            )

        return refuse

    return {name: make(name) for name in names if hasattr(module, name)}


_WAITS_FOR_SOCKETS = (
    "which waits for real sockets and would stop every task: a simulation has none but those of "
    "its clients"
)
_ALARMS = "which counts real time: use threading.Timer, or sim.spawn and sim.sleep"
_WAITS_FOR_SIGNALS = "which waits for a real signal and would stop every task: use threading.Event"


# -- what stands for what


def facade(module: types.ModuleType, replaced: dict[str, Any]) -> types.ModuleType:
    """A module some of whose functions are replaced: a plain one, whose globals are found fast."""
    made = types.ModuleType(module.__name__, module.__doc__)
    made.__dict__.update(replaced, __getattr__=partial(getattr, module))
    return made


_REPLACED: dict[types.ModuleType, dict[str, Any]] = {
    **virtual_time.REPLACED,
    **seeded.REPLACED,
    os: {
        "getpid": _getpid,
        "urandom": seeded.urandom,
        **{
            name: _cpu_count(name)
            for name in ("cpu_count", "process_cpu_count")
            if hasattr(os, name)
        },
    },
    socket: {"gethostname": _gethostname, "getfqdn": _getfqdn, "getaddrinfo": _getaddrinfo},
    select: _refused(select, ("select", "poll", "epoll", "kqueue"), _WAITS_FOR_SOCKETS),
    selectors: _refused(
        selectors,
        ("DefaultSelector", "SelectSelector", "PollSelector", "EpollSelector", "KqueueSelector"),
        _WAITS_FOR_SOCKETS,
    ),
    signal: {
        **_refused(signal, ("alarm", "setitimer"), _ALARMS),
        **_refused(signal, ("pause", "sigwait", "sigwaitinfo", "sigtimedwait"), _WAITS_FOR_SIGNALS),
    },
    threading: {
        **threads.REPLACED,
        "Lock": _primitive(threading.Lock, sync.Lock),
        "RLock": _primitive(threading.RLock, sync.RLock),
        "Condition": _primitive(threading.Condition, sync.Condition),
        "Event": _primitive(threading.Event, sync.Event),
        "Semaphore": _primitive(threading.Semaphore, sync.Semaphore),
        "BoundedSemaphore": _primitive(threading.BoundedSemaphore, sync.BoundedSemaphore),
        "Barrier": _primitive(threading.Barrier, sync.Barrier),
    },
    queue: {
        "Queue": _primitive(queue.Queue, sync.Queue),
        "LifoQueue": _primitive(queue.LifoQueue, sync.LifoQueue),
        "PriorityQueue": _primitive(queue.PriorityQueue, sync.PriorityQueue),
        "SimpleQueue": _primitive(queue.SimpleQueue, sync.Queue),
    },
}

GUARDED: tuple[tuple[Any, str, Any], ...] = (
    (time, "sleep", _guarded_sleep),
    *threads.GUARDED,
    (threading.Condition, "wait", _guarded_wait),
)
"""What is replaced for everybody: in what, its name, and by what."""

_replacements: dict[int, Any] = {}
for _module, _names in _REPLACED.items():
    _replacements[id(_module)] = facade(_module, _names)
    for _name, _value in _names.items():
        _original = getattr(_module, _name)
        # Bound methods of the module's hidden Random are made once, so their ids stay.
        _replacements[id(_original)] = _value


def replacement(value: object) -> Any:
    """What stands for a module, function or class; ``None`` for all that stays."""
    return _replacements.get(id(value))


def replacements(names: Mapping[str, object]) -> list[tuple[str, Any]]:
    """What stands for those of ``names`` that do not stay, by name. It is asked for every name of
    every module at the start of every simulation.
    """
    return [
        (name, _replacements[id(value)])
        for name, value in names.items()
        if id(value) in _replacements
    ]


def stand_in_for_default(value: Any) -> Any:
    """What stands for the default of an argument, which may be itself."""
    if value is virtual_time.real_sleep:
        return virtual_time.sleep
    # Bound methods of built-in types are equal, not identical.
    if isinstance(value, types.BuiltinFunctionType) and value == datetime.datetime.utcnow:
        return virtual_time.utcnow
    return value


def make_set(*args: Any) -> Any:
    return builtins.set(*args) if LOCAL.simulation is None else OrderedSet(*args)


def plain_handler(real: Callable[[], Any]) -> Callable[[], Any]:
    def make() -> Any:
        simulation = LOCAL.simulation
        return real() if simulation is None else simulation.plain_handler()

    return make
