"""How far behind the commits a server is: what it still has to apply, and when.

Each committed transaction waits for a lag of its own before it is applied, and for all that were
committed before it. Whoever waits for a transaction, or for a sync, is answered in the same order.
A frozen server applies nothing until it is let go; joining a leader makes it catch up all the same.
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
        self.lag: Range = (0, 0)
        """From the commit to its being applied, milliseconds."""
        self._timeline = timeline
        self._frozen = 0
        self._queue: deque[tuple[int, Callable[..., None], tuple[Any, ...]]] = deque()
        self._last = 0
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, action: Callable[..., None], *args: Any) -> None:
        """Runs ``action``, a transaction's, after the lag."""
        driver = self._timeline
        self._last = max(self._last, driver.now + draw(driver.random, self.lag))
        if self._last <= driver.now and not self._queue and not self._frozen:
            action(*args)
        else:
            self._queue.append((self._last, action, args))
            self._arm()

    def put_last(self, action: Callable[..., None], *args: Any) -> None:
        """Runs ``action`` with what is in the queue by now, or at once."""
        if self._queue:
            self._queue.append((self._last, action, args))
        else:
            action(*args)

    def freeze(self) -> None:
        """Nothing is applied from now on. Each freeze needs an `unfreeze` of its own."""
        self._frozen += 1

    def unfreeze(self) -> None:
        self._frozen -= 1
        self._arm()

    @property
    def frozen(self) -> bool:
        return self._frozen > 0

    def catch_up(self) -> None:
        """Runs everything now."""
        while self._queue:
            _, action, args = self._queue.popleft()
            action(*args)

    def clear(self) -> None:
        """Forgets everything: whoever waits is gone."""
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
