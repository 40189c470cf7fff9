"""Daemon threads for blocking calls that a coroutine awaits.

The rules that live here:

- The event loop only puts a call into a queue. A thread that is idle takes it, or a new one; where
  several are needed they start each other, so that the loop does not stand still meanwhile.
- Their number is not limited: waits may last for ever, and a write that waits for a thread would
  miss its deadline. A thread that was idle for a second ends.
- If no thread can be started, the calls that no idle thread will take are refused at once. A
  refused call was taken out of the queue: it is never made.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NoThreadError", "resting", "run_in_thread"]

_IDLE: Final = 1.0  # seconds


class NoThreadError(RuntimeError):
    """No thread can be started for a call, which was not made."""


class _Threads:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: deque[tuple[Callable[[], None], Callable[[NoThreadError], None]]] = deque()
        self._idle = 0
        self._starting = False
        self.resting: set[threading.Thread] = set()

    def put(self, call: Callable[[], None], refuse: Callable[[NoThreadError], None]) -> None:
        with self._changed:
            self._calls.append((call, refuse))
            self._changed.notify()
        self._start_one()

    def _start_one(self) -> None:
        with self._changed:
            if self._starting or self._idle >= len(self._calls):
                return
            self._starting = True
        try:
            threading.Thread(target=self._work, name="zkdict-await", daemon=True).start()
        except Exception as error:
            self._refuse(error)
        except BaseException:
            with self._changed:
                self._starting = False
            raise

    def _refuse(self, why: Exception) -> None:
        """Give back what no idle thread will take: the newest calls."""
        refused = []
        with self._changed:
            self._starting = False
            while len(self._calls) > self._idle:
                refused.append(self._calls.pop()[1])
        for refuse in refused:
            error = NoThreadError(f"no thread can be started for this call: {why}")
            error.__cause__ = why
            refuse(error)

    def _work(self) -> None:
        call = self._next(new=True)
        while call is not None:
            self._start_one()
            call()
            del call  # while it is idle, it holds nothing
            call = self._next()

    def _next(self, *, new: bool = False) -> Callable[[], None] | None:
        with self._changed:
            if new:  # until it has a call, or is idle, no other one is started
                self._starting = False
            if not self._calls:
                self._idle += 1
                self.resting.add(threading.current_thread())
                self._changed.wait(_IDLE)
                self.resting.discard(threading.current_thread())
                self._idle -= 1
            return self._calls.popleft()[0] if self._calls else None


_threads = _Threads()


def run_in_thread(call: Callable[[], None], refuse: Callable[[NoThreadError], None]) -> None:
    """Run a call that raises nothing, or call `refuse(error)` in its place, here or elsewhere.

    Costs nothing but a place in a queue.
    """
    _threads.put(call, refuse)


def resting() -> set[threading.Thread]:
    """The threads that wait for a call. Each ends within a second, unless a call comes."""
    return set(_threads.resting)


def _after_fork() -> None:
    global _threads
    _threads = _Threads()  # the parent's threads are not there


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
