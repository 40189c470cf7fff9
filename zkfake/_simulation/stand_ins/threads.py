"""`threading.Thread` and what goes with it, where every thread is a task.

Rules that live here:

- A task is a thread to the code that runs in it: it has a `threading.Thread` of its own, an
  identifier, and its own attributes of a `threading.local`. The program itself is the main thread.
- What counts threads counts those of the simulation: names that `threading` gives and identifiers
  depend on the run alone, not on what ran in the process before it.
- Only threads of patched modules become tasks. Elsewhere the start of a thread is refused with
  `SimulationBlocked`, as it would run beside the simulation, in real time.
"""

from __future__ import annotations

import _threading_local
import re
import threading
from typing import TYPE_CHECKING, Any

from zkfake._simulation.errors import SimulationBlocked
from zkfake._simulation.scheduling import sync
from zkfake._simulation.stand_ins.current import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["GUARDED", "REPLACED", "is_simulated"]

_MAIN = "MainThread"
_GIVEN_NAME = re.compile(r"Thread-\d+( \(.*\))?")
"""The names of threads that were given none."""


class SimulationThread(threading.Thread):
    """`threading.Thread` for patched modules: a task when it is started inside a simulation."""


class _TaskThread(SimulationThread):
    """The thread that a task is to the code in it, where no `threading.Thread` was started."""

    def __init__(self, task: ScheduledTask, name: str) -> None:
        super().__init__(name=name, daemon=task.background)
        self.__dict__["_simulation_task"] = task


class Timer(SimulationThread):
    """`threading.Timer`."""

    def __init__(
        self, interval: float, function: Callable[..., Any], args: Any = None, kwargs: Any = None
    ) -> None:
        super().__init__()
        self.interval = interval
        self.function = function
        self.args = args or ()
        self.kwargs = kwargs or {}
        simulation = LOCAL.simulation
        self.finished: Any = (
            threading.Event() if simulation is None else sync.Event(simulation.scheduler)
        )

    def cancel(self) -> None:
        self.finished.set()

    def run(self) -> None:
        self.finished.wait(self.interval)
        if not self.finished.is_set():
            self.function(*self.args, **self.kwargs)
        self.finished.set()


# -- who runs


def _thread_of(task: ScheduledTask, main: ScheduledTask) -> threading.Thread:
    if task.thread is None:
        task.thread = _TaskThread(task, _MAIN if task is main else task.name)
    thread: threading.Thread = task.thread
    return thread


def _current_thread() -> threading.Thread:
    """`threading.current_thread`."""
    simulation = LOCAL.simulation
    if simulation is None:
        return threading.current_thread()
    return _thread_of(simulation.scheduler.current, simulation.scheduler.main)


def _main_thread() -> threading.Thread:
    simulation = LOCAL.simulation
    if simulation is None:
        return threading.main_thread()
    return _thread_of(simulation.scheduler.main, simulation.scheduler.main)


def _enumerate() -> list[threading.Thread]:
    simulation = LOCAL.simulation
    if simulation is None:
        return threading.enumerate()
    return [_thread_of(task, simulation.scheduler.main) for task in simulation.scheduler.tasks]


def _active_count() -> int:
    simulation = LOCAL.simulation
    return threading.active_count() if simulation is None else len(simulation.scheduler.tasks)


def _get_ident() -> int:
    simulation = LOCAL.simulation
    return threading.get_ident() if simulation is None else simulation.scheduler.current.number


def _get_native_id() -> int:
    simulation = LOCAL.simulation
    return threading.get_native_id() if simulation is None else simulation.scheduler.current.number


def is_simulated(thread: threading.Thread) -> bool:
    """Whether a thread is, or was, a task."""
    return "_simulation_task" in thread.__dict__


# -- what every thread does differently inside a simulation

_real_init = threading.Thread.__init__
_real_start = threading.Thread.start
_real_join = threading.Thread.join
_real_is_alive = threading.Thread.is_alive
_real_ident: Any = threading.Thread.ident
_real_native_id: Any = threading.Thread.native_id


def _init(
    self: threading.Thread,
    group: None = None,
    target: Callable[..., object] | None = None,
    name: str | None = None,
    *args: Any,
    **kwargs: Any,
) -> None:
    simulation = LOCAL.simulation
    if simulation is not None and name is None:
        name = simulation.scheduler.thread_name(getattr(target, "__name__", ""))
        self.__dict__["_simulation_named"] = True
    _real_init(self, group, target, name, *args, **kwargs)


def _start(self: threading.Thread) -> None:
    simulation = LOCAL.simulation
    if simulation is None:
        return _real_start(self)
    kind = type(self)
    if not issubclass(kind, SimulationThread) and not simulation.is_patched(kind.__module__):
        raise SimulationBlocked(
            f"{simulation.scheduler.current.name} starts a real thread ({self.name}), which "
            "a simulation cannot run: use sim.spawn, or name the module that starts it in "
            "Simulation(patch=[...])"
        )
    if is_simulated(self):
        raise RuntimeError("threads can only be started once")
    given = _GIVEN_NAME.fullmatch(self.name)
    if given and not self.__dict__.get("_simulation_named"):  # it was made before the simulation
        self.name = simulation.scheduler.thread_name((given[1] or "")[2:-1])
    task = simulation.scheduler.spawn(self.run, name=self.name, background=self.daemon)
    task.thread = self
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


def _ident(self: threading.Thread) -> int | None:
    task = self.__dict__.get("_simulation_task")
    return _real_ident.fget(self) if task is None else task.number  # type: ignore[no-any-return]


def _native_id(self: threading.Thread) -> int | None:
    task = self.__dict__.get("_simulation_task")
    return _real_native_id.fget(self) if task is None else task.number  # type: ignore[no-any-return]


# -- what stands for what

REPLACED: dict[str, Any] = {
    "Thread": SimulationThread,
    "Timer": Timer,
    "local": _threading_local.local,
    "current_thread": _current_thread,
    "main_thread": _main_thread,
    "enumerate": _enumerate,
    "active_count": _active_count,
    "get_ident": _get_ident,
    "get_native_id": _get_native_id,
}
"""What code in patched modules gets instead of these names of `threading`.

The standard library's `threading.local` in Python asks `current_thread` whose attributes to show;
`zkfake._simulation.patching.patches` gives it the one of this module.
"""

GUARDED: tuple[tuple[Any, str, Any], ...] = (
    (threading.Thread, "__init__", _init),
    (threading.Thread, "start", _start),
    (threading.Thread, "join", _join),
    (threading.Thread, "is_alive", _is_alive),
    (threading.Thread, "ident", property(_ident)),
    (threading.Thread, "native_id", property(_native_id)),
)
"""What is replaced for everybody: in what, its name, and by what."""
