"""Tasks: the interface for the code that starts them and waits for them.

Rules that live here: a task has the parts of `threading.Thread` that kazoo uses; it keeps its
return value or its error; a report has what it waits for, since when, until when, and at which line
of code.
"""

from __future__ import annotations

import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import greenlet

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["AWAKE", "MICROSECONDS", "NEVER", "OPEN_END", "ScheduledTask", "Task"]

MICROSECONDS = 1_000_000
"""Per second. Virtual time is counted in whole microseconds."""

NEVER = 1 << 62
"""`ScheduledTask.alarm` of a task without a timer: later than any deadline."""

AWAKE = 0
"""`ScheduledTask.turn` of a task that is running, ready or done. It is false, and `Scheduler.wake`
relies on that.
"""
OPEN_END = -1
"""`ScheduledTask.turn` of a wait without a deadline: no timer has this place, so no timer ends the
wait.
"""


class Clockwork(Protocol):
    """What tasks use of the scheduler."""

    now: int
    current: ScheduledTask

    def block(self, reason: object, deadline: int | None = None) -> bool: ...
    def deadline_after(self, seconds: float | None) -> int | None: ...


class Task(ABC):
    """A flow of control in a simulation: a function that `Simulation.spawn` runs, the program
    itself, or one of kazoo's "threads".

    It has the parts of `threading.Thread` that kazoo uses (``join``, ``is_alive``).
    """

    __slots__ = ("done", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        """For reports and the history; no two tasks of a simulation have the same."""
        self.done = False
        """Whether it has ended."""

    @abstractmethod
    def result(self, timeout: float | None = None) -> Any:
        """Wait for the task to end and return what it returned, or raise what it raised.

        Raises `TimeoutError` after ``timeout`` virtual seconds; ``None`` waits without a limit.
        Raises `RuntimeError` in the task itself.
        """

    @property
    @abstractmethod
    def exception(self) -> BaseException | None:
        """What the task raised; ``None`` while it runs and if it returned. Reading it counts as
        having handled the error.
        """

    @abstractmethod
    def join(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, at most ``timeout`` virtual seconds; ``None`` waits
        without a limit. Does not raise the task's error. Raises `RuntimeError` in the task itself.
        """

    def is_alive(self) -> bool:
        """Whether the task has not ended, as `threading.Thread.is_alive`."""
        return not self.done

    def __repr__(self) -> str:
        return f"<Task {self.name}{' done' if self.done else ''}>"


class ThreadState(Protocol):
    """Something that belongs to a thread, which is one task's."""

    def put_away(self) -> None:
        """The task gives way: others must not find it."""

    def bring_back(self) -> None:
        """The task goes on."""


class ScheduledTask(Task):
    """A task, as the scheduler and what tasks wait for know it."""

    __slots__ = (
        "_scheduler",
        "alarm",
        "background",
        "deadline",
        "doomed",
        "error",
        "event_loops",
        "fault",
        "frozen",
        "greenlet",
        "joiners",
        "number",
        "owner",
        "reason",
        "retrieved",
        "since",
        "steps",
        "thread",
        "thread_state",
        "timer",
        "turn",
        "value",
        "woken",
    )

    def __init__(
        self, scheduler: Clockwork, name: str, *, background: bool, owner: object | None
    ) -> None:
        super().__init__(name)
        self._scheduler = scheduler
        self.number = 0
        """Its place among all tasks of the simulation, from 1. It is the thread's identifier."""
        self.thread: Any = None
        """What `threading.current_thread` returns inside the task, once that was called."""
        self.thread_state: ThreadState | None = None
        """What the task has set for the thread that all tasks share."""
        self.event_loops: Any = None
        """The policy of asyncio that knows the event loop of the task, once that was asked for."""
        self.background = background
        """True for tasks that serve a client. They do not count as progress of the program."""
        self.owner = owner
        """What is paused as a whole, such as a client with all its tasks."""
        self.since = scheduler.now
        self.deadline: int | None = None
        self.greenlet: Any = None
        self.woken = False
        self.turn = AWAKE
        """The number of its present wait. `AWAKE`: it does not wait. `OPEN_END`: it waits without a
        deadline. A positive number: it waits until its deadline. Every such wait has a new number,
        so a timer of an earlier wait is recognized and cannot end a later one.
        """
        # A wait that ends early leaves its timer in the heap, because removing it would cost more
        # than ignoring it. A later wait with a later deadline sets no timer of its own: when the
        # old one is up, it is set again for the present deadline (`Scheduler._alarm_passed`). So a
        # task that waits often, with timeouts that rarely pass, has one timer and not thousands.
        self.alarm = NEVER
        """When the timer that is set for the task is up: at its deadline or before. `NEVER`: no
        timer is set.
        """
        self.timer = 0
        """The number of the wait for which that timer was set; 0: no timer is set."""
        self.reason: object = "its start"
        self.steps = 0
        """How many steps it has made, where a schedule counts them."""
        self.frozen = 0
        self.doomed = False
        self.fault: BaseException | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.retrieved = False
        self.joiners: deque[ScheduledTask] = deque()

    @property
    def blocked(self) -> bool:
        """Whether the task waits: it is neither running nor ready to run."""
        return self.turn != AWAKE

    def result(self, timeout: float | None = None) -> Any:
        self.join(timeout)
        if not self.done:
            raise TimeoutError(f"{self.name} has not ended within {timeout} virtual seconds")
        self.retrieved = True
        if self.error is not None:
            raise self.error
        return self.value

    @property
    def exception(self) -> BaseException | None:
        self.retrieved = self.retrieved or self.done
        return self.error

    def join(self, timeout: float | None = None) -> None:
        scheduler = self._scheduler
        deadline = scheduler.deadline_after(timeout)
        while not self.done:
            if scheduler.current is self:
                raise RuntimeError("cannot join current thread")
            self.joiners.append(scheduler.current)
            if not scheduler.block(self, deadline):
                if scheduler.current in self.joiners:
                    self.joiners.remove(scheduler.current)
                return

    def describe(self) -> str:
        """One line for people: its state, what it waits for, and where; for reports of a stopped
        run.
        """
        state = "is ready to run"
        if self.blocked:
            state = f"waits for {self.reason} since {self.since / MICROSECONDS:.6f} s"
            if self.deadline is not None:
                state += f", until {self.deadline / MICROSECONDS:.6f} s"
        elif self is self._scheduler.current:
            state = "is running"
        if self.frozen:
            state += " (paused)"
        return f"{self.name} {state}{_place(self)}"

    @property
    def now(self) -> float:
        """Virtual seconds since the start of the simulation."""
        return self._scheduler.now / MICROSECONDS

    @property
    def place(self) -> str:
        """The innermost line outside the simulation at which it stands, such as `` (jobs.py:12 in
        work)``; empty before its first line.
        """
        stack = _stack(self)
        if not stack:
            return ""
        return f" ({os.path.basename(stack[-1].filename)}:{stack[-1].lineno} in {stack[-1].name})"


def _place(task: ScheduledTask) -> str:
    """Where a suspended task stands: the innermost lines outside the simulation."""
    return "".join(
        f"\n    at {e.filename}:{e.lineno} in {e.name}" for e in reversed(_stack(task)[-3:])
    )


def _stack(task: ScheduledTask) -> list[traceback.FrameSummary]:
    """The lines outside the simulation at which a task stands, the innermost one last."""
    if task.greenlet is greenlet.getcurrent():
        frame: FrameType | None = sys._getframe()  # noqa: SLF001  # a public function
    else:
        frame = task.greenlet.gr_frame if task.greenlet else None
    if frame is None:
        return []
    return [
        entry
        for entry in traceback.extract_stack(frame)
        if "zkfake/_simulation/" not in entry.filename.replace("\\", "/")
    ]
