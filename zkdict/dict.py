"""ZooKeeperDict: the mapping that users see, put together from the parts beside it.

The rules that live here:

- A read looks into the copy that is shown, and nothing else: no request, and no lock for `d[key]`.
- Reads are *gated* while the copy may not be read as it is: before it was loaded, after `close()`
  or `fork()`, and in an outage where the caller asked for it. Then, and only then, they ask first.
- Iteration, views and `snapshot()` use one immutable state each.
- `autosync=True` shows every published state as it comes. `autosync=False` shows the state of the
  last `sync()` or own write.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError

from zkdict import compare, txn
from zkdict.encodings import JSON
from zkdict.errors import InvalidKey, StaleRead, Timeout
from zkdict.events import Changes, Dispatcher, Subscription
from zkdict.feed import Feed
from zkdict.keys import KeyCodec, KeyEncoding
from zkdict.lease import Lease
from zkdict.records import ANY, Change, Entry, State
from zkdict.storage import ConnectionStorageDict
from zkdict.view import BadEntry, Snapshot, View
from zkdict.views import Items, Keys, Values
from zkdict.waiting import deadline_after, remaining
from zkdict.writes import UnansweredError, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import SupportsKeysAndGetItem
    from typing_extensions import Self

    from zkdict.encodings import Encoding

__all__ = ["MSAZookeeperDict", "ZooKeeperDict"]

V = TypeVar("V")
T = TypeVar("T")

_UNSET: Any = object()
_CHECK_AGAIN = 1.0  # seconds after which a wait for somebody else's zxid asks the server again


class ZooKeeperDict(ConnectionStorageDict[V]):
    """A dict whose keys are the children of one znode, read from a live local copy.

    Reads come from memory. The copy is kept fresh by watches, and what readers see is always the
    state of the znodes at one zxid: the keys of one transaction appear together. Writes take one
    round trip and are seen by the next read. Values are shared by all readers: do not change one
    in place, store a new one.

    Loading N keys takes N + 2 pipelined requests; another client's change of one key costs one, a
    new key two; an own write costs one to wait for and one or two behind it for the watches. After
    a lost connection, N + 2 requests revalidate the copy, and only changed values are fetched.

    Args:
        connection: a KazooClient, started or not. A stopped one is started. It is not stopped by
            `close()`; see `connect` for a dict that owns its client.
        keyspace: the path of the znode whose children are the keys (below the client's chroot).
        autosync: True shows changes as they come; False only at `sync()` and own writes.
        encoding: how values become bytes; strict JSON unless told otherwise.
        old_encoding: another encoding that is read too, never written.
        create: whether a missing root znode is made, when it is loaded and by writes.
        acl: kazoo ACLs for what the dict creates.
        wait: seconds the constructor waits for the copy to be loaded; None loads in the background,
            and reads raise StaleRead until it is there.
        on_outage: what reads do without a live connection: "serve" the last copy, "raise"
            StaleRead, or "block" until it is back, for at most `write_timeout`.
        max_age: seconds an outage may last before reads act on it as `on_outage` says ("serve"
            then raises StaleRead); None means at once for "raise" and "block", and never for
            "serve".
        max_staleness: seconds for which unending changes may hold back the next published state,
            and own writes wait to be confirmed. After that the copy is shown as it is, even if the
            server never had exactly this state; `stats["forced"]` counts how often.
        on_bad_value: "raise": a key whose value does not decode is in the dict, and reading it
            raises DecodeError; "omit": it is not there, but in `bad_keys`.
        key_encoding: "plain" keys are znode names as they are; "quote" allows any text.
        max_value_bytes: the largest encoded value, and the largest multi. Below the servers'
            `jute.maxbuffer` by some room for the path.
        write_timeout: seconds any write may take.
        read_only: refuse every write with TypeError, and create nothing.

    Raises:
        Timeout: it was not loaded within `wait`.
        RootMissing: there is no such znode, and it was not to be made.
        KazooException: the server refused to show or make the root, for example NoAuthError.
    """

    __hash__ = None  # type: ignore[assignment]  # as a dict: it is compared by its items

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
        _one_of("on_outage", on_outage, ("serve", "raise", "block"))
        _one_of("on_bad_value", on_bad_value, ("omit", "raise"))
        super().__init__(connection, keyspace, autosync, encoding, old_encoding)
        client = self.connection
        path = _normal(self.keyspace)
        self._read_only = read_only
        self._create = create and not read_only
        self._on_outage = on_outage
        self._max_age = max_age
        names = KeyCodec(key_encoding, at_root=path == "/" and not client.chroot)
        self._dispatcher: Dispatcher[V] = Dispatcher(client.handler)
        self._view: View[V] = View(
            names,
            self._codec.decode,
            self._dispatcher,
            omit=on_bad_value == "omit",
            autosync=autosync,
            gate_outages=on_outage != "serve" or max_age is not None,
        )
        self._feed = Feed(
            client,
            path,
            on_publish=self._view.publish,
            on_state=self._view.state_changed,
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
                raise Timeout(f"{self._feed.path} was not loaded within {wait} s")
        except BaseException:
            self.close()
            raise

    @classmethod
    def connect(cls, hosts: str, path: str, **options: Any) -> Self:
        """A dict with a client of its own, which `close()` stops.

        Args:
            hosts: as for KazooClient: "host:port,host:port/chroot".
            path: the keyspace.
            options: as for the constructor.
        """
        client = KazooClient(hosts)
        try:
            made = cls(client, path, **options)
        except BaseException:
            _stop(client)
            raise
        made._owned = weakref.finalize(made, _stop_elsewhere, client)
        return made

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
            return self._view.values[key]
        except KeyError:
            return self._slow_get(key)

    def _slow_get(self, key: str) -> V:
        view = self._shown()
        found = view.get(key)
        if isinstance(found, BadEntry) and not view.omit:
            raise found.fresh_error()
        if isinstance(found, Entry):
            return found.value
        raise KeyError(key)

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
        return key in self._shown()

    def __iter__(self) -> Iterator[str]:
        return iter(self.snapshot())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self.snapshot())

    def __len__(self) -> int:
        return len(self._shown())

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
        return dict(self.snapshot())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.copy() == dict(other)

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
        found = self._shown().get(key)
        if found is None:
            raise KeyError(key)
        if isinstance(found, BadEntry):
            raise found.fresh_error()
        return found

    def raw(self, key: str) -> bytes:
        """The bytes of `key`, also where they do not decode, from memory. Raises KeyError."""
        found = self._shown().get(key)
        if found is None:
            raise KeyError(key)
        return found.raw

    @property
    def bad_keys(self) -> Mapping[str, Exception]:
        """The keys whose values cannot be read or do not decode, and why. From memory."""
        return self._shown().bad_keys()

    # -- writes

    def __setitem__(self, key: str, value: V) -> None:
        """Store `value`: a set, or a create where the key is new. One round trip.

        Raises:
            InvalidKey, EncodeError, ValueTooLarge: nothing was sent.
            Timeout: no connection within `write_timeout`; nothing was sent.
            WriteUncertain: it was sent, and no answer came in time.
            RootMissing, KazooException.
        """
        self._writer.set(key, value)

    def __delitem__(self, key: str) -> None:
        """Delete `key`. One round trip.

        Raises:
            KeyError: the server has no such key.
            WriteUncertain: the answer was lost.
            InvalidKey, Timeout, KazooException.
        """
        self._writer.delete(key)

    @overload
    def pop(self, key: str, /) -> V: ...
    @overload
    def pop(self, key: str, /, default: V) -> V: ...
    @overload
    def pop(self, key: str, /, default: T) -> V | T: ...
    def pop(self, key: str, /, default: Any = _UNSET) -> Any:
        """Delete `key` and return its value: of many poppers exactly one gets it.

        A delete of the version that was read, tried again while others change the key. One round
        trip, and none for a key that is not there.

        Raises:
            KeyError: no such key, and no default given.
            DecodeError: its value does not decode; it is left where it is.
            WriteUncertain, Timeout, KazooException.
        """
        try:
            return self._writer.pop(key).value
        except KeyError:
            if default is _UNSET:
                raise
            return default

    def popitem(self) -> tuple[str, V]:
        """Delete the newest key and return it with its value: exactly one popper gets it.

        Raises:
            KeyError: the dict is empty.
            DecodeError, WriteUncertain, Timeout, KazooException.
        """
        while (key := next(reversed(self.snapshot()), None)) is not None:
            with contextlib.suppress(KeyError):
                return key, self._writer.pop(key).value
            self.sync(self._writer.write_timeout)  # somebody was faster
        raise KeyError("popitem(): the dict is empty")

    def setdefault(self, key: str, default: Any = None) -> V:
        """The value of `key`; where there is none, create it with `default`.

        From memory where the key is there; else a create, which exactly one of many callers wins:
        the others get the winner's value.

        Raises:
            InvalidKey, EncodeError, ValueTooLarge, RootMissing, DecodeError, WriteUncertain,
            Timeout, KazooException.
        """
        while True:
            known = self._writer.known(key)
            if known is not None:
                return known.value
            try:
                created = self._writer.create(key, default, operation="setdefault")
                return self._writer.decode(key, created).value
            except NodeExistsError:
                self._writer.conflicts += 1

    def update(
        self, other: SupportsKeysAndGetItem[str, V] | Iterable[tuple[str, V]] = (), /, **items: V
    ) -> None:
        """Store all items in one transaction: others see all of them or none.

        Raises:
            ValueTooLarge: they do not fit into one request; see `update_chunked`.
            InvalidKey, EncodeError, RootMissing, WriteUncertain, Timeout, KazooException.
        """
        txn.update(self._writer, {**dict(other), **items})

    def update_chunked(self, other: Mapping[str, V], *, chunk_bytes: int = 500_000) -> None:
        """Store all items in as many transactions as their size takes: not atomic.

        Args:
            other: the items.
            chunk_bytes: about how many bytes of values go into one transaction.

        Raises:
            as `update`; the chunks before the one that failed are stored.
        """
        chunk: dict[str, V] = {}
        size = 0
        for key, value in other.items():
            more = len(self._writer.encoded(key, value)) + len(key) * 3 + txn.OP_BYTES
            if chunk and size + more > chunk_bytes:
                self.update(chunk)
                chunk, size = {}, 0
            chunk[key] = value
            size += more
        self.update(chunk)

    def clear(self) -> None:
        """Delete every key the copy has, in one transaction.

        Raises:
            ValueTooLarge: too many for one request.
            WriteUncertain, Timeout, KazooException.
        """
        txn.clear(self._writer)

    def replace_all(self, new: Mapping[str, V]) -> dict[str, Change[V]]:
        """Make the dict equal to `new` in one transaction of what differs, and return that.

        Each key that is set or deleted must still be as the copy has it; where it is not, the
        difference is computed again.

        Raises:
            ValueTooLarge, InvalidKey, EncodeError, TransactionFailed, WriteUncertain, Timeout,
            KazooException.
        """
        return txn.replace_all(self._writer, self._begin, new)

    # -- compare and set

    def put(self, key: str, value: V, *, version: int = ANY, ephemeral: bool = False) -> Entry[V]:
        """Store `value` where the key has this version, and return the new entry.

        Args:
            key: the key.
            value: the value.
            version: a version, ANY (-1), or ABSENT (-2): the key must not exist.
            ephemeral: the key goes when this client's session ends. A key that is there is deleted
                and made again, in one transaction.

        Raises:
            VersionConflict: it has another version; nothing was written.
            and what `d[key] = value` raises.
        """
        return compare.put(self._writer, key, value, version, ephemeral=ephemeral)

    def add(self, key: str, value: V) -> Entry[V]:
        """Create a key, and return its entry.

        Raises:
            KeyExists: it exists already.
            and what `d[key] = value` raises.
        """
        return compare.add(self._writer, key, value)

    def cas(self, entry: Entry[V], value: V) -> Entry[V]:
        """Store `value` where the key is as `entry` describes it, and return the new entry.

        Raises:
            VersionConflict: it was set, deleted or made again since.
            and what `d[key] = value` raises.
        """
        return compare.cas(self._writer, entry, value)

    def remove(self, key: str, *, version: int = ANY) -> Entry[V]:
        """Delete a key that has this version, and return the entry it was.

        Raises:
            KeyError: no such key, for ANY version.
            VersionConflict: it has another version, or is gone.
            DecodeError, WriteUncertain, Timeout, KazooException.
        """
        return compare.remove(self._writer, key, version)

    def modify(
        self, key: str, fn: Callable[[V], V], *, default: Any = _UNSET, attempts: int = 20
    ) -> Entry[V]:
        """Store `fn(value)`, computed again from the newer value when somebody came in between.

        Args:
            key: the key.
            fn: gets the value and returns the new one; called once per attempt.
            default: what `fn` gets where there is no such key, which is then created.
            attempts: how often to try.

        Raises:
            KeyError: no such key, and no default given.
            VersionConflict: somebody came in between in every attempt.
            and what `d[key] = value` raises.
        """
        return compare.modify(self._writer, key, fn, default, attempts, _UNSET)

    def transaction(self) -> txn.Transaction[V]:
        """`with d.transaction() as t:` reads and writes `t` as a mapping; one multi at the end.

        Every key that was read must still have the version it had, or nothing is applied.

        Raises (at the end of the block):
            TransactionFailed: a key that was read was changed meanwhile.
            ValueTooLarge, RootMissing, WriteUncertain, Timeout, KazooException.
        """
        return txn.Transaction(self._begin)

    def atomically(self, fn: Callable[[txn.Txn[V]], T], *, attempts: int = 20) -> T:
        """Run `fn(t)` in a transaction, and again from a newer state when it conflicts.

        Returns what `fn` returned the last time. Raises as `transaction`.
        """
        return txn.atomically(self._writer, self._begin, fn, attempts)

    def _begin(self) -> txn.Txn[V]:
        self._feed.check_usable()
        self._writer.refresh()
        return txn.Txn(self._writer, self.snapshot())

    def lease(self, key: str, value: V) -> Lease[V]:
        """Create an ephemeral key that is made again when the session was lost.

        Raises:
            VersionConflict: the key exists.
            and what `d[key] = value` raises.
        """
        return Lease(self, key, value)

    # -- consistency

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
        """Seconds since the connection was last known to be up; 0.0 while it is.

        kazoo notices a dead connection within the session timeout; that much may be added.
        """
        return self._feed.age

    def sync(self, timeout: float | None = None) -> int:
        """See everything that was committed anywhere before this call. One round trip.

        ZooKeeper's sync, and every watch event and read that came of it.

        Args:
            timeout: seconds to wait for it; None waits as long as it takes.

        Returns:
            the zxid of the state that is shown then.

        Raises:
            Timeout, Closed, ForkedDict, KazooException (NotReadOnlyCallError from a server without
            a quorum).
        """
        feed = self._feed
        self._ask(lambda: feed.client.sync_async(feed.path), deadline_after(timeout))
        return self.zxid

    def _ask(self, send: Callable[[], Any], deadline: float | None) -> None:
        """Send something harmless until it is answered and the copy is at least as new."""
        while True:
            try:
                self._writer.call(send, deadline, strict=True)
            except UnansweredError as error:  # noqa: PERF203
                if remaining(deadline) == 0:
                    raise Timeout("no answer until the deadline") from error
            else:
                return

    def wait_until(self, zxid: int, timeout: float | None = None) -> None:
        """Wait until every change up to `zxid` is in the state that is shown.

        Costs nothing when it is there, else two requests, and two more for each further second.

        Raises:
            Timeout, Closed, ForkedDict, KazooException.
        """
        feed, deadline = self._feed, deadline_after(timeout)
        while self.zxid < zxid:
            self._ask(lambda: feed.client.sync_async(feed.path), deadline)
            # The zxid of an answer is hidden; the next request knows it as the last one seen.
            self._ask(lambda: feed.client.exists_async(feed.path), deadline)
            if self.zxid >= zxid:
                return
            again = deadline_after(_CHECK_AGAIN)
            until = again if deadline is None or again is None else min(again, deadline)
            feed.signal.wait_for(lambda: feed.cache.zxid >= zxid, until)
            self._writer.refresh()
            if self.zxid < zxid and remaining(deadline) == 0:
                raise Timeout(f"zxid {zxid} was not reached within {timeout} s")

    def wait_for(self, pred: Callable[[Snapshot[V]], T], timeout: float | None = None) -> T:
        """Wait until `pred(snapshot)` is true of a state, and return what it returned.

        `pred` is called in the calling task, for the state that is shown and for newer ones. States
        that follow each other quickly may be skipped.

        Raises:
            Timeout, Closed, ForkedDict, and what `pred` raises.
        """
        feed, view, deadline = self._feed, self._view, deadline_after(timeout)
        feed.check_usable()
        while True:
            self._writer.refresh()
            seen = feed.cache.published
            if view.loaded:
                with feed.lock:
                    snapshot = view.snapshot(feed.state)
                if found := pred(snapshot):
                    return found

            def newer(seen: int = seen) -> bool:
                feed.check_usable()
                return feed.cache.published != seen

            if not feed.signal.wait_for(newer, deadline):
                raise Timeout(f"no state of the dict was as wanted within {timeout} s")

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until the copy was loaded; False where it was not within `timeout` seconds.

        Raises:
            RootMissing: the root does not exist, and is not to be made.
            KazooException: the server refused to show or make it.
            Closed, ForkedDict.
        """
        return self._feed.wait_loaded(deadline_after(timeout), create=self._create)

    def fetch(self, key: str, *, sync: bool = False) -> Entry[V]:
        """The entry of `key` from the server, past the copy. One round trip.

        Args:
            key: the key.
            sync: True: not older than this call. False: as new as the connected server.

        Raises:
            KeyError, DecodeError, InvalidKey, Timeout (after `write_timeout`), KazooException.
        """
        found = self._writer.fetch(key, sync=sync, timeout=self._writer.write_timeout)
        if found is None:
            raise KeyError(key)
        return self._writer.decode(key, found)

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
        """
        chosen = None if keys is None else frozenset([keys] if isinstance(keys, str) else keys)
        with self._feed.lock:
            first = self._view.as_changes() if initial else []
            return self._dispatcher.on_change(fn, chosen, first)

    def on_changes(
        self, fn: Callable[[list[Change[V]]], Any], *, initial: bool = False
    ) -> Subscription:
        """Call `fn(changes)` with all the changes of one step together, as `on_change` does."""
        with self._feed.lock:
            first = self._view.as_changes() if initial else []
            return self._dispatcher.on_changes(fn, first)

    def on_state(self, fn: Callable[[State, State], Any]) -> Subscription:
        """Call `fn(old, new)` for each change of `state`, as `on_change` does."""
        return self._dispatcher.on_state(fn)

    def on_error(self, fn: Callable[[Exception], Any]) -> Subscription:
        """Call `fn(error)` for what nobody waits for: bad values, and errors of callbacks."""
        return self._dispatcher.on_error(fn)

    def changes(self, *, initial: bool = False, timeout: float | None = None) -> Changes[V]:
        """Iterate over batches of changes, one batch per state; it starts with this call.

        Args:
            initial: the first batch has every key there is, as "added".
            timeout: seconds without a change that end the iteration; None waits for ever.
        """
        with self._feed.lock:
            first = self._view.as_changes() if initial else []
            return self._dispatcher.changes(first, timeout)

    @property
    def stats(self) -> Mapping[str, int]:
        """Counters since the dict was made.

        requests: sent to the server. events: watch events. reloads: connections the copy was
        (re)validated on. published: states shown or ready to be. forced: published states that need
        not have existed (see `max_staleness`). conflicts: attempts that somebody came between.
        bytes: of values fetched. behind: queued calls of callbacks.
        """
        feed = self._feed
        return MappingProxyType(
            {
                "requests": feed.requests,
                "events": feed.events,
                "reloads": feed.reloads,
                "published": feed.cache.published,
                "forced": feed.forced,
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
        self._finalizer.detach()
        self._feed.close()
        self._dispatcher.close()
        if self._owned is not None and self._owned.detach():
            _stop(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def forked(self) -> None:
        """Called in a child process after `os.fork()`: the connection's threads are not there."""
        self._feed.forked()
        self._view.gate(gated=True)

    # -- msaStorageDict's names

    @property
    def autosync(self) -> bool:
        """Whether published states are shown as they come."""
        return self._autosync

    @autosync.setter
    def autosync(self, autosync: bool) -> None:
        self._autosync = autosync
        view: View[V] | None = getattr(self, "_view", None)
        if view is not None:
            view.autosync = autosync
            if autosync:
                self._writer.refresh()

    @property
    def no_node_error(self) -> type[Exception]:
        """The exception kazoo has for a znode that does not exist."""
        error: type[Exception] = NoNodeError
        return error

    def validate_key(self, key: str) -> None:
        """Check that `key` can be a key of this dict. Raises InvalidKey."""
        self._writer.codec.to_name(key)

    def persist(self, key: str, value: V) -> None:
        """The same as `d[key] = value`."""
        self[key] = value

    def depersist(self, key: str) -> None:
        """The same as `del d[key]`."""
        del self[key]

    def durables(self) -> dict[str, V]:
        """The same as `copy()`, which is what the server has as far as the copy knows."""
        return self.copy()

    def last_updated(self) -> int:
        """The zxid of the last change in the state that is shown; grows with every change."""
        return self._view.updated


MSAZookeeperDict = ZooKeeperDict
"""The name the class had in msaStorageDict."""

_living: weakref.WeakValueDictionary[int, ZooKeeperDict[Any]] = weakref.WeakValueDictionary()


def _after_fork() -> None:
    for each in list(_living.values()):
        each.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _stop(client: Any) -> None:
    client.stop()
    client.close()


def _stop_elsewhere(client: Any) -> None:
    # The dict may be collected anywhere, also on the client's own tasks, which cannot end there.
    client.handler.spawn(_stop, client)


def _normal(path: str) -> str:
    parts = path.strip("/").split("/")
    if path.strip("/") and not all(parts):
        raise InvalidKey(path, "a keyspace is a path without empty components")
    return "/" + "/".join(parts) if parts != [""] else "/"


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
