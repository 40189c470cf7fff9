"""kazoo's `IAsyncResult` on the scheduler.

Rules that live here are those of `kazoo.handlers.utils.AsyncResult`, which every kazoo handler but
gevent's uses: linked callbacks run on the handler's completion task, at once where the handler does
not run; linking to a result that is ready calls all of its callbacks.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from kazoo.handlers.threading import KazooTimeoutError

from zkfake._simulation.lines import running_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.scheduling.sync import Queue
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["AsyncResult", "PlacedResult"]

_PENDING = object()


class Completions(Protocol):
    """The handler: where callbacks run."""

    client_name: str
    completion_queue: Queue
    running: bool


class AsyncResult:
    """A value or an exception that somebody will set."""

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_exception",
        "_handler",
        "_scheduler",
        "_waiters",
        "value",
    )

    def __init__(self, handler: Completions, scheduler: Scheduler) -> None:
        self._handler = handler
        self._scheduler = scheduler
        self._exception: Any = _PENDING
        # Nearly every result has one callback or one waiter, or none: a list for each costs more.
        self._callbacks: tuple[Callable[[AsyncResult], Any], ...] = ()
        self._waiters: tuple[ScheduledTask, ...] = ()
        self.value: Any = None

    def __str__(self) -> str:
        return f"an answer to {self._handler.client_name}"

    @property
    def client_name(self) -> str:
        """Whose answer it is."""
        return self._handler.client_name

    def ready(self) -> bool:
        return self._exception is not _PENDING

    def successful(self) -> bool:
        return self._exception is None

    @property
    def exception(self) -> Any:
        return None if self._exception is _PENDING else self._exception

    def set(self, value: Any = None) -> None:
        self.value = value
        self._exception = None
        self._became_ready()

    def set_exception(self, exception: BaseException) -> None:
        self._exception = exception
        self._became_ready()

    def _became_ready(self) -> None:
        scheduler = self._scheduler
        if self._callbacks:
            self._do_callbacks()
        if self._waiters:
            waiters, self._waiters = self._waiters, ()
            for task in waiters:
                scheduler.wake(task)
        if scheduler.pauses:
            scheduler.pause_point()

    def _do_callbacks(self) -> None:
        handler = self._handler
        for callback in self._callbacks:
            if handler.running:
                handler.completion_queue.put(partial(callback, self))
            else:
                callback(self)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if self._exception is _PENDING and not (block and self.wait(timeout)):
            raise KazooTimeoutError
        if self._exception is None:
            return self.value
        raise self._exception

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def wait(self, timeout: float | None = None) -> bool:
        if self._exception is _PENDING:
            scheduler = self._scheduler
            task = scheduler.current
            self._waiters += (task,)
            try:
                scheduler.block(
                    self, None if timeout is None else scheduler.deadline_after(timeout)
                )
            finally:
                if self._waiters:
                    self._waiters = tuple(each for each in self._waiters if each is not task)
        return self._exception is not _PENDING

    def rawlink(self, callback: Callable[[AsyncResult], Any]) -> None:
        if callback not in self._callbacks:
            self._callbacks += (callback,)
        if self._exception is not _PENDING:
            self._do_callbacks()

    def unlink(self, callback: Callable[[AsyncResult], Any]) -> None:
        if not self.ready() and callback in self._callbacks:
            self._callbacks = tuple(each for each in self._callbacks if each != callback)


class PlacedResult(AsyncResult):
    """A result that knows which line of the program has asked for it."""

    __slots__ = ("line",)

    def __init__(self, handler: Completions, scheduler: Scheduler) -> None:
        super().__init__(handler, scheduler)
        self.line = running_line()
