"""What code in a simulation gets instead of the clock, chance, the machine and threads.

Rules that live here:

- A stand-in asks at every call whether its thread has a simulation; where it has none it does what
  the real thing does. So one set of them serves every thread, and may be kept by whoever got it.
- Time begins at `MONOTONIC_START` for ``monotonic``, and where the servers' clock begins for
  ``time``; chance is drawn from the program's stream of the seed.
- Threads of patched modules, and their locks, events and queues, are the scheduler's. Elsewhere
  what would block the one thread that all tasks share is refused with `SimulationBlocked`.

`zkfake.simulation.patches` puts them in place.
"""

from __future__ import annotations

import builtins
import datetime  # noqa: ICN001  # the module stands for itself here
import os
import queue
import random
import socket
import threading
import time
import types
import uuid
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from zkfake.simulation import sync
from zkfake.simulation.errors import SimulationBlocked
from zkfake.simulation.ordered import OrderedSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.simulation.scheduler import Scheduler

__all__ = [
    "GUARDED",
    "SimulationThread",
    "World",
    "current",
    "enter",
    "make_set",
    "plain_handler",
    "real_sleep",
    "replacement",
    "sleep",
    "stand_in_for_default",
]

MONOTONIC_START = 1_000.0
HOST_NAME = "simulation"


class World(Protocol):
    """A simulation, as the patches see it."""

    scheduler: Scheduler
    patched: frozenset[str]
    """The names of the modules in which threads are tasks."""

    @property
    def client_random(self) -> Random: ...
    @property
    def epoch_time(self) -> float: ...
    def resolve(self, host: str) -> str | None: ...
    def plain_handler(self) -> Any: ...
    @property
    def process_id(self) -> int: ...


class _Local(threading.local):
    world: World | None = None


_local = _Local()


def current() -> World | None:
    """The simulation that runs in this thread."""
    return _local.world


def enter(world: World | None) -> None:
    """Make ``world`` this thread's simulation; ``None`` ends it."""
    _local.world = world


# -- time

real_sleep = time.sleep


def sleep(seconds: float) -> None:
    """`time.sleep` in virtual time inside a simulation, in real time elsewhere."""
    world = _local.world
    if world is None:
        real_sleep(seconds)
    else:
        world.scheduler.sleep(seconds)


def _monotonic() -> float:
    world = _local.world
    if world is None:
        return time.monotonic()
    return MONOTONIC_START + world.scheduler.now / 1e6


def _monotonic_ns() -> int:
    world = _local.world
    if world is None:
        return time.monotonic_ns()
    return int(MONOTONIC_START) * 1_000_000_000 + world.scheduler.now * 1000


def _perf_counter() -> float:
    return time.perf_counter() if _local.world is None else _monotonic()


def _perf_counter_ns() -> int:
    return time.perf_counter_ns() if _local.world is None else _monotonic_ns()


def _time() -> float:
    world = _local.world
    return time.time() if world is None else world.epoch_time


def _time_ns() -> int:
    world = _local.world
    return time.time_ns() if world is None else round(world.epoch_time * 1e6) * 1000


def _gmtime(seconds: float | None = None) -> time.struct_time:
    return time.gmtime(_time() if seconds is None else seconds)


def _localtime(seconds: float | None = None) -> time.struct_time:
    return time.localtime(_time() if seconds is None else seconds)


class _DatetimeType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.datetime)


class _Datetime(datetime.datetime, metaclass=_DatetimeType):
    """`datetime.datetime` whose idea of now is the simulation's. Makes plain datetimes."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # it makes its base
        return datetime.datetime(*args, **kwargs)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return datetime.datetime.fromtimestamp(_time(), tz)

    @classmethod
    def today(cls) -> Any:
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        return _utcnow()


def _utcnow() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(_time(), datetime.timezone.utc).replace(tzinfo=None)


# -- chance


def _chance(name: str) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        world = _local.world
        return getattr(random if world is None else world.client_random, name)(*args, **kwargs)

    draw.__name__ = name
    return draw


def _randint(a: int, b: int) -> int:
    """`random.randint`, with the same draws and fewer calls: kazoo has one for every wait."""
    world = _local.world
    if world is None:
        return random.randint(a, b)
    if type(a) is not int or type(b) is not int or a > b:
        return world.client_random.randint(a, b)
    width = b - a + 1
    bits = width.bit_length()
    draw = world.client_random.getrandbits
    value = draw(bits)
    while value >= width:
        value = draw(bits)
    return a + value


_RANDOM_FUNCTIONS = (
    "betavariate", "choice", "choices", "expovariate", "gammavariate", "gauss", "getrandbits",
    "lognormvariate", "normalvariate", "paretovariate", "randbytes", "randint", "random",
    "randrange", "sample", "seed", "shuffle", "triangular", "uniform", "vonmisesvariate",
    "weibullvariate",
)  # fmt: skip


def _uuid1(*args: Any) -> uuid.UUID:
    world = _local.world
    if world is None:
        return uuid.uuid1(*args)
    return uuid.UUID(int=world.client_random.getrandbits(128), version=1)


def _uuid4() -> uuid.UUID:
    world = _local.world
    if world is None:
        return uuid.uuid4()
    return uuid.UUID(int=world.client_random.getrandbits(128), version=4)


def _urandom(size: int) -> bytes:
    world = _local.world
    return os.urandom(size) if world is None else world.client_random.randbytes(size)


# -- the machine


def _getpid() -> int:
    world = _local.world
    return os.getpid() if world is None else world.process_id


def _gethostname() -> str:
    return socket.gethostname() if _local.world is None else HOST_NAME


def _getfqdn(name: str = "") -> str:
    return socket.getfqdn(name) if _local.world is None else name or HOST_NAME


def _getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    world = _local.world
    if world is None:
        return socket.getaddrinfo(host, port, *args, **kwargs)
    address = world.resolve(host)
    if address is None:
        raise socket.gaierror(
            socket.EAI_NONAME, f"the simulation has no host {host!r}; its servers are in sim.hosts"
        )
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]


# -- threads


def _primitive(real: Any, simulated: Callable[..., Any]) -> Callable[..., Any]:
    def make(*args: Any, **kwargs: Any) -> Any:
        world = _local.world
        if world is None:
            return real(*args, **kwargs)
        return simulated(world.scheduler, *args, **kwargs)

    make.__name__ = getattr(real, "__name__", simulated.__name__)
    return make


class SimulationThread(threading.Thread):
    """`threading.Thread` for patched modules: a task when it is started inside a simulation."""


class _Timer(SimulationThread):
    """`threading.Timer`."""

    def __init__(
        self, interval: float, function: Callable[..., Any], args: Any = None, kwargs: Any = None
    ) -> None:
        super().__init__()
        self.interval = interval
        self.function = function
        self.args = args or ()
        self.kwargs = kwargs or {}
        self.finished = _primitive(threading.Event, sync.Event)()

    def cancel(self) -> None:
        self.finished.set()

    def run(self) -> None:
        self.finished.wait(self.interval)
        if not self.finished.is_set():
            self.function(*self.args, **self.kwargs)
        self.finished.set()


def _get_ident() -> int:
    world = _local.world
    return threading.get_ident() if world is None else id(world.scheduler.current)


_real_start = threading.Thread.start
_real_join = threading.Thread.join
_real_is_alive = threading.Thread.is_alive
_real_wait = threading.Condition.wait


def _start(self: threading.Thread) -> None:
    world = _local.world
    if world is None:
        return _real_start(self)
    kind = type(self)
    if not issubclass(kind, SimulationThread) and kind.__module__ not in world.patched:
        raise SimulationBlocked(
            f"{world.scheduler.current.name} starts a real thread ({self.name}), which "
            "a simulation cannot run: use sim.spawn, or name the module that starts it in "
            "Simulation(patch=[...])"
        )
    task = world.scheduler.spawn(self.run, name=self.name, background=self.daemon)
    self.__dict__["_simulation_task"] = task
    return None


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    task = self.__dict__.get("_simulation_task")
    if task is None:
        _real_join(self, timeout)
    else:
        task.join(timeout)


def _is_alive(self: threading.Thread) -> bool:
    task = self.__dict__.get("_simulation_task")
    return _real_is_alive(self) if task is None else task.is_alive()


def _guarded_wait(self: threading.Condition, timeout: float | None = None) -> bool:
    world = _local.world
    if world is None or (timeout is not None and timeout <= 0):
        return _real_wait(self, timeout)
    raise SimulationBlocked(
        f"{world.scheduler.current.name} waits for a real threading.Event, Condition or "
        "queue.Queue, which would stop every task: make it inside the simulation, in a module "
        "named in Simulation(patch=[...]), or use those of client.handler"
    )


def _guarded_sleep(seconds: float) -> None:
    world = _local.world
    if world is None:
        return real_sleep(seconds)
    raise SimulationBlocked(
        f"{world.scheduler.current.name} calls time.sleep({seconds}), which would stop every task: "
        "use sim.sleep, or name the calling module in Simulation(patch=[...])"
    )


# -- what stands for what


def _facade(module: types.ModuleType, replaced: dict[str, Any]) -> types.ModuleType:
    """A module some of whose functions are replaced: a plain one, whose globals are found fast."""
    facade = types.ModuleType(module.__name__, module.__doc__)
    facade.__dict__.update(replaced, __getattr__=partial(getattr, module))
    return facade


_REPLACED: dict[types.ModuleType, dict[str, Any]] = {
    time: {
        "sleep": sleep,
        "time": _time,
        "time_ns": _time_ns,
        "monotonic": _monotonic,
        "monotonic_ns": _monotonic_ns,
        "perf_counter": _perf_counter,
        "perf_counter_ns": _perf_counter_ns,
        "gmtime": _gmtime,
        "localtime": _localtime,
    },
    random: {**{name: _chance(name) for name in _RANDOM_FUNCTIONS}, "randint": _randint},
    uuid: {"uuid1": _uuid1, "uuid4": _uuid4},
    os: {"getpid": _getpid, "urandom": _urandom},
    socket: {"gethostname": _gethostname, "getfqdn": _getfqdn, "getaddrinfo": _getaddrinfo},
    datetime: {"datetime": _Datetime},
    threading: {
        "Thread": SimulationThread,
        "Timer": _Timer,
        "Lock": _primitive(threading.Lock, sync.Lock),
        "RLock": _primitive(threading.RLock, sync.RLock),
        "Condition": _primitive(threading.Condition, sync.Condition),
        "Event": _primitive(threading.Event, sync.Event),
        "Semaphore": _primitive(threading.Semaphore, sync.Semaphore),
        "BoundedSemaphore": _primitive(threading.BoundedSemaphore, sync.BoundedSemaphore),
        "Barrier": _primitive(threading.Barrier, sync.Barrier),
        "get_ident": _get_ident,
    },
    queue: {
        "Queue": _primitive(queue.Queue, sync.Queue),
        "LifoQueue": _primitive(queue.LifoQueue, sync.LifoQueue),
        "PriorityQueue": _primitive(queue.PriorityQueue, sync.PriorityQueue),
        "SimpleQueue": _primitive(queue.SimpleQueue, sync.Queue),
    },
}

GUARDED: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (time, "sleep", _guarded_sleep),
    (threading.Thread, "start", _start),
    (threading.Thread, "join", _join),
    (threading.Thread, "is_alive", _is_alive),
    (threading.Condition, "wait", _guarded_wait),
)
"""What is replaced for everybody: in what, its name, and by what."""

_replacements: dict[int, Any] = {}
for _module, _names in _REPLACED.items():
    _replacements[id(_module)] = _facade(_module, _names)
    for _name, _value in _names.items():
        _original = getattr(_module, _name)
        # Bound methods of the module's hidden Random are made once, so their ids stay.
        _replacements[id(_original)] = _value


def replacement(value: object) -> Any:
    """What stands for a module, function or class; ``None`` for all that stays."""
    return _replacements.get(id(value))


def stand_in_for_default(value: Any) -> Any:
    """What stands for the default of an argument, which may be itself."""
    if value is real_sleep:
        return sleep
    # Bound methods of built-in types are equal, not identical.
    if isinstance(value, types.BuiltinFunctionType) and value == datetime.datetime.utcnow:
        return _utcnow
    return value


def make_set(*args: Any) -> Any:
    return builtins.set(*args) if _local.world is None else OrderedSet(*args)


def plain_handler(real: Callable[[], Any]) -> Callable[[], Any]:
    def make() -> Any:
        world = _local.world
        return real() if world is None else world.plain_handler()

    return make
