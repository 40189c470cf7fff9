"""An event loop of asyncio in virtual time.

Rules that live here:

- A loop runs in one task. Where it would wait for sockets, the task blocks: until the next timer of
  the loop is due, or until another task has called ``call_soon_threadsafe``. Other tasks, clients
  and loops run meanwhile.
- asyncio keeps the running loop, its running task, and the hooks for asynchronous generators by
  thread, and all tasks share one. They are put away while the loop's task gives way, so that each
  task can run a loop, also where a coroutine makes a blocking call.
- Tasks and futures have numbers for hashes: sets of them, which asyncio iterates over, are in the
  same order in every run.
- There are no sockets, pipes and subprocesses: asyncio's own `NotImplementedError` says so.
- Nothing sends signals, so a signal handler is taken and never called. Many applications install
  some when they start.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import copy
import signal
import sys
from asyncio.events import _set_running_loop  # for event loops, as asyncio documents it
from typing import TYPE_CHECKING, Any

from zkfake._simulation.errors import SimulationBlocked
from zkfake._simulation.scheduling.tasks import MICROSECONDS
from zkfake._simulation.stand_ins.current import LOCAL
from zkfake._simulation.stand_ins.stand_ins import make_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["VirtualEventLoop", "loop_patches"]

_RESOLUTION = 1e-6
"""Seconds: that of the virtual clock."""

_TURNS = 1000
"""Turns of a loop that has something to do, after which other tasks have their turn."""


# Before 3.12 there is one for each loop.
_swap_running_task: Callable[[Any, Any], Any] = vars(asyncio.tasks).get(
    "_swap_current_task", lambda _loop, _task: None
)


class _NumberedFuture(asyncio.Future):  # type: ignore[type-arg]  # generic from 3.9 on, in stubs only
    def __init__(self, number: int, loop: VirtualEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class _NumberedTask(asyncio.Task):  # type: ignore[type-arg]
    def __init__(self, number: int, coroutine: Any, **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class _Selector:
    """What a loop asks for events: it waits."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiting: ScheduledTask | None = None
        self._called = False
        self._turns = 0

    def call(self) -> None:
        """Ends the wait, or the next one."""
        self._called = True
        if self._waiting is not None:
            self._scheduler.wake(self._waiting)

    def select(self, timeout: float | None) -> list[Any]:
        scheduler = self._scheduler
        if timeout is not None and timeout <= 0:
            # How many turns the loop takes for the same work differs between versions of Python.
            # Were each of them a step of the task, so would the runs.
            self._turns += 1
            if self._turns % _TURNS:
                return []
        try:
            if self._called or (timeout is not None and timeout <= 0):
                scheduler.sleep(0)
            else:
                self._waiting = scheduler.current
                scheduler.block("an event loop's next event", scheduler.deadline_after(timeout))
        finally:
            self._waiting, self._called, self._turns = None, False, 0
        return []

    def close(self) -> None:
        pass


class VirtualEventLoop(asyncio.base_events.BaseEventLoop):
    """The event loop of one task of a simulation."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._clock_resolution = _RESOLUTION
        self._selector = _Selector(scheduler)
        self._count = 0
        self._hooks: Any = (None, None)
        self._running_task: Any = None
        self._signal_handlers: dict[int, Any] = {}

    def run_forever(self) -> None:
        task = self._scheduler.current
        before, task.thread_state = task.thread_state, self
        self._scheduler.keep_thread_states()
        try:
            super().run_forever()
        finally:
            task.thread_state = before

    def put_away(self) -> None:
        self._hooks = sys.get_asyncgen_hooks()
        self._running_task = asyncio.current_task(self)
        if self._running_task is not None:
            _swap_running_task(self, None)
        _set_running_loop(None)
        sys.set_asyncgen_hooks(None, None)

    def bring_back(self) -> None:
        sys.set_asyncgen_hooks(*self._hooks)
        _set_running_loop(self)
        if self._running_task is not None:
            _swap_running_task(self, self._running_task)

    def time(self) -> float:
        return self._scheduler.now / MICROSECONDS

    def create_future(self) -> asyncio.Future[Any]:
        self._count += 1
        return _NumberedFuture(self._count, self)

    def create_task(self, coro: Any, **options: Any) -> Any:
        if self.get_task_factory() is not None:
            return super().create_task(coro, **options)
        self._check_closed()  # type: ignore[attr-defined]
        self._count += 1
        if sys.version_info < (3, 11):
            options.pop("context", None)
        return _NumberedTask(self._count, coro, loop=self, **options)

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:  # type: ignore[override]
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")
        self._signal_handlers[sig] = callback, args

    def remove_signal_handler(self, sig: int) -> bool:
        return self._signal_handlers.pop(sig, None) is not None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and self.get_exception_handler() is None:
            self._scheduler.logged("a task or a callback of an event loop", error)
        super().call_exception_handler(context)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits for the pool's tasks, in a task of its own."""
        self._executor_shutdown_called = True
        executor: Any = self._default_executor  # type: ignore[attr-defined]
        if executor is None:
            return
        over = self.create_future()

        def shut_down() -> None:
            executor.shutdown(wait=True)
            self.call_soon_threadsafe(settle)

        def settle() -> None:
            if not over.done():  # else the wait was cancelled
                over.set_result(None)

        self._scheduler.spawn(shut_down, name="shutdown of an event loop", background=True)
        await asyncio.wait_for(over, timeout)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        self._selector.call()


def loop_patches() -> list[tuple[Any, str, Any]]:
    """What is replaced in asyncio: in what object, its name, by what."""
    events = asyncio.events
    policy = getattr(events, "BaseDefaultEventLoopPolicy", None) or vars(events).get(
        "_BaseDefaultEventLoopPolicy"
    )
    base = asyncio.base_events.BaseEventLoop
    new = _virtual(events.new_event_loop)
    return [
        (events, "new_event_loop", new),
        (asyncio, "new_event_loop", new),
        (policy, "new_event_loop", _virtual(policy.new_event_loop)),  # type: ignore[union-attr]
        (policy, "get_event_loop", _own(policy.get_event_loop)),  # type: ignore[union-attr]
        (policy, "set_event_loop", _own(policy.set_event_loop)),  # type: ignore[union-attr]
        (base, "run_forever", _guarded(base.run_forever)),
        *((module, "set", make_set) for module in (asyncio.tasks, asyncio.runners)),
    ]


def _virtual(real: Callable[..., Any]) -> Callable[..., Any]:
    def new_event_loop(*args: Any) -> Any:
        simulation = LOCAL.simulation
        return real(*args) if simulation is None else VirtualEventLoop(simulation.scheduler)

    return new_event_loop


def _own(real: Callable[..., Any]) -> Callable[..., Any]:
    """A policy keeps a thread's event loop. All tasks share one thread, so each has a policy."""

    def of_task(self: Any, *args: Any) -> Any:
        simulation = LOCAL.simulation
        if simulation is None:
            return real(self, *args)
        task = simulation.scheduler.current
        if task.event_loops is None:
            task.event_loops = copy.copy(self)
            vars(task.event_loops)["_local"] = type(self._local)()
        return real(task.event_loops, *args)

    return of_task


def _guarded(real: Callable[..., Any]) -> Callable[..., Any]:
    def run_forever(self: Any) -> None:
        simulation = LOCAL.simulation
        if simulation is not None and not isinstance(self, VirtualEventLoop):
            raise SimulationBlocked(
                f"{simulation.scheduler.current.name} runs an event loop of asyncio that waits in "
                "real time, which would stop every task: make the loop inside the simulation, by "
                "asyncio.run(...) or asyncio.new_event_loop()"
            )
        real(self)

    return run_forever
