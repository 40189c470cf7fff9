"""The dict without its writes: how it is put together, read, followed and closed.

The rules that live here:

- A read looks into the copy that is shown, and nothing else: no request, and no lock for `d[key]`,
  `get`, `in` and `len`.
- Reads are *gated* while the copy may not be read: before it was loaded, after `close()` or
  `fork()`, and in an outage if the caller asked for it. Only then they ask first.
- Iteration, views and `snapshot()` use one immutable state each.
"""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from zkdict._arguments import acl_list, one_of, root_path
from zkdict._copy.dict_views import Items, Keys, Values
from zkdict._copy.events import Changes, Dispatcher, Subscription
from zkdict._copy.feed import Feed
from zkdict._copy.lookup import GATED, BadEntry, GatedRead
from zkdict._copy.view import View
from zkdict._copy.waiting import deadline_after
from zkdict._writes.single import Writer
from zkdict.encodings import JSON
from zkdict.entries import Change, Entry, State
from zkdict.errors import StaleRead, Timeout
from zkdict.keys import KeyCodec, KeyEncoding
from zkdict.storage import ConnectionStorageDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkdict._copy.snapshot import Snapshot
    from zkdict.encodings import Encoding

__all__ = ["LiveDict", "stop"]

V = TypeVar("V")
T = TypeVar("T")


class LiveDict(ConnectionStorageDict[V]):
    """`ZooKeeperDict` without its writes."""

    __hash__ = None  # type: ignore[assignment]  # as a dict: it is compared by its items
    __slots__ = ("_values",)  # a slot is read faster than other attributes

    _values: dict[str, V]
    """What reads look into (see `lookup`). Replaced, and changed, by the view."""

    def __init__(
        self,
        connection: Any,
        keyspace: str,
        autosync: bool = True,
        encoding: Encoding[V] = JSON,
        old_encoding: Encoding[Any] | None = None,
        *,
        create: bool = True,
        acl: Any = None,
        wait: float | None = 30.0,
        on_outage: Literal["serve", "raise", "block"] = "serve",
        max_age: float | None = None,
        max_staleness: float = 1.0,
        on_bad_value: Literal["omit", "raise"] = "raise",
        key_encoding: KeyEncoding = "plain",
        max_value_bytes: int = 1_000_000,
        write_timeout: float = 30.0,
        read_only: bool = False,
    ) -> None:
        """Load the dict.

        Args:
            connection: a KazooClient, started or not. A stopped one is started. It is not stopped
                by `close()`; see `connect` for a dict that owns its client.
            keyspace: the path of the znode whose children are the keys (below the client's chroot).
            autosync: True shows changes as they come; False only at `sync()` and own writes.
            encoding: how values become bytes; strict JSON unless told otherwise.
            old_encoding: another encoding that is read too, never written.
            create: whether a missing root znode is made, when it is loaded and by writes.
            acl: kazoo ACLs for what the dict creates.
            wait: seconds the constructor waits for the copy to be loaded; None loads in the
                background, and reads raise StaleRead until it is there.
            on_outage: what reads do without a live connection: "serve" the last copy, "raise"
                StaleRead, or "block" until it is back, for at most `write_timeout`.
            max_age: seconds that an outage may last before reads do what `on_outage` says ("serve"
                then raises StaleRead). None: at once for "raise" and "block", never for "serve".
            max_staleness: seconds for which unending changes may hold back the next published
                state, and own writes wait to be confirmed. After that the copy is shown as it is,
                even if the server never had exactly this state; `stats["forced"]` counts how often.
            on_bad_value: "raise": a key whose value does not decode is in the dict, and reading it
                raises DecodeError; "omit": it is not there, but in `bad_keys`.
            key_encoding: "plain" keys are znode names as they are; "quote" allows any text.
            max_value_bytes: the largest encoded value, and the largest multi. Less than the
                servers' `jute.maxbuffer`, as the path is part of a request, too.
            write_timeout: seconds any write may take; of `modify`, `atomically` and `replace_all`
                each attempt.
            read_only: refuse every write with TypeError, and create nothing.

        Raises:
            InvalidKey, TypeError, ValueError: an argument is invalid.
            Timeout: it was not loaded within `wait`.
            RootMissing: the znode does not exist, and `create` is False.
            KazooException: the server refused to show or make the root, for example NoAuthError.
        """
        one_of("on_outage", on_outage, ("serve", "raise", "block"))
        one_of("on_bad_value", on_bad_value, ("omit", "raise"))
        super().__init__(connection, keyspace, autosync, encoding, old_encoding)
        client = self.connection
        path = root_path(self.keyspace)
        acl = acl_list(acl)
        self._read_only = read_only
        self._create = create and not read_only
        self._on_outage = on_outage
        self._max_age = max_age
        names = KeyCodec(key_encoding, at_root=path == "/" and not client.chroot)
        self._values = GATED
        self._dispatcher: Dispatcher[V] = Dispatcher(client.handler)
        self._view: View[V] = View(
            names,
            self._codec.decode,
            self._dispatcher,
            _shower(self),
            _keeper(self),
            omit=on_bad_value == "omit",
            autosync=autosync,
            gate_outages=on_outage != "serve" or max_age is not None,
        )
        self._feed = Feed(
            client,
            path,
            on_publish=self._view.publish,
            on_state=self._view.state_changed,
            on_error=self._dispatcher.failed,
            create=self._create,
            acl=acl,
            max_staleness=max_staleness,
        )
        self._writer: Writer[V] = Writer(
            self._feed,
            names,
            self._codec.encode,
            self._view,
            acl=acl,
            max_value_bytes=max_value_bytes,
            write_timeout=write_timeout,
            max_staleness=max_staleness,
            create_root=self._create,
            read_only=read_only,
        )
        self._finalizer = weakref.finalize(self, self._feed.forgetter())
        self._finalizer.atexit = False
        _living[id(self)] = self
        self._feed.start()
        if wait is not None:
            self._load_within(wait)

    def _load_within(self, wait: float) -> None:
        try:
            if not self.wait_ready(wait):
                why = self._feed.trouble
                told = f"; the server answered {why!r}" if why is not None else ""
                raise Timeout(f"{self._feed.path} was not loaded within {wait} s{told}") from why
        except BaseException:
            self.close()
            raise

    _owned: weakref.finalize[..., Any] | None = None

    # -- reads

    def __getitem__(self, key: str) -> V:
        """The value of `key`, from memory: one dict lookup.

        Raises:
            KeyError: no such key.
            DecodeError: its value does not decode.
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
            if self._max_age is not None:
                limit = self._max_age
            else:
                limit = float("inf") if self._on_outage == "serve" else 0.0
            return feed.state is not State.LOADING and feed.age <= limit

        patience = self._writer.write_timeout if self._on_outage == "block" else 0
        if not feed.signal.wait_for(readable, deadline_after(patience)):
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

    def keys(self) -> Keys:
        """The keys, as a view: live, and each iteration is of one state."""
        return Keys(self)

    def items(self) -> Items[V]:
        """The items, as a view: live, and each iteration is of one state."""
        return Items(self)

    def values(self) -> Values[V]:
        """The values, as a view: live, and each iteration is of one state."""
        return Values(self)

    def snapshot(self) -> Snapshot[V]:
        """An immutable copy of the state that is shown now.

        Costs nothing when nothing changed since the last one, else one copy of N references.
        """
        view = self._shown()
        with self._feed.lock:
            return view.snapshot(self._feed.state)

    def copy(self) -> dict[str, V]:
        """A plain dict of the items. Raises DecodeError where a value does not decode."""
        return self.snapshot().copy()

    def __copy__(self) -> dict[str, V]:
        """The same as `copy()`: a copy has no znodes that would keep it fresh."""
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, V]:
        """A plain dict with copies of the values."""
        return copy.deepcopy(self.copy(), memo)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.snapshot() == other

    def __repr__(self) -> str:
        if self._view.gated:
            return f"<{type(self).__name__} {self._feed.path} {self.state.name}>"
        return f"{type(self).__name__}({self._feed.path!r}, {self.snapshot().shown()!r})"

    def _items(self) -> dict[str, V]:
        return self.copy()

    def entry(self, key: str) -> Entry[V]:
        """The value of `key` with its version and zxids, from memory.

        Raises:
            KeyError, DecodeError, StaleRead, Closed, ForkedDict.
        """
        found = self._found(key)
        if isinstance(found, BadEntry):
            raise found.fresh_error()
        return found

    def raw(self, key: str) -> bytes:
        """The bytes of `key`, also where they do not decode, from memory. Raises KeyError."""
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
        """The keys whose values cannot be read or do not decode, and why. From memory."""
        return self._shown().bad_keys()

    # -- state

    @property
    def zxid(self) -> int:
        """Every change up to this zxid is in the state that is shown; never goes back.

        Given to another client of the same ensemble, its `wait_until` waits for the same state.
        """
        return self._view.zxid

    @property
    def state(self) -> State:
        """How the local copy stands to the server."""
        return self._feed.state

    @property
    def age(self) -> float:
        """Seconds since the copy was last known to be what the server has.

        0.0 while the dict is LIVE, infinite before it was loaded. A new connection does not
        end its growth: that takes a revalidated copy. kazoo does not tell of its pings, and notices
        a dead connection within the session timeout: the copy may be older by that much.
        """
        return self._feed.age

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until the copy was loaded; False where it was not within `timeout` seconds.

        Raises:
            RootMissing: the root does not exist, and is not to be made.
            KazooException: the server refused to show or make it.
            Closed, ForkedDict.
        """
        return self._feed.wait_loaded(deadline_after(timeout), create=self._create)

    def _wake(self) -> None:
        """Let everybody who waits look again."""
        with self._feed.lock:
            self._feed.signal.notify()

    # -- events

    def on_change(
        self,
        fn: Callable[[Change[V]], Any],
        *,
        keys: Iterable[str] | str | None = None,
        initial: bool = False,
    ) -> Subscription:
        """Call `fn(change)` for each change, in order, on a task of its own.

        Args:
            fn: may be slow and may call any method of the dict.
            keys: a key, or several; None for all.
            initial: first call it for each key there is, as "added".

        The subscription ends with `cancel()`, or with the dict: it does not keep the dict alive.
        Raises Closed, ForkedDict.
        """
        chosen = None if keys is None else frozenset([keys] if isinstance(keys, str) else keys)
        with self._feed.lock:
            self._feed.check_usable()
            first = self._view.as_changes() if initial else []
            return self._dispatcher.on_change(fn, chosen, first)

    def on_changes(
        self, fn: Callable[[list[Change[V]]], Any], *, initial: bool = False
    ) -> Subscription:
        """Call `fn(changes)` with all the changes of one step together, as `on_change` does."""
        with self._feed.lock:
            self._feed.check_usable()
            first = self._view.as_changes() if initial else []
            return self._dispatcher.on_changes(fn, first)

    def on_state(self, fn: Callable[[State, State], Any]) -> Subscription:
        """Call `fn(old, new)` for each change of `state`, as `on_change` does."""
        self._feed.check_usable()
        return self._dispatcher.on_state(fn)

    def on_error(self, fn: Callable[[Exception], Any]) -> Subscription:
        """Call `fn(error)` for errors that no caller waits for: bad values, errors of callbacks.

        Raises Closed, ForkedDict.
        """
        self._feed.check_usable()
        return self._dispatcher.on_error(fn)

    def changes(self, *, initial: bool = False, timeout: float | None = None) -> Changes[V]:
        """Iterate over batches of changes, one batch per state; it starts with this call.

        Args:
            initial: the first batch has every key there is, as "added".
            timeout: seconds without a change that end the iteration; None waits for ever, or until
                the dict is closed.

        Raises:
            Closed, ForkedDict.
        """
        with self._feed.lock:
            self._feed.check_usable()
            first = self._view.as_changes() if initial else []
            return self._dispatcher.changes(first, timeout)

    @property
    def stats(self) -> Mapping[str, int]:
        """Counters since the dict was made.

        requests: sent to the server. events: watch events. reloads: connections the copy was
        (re)validated on. published: states shown or ready to be. forced: published states that need
        not have existed (see `max_staleness`). missed: changes that no event told of, found by
        `sync()`. conflicts: attempts that conflicted with another write.
        bytes: of values fetched. behind: calls of callbacks that are still queued.
        """
        feed = self._feed
        return MappingProxyType(
            {
                "requests": feed.requests,
                "events": feed.events,
                "reloads": feed.reloads,
                "published": feed.cache.published,
                "forced": feed.forced,
                "missed": feed.cache.missed,
                "conflicts": self._writer.conflicts,
                "bytes": feed.bytes_read,
                "behind": self._dispatcher.behind,
            }
        )

    # -- life

    def close(self) -> None:
        """Stop following the server; stop the client too where `connect` made it.

        Reads and writes raise Closed from now on, callers who wait are woken. Does nothing the
        second time.
        """
        self._feed.close()
        self._finalizer.detach()
        self._dispatcher.close()
        if self._owned is not None and self._owned.detach():
            stop(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _forked(self) -> None:
        """Called in a child process after `os.fork()`: the connection's threads are not there."""
        self._feed.forked()
        self._dispatcher.forked()
        with self._feed.lock:
            self._view.gate(gated=True)
        if self._owned is not None:  # the parent stops it
            self._owned.detach()


# Python's own errors name the constructor so, and callers know it as this one's.
LiveDict.__init__.__qualname__ = "ZooKeeperDict.__init__"


def _shower(items: LiveDict[V]) -> Callable[[dict[str, V]], None]:
    weakly = weakref.ref(items)  # its parts do not keep a dict alive

    def show(values: dict[str, V]) -> None:
        if (items := weakly()) is not None:
            items._values = values  # noqa: SLF001  its own module

    return show


def _keeper(items: LiveDict[V]) -> Callable[[object], None]:
    weakly = weakref.ref(items)

    def keep(replaced: object) -> None:
        if (items := weakly()) is not None:
            items._feed.lock.keep(replaced)  # noqa: SLF001  its own module

    return keep


_living: weakref.WeakValueDictionary[int, LiveDict[Any]] = weakref.WeakValueDictionary()


def _after_fork() -> None:
    for each in list(_living.values()):
        each._forked()  # noqa: SLF001  its own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def stop(client: Any) -> None:
    """End a client for good."""
    client.stop()
    client.close()
