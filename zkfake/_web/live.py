"""What happened lately: the last events of a fake, for whoever looks on.

Rules that live here: an event has a number, from 1 on. Of the oldest no more is kept when there are
10,000, or when their frames have 64 MiB.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from zkfake._history.telling import Telling

if TYPE_CHECKING:
    from zkfake._history.events import Event, Logged

__all__ = ["LiveEvents", "NumberedEvent"]

_MOST = 10_000
_MOST_BYTES = 64 << 20


class NumberedEvent(NamedTuple):
    """An event. ``who`` and ``text``: who it happened to, and what."""

    number: int
    event: Event | Logged
    who: str
    text: str


class LiveEvents:
    """The last events."""

    def __init__(self) -> None:
        self._events: deque[Event | Logged] = deque()
        self._size = 0
        self._telling = Telling(())
        self.last = 0
        """The number of the newest event; 0 while there is none."""

    @property
    def first(self) -> int:
        """The number of the oldest event that is kept; one more than `last` while there is none."""
        return self.last - len(self._events) + 1

    def add(self, event: Event | Logged) -> None:
        """The next event. Cost: O(1)."""
        self._telling.meet(event)
        self._events.append(event)
        self.last += 1
        self._size += _size(event)
        while len(self._events) > _MOST or self._size > _MOST_BYTES:
            self._size -= _size(self._events.popleft())

    def after(self, number: int, limit: int) -> list[tuple[int, Event | Logged]]:
        """The first events after ``number``, with their numbers. Cost: a reference for each."""
        start = max(number + 1, self.first)
        place = start - self.first
        return list(enumerate(islice(self._events, place, place + limit), start))

    def told(self, number: int, event: Event | Logged) -> NumberedEvent:
        """An event in words."""
        return NumberedEvent(number, event, *self._telling(event))


def _size(event: Event | Logged) -> int:
    return len(getattr(event, "frame", b""))
