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

    Call it with the dict's lock held, but for the task, and for `stop` of a dict that is gone.

    Args:
        handler: kazoo's.
        then: is given the token of the pause that is over; see `is_over`.
    """

    __slots__ = ("_ends", "_handler", "_then", "_token")

    def __init__(self, handler: Any, then: Callable[[Any], None]) -> None:
        self._handler = handler
        self._then = then
        self._token: Any = None
        self._ends = 0.0

    def begin(self, seconds: float) -> None:
        """Begin a pause, unless one ends sooner.

        Raises:
            RuntimeError: no thread can be started. There is no pause then.
        """
        end = clock.monotonic() + seconds
        if self._token is None or end < self._ends:
            self.stop()
            # A lock, where an event would do but for this: garbage is collected anywhere, so the
            # task itself may run the finalizer of its dict, which calls `stop`. An event has a lock
            # inside, which the task may hold at that moment. A lock is released without another.
            token = self._handler.lock_object()
            token.acquire()
            self._handler.spawn(self._wait, token, seconds)
            self._token, self._ends = token, end

    def _wait(self, token: Any, seconds: float) -> None:
        token.acquire(True, seconds)  # until `stop` releases it
        self._then(token)

    def is_over(self, token: Any) -> bool:
        """Whether that pause is over; False where it was stopped, or another one was begun."""
        over = self._token is token
        if over:
            self._token = None
        return over

    def stop(self) -> None:
        """End the pause; nothing is done after it. Safe in a finalizer."""
        token, self._token = self._token, None
        if token is not None:
            token.release()
