"""Cooperative tasks on greenlets, and every reason why a run cannot go on.

Rules that live here:

- One task runs at a time and runs until it blocks. When tasks are ready, the next one is the one
  that became ready first, or, with ``reorder``, one drawn from the seed, or the one that a
  `Schedule` chooses, which may also delay a task. When none is ready, the clock jumps to the next
  timer. Nothing waits in real time.
- A blocked task chooses its successor itself and switches to it directly. The *hub* is a greenlet
  of its own that starts the tasks, and to which those that ended return.
- Garbage is collected every `_COLLECT_EVERY` steps, before a wait, so that finalizers run at the
  same step in every run; `zkfake._simulation.patching.patches` turns automatic collection off. The
  youngest generation is collected often: every kazoo call leaves garbage, and reused memory is in
  the cache.
- The run is stopped, with an exception in the main task, when nothing can ever run again, when it
  exceeds its steps or its virtual time, or when for a long virtual time only background tasks ran
  and no task of the program waits with a timeout. Otherwise a client's heartbeats would keep a
  program that is stuck running for ever.
"""

from __future__ import annotations

import contextvars
import gc
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, NoReturn

import greenlet

from zkfake._simulation.errors import SimulationDeadlock, SimulationError, SimulationLimit
from zkfake._simulation.scheduling.clock import VirtualClock
from zkfake._simulation.scheduling.schedules import Delay, Schedule, Shuffled
from zkfake._simulation.scheduling.tasks import AWAKE, MICROSECONDS, OPEN_END, ScheduledTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

__all__ = ["MAX_STEPS", "MAX_TIME", "STALL_LIMIT", "Scheduler"]

MAX_STEPS = 10_000_000
MAX_TIME = 2 * 86_400.0
"""Virtual seconds."""
STALL_LIMIT = 3 * 3_600.0
"""Virtual seconds."""
_RECONNECTED = 2 * 3_600 * MICROSECONDS
"""After so long every client has tried to connect again: kazoo waits up to an hour between two
attempts, and some tenths of it by chance.
"""

_COLLECT_EVERY = 50
_COLLECTIONS_OF_YOUNG = 100
"""Every collection of this number includes the second generation."""
_getcurrent = greenlet.getcurrent


class Scheduler(VirtualClock):
    """Owns the clock, the tasks and the timers of one simulation."""

    def __init__(
        self,
        random: Random,
        *,
        reorder: float = 0.0,
        preemption: float = 0.0,
        max_steps: int = MAX_STEPS,
        max_time: float = MAX_TIME,
        stall_limit: float = STALL_LIMIT,
        trace: list[tuple[int, str]] | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        """``trace``: every step is added to it, the time and the task's name. ``schedule``: what
        chooses the next task, instead of ``reorder``.
        """
        super().__init__()
        self.steps = 0
        """Task switches so far."""
        self.reorder = reorder
        self._preemption = preemption
        self.pauses = bool(preemption)
        """Whether locks, events and queues call `pause_point`."""
        self.trace = trace
        self._collect_at = _COLLECT_EVERY
        self._collections = 0
        self._look_at = max_steps if trace is None else -1
        self.failure: BaseException | None = None
        """What was raised in the main task because the run cannot go on."""
        self._draw = random.random
        self._limits = _Limits(
            max_steps, ceil(max_time * MICROSECONDS), ceil(stall_limit * MICROSECONDS)
        )
        self.schedule: Schedule | None = None
        self._delayed: dict[ScheduledTask, None] = {}
        self._ready: list[ScheduledTask] = []
        self._stash: list[ScheduledTask] = []
        self._tick_waiters: list[tuple[int, ScheduledTask]] = []
        self._counts: dict[tuple[str, str], int] = {}
        self._closed = False
        self.tasks: dict[ScheduledTask, None] = {}
        """Every task that has not ended, in the order of their start."""
        self.main = ScheduledTask(self, "main", background=False, owner=None)
        self.main.number = self.count("task")
        self.main.greenlet = greenlet.getcurrent()
        self.tasks[self.main] = None
        self.current = self.main
        self._hub: Any = greenlet.greenlet(self._run_hub, self.main.greenlet)
        self._hub.switch()
        if schedule is not None:
            self._follow(schedule)
        self.on_task_end: Callable[[ScheduledTask, BaseException | None], None] | None = None
        self.on_stall: Callable[[], bool] = bool
        """Called after ``stall_limit``, and at ``max_time``: whether the program gets as long
        again, as the world is another one now.
        """
        self.on_logged: Callable[[str, BaseException], None] | None = None

    # -- tasks

    def spawn(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        background: bool = False,
        owner: object | None = None,
        **kwargs: Any,
    ) -> ScheduledTask:
        """Make a task that will run ``function``. It starts when the scheduler chooses it. Raises
        `SimulationError` after the end of the simulation.
        """
        if self._closed:
            raise SimulationError("the simulation is over")
        name = name or str(getattr(function, "__name__", "task"))
        task = ScheduledTask(
            self,
            self._unique(name),
            background=background,
            owner=owner,
        )
        task.greenlet = greenlet.greenlet(
            lambda: self._run_task(task, function, args, kwargs), self._hub
        )
        task.number = self.count("task")
        task.greenlet.gr_context = contextvars.copy_context()
        self.tasks[task] = None
        task.turn = OPEN_END
        self.wake(task)
        return task

    def _unique(self, name: str) -> str:
        count = self.count("name", name)
        return name if count == 1 else f"{name}#{count}"

    def thread_name(self, target: str = "") -> str:
        """The default name of the next thread, as `threading` makes it."""
        name = f"Thread-{self.count('thread')}"
        return f"{name} ({target})" if target else name

    def count(self, kind: str, name: str = "") -> int:
        """The next number of a kind, from 1, as in the names that `threading` makes. ``name``:
        what has numbers of its own.
        """
        number = self._counts[kind, name] = self._counts.get((kind, name), 0) + 1
        return number

    def _run_task(
        self, task: ScheduledTask, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> None:
        error: BaseException | None = None
        try:
            task.value = function(*args, **kwargs)
        except greenlet.GreenletExit:
            pass
        except BaseException as caught:
            error = caught
        task.error = error
        task.done = True
        if not task.background:
            self._limits.activity = self.now
        del self.tasks[task]
        if self.on_task_end is not None and not self._closed:
            self.on_task_end(task, error)
        while task.joiners:
            self.wake(task.joiners.popleft())

    def logged(self, what: str, error: BaseException) -> None:
        """Something has failed that no task has for its outcome: it was logged."""
        if self.on_logged is not None and not self._closed:
            self.on_logged(what, error)

    def _run_hub(self) -> None:
        """Start the tasks that are passed to it, and choose the next one when a task has ended."""
        task: ScheduledTask | None = self.main
        while True:
            # A greenlet starts at the recursion depth of the one that starts it. Were tasks started
            # by one another, the depth would grow with each, up to a RecursionError.
            task = (task or self._choose()).greenlet.switch()

    # -- blocking and waking

    def block(self, reason: object, deadline: int | None = None) -> bool:
        """Give up control until `wake` or ``deadline`` (microseconds). False after the deadline.

        Raises `SimulationError` outside the tasks and after the end, and what `interrupt` was
        given.
        """
        task = self.current
        if task.greenlet is not _getcurrent() or self._closed:
            self._refuse(task, reason)
        if self.steps > self._collect_at:
            self._collect()
        task.reason = reason
        task.since = self.now
        task.deadline = deadline
        if deadline is None:
            task.turn = OPEN_END
        else:
            self._sequence = task.turn = self._sequence + 1
            if deadline < task.alarm:
                self._set_alarm(task, deadline)
        self._switch(task)
        if task.fault is not None:
            fault, task.fault = task.fault, None
            raise fault
        return task.woken

    def _refuse(self, task: ScheduledTask, reason: object) -> NoReturn:
        if task.greenlet is not _getcurrent():
            raise SimulationError(
                f"{reason} belongs to a simulation and was used from outside its tasks "
                "(another thread, a foreign greenlet, or after the simulation ended)"
            )
        if task.doomed:
            raise greenlet.GreenletExit
        raise SimulationError(f"{reason} belongs to a simulation that is over")

    def _collect(self) -> None:
        self._collect_at = self.steps + _COLLECT_EVERY
        self._collections += 1
        gc.collect(0 if self._collections % _COLLECTIONS_OF_YOUNG else 1)

    def wake(self, task: ScheduledTask) -> bool:
        """Make a blocked task ready. Returns False if it was not blocked."""
        if not task.turn:
            return False
        task.turn = AWAKE
        task.woken = True
        (self._stash if task.frozen else self._ready).append(task)
        return True

    def _make_ready(self, task: ScheduledTask) -> None:
        task.turn = AWAKE
        task.woken = False
        (self._stash if task.frozen else self._ready).append(task)

    def pause_point(self) -> None:
        """Give way to the other ready tasks, as a pre-emptive scheduler might here."""
        if self._ready and not self._closed and self._draw() < self._preemption:
            self.yield_now()

    def _scheduled_pause(self) -> None:
        schedule = self.schedule
        if self._closed or schedule is None:
            return
        task = self.current
        yields = bool(self._ready) and self._draw() < self._preemption
        seconds = schedule.delayed(task, waited=False)
        if seconds:
            if task.doomed:
                raise greenlet.GreenletExit
            task.reason = "the end of its delay"
            task.since = self.now
            self._delay(task, seconds)
            self._switch(task)
            self._raise_fault(task)
        elif yields or seconds == 0:
            if seconds is None:
                schedule.delays.append(Delay(task.name, task.steps, 0))
            self.yield_now()

    def _delay(self, task: ScheduledTask, seconds: float) -> None:
        """Let a task that is neither waiting nor ready go on later."""
        if seconds:
            self._delayed[task] = None
            self.call_at(self.now + ceil(seconds * MICROSECONDS), lambda: self._go_on(task))
        else:
            self._ready.append(task)

    def _go_on(self, task: ScheduledTask) -> None:
        if task in self._delayed:
            del self._delayed[task]
            (self._stash if task.frozen else self._ready).append(task)

    def end_delays(self) -> None:
        """Let every task that is delayed go on, and delay no task that was to be delayed."""
        if self.schedule is not None:
            self.schedule.forget_delays()
        for task in list(self._delayed):
            self._go_on(task)

    def scheduled(self) -> Schedule:
        """The schedule; one that does what was done before it, where there was none."""
        if self.schedule is None:
            self._follow(Shuffled(self._draw, self.reorder) if self.reorder else Schedule())
        assert self.schedule is not None
        return self.schedule

    def _follow(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.pauses = self._races = True
        # Without a schedule it costs nothing.
        self._choose = self._choose_scheduled  # type: ignore[method-assign]
        self.pause_point = self._scheduled_pause  # type: ignore[method-assign]

    def yield_now(self) -> None:
        """Go to the end of the queue of ready tasks."""
        task = self.current
        if task.doomed:
            raise greenlet.GreenletExit
        task.reason = "its turn"
        task.since = self.now
        task.deadline = self.now
        self._make_ready(task)
        self._switch(task)
        self._raise_fault(task)

    @staticmethod
    def _raise_fault(task: ScheduledTask) -> None:
        if task.fault is not None:
            fault, task.fault = task.fault, None
            raise fault

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass; 0 lets every other ready task go first."""
        if seconds <= 0:
            self.yield_now()
        else:
            self.block(_Sleep(seconds), self.deadline_after(seconds))

    def next_instant(self, reason: object, deadline: int | None = None) -> bool:
        """Block until everything at the present time has run and the clock has moved. False after
        the deadline.
        """
        self._tick_waiters.append((self.now, self.current))
        return self.block(reason, deadline)

    def freeze(self, tasks: Iterable[ScheduledTask]) -> None:
        """Stop running ``tasks``. Those that are woken meanwhile run after `thaw`. Raises
        `SimulationError` for the main task.
        """
        for task in tasks:
            if task is self.main:
                raise SimulationError("the main task cannot be paused")
            task.frozen += 1
        self._ready[:], stopped = _split(self._ready, lambda task: not task.frozen)
        self._stash += stopped

    def thaw(self, tasks: Iterable[ScheduledTask]) -> None:
        """Take one `freeze` of each of ``tasks`` back."""
        for task in tasks:
            task.frozen -= 1
        self._stash, released = _split(self._stash, lambda task: task.frozen > 0)
        self._ready += released

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` in the main task, which becomes the run's outcome."""
        self.failure = self.failure or error
        main = self.main
        main.fault = error
        if main.blocked:
            self._make_ready(main)

    # -- choosing what runs next

    def _switch(self, me: ScheduledTask) -> None:
        """Run whatever is next; returns when ``me`` has been chosen again."""
        task = self._choose()
        if task is not me:
            if task.greenlet:
                task.greenlet.switch()
            else:
                self._hub.switch(task)

    def keep_thread_states(self) -> None:
        """Put a task's `ScheduledTask.thread_state` away while it gives way, from now on."""
        self._switch = self._switch_with_state  # type: ignore[method-assign]  # free before

    def _switch_with_state(self, me: ScheduledTask) -> None:
        state = me.thread_state
        if state is None:
            Scheduler._switch(self, me)
            return
        state.put_away()
        Scheduler._switch(self, me)
        state.bring_back()

    def _choose(self) -> ScheduledTask:
        """The task that runs next, which is the current one from now on."""
        ready = self._ready
        while not ready:
            try:
                self._idle()
            except Exception as error:  # noqa: PERF203  # what is caught ends the run
                self.interrupt(error)
        if self.reorder and len(ready) > 1 and self._draw() < self.reorder:
            task = ready.pop(int(self._draw() * len(ready)))
        else:
            task = ready.pop(0)
        steps = self.steps = self.steps + 1
        if steps > self._look_at:
            self._look(task)
        self.current = task
        return task

    def _choose_scheduled(self) -> ScheduledTask:
        """`_choose` with a schedule."""
        ready, schedule = self._ready, self.scheduled()
        while True:
            while not ready:
                try:
                    self._idle()
                except Exception as error:  # noqa: PERF203  # what is caught ends the run
                    self.interrupt(error)
            task = ready.pop(schedule.choose(ready))
            seconds = schedule.delayed(task, waited=task.woken)
            if seconds is None:
                break
            self._delay(task, seconds)
        self.steps += 1
        if self.steps > self._look_at:
            self._look(task)
        self.current = task
        return task

    def choose_message(self, arriving: list[Any]) -> int:
        """The place of the message that arrives first, of those that are due at the same time, each
        on a connection of its own; see `Schedule.choose_message`.
        """
        return 0 if self.schedule is None else self.schedule.choose_message(arriving)

    def _look(self, task: ScheduledTask) -> None:
        """Traces the step if wanted, and stops the run after too many steps."""
        if self.trace is not None:
            self.trace.append((self.now, task.name))
        most = self._limits.steps
        if self.steps > most and self.failure is None:
            self.interrupt(
                SimulationLimit(
                    f"more than {most} steps (max_steps) at virtual second "
                    f"{self.now / MICROSECONDS:.6f}, the last one by {task.name}"
                )
            )

    def _idle(self) -> None:
        """No task is ready: wake `next_instant`, or run everything that is due at the next time."""
        # The clock has moved since these began to wait, and no task is ready any more: everything
        # at that time has happened. They are woken before the clock moves again, so a condition is
        # checked once per time, and before anything later can make it false.
        if self._tick_waiters and self._tick_waiters[0][0] < self.now:
            waiters, self._tick_waiters = self._tick_waiters, []
            for _, task in waiters:
                self.wake(task)
            return
        if not self._advance():
            raise SimulationDeadlock(
                "nothing can ever run again: no task is ready and no timer is set\n"
                + self.describe()
            )

    def _check_clock(self, now: int) -> None:
        """Raises `SimulationLimit` or `SimulationDeadlock` where the clock must not move to
        ``now``.
        """
        limits = self._limits
        self._unchecked_until = now
        if now > limits.time:
            more = limits.time  # raised once: the main task may clean up
            on = self.on_stall()  # nobody can say of a world with faults that it is stuck
            limits.time = now + (max(more, _RECONNECTED) if on else more)
            if not on:
                raise SimulationLimit(
                    f"the clock would pass {now / MICROSECONDS:.0f} virtual seconds (max_time)\n"
                    + self.describe()
                )
        for task in self.tasks:
            if not task.background:
                limits.activity = max(limits.activity, task.since)
        if now - limits.activity > limits.stall:
            limits.activity = now
            if (
                not any(
                    task.deadline is not None or task.frozen
                    for task in self.tasks
                    if not task.background
                )
                and not self.on_stall()
            ):
                raise SimulationDeadlock(
                    f"for {limits.stall // MICROSECONDS} virtual seconds (stall_limit) only "
                    "background tasks ran, and no other task waits with a timeout\n"
                    + self.describe()
                )
        self._unchecked_until = min(limits.time, limits.activity + limits.stall)

    # -- reports and the end

    @property
    def is_quiet(self) -> bool:
        """Whether no task but the current one is ready."""
        return not self._ready and not self._delayed

    def describe(self) -> str:
        """A line for each task; see `ScheduledTask.describe`."""
        return "\n".join(f"  {task.describe()}" for task in self.tasks)

    def stand_still(self, error: BaseException) -> NoReturn:
        """Raise ``error`` in the main task, here and now: no other task goes on, no timer is up."""
        self._closed = True
        main = self.current = self.main
        if main.greenlet is not _getcurrent():
            main.greenlet.throw(error)
        raise error

    def close(self) -> None:
        """End every task but the main one. They unwind by `GreenletExit` and cannot block."""
        self._closed = True
        main = self.main.greenlet
        while len(self.tasks) > 1:
            for task in [task for task in self.tasks if task is not self.main]:
                task.doomed = True
                self.current = task
                started = bool(task.greenlet)
                task.greenlet.parent = main
                task.greenlet.throw(greenlet.GreenletExit)
                if not started:
                    task.done = True
                    del self.tasks[task]
        self.current = self.main
        self._hub.parent = main
        self._hub.throw(greenlet.GreenletExit)
        self._timers.clear()
        self._ready.clear()
        self._stash.clear()
        self._delayed.clear()


@dataclass(slots=True)
class _Limits:
    """Where a run is stopped. Times are microseconds."""

    steps: int
    time: int
    stall: int
    activity: int = 0
    """When a task of the program last ran, as far as `_check_clock` has found out."""


class _Sleep:
    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __str__(self) -> str:
        return f"a sleep of {self._seconds} s"


def _split(
    tasks: list[ScheduledTask], keep: Callable[[ScheduledTask], bool]
) -> tuple[list[ScheduledTask], list[ScheduledTask]]:
    return [task for task in tasks if keep(task)], [task for task in tasks if not keep(task)]
