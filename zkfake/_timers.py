"""Timers without a clock: what is to happen when, told the time by whoever drives the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sortedcontainers import SortedList

if TYPE_CHECKING:
    from collections.abc import Callable

_Entry = tuple[int, int, "Callable[[], None]"]
"""When, how many were set before, and what: no two are alike in the first two."""


class Timer:
    """One thing to do at a time."""

    __slots__ = ("_entry", "_timers")

    def __init__(self, timers: Timers, entry: _Entry) -> None:
        self._timers = timers
        self._entry = entry

    def cancel(self) -> None:
        """Nothing happens, and nothing stays. Does nothing once it has happened. Cost: O(log n)."""
        self._timers.forget(self._entry)


class Timers:
    """Timers by their time; those of one time run in the order in which they were set. Setting one
    is O(log n).
    """

    def __init__(self) -> None:
        self._pending: SortedList[_Entry] = SortedList()
        self._count = 0
        self._next: int | None = None
        """When the first one is due: a driver asks for it at every request."""

    def __len__(self) -> int:
        return len(self._pending)

    def at(self, when: int, action: Callable[[], None]) -> Timer:
        self._count += 1
        entry = (when, self._count, action)
        self._pending.add(entry)
        if self._next is None or when < self._next:
            self._next = when
        return Timer(self, entry)

    def next(self) -> int | None:
        """When the next timer is due; ``None`` where there is none. Cost: O(1)."""
        return self._next

    def forget(self, entry: _Entry) -> None:
        """Called by a timer that is cancelled."""
        self._pending.discard(entry)
        if entry[0] == self._next:
            self._find_next()

    def _find_next(self) -> None:
        self._next = self._pending[0][0] if self._pending else None

    def run_due(
        self, now: int, run: Callable[[Callable[[], None]], None] = lambda action: action()
    ) -> None:
        """Gives each action that is due at ``now`` to ``run``, those included that come up
        meanwhile.
        """
        while self._next is not None and self._next <= now:
            _, _, action = self._pending.pop(0)
            self._find_next()
            run(action)
