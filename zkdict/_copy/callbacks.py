"""What kazoo holds of a feed: callbacks, none of which keeps the feed alive.

The rules that live here:

- kazoo holds listeners, watch callbacks and tasks strongly, and has no way to take a watch back. So
  it gets functions that hold the feed weakly: a dict that is dropped is collected.
- A task that waits for a pause to end holds the pause, and not the feed.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from zkdict._copy import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkdict._copy.items import SentRequest

__all__ = ["Completion", "Pause", "SentBatch", "weakly"]

P = ParamSpec("P")
R = TypeVar("R")


def weakly(method: Callable[P, R], dead: R) -> Callable[P, R]:
    """A function that calls the method of an object; it returns `dead` once the object is gone."""
    reference = weakref.WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        alive = reference()
        return dead if alive is None else alive(*args, **kwargs)

    return call


class SentBatch:
    """Requests that were sent one after the other, and kazoo's result of each."""

    __slots__ = ("requests", "results")

    def __init__(self) -> None:
        self.requests: list[SentRequest] = []
        self.results: list[Any] = []

    def __len__(self) -> int:
        return len(self.requests)

    def add(self, request: SentRequest, result: Any) -> Self:
        """One more that was sent."""
        self.requests.append(request)
        self.results.append(result)
        return self


class Completion:
    """The completion callback of the last request of a batch.

    kazoo may call it twice for a closed client, and keeps it in the result: the first call takes
    the batch out, and with it the circle that would hold every answer until a garbage collection.
    """

    __slots__ = ("_batch", "_completed")

    def __init__(self, batch: SentBatch, completed: Callable[[SentBatch], None]) -> None:
        self._batch: SentBatch | None = batch
        self._completed = completed

    def __call__(self, _: Any) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            self._completed(batch)


class Pause:
    """A pause, and what is done after it, on a task that exists only while there is one.

    Call it with the dict's lock held, but for the task.

    Args:
        handler: kazoo's.
        then: is given the event of the pause that is over; see `is_over`.
    """

    __slots__ = ("_ends", "_event", "_handler", "_then")

    def __init__(self, handler: Any, then: Callable[[Any], None]) -> None:
        self._handler = handler
        self._then = then
        self._event: Any = None
        self._ends = 0.0

    def begin(self, seconds: float) -> None:
        """Begin a pause, unless one ends sooner."""
        end = clock.monotonic() + seconds
        if self._event is None or end < self._ends:
            self.stop()
            self._event, self._ends = self._handler.event_object(), end
            self._handler.spawn(self._wait, self._event, seconds)

    def _wait(self, event: Any, seconds: float) -> None:
        event.wait(seconds)
        self._then(event)

    def is_over(self, event: Any) -> bool:
        """Whether that pause is over; False where it was stopped, or another one was begun."""
        over = self._event is event
        if over:
            self._event = None
        return over

    def stop(self) -> None:
        """End the pause; nothing is done after it."""
        event, self._event = self._event, None
        if event is not None:
            event.set()
