"""Daemon threads for blocking calls that a coroutine awaits.

The rules that live here:

- The event loop only puts a call into a queue. A thread that is idle takes it, or a new one; where
  several are needed they start each other, so that the loop does not stand still meanwhile.
- Their number has no bound, as waits have no end, and a write that waits for a thread would miss
  its deadline. One that has been idle for a second ends.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_in_thread"]

_IDLE: Final = 1.0  # seconds


class _Threads:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._starting = False

    def put(self, call: Callable[[], None]) -> None:
        with self._changed:
            self._calls.append(call)
            self._changed.notify()
        self._start_one()

    def _start_one(self) -> None:
        with self._changed:
            if self._starting or self._idle >= len(self._calls):
                return
            self._starting = True
        try:
            threading.Thread(target=self._work, name="zkdict-await", daemon=True).start()
        except BaseException:
            self._starting = False
            raise

    def _work(self) -> None:
        self._starting = False
        while (call := self._next()) is not None:
            with contextlib.suppress(RuntimeError):  # no more threads: this one comes back for it
                self._start_one()
            call()
            del call  # while it is idle, it holds nothing

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            if not self._calls:
                self._idle += 1
                self._changed.wait(_IDLE)
                self._idle -= 1
            return self._calls.popleft() if self._calls else None


_threads = _Threads()


def run_in_thread(call: Callable[[], None]) -> None:
    """Run a call that raises nothing. Costs nothing but a place in a queue."""
    _threads.put(call)


def _after_fork() -> None:
    global _threads
    _threads = _Threads()  # the parent's threads are not there


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
