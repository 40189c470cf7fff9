"""Fair turns for the connections, so that no client keeps the others waiting.

A connection with requests gets turns until they are done. A turn ends after some milliseconds,
between two requests; the next one goes to the connection that has used the least time so far. Rules
that live here:

* Turns are measured in processor time. So one list of a hundred thousand children counts as much as
  a thousand pings, and a busy machine does not shorten the turns.
* A connection that was idle keeps only a small part of its unused time. It comes before those that
  are always busy; new connections come right after it.
* A round of turns ends after some milliseconds, too. Then the sockets are polled, timers run, and
  output is sent.
"""

from __future__ import annotations

import time
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

TURN = 0.002
"""Seconds of one turn."""

ROUND = 0.01
"""Seconds of one round."""

_CPU = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-4 else time.monotonic
"""The processor time of the thread, if its resolution suffices; else monotonic time."""

_CREDIT = 0.05
"""The most unused time, in seconds, that an idle participant keeps."""


class Participant(Protocol):
    """A participant, such as a connection. The queue maintains ``used`` and ``queued``."""

    used: float
    """Seconds of processor time, on a scale that all participants share."""
    queued: bool

    def take_turn(self, may_go_on: Callable[[], bool]) -> bool:
        """Works while ``may_go_on()``. Returns whether there is more to do."""


Who = TypeVar("Who", bound=Participant)


class TurnQueue(Generic[Who]):
    """The participants that have something to do."""

    def __init__(self, clock: Callable[[], float] = _CPU) -> None:
        """``clock``: seconds."""
        self._clock = clock
        # Reading the processor time is slow. It never runs faster than the monotonic clock, so a
        # turn cannot be over before that clock says so.
        self._glance = time.monotonic if clock is _CPU else clock
        self._heap: list[tuple[float, int, Who]] = []
        self._number = 0
        self._level = 0.0
        """What the one that had the last turn had used: nobody who is busy has used less."""
        self._end = self._earliest_end = 0.0

    def __bool__(self) -> bool:
        return bool(self._heap)

    def joined(self) -> float:
        """What somebody new is taken to have used."""
        return self._level

    def add(self, participant: Who) -> None:
        """``participant`` has something to do."""
        if not participant.queued:
            participant.used = max(participant.used, self._level - _CREDIT)
            self._push(participant)

    def _push(self, participant: Who) -> None:
        participant.queued = True
        self._number += 1
        heappush(self._heap, (participant.used, self._number, participant))

    def run(self, take_turn: Callable[[Who, Callable[[], bool]], bool]) -> None:
        """One round. ``take_turn`` is called for each turn, as `Participant.take_turn`."""
        clock, heap = self._clock, self._heap
        now = clock()
        end = now + ROUND
        while heap and now < end:
            used, _, participant = heappop(heap)
            participant.queued = False
            self._level = max(self._level, used)
            self._end = now + TURN
            self._earliest_end = self._glance() + TURN
            more = take_turn(participant, self._may_go_on)
            before, now = now, clock()
            participant.used = used + (now - before)
            if more:
                self._push(participant)

    def _may_go_on(self) -> bool:
        return self._glance() < self._earliest_end or self._clock() < self._end

    def clear(self) -> None:
        """Nobody has anything to do any more."""
        for _used, _number, participant in self._heap:
            participant.queued = False
        self._heap.clear()
