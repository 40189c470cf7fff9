"""Timers without a clock: what is to happen when, told the time by whoever drives the fake."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

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
        """Nothing happens, and nothing stays. Does nothing once it has happened."""
        self._timers.forget(self._entry)


class Timers:
    """Timers by their time; those of one time run in the order in which they were set.

    They are few: some for each server and each connection. Setting, cancelling and running one
    finds its place in O(log n), and moves what is behind it, which is 8 bytes a timer.
    """

    def __init__(self) -> None:
        # Up to some thousand timers a plain list costs half of what a SortedList does. A heap costs
        # as little, but keeps what is cancelled.
        self._pending: list[_Entry] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._pending)

    def at(self, when: int, action: Callable[[], None]) -> Timer:
        self._count += 1
        entry = (when, self._count, action)
        insort(self._pending, entry)
        return Timer(self, entry)

    def next(self) -> int | None:
        """When the next timer is due; ``None`` where there is none. Cost: O(1)."""
        return self._pending[0][0] if self._pending else None

    def forget(self, entry: _Entry) -> None:
        """Called by a timer that is cancelled."""
        place = bisect_left(self._pending, entry)
        if place < len(self._pending) and self._pending[place] is entry:
            del self._pending[place]

    def run_due(
        self,
        now: int,
        run: Callable[[Callable[[], None]], None] = lambda action: action(),
        first: Callable[[list[Callable[[], None]]], int] | None = None,
    ) -> None:
        """Gives each action that is due at ``now`` to ``run``, those included that come up
        meanwhile. ``first``: the place of the next one, of two or more of one time.
        """
        pending = self._pending
        while pending and pending[0][0] <= now:
            place = 0
            when = pending[0][0]
            if first is not None and len(pending) > 1 and pending[1][0] == when:
                place = first([entry[2] for entry in pending if entry[0] == when])
            _, _, action = pending.pop(place)
            run(action)
