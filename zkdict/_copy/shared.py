"""The local copy as all tasks of a dict share it: its lock, its state, who waits for what.

No kazoo here; `feed` brings what the server answers. The rules that live here:

- `lock` guards the cache and the view. Who changes either holds it; who waits for a change waits
  for `signal`, with no lock held.
- A state that unending changes hold back for `max_staleness` seconds is published as it is.
- A follower is called with the lock held, after everything that is heard of the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkdict._copy import clock
from zkdict._copy.subtree import SubtreeCache
from zkdict._copy.waiting import Signal
from zkdict.entries import State
from zkdict.errors import Closed, ForkedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict._copy.effects import Submitted
    from zkdict._copy.items import Publication, ReadZnode
    from zkdict._recording import DictRecorder

__all__ = ["SharedCopy"]


class SharedCopy:
    """See the module's rules.

    Args:
        handler: kazoo's, for locks and events.
        on_publish: called with the lock held, for each published state, with what this dict wrote
            itself since the last exact one (name to bytes, None: removed).
        on_state: called with the lock held, with the old and the new state.
        on_error: called with the lock held, with what no caller waits for.
        max_staleness: seconds that unending changes may hold back the next published state.
        subtree: whether one watch on the root and all below it is used.
    """

    def __init__(
        self,
        handler: Any,
        *,
        on_publish: Callable[[Publication, Mapping[str, bytes | None]], None],
        on_state: Callable[[State, State], None],
        on_error: Callable[[Exception], None],
        max_staleness: float,
        subtree: bool,
    ) -> None:
        self.cache = SubtreeCache(subtree=subtree)
        self.signal = Signal(handler)
        self.lock = self.signal.lock
        self.state = State.LOADING
        self.failure: Exception | None = None
        """Why the root cannot be read or made, when it cannot."""
        self.trouble: Exception | None = None
        """The last error that the server answered to a read, while something is still to be read
        again."""
        self.forced = 0
        """How many inexact states were published."""
        self.recorder: DictRecorder | None = None
        self._handler = handler
        self._on_publish = on_publish
        self._on_state = on_state
        self._on_error = on_error
        self._max_staleness = max_staleness
        self._local: dict[str, bytes | None] = {}
        self._submitted: dict[int, Submitted] = {}  # by their positions
        self._connected = False
        self._unsettled_since: float | None = None
        self._lost_at = clock.monotonic()
        self._forked = False
        self._followers: dict[Callable[[], None], None] = {}

    def check_usable(self) -> None:
        """Raise Closed or ForkedDict where this feed gets nothing any more."""
        if self._forked:
            raise ForkedDict
        if self.state is State.CLOSED:
            raise Closed

    def forked(self) -> None:
        """This is a child process now: the lock may be held for ever, so replace it."""
        self._forked = True
        self.state = State.CLOSED  # no subscriber is told: they are the parent's
        self._lost_at = clock.monotonic()
        self.signal = Signal(self._handler)
        self.lock = self.signal.lock

    @property
    def age(self) -> float:
        """Seconds since the copy was last known to be the server's; 0 while it is."""
        if self.state is State.LIVE:
            return 0.0
        if self.state is State.LOADING:
            return float("inf")
        return clock.monotonic() - self._lost_at

    def follow(self, look: Callable[[], None]) -> None:
        """Call a function with the lock held: now, and after all that is heard of the server.

        That is more than what is published: every event, every reply, every change of the state.
        """
        with self.lock:
            self._followers[look] = None
            look()

    def unfollow(self, look: Callable[[], None]) -> None:
        """Call it no more. Called with the lock held."""
        self._followers.pop(look, None)

    def _let_followers_look(self) -> None:
        for look in list(self._followers):
            look()

    # -- publishing

    def _publish(self, publication: Publication) -> None:
        if publication.exact:
            self._unsettled_since = None
        else:
            self.forced += 1
        for submitted in self._submitted.values():  # an answer may come after what it did
            self._local.update(submitted.effects.leaves)
        self._on_publish(publication, self._local)
        if publication.exact:
            self._local.clear()
        if publication.live and self._connected and not self.cache.failing:
            self._change_state(State.LIVE)
        self.signal.notify()

    def _watch_staleness(self) -> None:
        """Publish the copy as it is when unending changes have held it back for too long.

        While they last, it is published again after each quarter of that time: callers wait for it.
        """
        if self.cache.settled or not self._connected:
            return
        now = clock.monotonic()
        if self._unsettled_since is None:
            self._unsettled_since = now
        if now - self._unsettled_since >= self._max_staleness:
            publication = self.cache.force()
            if publication is not None:
                self._unsettled_since = now - 0.75 * self._max_staleness
                self._publish(publication)

    def overlay(self, written: Mapping[str, ReadZnode | None], position: int) -> bool:
        """Show own writes, sent at `position`, without waiting for a state that holds them.

        False where there is one by now.
        """
        with self.lock:
            if self.cache.position >= position:
                return False
            publication = self.cache.force(written)
            if publication is not None:
                self._publish(publication)
        return True

    def _change_state(self, new: State) -> None:
        old, self.state = self.state, new
        if old is State.LIVE:
            self._lost_at = clock.monotonic()
        if old is not new:
            self._on_state(old, new)

    def _failed(self, error: Exception) -> None:
        self.failure = error
        self._on_error(error)
        self._stale()

    def _stale(self) -> None:
        """Something cannot be read, although there is a connection."""
        if self.state is not State.LOADING:
            self._change_state(State.STALE)
        self.signal.notify()
