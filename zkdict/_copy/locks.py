"""The dict's lock: a task that holds it and takes it again gets an error, and does not wait.

The rules that live here:

- User's code runs with the lock held in two places: an encoding's `decode`, while a step is shown,
  and a `__del__`, wherever Python collects garbage. A call of the dict made there would wait for
  itself, or see half of a step. It is refused.
- A value that a step replaces is freed once the lock is free: `keep` holds it until then. So its
  `__del__` may call the dict, and sees the whole step.
"""

from __future__ import annotations

from typing import Any

__all__ = ["HandlerLock"]


class HandlerLock:
    """A lock of a handler's, as a context manager."""

    __slots__ = ("_held", "_kept", "_lock")

    def __init__(self, handler: Any) -> None:
        self._lock: Any = handler.rlock_object()  # knows its holder, whatever a task is
        self._held = False
        self._kept: list[object] = []

    def __enter__(self) -> None:
        """Wait for the lock.

        Raises:
            RuntimeError: this task has it.
        """
        self._lock.acquire()
        if self._held:
            self._lock.release()
            raise RuntimeError(
                "this call would wait for itself: a decoder made it, or a __del__, while the dict "
                "took over a new state; a decoder must not call the dict"
            )
        self._held = True

    def __exit__(self, *_: object) -> None:
        kept, self._kept = self._kept, []
        self._held = False
        self._lock.release()
        kept.clear()  # what they run may take the lock

    def keep(self, replaced: object) -> None:
        """Do not free this before the lock is free. Call it with the lock held."""
        self._kept.append(replaced)
