"""The virtual clock and its timers.

Rules that live here:

- Time is a whole number of microseconds, so that no sum depends on rounding. The length of a wait
  is rounded up, but for the nanosecond that arithmetic with floats may have added.
- All timers of one time are up, in the order in which they were set, before any task runs. Their
  callbacks run between tasks and must not block.
- Of the messages to servers that are due at one time, each on a connection of its own, a `Schedule`
  chooses which arrives first. What reaches clients at one time makes tasks ready, whose order is a
  choice as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from heapq import heapify, heappop, heappush
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

from zkfake._simulation.scheduling.tasks import MICROSECONDS, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["Racer", "VirtualClock"]

_COMPACT_AT = 1024
_NANOSECOND = 0.001
_FOR_EVER = 1e12

_Timer = tuple[int, int, Any, Any]
"""When, how many were set before, and either the task whose wait ends and ``None``, or the `Racer`
or ``None`` and a callback.
"""


class Racer(Protocol):
    """A connection to a server. ``str`` of it is for people."""

    @property
    def arriving(self) -> bool:
        """Whether what is due arrives."""


class VirtualClock(ABC):
    """The time, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 0
        """Microseconds since the start."""
        self._timers: list[_Timer] = []
        self._sequence = 0
        self._compact_at = _COMPACT_AT
        self._unchecked_until = 0
        self._races = False
        """Whether `choose_message` is asked."""

    @abstractmethod
    def _make_ready(self, task: ScheduledTask) -> None:
        """The task's wait has ended by its deadline."""

    @abstractmethod
    def _check_clock(self, now: int) -> None:
        """Raises where the clock must not move to ``now``, and sets until when not to ask again."""

    @abstractmethod
    def choose_message(self, arriving: list[Any]) -> int:
        """The place of the message that arrives first."""

    def deadline_after(self, seconds: float | None) -> int | None:
        """The time ``seconds`` from now, in microseconds; ``None`` for ``None`` and for more than
        30,000 years.
        """
        if seconds is None or seconds > _FOR_EVER:
            return None
        if seconds <= 0:
            return self.now
        return self.now + (ceil(seconds * MICROSECONDS - _NANOSECOND) or 1)

    # -- setting timers

    def call_at(self, when: int, callback: Callable[[], None]) -> None:
        """Run ``callback`` between two tasks at ``when`` (microseconds); it must not block."""
        self._sequence += 1
        heappush(self._timers, (when, self._sequence, None, callback))

    def arrive_at(self, racer: Racer, when: int, callback: Callable[[], None]) -> None:
        """As `call_at`, for what arrives at a server."""
        self._sequence += 1
        heappush(self._timers, (when, self._sequence, racer if self._races else None, callback))

    def _set_alarm(self, task: ScheduledTask, deadline: int) -> None:
        """Set the timer of a task's present wait. It replaces the timer that the task has."""
        timers = self._timers
        task.alarm, task.timer = deadline, task.turn
        heappush(timers, (deadline, task.turn, task, None))
        # Replaced timers stay in the heap until they are up. Removing them at twice the size that
        # was left keeps the cost of a timer O(log n).
        if len(timers) > self._compact_at:
            timers[:] = [each for each in timers if each[3] or each[2].timer == each[1]]
            heapify(timers)
            self._compact_at = max(_COMPACT_AT, 2 * len(timers))

    def _alarm_passed(self, task: ScheduledTask, turn: int) -> None:
        """A timer is up that was set for an earlier wait of the task."""
        if task.timer == turn:  # otherwise a newer timer has replaced it
            task.alarm, task.timer = NEVER, 0
            # The present wait may have set no timer of its own, because this one was earlier.
            if task.turn > 0 and task.deadline is not None:
                self._set_alarm(task, task.deadline)

    # -- moving on

    def _advance(self) -> bool:
        """Moves the clock on to the next timer, which is up then, with all others of its time.
        False where there is none. Raises what `_check_clock` raises.
        """
        timers = self._timers
        while timers:
            now, turn, task, callback = timer = heappop(timers)
            if callback is not None or task.turn == turn:
                break
            self._alarm_passed(task, turn)
        else:
            return False
        if now > self.now:
            if now > self._unchecked_until:
                # The check may raise, and the run goes on to clean up: no timer may be lost.
                heappush(timers, timer)
                self._check_clock(now)
                heappop(timers)
            self.now = now
        # Before any task runs: with `reorder`, a draw is among all tasks that are ready at that
        # time.
        while True:
            if callback is not None:
                if task is not None and timers and timers[0][0] <= now:
                    callback = self._first_arrival((now, turn, task, callback))
                callback()
            elif task.turn == turn:
                task.alarm, task.timer = NEVER, 0
                self._make_ready(task)
            else:
                self._alarm_passed(task, turn)
            if not timers or timers[0][0] > now:
                return True
            _, turn, task, callback = heappop(timers)

    def _first_arrival(self, timer: _Timer) -> Callable[[], None]:
        """Takes one of the messages that are due, and returns its callback. ``timer``: the one that
        was sent first.
        """
        timers, now = self._timers, self.now
        due = [timer]
        while timers and timers[0][0] <= now:
            due.append(heappop(timers))
        racing: dict[Racer, _Timer] = {}
        for each in due:
            racer = each[2]
            # What a connection brings at one time comes at once, by the first of its timers.
            if each[3] is not None and racer is not None and racer.arriving:
                racing.setdefault(racer, each)
        if timer[2] in racing and len(racing) > 1:
            timer = [*racing.values()][self.choose_message([*racing])]
        due.remove(timer)
        for each in due:
            heappush(timers, each)
        callback: Callable[[], None] = timer[3]
        return callback
