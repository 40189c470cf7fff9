"""What a server has yet to apply of the committed log, and when.

Each committed transaction waits for a lag of its own before it is applied, and for all that were
committed before it. Requests and syncs are answered in the same order. A frozen server applies
nothing until it is unfrozen; it still catches up when it joins a leader.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from zkfake._ensemble.links import Range, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._ensemble.links import Timeline
    from zkfake._timers import Timer


class Applying:
    """One server's queue of actions, in the order of the log."""

    def __init__(self, timeline: Timeline) -> None:
        self._lag: Range = (0, 0)
        self._timeline = timeline
        self._frozen = 0
        self._queue: deque[tuple[int, Callable[..., None], tuple[Any, ...]]] = deque()
        self._last = 0
        self._timer: Timer | None = None

    @property
    def lag(self) -> Range:
        """The time from a commit until it is applied here, milliseconds. What waits already waits
        for no longer than a shorter one.
        """
        return self._lag

    @lag.setter
    def lag(self, between: Range) -> None:
        self._lag = between
        latest = self._timeline.now + between[1]
        if self._last > latest:  # all that is put from now on would wait for it
            self._last = latest
            self._queue = deque(
                (min(when, latest), action, args) for when, action, args in self._queue
            )
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._arm()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, action: Callable[..., None], *args: Any) -> None:
        """Runs ``action``, which applies a transaction, after the lag."""
        driver = self._timeline
        self._last = max(self._last, driver.now + draw(driver.random, self._lag))
        if self._last <= driver.now and not self._queue and not self._frozen:
            action(*args)
        else:
            self._queue.append((self._last, action, args))
            self._arm()

    def put_last(self, action: Callable[..., None], *args: Any) -> None:
        """Runs ``action`` after the last action in the queue, or at once if the queue is empty."""
        if self._queue:
            self._queue.append((self._last, action, args))
        else:
            action(*args)

    def freeze(self) -> None:
        """Nothing is applied from now on. Each freeze needs an `unfreeze` of its own."""
        self._frozen += 1

    def unfreeze(self) -> None:
        """Takes one `freeze` back."""
        self._frozen -= 1
        self._arm()

    @property
    def frozen(self) -> bool:
        return self._frozen > 0

    def catch_up(self) -> None:
        """Runs every action in the queue now, frozen or not."""
        while self._queue:
            _, action, args = self._queue.popleft()
            action(*args)

    def clear(self) -> None:
        """Drops every action: the clients that waited for them are disconnected."""
        self._queue.clear()
        self._last = 0

    def _arm(self) -> None:
        if self._queue and not self._frozen and self._timer is None:
            when = max(self._queue[0][0], self._timeline.now)
            self._timer = self._timeline.timers.at(when, self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._timeline.now
        while self._queue and not self._frozen and self._queue[0][0] <= now:
            _, action, args = self._queue.popleft()
            action(*args)
        self._arm()
