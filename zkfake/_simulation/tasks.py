"""Tasks, as those who start them and those who wait for them know them.

Rules that live here: a task has the parts of `threading.Thread` that kazoo uses; what it returned
or raised is kept for whoever asks; in a report it stands with what it waits for, since when, until
when, and at which line of code.
"""

from __future__ import annotations

import sys
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import greenlet

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["AWAKE", "MICROSECONDS", "NEVER", "OPEN_END", "Task"]

MICROSECONDS = 1_000_000
"""In a second: what virtual time is counted in."""

NEVER = 1 << 62

AWAKE = 0
OPEN_END = -1


class Clockwork(Protocol):
    """The scheduler, as its tasks see it."""

    now: int
    current: Task

    def block(self, reason: object, deadline: int | None = None) -> bool: ...
    def deadline_after(self, seconds: float | None) -> int | None: ...


class Task:
    """A flow of control that the scheduler runs: the test itself, a spawned function or one of
    kazoo's "threads".

    It has the parts of `threading.Thread` that kazoo uses (``join``, ``is_alive``).
    """

    __slots__ = (
        "_scheduler",
        "alarm",
        "background",
        "deadline",
        "done",
        "doomed",
        "error",
        "fault",
        "frozen",
        "greenlet",
        "joiners",
        "name",
        "number",
        "owner",
        "reason",
        "retrieved",
        "since",
        "thread",
        "timer",
        "turn",
        "value",
        "woken",
    )

    def __init__(
        self, scheduler: Clockwork, name: str, *, background: bool, owner: object | None
    ) -> None:
        self._scheduler = scheduler
        self.name = name
        self.number = 0
        """Its place among all tasks of the simulation, from 1: what a thread's identifier is."""
        self.thread: Any = None
        """The `threading.Thread` that the task is to the code in it, once somebody asked."""
        self.background = background
        """True for tasks that serve a client; they do not keep a stalled program alive."""
        self.owner = owner
        """What is paused as one, say a client with all its tasks."""
        self.done = False
        self.since = scheduler.now
        self.deadline: int | None = None
        self.greenlet: Any = None
        self.woken = False
        self.turn = AWAKE
        """The place of its present wait among all timers; `OPEN_END` for a wait without a deadline,
        `AWAKE` when it does not wait.
        """
        self.alarm = NEVER
        """The time of the timer that is set for it: at its deadline or before."""
        self.timer = 0
        """That timer's place."""
        self.reason: object = "its start"
        self.frozen = 0
        self.doomed = False
        self.fault: BaseException | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.retrieved = False
        self.joiners: deque[Task] = deque()

    @property
    def blocked(self) -> bool:
        return self.turn != AWAKE

    def __repr__(self) -> str:
        return f"<Task {self.name}{' done' if self.done else ''}>"

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the task to end and return what it returned, or raise what it raised.

        Raises `TimeoutError` after ``timeout`` virtual seconds.
        """
        self.join(timeout)
        if not self.done:
            raise TimeoutError(f"{self.name} has not ended within {timeout} virtual seconds")
        self.retrieved = True
        if self.error is not None:
            raise self.error
        return self.value

    @property
    def exception(self) -> BaseException | None:
        """What the task ended with, ``None`` while it runs and when it returned. Asking counts as
        having seen it.
        """
        self.retrieved = self.retrieved or self.done
        return self.error

    def join(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, at most ``timeout`` virtual seconds."""
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

    def is_alive(self) -> bool:
        return not self.done

    def describe(self) -> str:
        """What it does, for people."""
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


def _place(task: Task) -> str:
    """Where a suspended task stands: the innermost line outside the simulation, and the outermost
    line of all.
    """
    if task.greenlet is greenlet.getcurrent():
        frame: FrameType | None = sys._getframe()  # noqa: SLF001  # a public function
    else:
        frame = task.greenlet.gr_frame if task.greenlet else None
    if frame is None:
        return ""
    stack = [
        entry
        for entry in traceback.extract_stack(frame)
        if "zkfake/_simulation/" not in entry.filename.replace("\\", "/")
    ]
    return "".join(f"\n    at {e.filename}:{e.lineno} in {e.name}" for e in reversed(stack[-3:]))
