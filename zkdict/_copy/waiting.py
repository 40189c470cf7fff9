"""Waiting for a condition with a deadline, with the handler's locks and events only.

The rules that live here:

- A handler offers locks and events, but no condition variable. So each waiter has an event of its
  own, and whoever changes something with the lock held calls `notify()`.
- A deadline is a point on `clock.monotonic()`; None waits as long as it takes.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from zkdict._copy import clock
from zkdict._copy.locks import HandlerLock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Signal", "deadline_after", "earlier", "pause_after", "remaining"]

_LONGEST = 1e6  # seconds; threading refuses to wait for more than some 292 years


def deadline_after(timeout: float | None) -> float | None:
    """The point in time that is `timeout` seconds away; None for None."""
    return None if timeout is None else clock.monotonic() + timeout


def remaining(deadline: float | None) -> float | None:
    """Seconds left until `deadline`, from 0 to as many as can be waited; None for None."""
    return None if deadline is None else min(max(0.0, deadline - clock.monotonic()), _LONGEST)


def earlier(one: float | None, other: float | None) -> float | None:
    """The earlier of two deadlines."""
    return min((each for each in (one, other) if each is not None), default=None)


def pause_after(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row (from 1): up to `first`, then up to twice
    that, and so on up to `longest`. Random, so that callers who failed together do not try again
    together.
    """
    return random.uniform(0.0, min(longest, first * 2.0 ** min(failures - 1, 64)))


class Signal:
    """A lock and the waiters for a change of what it protects."""

    __slots__ = ("_handler", "_waiters", "lock")

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._waiters: dict[Any, None] = {}  # woken in the order in which they came
        self.lock = HandlerLock(handler)

    def notify(self) -> None:
        """Let every waiter look again. Call it with the lock held."""
        for event in self._waiters:
            event.set()

    def wait_for(self, condition: Callable[[], bool], deadline: float | None) -> bool:
        """Wait until `condition()`, called with the lock held, is true; False at the deadline.

        Call it without the lock. What the condition raises is passed on.
        """
        with self.lock:
            if condition():
                return True
            event = self._handler.event_object()
            self._waiters[event] = None
        try:
            while True:
                left = remaining(deadline)
                if left != 0:
                    event.wait(left)
                with self.lock:
                    if condition():
                        return True
                    event.clear()
                if left == 0:
                    return False
        finally:
            with self.lock:
                self._waiters.pop(event, None)
