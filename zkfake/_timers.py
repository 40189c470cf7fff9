"""Timers without a clock: what is to happen when, told the time by whoever drives the fake."""

from collections.abc import Callable
from heapq import heappop, heappush


class Timer:
    """One thing to do at a time; `cancel` is O(1)."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None] | None) -> None:
        self.action = action

    def cancel(self) -> None:
        self.action = None


class Timers:
    """Timers by their time; those of one time run in the order in which they were set. Setting one
    is O(log n).
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = 0

    def at(self, when: int, action: Callable[[], None]) -> Timer:
        timer = Timer(action)
        self._count += 1
        heappush(self._heap, (when, self._count, timer))
        return timer

    def next(self) -> int | None:
        """When the next timer is due; ``None`` where there is none."""
        while self._heap and self._heap[0][2].action is None:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_due(
        self, now: int, run: Callable[[Callable[[], None]], None] = lambda action: action()
    ) -> None:
        """Gives each action that is due at ``now`` to ``run``, those included that come up
        meanwhile.
        """
        while (when := self.next()) is not None and when <= now:
            action = heappop(self._heap)[2].action
            assert action is not None  # cancelled timers were dropped by next()
            run(action)
