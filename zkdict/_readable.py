"""Reading the dict.

The rules that live here:

- A read looks into the copy that is shown, and nothing else: no request, and no lock for `d[key]`,
  `get`, `in` and `len`.
- Reads are *gated* while the copy may not be read: before it was loaded, after `close()` or
  `fork()`, and in an outage if the caller asked for it. Only then they ask first.
- Iteration, views and `snapshot()` use one immutable state each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from zkdict._copy.lookup import BadEntry, GatedRead
from zkdict._copy.waiting import deadline_after
from zkdict.entries import Entry, State
from zkdict.errors import StaleRead
from zkdict.storage import ConnectionStorageDict

if TYPE_CHECKING:
    from zkdict._copy.feed import Feed
    from zkdict._copy.snapshot import Snapshot
    from zkdict._copy.view import View
    from zkdict._writes.single import Writer

__all__ = ["ReadableDict"]

V = TypeVar("V")
T = TypeVar("T")


class ReadableDict(ConnectionStorageDict[V]):
    """The part of `ZooKeeperDict` that reads. Its parts are made by `FollowedDict`."""

    __hash__ = None  # type: ignore[assignment]  # as a dict: it is compared by its items
    __slots__ = ("_values",)  # a slot is read faster than other attributes

    _values: dict[str, V]
    """What reads look into (see `lookup`). Replaced, and changed, by the view."""
    _view: View[V]
    _feed: Feed
    _writer: Writer[V]
    _on_outage: Literal["serve", "raise", "block"]
    _max_age: float | None

    def __getitem__(self, key: str) -> V:
        """The value of `key`, from memory: one dict lookup.

        Raises:
            KeyError: no such key.
            DecodeError: its value does not decode.
            KazooException: the server does not show it, as with NoAuthError.
            StaleRead, Closed, ForkedDict: the copy may not be read (see the constructor).
        """
        try:
            return self._values[key]
        except GatedRead:
            pass
        return self._shown().values[key]

    @overload
    def get(self, key: str) -> V | None: ...
    @overload
    def get(self, key: str, default: V) -> V: ...
    @overload
    def get(self, key: str, default: T) -> V | T: ...
    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`, or `default` where there is no such key, from memory.

        Raises:
            DecodeError: its value does not decode.
            KazooException: the server does not show it, as with NoAuthError.
            StaleRead, Closed, ForkedDict: the copy may not be read (see the constructor).
        """
        try:
            return self._values.get(key, default)
        except GatedRead:
            pass
        return self._shown().values.get(key, default)

    def _shown(self) -> View[V]:
        """The view, once it may be read."""
        if self._view.gated:
            self._pass_gate()
        return self._view

    def _pass_gate(self) -> None:
        feed = self._feed

        def readable() -> bool:
            feed.check_usable()
            if feed.state is State.LIVE:
                return True
            if feed.state is State.LOADING:
                return False
            if self._max_age is not None:
                return feed.age <= self._max_age
            return self._on_outage == "serve"  # the age is 0.0 at the very moment of the loss

        if feed.signal.wait_for(readable, deadline_after(0)):
            return
        if self._on_outage == "block":
            feed.tasks.check()
            if feed.signal.wait_for(readable, deadline_after(self._writer.write_timeout)):
                return
        raise StaleRead(feed.age, feed.state)

    def __contains__(self, key: object) -> bool:
        try:
            return key in self._values
        except GatedRead:
            pass
        return key in self._shown().values

    def __iter__(self) -> Iterator[str]:
        return iter(self.snapshot())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self.snapshot())

    def __len__(self) -> int:
        try:
            return len(self._values)
        except GatedRead:
            pass
        return len(self._shown().values)

    def snapshot(self) -> Snapshot[V]:
        """An immutable copy of the state that is shown now, from memory.

        O(1) when nothing changed since the last one, else O(N): one copy of N references.

        Raises:
            StaleRead, Closed, ForkedDict: the copy may not be read (see the constructor).
        """
        view = self._shown()
        with self._feed.lock:
            return view.snapshot(self._feed.state)

    _state = snapshot  # what iterations and views use

    def copy(self) -> dict[str, V]:
        """A plain dict of the items, from memory: O(N).

        Raises:
            DecodeError: a value does not decode.
            KazooException: the server does not show a key, as with NoAuthError.
            StaleRead, Closed, ForkedDict: the copy may not be read (see the constructor).
        """
        return self.snapshot().copy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.snapshot() == other

    def __repr__(self) -> str:
        if self._view.gated:
            return f"<{type(self).__name__} {self._feed.path} {self._feed.state.name}>"
        return f"{type(self).__name__}({self._feed.path!r}, {self.snapshot().shown()!r})"

    def _items(self) -> dict[str, V]:
        return self.copy()

    def entry(self, key: str) -> Entry[V]:
        """The value of `key` with its version and zxids, from memory.

        Raises:
            KeyError: no such key.
            DecodeError: its value does not decode.
            KazooException: the server does not show it, as with NoAuthError.
            StaleRead, Closed, ForkedDict: the copy may not be read (see the constructor).
        """
        found = self._found(key)
        if isinstance(found, BadEntry):
            raise found.fresh_error()
        return found

    def raw(self, key: str) -> bytes:
        """The bytes of `key`, also where they do not decode, from memory; b"" for a key that the
        server does not show.

        Raises:
            KeyError: no such key.
            StaleRead, Closed, ForkedDict: the copy may not be read (see the constructor).
        """
        return self._found(key).raw

    def _found(self, key: str) -> Entry[V] | BadEntry:
        view = self._shown()
        with self._feed.lock:
            found = view.get(key)
        if found is None:
            raise KeyError(key)
        return found

    @property
    def bad_keys(self) -> Mapping[str, Exception]:
        """The keys whose values cannot be read or do not decode, and why. From memory, as it is
        now: later changes do not show in it.

        Raises:
            StaleRead, Closed, ForkedDict: the copy may not be read (see the constructor).
        """
        return self._shown().bad_keys()
