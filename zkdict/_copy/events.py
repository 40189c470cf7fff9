"""Tells subscribers what changed: by callbacks on a task of their own, and by iterators.

The rules that live here:

- Callbacks run one after the other, in the order of the changes, on a task that exists only while
  there is something to tell. They may call any method of the dict, and be slow: nothing waits for
  them.
- What a callback raises goes to the `on_error` callbacks, or to the log where there are none; what
  those raise goes to the log. It stops nothing.
- A subscription begins and ends between two published states: what is already queued for it when
  it is cancelled is dropped. It ends with the dict, too: a callback is not called any more, and an
  iterator ends.
"""

from __future__ import annotations

import logging
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from zkdict._copy.backlog import Backlog
from zkdict._copy.waiting import Signal, deadline_after
from zkdict.errors import ForkedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkdict.entries import Change, State

__all__ = ["Changes", "Dispatcher", "Subscription"]

V = TypeVar("V")

log = logging.getLogger("zkdict")


class Subscription:
    """A callback's registration. Also a context manager, which cancels it at its end.

    Attributes:
        active: False once it was cancelled.
    """

    __slots__ = ("_cancel", "_function", "active")

    def __init__(
        self, function: Callable[..., Any], cancel: Callable[[Subscription], None]
    ) -> None:
        self.active = True
        self._function = function
        self._cancel = cancel

    def __call__(self, *arguments: Any) -> None:
        if self.active:
            self._function(*arguments)

    def cancel(self) -> None:
        """Do not call the function any more. One call may still be under way. Costs nothing."""
        self.active = False
        self._cancel(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cancel()


class Dispatcher(Generic[V]):
    """The subscribers of one dict, and the queue of what they were not told yet.

    `changed`, `state_changed` and `failed` only put things into the queue: they may be called with
    the dict's lock held.

    Args:
        handler: kazoo's.
        check_wait: raises RuntimeError where a wait for a change would wait for itself.
    """

    def __init__(self, handler: Any, check_wait: Callable[[], None] = lambda: None) -> None:
        self._handler = handler
        self._check_wait = check_wait
        self._lock = handler.lock_object()
        self._on_change: dict[Subscription, frozenset[str] | None] = {}
        self._on_changes: dict[Subscription, None] = {}
        self._on_state: dict[Subscription, None] = {}
        self._on_error: dict[Subscription, None] = {}
        self._iterators: weakref.WeakKeyDictionary[FedChanges[V], None] = (
            weakref.WeakKeyDictionary()  # told in the order in which they began
        )
        self._queue: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._running = False

    @property
    def behind(self) -> int:
        """How many calls are queued."""
        return len(self._queue)

    @property
    def listening(self) -> bool:
        """Whether anybody is told of changes."""
        return bool(self._on_change or self._on_changes or self._iterators)

    # -- subscribing

    def on_change(
        self,
        function: Callable[[Change[V]], Any],
        keys: frozenset[str] | None,
        initial: list[Change[V]],
    ) -> Subscription:
        """Tell of changes, of these keys or of all; first of the `initial` ones."""
        subscription = Subscription(function, self._cancel)
        with self._lock:
            self._on_change[subscription] = keys
        self._tell([(subscription, (change,)) for change in initial if _wanted(change, keys)])
        return subscription

    def on_changes(
        self, function: Callable[[list[Change[V]]], Any], initial: list[Change[V]]
    ) -> Subscription:
        """Tell of changes, those of one step together; first of the `initial` ones."""
        subscription = Subscription(function, self._cancel)
        with self._lock:
            self._on_changes[subscription] = None
        self._tell([(subscription, (initial,))] if initial else [])
        return subscription

    def on_state(self, function: Callable[[State, State], Any]) -> Subscription:
        """Tell of changes of the state."""
        subscription = Subscription(function, self._cancel)
        with self._lock:
            self._on_state[subscription] = None
        return subscription

    def on_error(self, function: Callable[[Exception], Any]) -> Subscription:
        """Tell of errors that no caller is waiting for."""
        subscription = Subscription(function, self._cancel)
        with self._lock:
            self._on_error[subscription] = None
        return subscription

    def changes(self, initial: list[Change[V]], timeout: float | None) -> Changes[V]:
        """An iterator over the batches of changes."""
        changes: FedChanges[V] = FedChanges(self._handler, initial, timeout, self._check_wait)
        self._iterators[changes] = None
        return changes

    def _cancel(self, subscription: Subscription) -> None:
        with self._lock:
            self._on_change.pop(subscription, None)
            self._on_changes.pop(subscription, None)
            self._on_state.pop(subscription, None)
            self._on_error.pop(subscription, None)

    # -- telling

    def changed(self, changes: list[Change[V]]) -> None:
        """These changes led to the state that is shown now."""
        if not changes:
            return
        for iterator in list(self._iterators):
            iterator.put(changes)
        with self._lock:
            whole = list(self._on_changes)
            subscribers = list(self._on_change.items())
        self._tell([(subscription, (changes,)) for subscription in whole])
        self._tell(
            [
                (subscription, (change,))
                for change in changes
                for subscription, keys in subscribers
                if _wanted(change, keys)
            ]
        )

    def state_changed(self, old: State, new: State) -> None:
        """The dict's state changed."""
        with self._lock:
            subscribers = list(self._on_state)
        self._tell([(subscription, (old, new)) for subscription in subscribers])

    def failed(self, error: Exception) -> None:
        """Something went wrong that no caller is waiting for."""
        with self._lock:
            subscribers = list(self._on_error)
        if subscribers:
            self._tell([(subscription, (error,)) for subscription in subscribers])
        else:  # not here: logging runs user's code too
            self._tell([(log.warning, ("%s: %s", type(error).__name__, error))])

    def close(self) -> None:
        """End the iterators; callbacks still get what is queued."""
        for iterator in list(self._iterators):
            iterator.close()

    def forked(self) -> None:
        """This is a child process: the subscribers are the parent's, the lock may be held."""
        self._lock = self._handler.lock_object()
        self._running = False
        for subscribers in (self._on_change, self._on_changes, self._on_state, self._on_error):
            subscribers.clear()
        self._queue.clear()
        for iterator in list(self._iterators):
            iterator.forked(self._handler)

    # -- the task

    def _tell(self, calls: list[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
        if not calls:
            return
        with self._lock:
            self._queue.extend(calls)
        self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            start = bool(self._queue) and not self._running
            self._running = self._running or start
        if start:
            try:
                self._handler.spawn(self._run)
            except RuntimeError:  # no thread can be started, as when the interpreter ends
                with self._lock:
                    self._running = False  # the next that is told tries again

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._running = False
                    return
                function, arguments = self._queue.popleft()
            try:
                function(*arguments)
            except Exception as error:
                if function in self._on_error:
                    log.exception("an on_error callback raised")
                else:
                    self.failed(error)
            except SystemExit:
                log.debug("a callback called sys.exit()")  # which ends a thread without a word
            except BaseException:  # somebody ends this task, and no other callback
                with self._lock:
                    self._running = False
                self._go_on()
                raise


class Changes(Generic[V]):
    """An iterator over batches of changes, one batch per published state.

    It holds what was not fetched yet: 1,000 batches at most, which then become one that leads to
    the same state. A dropped iterator is forgotten. It ends when nothing changed for `timeout`
    seconds, and when the dict or it is closed. In a child process that `os.fork()` made its next
    step raises ForkedDict. A step that would have to wait in a callback of the dict's own client (a
    watch, a state listener) raises RuntimeError.
    """

    def __init__(self, handler: Any, initial: list[Change[V]], timeout: float | None) -> None:
        self._signal = Signal(handler)
        self._batches = Backlog(initial)
        self._timeout = timeout
        self._closed = self._forked = False
        self._check_wait: Callable[[], None] = lambda: None

    def close(self) -> None:
        """End the iteration: what is queued still comes. A step that waits in another thread ends,
        too.
        """
        with self._signal.lock:
            self._closed = True
            self._signal.notify()

    def __iter__(self) -> Changes[V]:
        return self

    def __next__(self) -> list[Change[V]]:
        if self._forked:
            raise ForkedDict

        def is_over() -> bool:
            return bool(self._batches) or self._closed

        if not is_over() and self._timeout != 0:
            self._check_wait()
        self._signal.wait_for(is_over, deadline_after(self._timeout))
        with self._signal.lock:
            if self._batches:
                return self._batches.get()
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class FedChanges(Changes[V]):
    """An iterator, as the dispatcher sees it."""

    def __init__(
        self,
        handler: Any,
        initial: list[Change[V]],
        timeout: float | None,
        check_wait: Callable[[], None],
    ) -> None:
        super().__init__(handler, initial, timeout)
        self._check_wait = check_wait

    def put(self, changes: list[Change[V]]) -> None:
        """Queue a batch."""
        with self._signal.lock:
            if not self._closed:
                self._batches.put(changes)
                self._signal.notify()

    def forked(self, handler: Any) -> None:
        """This is a child process: nothing comes any more."""
        self._signal = Signal(handler)
        self._forked = True


def _wanted(change: Change[Any], keys: frozenset[str] | None) -> bool:
    return keys is None or change.key in keys or change.kind == "resynced"
