"""One server's disk: the part of the log that is synced, and the actions that wait for a sync.

* What a server accepts is in its log at once, and on its disk after a sync. A server acknowledges a
  proposal, to its leader and to itself, once it is on the disk.
* Syncs end in the order in which they began. By default they take no time.
* A process that ends loses nothing: the system writes everything to the disk. A machine that loses
  power loses what was not synced.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from zkfake._ensemble.links import Range, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._ensemble.links import Timeline


class Disk:
    """One server's disk."""

    def __init__(
        self, timeline: Timeline, call_later: Callable[[int, Callable[[], None]], object]
    ) -> None:
        """``call_later``: runs an action after a number of milliseconds, or later, if the server is
        paused then, once it resumes.
        """
        self._sync_time: Range = (0, 0)
        self.synced = 0
        """The zxid up to which the log is on the disk."""
        self.instant = True
        """Whether a sync takes no time and none is under way. Kept up to date, because every write
        reads it.
        """
        self._timeline = timeline
        self._call_later = call_later
        self._queue: deque[tuple[int, int, Callable[..., None] | None, tuple[Any, ...]]] = deque()
        self._last = 0

    @property
    def sync_time(self) -> Range:
        """The time of a sync, milliseconds. A shorter one also shortens syncs under way."""
        return self._sync_time

    @sync_time.setter
    def sync_time(self, between: Range) -> None:
        self._sync_time = between
        self._look()
        longest = between[1]
        latest = self._timeline.now + longest
        if self._queue and self._last > latest:
            self._last = latest
            self._queue = deque(
                (min(when, latest), zxid, done, args) for when, zxid, done, args in self._queue
            )
            self._call_later(longest, self._run)

    def _look(self) -> None:
        self.instant = self._sync_time == (0, 0) and not self._queue

    def __len__(self) -> int:
        """How many syncs have not ended."""
        return len(self._queue)

    def write(self, zxid: int, done: Callable[..., None], *args: Any) -> None:
        """Calls ``done(*args)`` once the log is on the disk up to ``zxid``; at once, where it is
        or where a sync takes no time.
        """
        if self.instant or (zxid <= self.synced and not self._queue):
            self.synced = max(self.synced, zxid)
            done(*args)
        elif self._queue and zxid <= self._queue[-1][1]:
            self._queue.append((self._last, zxid, done, args))  # the last sync includes it
        else:
            self._put(zxid, done, args)

    def act(self, done: Callable[..., None], *args: Any) -> None:
        """Calls ``done(*args)``, which writes something that has no zxid yet, after a sync."""
        if self.instant:
            done(*args)
        else:
            self._put(self.synced, done, args)

    def _put(self, zxid: int, done: Callable[..., None], args: tuple[Any, ...]) -> None:
        driver = self._timeline
        self._last = max(self._last, driver.now + draw(driver.random, self._sync_time))
        self._queue.append((self._last, zxid, done, args))
        self._look()
        self._call_later(self._last - driver.now, self._run)

    def let_go(self) -> None:
        """Drops all actions that wait. Syncs that are under way go on."""
        self._queue = deque((when, zxid, None, ()) for when, zxid, _, _ in self._queue)

    def lose(self, zxid: int) -> None:
        """What was not synced is lost. The log, which ends at ``zxid``, is on the disk."""
        self._queue.clear()
        self._look()
        self._last = 0
        self.synced = max(self.synced, zxid)

    def _run(self) -> None:
        # An action may call `let_go`, so the queue is read again each time.
        while self._queue and self._queue[0][0] <= self._timeline.now:
            _, zxid, done, args = self._queue.popleft()
            self.synced = max(self.synced, zxid)
            self._look()
            if done is not None:
                done(*args)
