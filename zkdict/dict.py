"""ZooKeeperDict: a live dict that writes.

The rules that live here:

- Every write is one call of the parts beside this file; what each costs and raises is said here.
- `autosync=True` shows every published state as it comes. `autosync=False` shows the state of the
  last own write, `sync()`, or other call that asked the server or waited.
- The names msaStorageDict had keep working.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any, TypeVar, overload

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from zkdict._copy.waiting import deadline_after
from zkdict._followed import FollowedDict, stop
from zkdict._recording import told
from zkdict._writes import compare, fresh, txn
from zkdict._writes.lease import Lease
from zkdict._writes.multi import operation_bytes
from zkdict.entries import ANY, Change, Entry
from zkdict.errors import Timeout
from zkdict.storage import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import SupportsKeysAndGetItem
    from typing_extensions import Self

    from zkdict._copy.snapshot import Snapshot
    from zkdict._copy.view import View

__all__ = ["MSAZookeeperDict", "ZooKeeperDict"]

V = TypeVar("V")
T = TypeVar("T")

_UNSET: Any = object()


class ZooKeeperDict(FollowedDict[V]):
    """A dict whose keys are the children of one znode, read from a live local copy.

    Reads come from memory. The copy is kept fresh by watches, and what readers see is always the
    state of the znodes at one zxid: the keys of one transaction appear together. Writes take one
    round trip and are seen by the next read. Several threads may use one dict at once. Values are
    shared by all readers: do not change one in place, store a new one.

    Loading N keys takes N + 2 pipelined requests; another client's change of one key costs one, a
    new key two; an own write costs one to wait for and one or two after it for the watches. After
    a lost connection, N + 2 requests revalidate the copy, and only changed values are fetched.

    What each method raises is said there; beside that:

    - Reads raise StaleRead while the copy may not be read: before it was loaded, and in an outage
      as `on_outage` and `max_age` say.
    - What gives a key's value raises DecodeError where it does not decode, and KazooException
      (NoAuthError, for example) where the server does not show it. So does what gives all values:
      `copy()`, `==`, a loop over `items()` or `values()`.
    - Writes raise TypeError in a dict with `read_only=True`, a transaction at the end of its block.
    - Reads, writes and waits raise Closed after `close()`, and ForkedDict in a child process that
      `os.fork()` made.
    - A call that asks the server, or waits, raises RuntimeError in a callback of the dict's own
      client (a watch, a state listener), as it would wait for itself there.
    - Where KazooException is listed, it is the server's answer, such as NoAuthError, NotEmptyError
      for a delete of a znode with children, or NotReadOnlyCallError from a server without a quorum.
    """

    @classmethod
    def connect(cls, hosts: str, path: str, **options: Any) -> Self:
        """A dict with a client of its own, which `close()` stops.

        Args:
            hosts: as for KazooClient: "host:port,host:port/chroot".
            path: the keyspace.
            options: as for the constructor.

        Raises:
            as the constructor. The client is stopped then.
        """
        client = KazooClient(hosts)
        try:
            made = cls(client, path, **options)
        except BaseException:
            stop(client)
            raise
        made._owned = weakref.finalize(made, _stop_elsewhere, client)
        return made

    # -- writes

    @told
    def __setitem__(self, key: str, value: V) -> None:
        """Store `value`: a set, or a create where the key is new. One round trip.

        Raises:
            InvalidKey, EncodeError, ValueTooLarge: nothing was sent.
            Timeout: no connection within `write_timeout`; nothing was sent.
            WriteUncertain: it was sent, and no answer came in time.
            RootMissing: the root does not exist, and `create` is False.
            KazooException: the server refused it.
        """
        self._writer.set(key, value)

    @told
    def __delitem__(self, key: str) -> None:
        """Delete `key`, whatever its value. One round trip.

        Raises:
            KeyError: the server has no such key.
            WriteUncertain: the answer was lost.
            Timeout: no connection within `write_timeout`; nothing was sent.
            KazooException: the server refused it.
        """
        self._writer.delete(key)

    @overload
    def pop(self, key: str) -> V: ...
    @overload
    def pop(self, key: str, default: V) -> V: ...
    @overload
    def pop(self, key: str, default: T) -> V | T: ...
    def pop(self, key: str, default: Any = _UNSET) -> Any:
        """Delete `key` and return its value: of many poppers exactly one gets it.

        It deletes the version that was read, and tries again if others change the key meanwhile.
        One round trip an attempt, and none for a key that does not exist. A set goes with the
        delete, in one transaction, as only the answer to a set tells which znode it was. So the
        server asks for both permissions, WRITE and DELETE.

        Raises:
            KeyError: no such key, and no default given.
            DecodeError: its value does not decode; it is left where it is.
            VersionConflict: with `applied`: the key was made again in that moment, its new znode
                was deleted, and its value is not known.
            WriteUncertain, Timeout, KazooException.
        """
        return self._pop(key) if default is _UNSET else self._pop(key, default)

    @told
    def _pop(self, key: str, /, *default: Any) -> Any:
        try:
            return self._writer.pop(key).value
        except KeyError:
            if not default:
                raise
            return default[0]

    @told
    def popitem(self) -> tuple[str, V]:
        """Delete the newest key and return it with its value: exactly one popper gets it.

        One round trip. Where another popper was faster, two more for each key that it took.

        Raises:
            KeyError: the dict is empty.
            StaleRead: the copy may not be read (see the constructor).
            DecodeError, VersionConflict, WriteUncertain, Timeout, KazooException: as `pop`.
        """
        deadline = self._writer.begin(loaded=True)
        while (key := next(reversed(self.snapshot()), None)) is not None:
            with contextlib.suppress(KeyError):
                return key, self._writer.pop(key, deadline).value
            fresh.confirm(self._writer, 0, deadline)  # somebody was faster
        raise KeyError("popitem(): the dict is empty")

    @told
    def setdefault(self, key: str, default: Any = None) -> V:
        """The value of `key`; if it does not exist, create it with `default`.

        From memory if the key exists. Otherwise one round trip: of several callers who create it
        one succeeds, and the others get its value.

        Raises:
            StaleRead: the copy may not be read (see the constructor).
            TypeError: the key does not exist, and the dict is read-only.
            InvalidKey, EncodeError, ValueTooLarge, RootMissing, DecodeError, WriteUncertain,
            Timeout, KazooException.
        """
        if self._view.loaded:
            self._shown()  # a read like others, where an outage matters
        return self._writer.setdefault(key, default).value

    @told
    def update(
        self, other: SupportsKeysAndGetItem[str, V] | Iterable[tuple[str, V]] = (), /, **items: V
    ) -> None:
        """Store all items in one transaction: others see all of them or none.

        One round trip, and another one for each key whose existence the copy has wrong.

        Raises:
            ValueTooLarge: they do not fit into one request; see `update_chunked`.
            TransactionFailed: the server refused one of them, as with NoAuthError; nothing was
                stored.
            InvalidKey, EncodeError, RootMissing, WriteUncertain, Timeout, KazooException.
        """
        txn.update(self._writer, {**plain(other), **items})

    @told
    def update_chunked(self, other: Mapping[str, V], *, chunk_bytes: int = 500_000) -> None:
        """Store all items in as many transactions as their size takes: not atomic.

        Args:
            other: the items.
            chunk_bytes: how many bytes of paths and values go into one transaction at most, but
                never more than `max_value_bytes`. A larger item has one of its own.

        Raises:
            as `update`, ValueTooLarge for a single item only. The chunks before the one that failed
            are stored.
        """
        writer = self._writer
        limit = min(chunk_bytes, writer.max_value_bytes)
        chunk: dict[str, V] = {}
        size = 0
        for key, value in other.items():
            more = operation_bytes(writer, writer.codec.to_name(key), writer.encoded(key, value))
            if chunk and size + more > limit:
                self.update(chunk)
                chunk, size = {}, 0
            chunk[key] = value
            size += more
        self.update(chunk)

    @told
    def clear(self) -> None:
        """Delete every key the copy has, in one transaction.

        One round trip, and another one for each key that another client deletes meanwhile.

        Raises:
            ValueTooLarge: too many for one request.
            TransactionFailed: the server refused to delete a key, as with NotEmptyError for one
                whose znode has children; nothing was deleted.
            WriteUncertain, Timeout, KazooException.
        """
        txn.clear(self._writer)

    @told
    def replace_all(self, new: Mapping[str, V]) -> dict[str, Change[V]]:
        """Make the dict equal to `new` in one transaction of what differs, and return that.

        The transaction has an operation for each key of the dict and of `new`: one that does not
        differ is checked. Each key must still be as the copy has it; where one is not, the
        difference is computed again. A key that another client added meanwhile is deleted in
        another transaction, before this returns. Two round trips where no other client writes: the
        second one asks for the names of the keys.

        Where nothing differs by the copy, it is compared again after a `sync()`: each key was so at
        some time during the call.

        Returns:
            what was changed, by key, as `Snapshot.diff` tells it: a new entry has the value alone,
            with version -1.

        Raises:
            WriteUncertain: an answer was lost; or what was added meanwhile could not be removed.
            TransactionFailed: 100 attempts conflicted, or the server refused an operation.
            ValueTooLarge, InvalidKey, EncodeError, RootMissing, StaleRead, Timeout, KazooException.
        """
        return txn.replace_all(self._writer, self._begin, self.sync, new)

    # -- compare and set

    @told
    def put(self, key: str, value: V, *, version: int = ANY, ephemeral: bool = False) -> Entry[V]:
        """Store `value` where the key has this version, and return the new entry. One round trip.

        Args:
            key: the key.
            value: the value.
            version: a version; ANY (-1): whatever is there; ABSENT (-2): the key must not exist.
            ephemeral: the key goes when this client's session ends. A key that is there is deleted
                and made again, in one transaction.

        Raises:
            VersionConflict: it has another version; nothing was written.
            TypeError, ValueError: `version` is not a version.
            and what `d[key] = value` raises.
        """
        return compare.put(self._writer, key, value, version, ephemeral=ephemeral)

    @told
    def add(self, key: str, value: V) -> Entry[V]:
        """Create a key, and return its entry. One round trip.

        Raises:
            KeyExists: it exists already.
            and what `d[key] = value` raises.
        """
        return compare.add(self._writer, key, value)

    @told
    def cas(self, entry: Entry[V], value: V) -> Entry[V]:
        """Store `value` where the key is as `entry` describes it, and return the new entry.

        One round trip, and none where the copy shows already that it is not.

        Raises:
            VersionConflict: it was set, deleted or made again since. (With `applied` it was made
                again in that moment, and the server set the new znode.)
            and what `d[key] = value` raises.
        """
        return compare.cas(self._writer, entry, value)

    @told
    def remove(self, key: str, *, version: int = ANY) -> Entry[V]:
        """Delete a key that has this version, and return the entry it was.

        One round trip, and one before it where the copy has another version.

        Raises:
            KeyError: no such key, for ANY version.
            VersionConflict: it has another version, or is gone. (With `applied`: as for `pop`.)
            TypeError, ValueError: `version` is not a version.
            InvalidKey: a key that cannot be, for any other version.
            DecodeError: its value does not decode; it is left where it is.
            WriteUncertain, Timeout, KazooException.
        """
        return compare.remove(self._writer, key, version)

    @told
    def modify(
        self, key: str, fn: Callable[[V], V], *, default: Any = _UNSET, attempts: int = 100
    ) -> Entry[V]:
        """Store `fn(value)`, and return the new entry. After a conflict `fn` is called again, with
        the newer value. One round trip an attempt.

        Args:
            key: the key.
            fn: gets the value and returns the new one; called once per attempt.
            default: what `fn` gets if the key does not exist; it is then created.
            attempts: how often to try, with a random pause of up to 0.25 s before each new attempt.

        Raises:
            KeyError: no such key, and no default given.
            VersionConflict: every attempt conflicted with another write. (`applied`: as for `cas`.)
            DecodeError: the value does not decode.
            what `fn` raises; nothing is written then.
            and what `d[key] = value` raises.
        """
        return compare.modify(self._writer, key, fn, default, attempts, _UNSET)

    def transaction(self, *, attempts: int = 1) -> txn.Transaction[V]:
        """`with d.transaction() as t:` reads and writes `t` as a mapping (see `Txn`).

        All of it is applied at the end of the block, in one transaction: one round trip, and none
        if nothing was written. Every key that was read must still have the version it had, or
        nothing is applied. A block that raises applies nothing.

        Args:
            attempts: 1, as Python cannot run the block of a `with` again; `atomically` can.

        Raises:
            ValueError: `attempts` is not 1.
            StaleRead: at the beginning of the block, while the copy may not be read.
            TransactionFailed: at the end of the block, like those below: a key that was read was
                changed meanwhile, or the server refused an operation.
            ValueTooLarge, RootMissing, WriteUncertain, Timeout, KazooException.
        """
        if attempts != 1:
            raise ValueError("the block of a `with` cannot be run again: use atomically(fn)")
        return txn.Transaction(self._begin, self._commit)

    @told
    def _commit(self, transaction: txn.Txn[V]) -> None:
        transaction.commit()

    @told
    def atomically(self, fn: Callable[[txn.Txn[V]], T], *, attempts: int = 100) -> T:
        """Run `fn(t)` in a transaction, and again from a newer state when it conflicts.

        One round trip an attempt.

        Args:
            fn: gets the transaction, a `Txn`; called once per attempt.
            attempts: how often to try, with a random pause of up to 0.25 s before each new attempt.

        Returns:
            what `fn` returned the last time.

        Raises:
            TransactionFailed: every attempt conflicted, or the server refused an operation.
            what `fn` raises; nothing is applied then.
            and what `transaction` raises.
        """
        return txn.atomically(self._writer, self._begin, fn, attempts)

    def _begin(self) -> txn.Txn[V]:
        self._feed.check_usable()
        self._writer.refresh()
        return txn.Txn(self._writer, self.snapshot())

    def lease(self, key: str, value: V) -> Lease[V]:
        """Create an ephemeral key that is made again whenever it is gone, as after a lost session.

        One round trip, and one more each time that it is made again. What goes wrong later is told
        by `on_error`, by the lease's `state` and its `error`; the lease goes on trying.

        Raises:
            KeyExists: the key exists.
            WriteUncertain: the answer was lost. There is no lease, but there may be the key, until
                the session ends.
            and what else `d[key] = value` raises.
        """
        return Lease(self, self._writer, self._dispatcher, key, value)

    # -- consistency

    @told
    def sync(self, timeout: float | None = None) -> int:
        """See everything that was committed anywhere before this call. One round trip.

        It sends a transaction that changes nothing, so that a quorum has to commit it, and waits
        for every watch event and read that follows from what was committed before it. (kazoo's
        `client.sync()` asks no quorum: after a change of leader the old one may answer, and show
        what was true before.)
        With it go N + 1 reads, of the root and of each key (of 100 keys at most, of a larger dict
        in turn). They show changes that were made while the session was not allowed to read a
        znode: no watch tells of those. Where they show one, another round trip reads all keys.

        Args:
            timeout: seconds to wait for it; None waits as long as it takes.

        Returns:
            the zxid of the state that is shown then.

        Raises:
            Timeout, Closed, ForkedDict, KazooException (NotReadOnlyCallError from a server without
            a quorum, NoAuthError where the root may not be read).
        """
        fresh.sync(self._writer, timeout)
        return self.zxid

    def wait_until(self, zxid: int, timeout: float | None = None) -> None:
        """Wait until every change up to `zxid` is in the state that is shown.

        Costs nothing when it is there, else two requests, and two more for each further second.
        (Where the last read of a key failed, it is read again first.)

        Args:
            zxid: of this ensemble: another dict's `zxid`, or of a Stat.
            timeout: seconds to wait for it; None waits as long as it takes.

        Raises:
            Timeout, Closed, ForkedDict, KazooException.
        """
        fresh.wait_until(self._writer, zxid, timeout)

    def wait_for(self, pred: Callable[[Snapshot[V]], T], timeout: float | None = None) -> T:
        """Wait until `pred(snapshot)` is true of a state, and return what it returned.

        `pred` is called in the calling task, for the state that is shown and for newer ones. States
        that follow each other quickly may be skipped. Sends nothing.

        Args:
            pred: gets a snapshot; called once for each state.
            timeout: seconds to wait for it; None waits as long as it takes.

        Raises:
            Timeout, Closed, ForkedDict, and what `pred` raises.
        """
        return self._wait_for(pred, timeout, lambda: False)

    def _wait_for(
        self, pred: Callable[[Snapshot[V]], T], timeout: float | None, given_up: Callable[[], bool]
    ) -> T:
        feed, view, deadline = self._feed, self._view, deadline_after(timeout)
        feed.check_usable()
        feed.tasks.check()
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
                return feed.cache.published != seen or given_up()

            if not feed.signal.wait_for(newer, deadline) or given_up():
                raise Timeout(f"the condition was not true of any state within {timeout} s")

    def fetch(self, key: str, *, sync: bool = False) -> Entry[V]:
        """The entry of `key` from the server, past the copy. One round trip.

        Args:
            key: the key.
            sync: True: not older than this call, which takes a second request and a quorum. False:
                as new as the connected server.

        Raises:
            KeyError: the server has no such key.
            Timeout: no answer within `write_timeout`.
            DecodeError, InvalidKey, Closed, ForkedDict, KazooException.
        """
        found = fresh.fetch(self._writer, key, sync=sync, timeout=self._writer.write_timeout)
        if found is None:
            raise KeyError(key)
        return self._writer.decode(key, found)

    # -- msaStorageDict's names

    @property
    def autosync(self) -> bool:
        """Whether published states are shown as they come. It can be set at any time."""
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
        """A number that grows with every change of the state that is shown: the zxid of its last
        change, or a little more where that zxid is not known.
        """
        return self._view.updated


MSAZookeeperDict = ZooKeeperDict
"""The name the class had in msaStorageDict."""


def _stop_elsewhere(client: Any) -> None:
    # The dict may be collected anywhere, also on the client's own tasks, which cannot end there.
    try:
        client.handler.spawn(stop, client)
    except RuntimeError:  # the interpreter ends, and starts no threads any more
        stop(client)
