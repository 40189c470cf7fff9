"""Write operations: how each reaches the server, when it may be sent again, when it is visible.

The rules that live here:

- Everything is checked before anything is sent: keys, values, sizes.
- A write waits for the connection first. A deadline that passes there is a `Timeout`: nothing was
  sent.
- A write that was sent and whose answer never came is sent again only where that is harmless (set
  this value, whatever is there). Any other is `WriteUncertain`, and so is a deadline that passes
  after sending.
- A write returns when the local copy holds it: the reads that its watches make necessary are sent
  right behind it, so this takes one round trip. Where the copy cannot be confirmed within
  `max_staleness`, the write is laid over it.
- The copy only guides the first attempt (set or create? which version?). The server decides, and
  its answer corrects the next attempt.
- No write answers with what its caller could not have read: what it returns or raises KeyError for
  is what readers are shown by then, at the latest after `max_staleness`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kazoo.exceptions import (
    BadVersionError,
    KazooException,
    NodeExistsError,
    NoNodeError,
)

from zkdict.answers import CONNECTION_ERRORS, applied, znode
from zkdict.cache import ROOT, Cache, Kind, Znode
from zkdict.errors import EncodeError, RootMissing, Timeout, ValueTooLarge, WriteUncertain
from zkdict.records import ANY, State
from zkdict.view import BadEntry, View
from zkdict.waiting import deadline_after, remaining

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict.feed import Feed
    from zkdict.keys import KeyCodec
    from zkdict.records import Entry

__all__ = ["UnansweredError", "Writer"]

V = TypeVar("V")


class UnansweredError(Exception):
    """A request was sent, and its answer will never come."""


class Writer(Generic[V]):
    """The single-key writes of one dict. See the module's rules.

    Args:
        feed: the connection and the local copy.
        codec: keys to names.
        encode: values to bytes; raises EncodeError.
        view: what readers see.
        acl: for new znodes.
        max_value_bytes: the largest value, and the largest multi.
        write_timeout: seconds each write may take.
        max_staleness: seconds a write waits for its state to be confirmed.
        create_root: whether a missing root is made by a write.
        read_only: whether every write is refused.
    """

    def __init__(
        self,
        feed: Feed,
        codec: KeyCodec,
        encode: Callable[[V], bytes],
        view: View[V],
        *,
        acl: Any,
        max_value_bytes: int,
        write_timeout: float,
        max_staleness: float,
        create_root: bool,
        read_only: bool,
    ) -> None:
        self.feed = feed
        self.codec = codec
        self.acl = acl
        self.max_value_bytes = max_value_bytes
        self.write_timeout = write_timeout
        self._encode = encode
        self._view = view
        self._read_only = read_only
        self.conflicts = 0
        self._max_staleness = max_staleness
        self._create_root = create_root

    # -- what is checked before anything is sent

    def encoded(self, key: str, value: V) -> bytes:
        """The bytes for `value`. Raises EncodeError, ValueTooLarge."""
        try:
            raw = self._encode(value)
        except EncodeError as error:
            if error.key is None:
                error.key = key
            raise
        if len(raw) > self.max_value_bytes:
            raise ValueTooLarge(len(raw), self.max_value_bytes, key)
        return raw

    def begin(self) -> float | None:
        """The deadline of a write that begins now.

        Raises:
            TypeError: the dict is read-only.
            Closed, ForkedDict.
        """
        if self._read_only:
            raise TypeError("this dict was made with read_only=True")
        self.feed.check_usable()
        return deadline_after(self.write_timeout)

    # -- sending

    def call(
        self,
        send: Callable[[], Any],
        deadline: float | None,
        *,
        expect: Callable[[Cache], Mapping[str, Kind]] | None = None,
        wrote: Callable[[Any], Mapping[str, Znode]] | None = None,
        local: Mapping[str, bytes | None] | None = None,
        strict: bool = False,
    ) -> Any:
        """Send one request, wait for its answer, and for the copy to hold its effects.

        `strict` waits for an exact state until the deadline, and counts none as no answer.

        Raises:
            Timeout: no connection until the deadline; nothing was sent.
            UnansweredError: it was sent, and no answer came.
            KazooException: the server's answer. The copy then holds what made it answer so.
        """
        feed = self.feed
        if not feed.signal.wait_for(self._connected, deadline):
            raise Timeout(f"no connection to ZooKeeper within {self.write_timeout} s; nothing sent")
        submitted = feed.submit(send, expect=expect, wrote=wrote, local=local)
        submitted.done.wait(remaining(deadline))
        if submitted.result is None:
            raise UnansweredError("no answer until the deadline")
        try:
            answer = submitted.result.get_nowait()
        except CONNECTION_ERRORS as error:
            raise UnansweredError from error
        except KazooException:
            self._await_position(submitted.request.position, deadline, patient=False)
            self.refresh()
            raise
        overlay: dict[str, Znode | None] = {}
        if applied(answer):
            overlay.update((name, None) for name, raw in submitted.local.items() if raw is None)
            overlay.update(submitted.offers(answer))
        # What the answer does not show (the creates of a multi) cannot be laid over the copy.
        patient = strict or not overlay.keys() >= submitted.local.keys()
        if not self._await_position(submitted.request.position, deadline, patient=patient):
            if strict:
                raise UnansweredError("no state to show until the deadline")
            feed.overlay(overlay)
        self.refresh()
        return answer

    def _connected(self) -> bool:
        self.feed.check_usable()
        return self.feed.connected

    def _await_position(self, position: int, deadline: float | None, *, patient: bool) -> bool:
        """Wait until a state was published that holds the effects of the request at `position`.

        Impatient callers wait for `max_staleness` at most.
        """
        feed = self.feed
        if not patient:
            soon = deadline_after(self._max_staleness)
            deadline = soon if deadline is None or soon is None else min(soon, deadline)

        def reached() -> bool:
            return feed.cache.position >= position or feed.state is State.CLOSED

        return feed.signal.wait_for(reached, deadline)

    def refresh(self) -> None:
        """Show readers what was published last."""
        with self.feed.lock:
            self._view.refresh()

    def key_names(self) -> list[str]:
        """The names of the znodes that are keys, as the copy has them."""
        with self.feed.lock:
            names = list(self.feed.cache.working_names())
        return [name for name in names if self._view.key(name) is not None]

    # -- single keys

    def set(self, key: str, value: V) -> Znode:
        """Set, or create: whatever is there. Sent again when its answer was lost.

        Raises:
            InvalidKey, EncodeError, ValueTooLarge: nothing was sent.
            RootMissing, Timeout, WriteUncertain, KazooException.
        """
        name = self.codec.to_name(key)
        raw = self.encoded(key, value)
        deadline = self.begin()
        exists = self.feed.cache.working(name) is not None
        sent = False
        while True:
            try:
                if exists:
                    stat = self.send_set(name, raw, ANY, deadline)
                else:
                    stat = self.send_create(name, raw, deadline)
                return znode(raw, stat)
            except NoNodeError:  # noqa: PERF203
                if not exists:
                    self.make_root(deadline)
                exists = False
            except NodeExistsError:
                exists = True
            except UnansweredError as error:
                sent = True
                if remaining(deadline) == 0:
                    raise WriteUncertain("set", key) from error
            except Timeout as error:
                if sent:
                    raise WriteUncertain("set", key) from error
                raise

    def send_set(self, name: str, raw: bytes, version: int, deadline: float | None) -> Any:
        """One setData; its Stat. Raises NoNodeError, BadVersionError, and as `call`."""
        client, path = self.feed.client, self.feed.child(name)

        def expect(cache: Cache) -> Mapping[str, Kind]:
            known = cache.working(name)
            foreseen = known is not None and version in (ANY, known.version)
            return {name: Kind.STAT} if foreseen and cache.predicts(name) else {}

        return self.call(
            lambda: client.set_async(path, raw, version),
            deadline,
            expect=expect,
            wrote=lambda stat: {name: znode(raw, stat)},
            local={name: raw},
        )

    def send_create(
        self, name: str, raw: bytes, deadline: float | None, *, ephemeral: bool = False
    ) -> Any:
        """One create; its Stat. Raises NodeExistsError, NoNodeError (no root), and as `call`."""
        client, path = self.feed.client, self.feed.child(name)

        def expect(cache: Cache) -> Mapping[str, Kind]:
            # The data is read, not only the Stat: kazoo brings the reply of a create late.
            foreseen = cache.working(name) is None and cache.predicts(name) and cache.root_exists
            return {name: Kind.DATA, ROOT: Kind.CHILDREN} if foreseen else {}

        _, stat = self.call(
            lambda: client.create_async(
                path, raw, acl=self.acl, ephemeral=ephemeral, include_data=True
            ),
            deadline,
            expect=expect,
            wrote=lambda reply: {name: znode(raw, reply[1])},
            local={name: raw},
        )
        return stat

    def send_delete(
        self,
        name: str,
        version: int,
        deadline: float | None,
        *,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        """One delete. Raises NoNodeError, BadVersionError, NotEmptyError, and as `call`.

        `before` sends something right in front of it.
        """
        client, path = self.feed.client, self.feed.child(name)

        def expect(cache: Cache) -> Mapping[str, Kind]:
            known = cache.working(name)
            foreseen = known is not None and version in (ANY, known.version)
            return {ROOT: Kind.CHILDREN} if foreseen and cache.predicts(name) else {}

        def send() -> Any:
            before()
            return client.delete_async(path, version)

        self.call(
            send,
            deadline,
            expect=expect,
            local={name: None},
        )

    def make_root(self, deadline: float | None) -> None:
        """Make the missing root, if the dict may.

        Raises:
            RootMissing: it may not.
        """
        feed = self.feed
        if not self._create_root:
            raise RootMissing(feed.path)
        with contextlib.suppress(UnansweredError):  # the caller tries again, and so does this
            self.call(lambda: feed.client.ensure_path_async(feed.path, self.acl), deadline)

    def known(self, key: str) -> Entry[V] | None:
        """What the copy has of `key`, shown or not. Raises InvalidKey, DecodeError."""
        found = self.feed.cache.working(self.codec.to_name(key))
        return None if found is None else self.decode(key, found)

    def shown(self, key: str) -> Entry[V] | None:
        """What readers are shown of `key`. Raises InvalidKey, DecodeError."""
        self.codec.to_name(key)
        found = self._view.get(key)
        if isinstance(found, BadEntry):
            raise found.fresh_error()
        return found

    def missing(self, key: str) -> KeyError:
        """The error for a key that the copy has no more, once readers are not shown it either."""

        def gone() -> bool:
            self._view.refresh()
            return self._view.get(key) is None

        self.feed.signal.wait_for(gone, deadline_after(self._max_staleness))
        return KeyError(key)

    def delete(self, key: str) -> None:
        """Delete whatever is there, once.

        Raises:
            KeyError: no such key.
            WriteUncertain, Timeout, KazooException.
        """
        name = self.codec.to_name(key)
        try:
            self.send_delete(name, ANY, self.begin())
        except NoNodeError:
            raise self.missing(key) from None
        except UnansweredError as error:
            raise self.uncertain("delete", key, lambda found: found is None) from error

    def pop(self, key: str) -> Entry[V]:
        """Delete the znode that the copy shows, and return what it held.

        The data is read right in front of the delete, on the same connection: versions start again
        with a key that is made again, so the copy's version alone would not tell which it was.

        Raises:
            KeyError: the copy has no such key, or another client was faster.
            DecodeError: the value does not decode; it was not deleted.
            WriteUncertain, Timeout, KazooException.
        """
        name, deadline = self.codec.to_name(key), self.begin()
        while True:
            known = self.feed.cache.working(name)
            if known is None:
                raise self.missing(key)
            self.decode(key, known)
            try:
                return self.decode(key, self.take(name, known.version, deadline))
            except (NoNodeError, BadVersionError):
                self.conflicts += 1  # the copy has caught up with what made it fail
            except UnansweredError as error:
                raise self.uncertain("pop", key, _not_gone(known)) from error

    def take(self, name: str, version: int, deadline: float | None) -> Znode:
        """Read a znode and delete it, if it has this version. Raises as `send_delete`."""
        client, path = self.feed.client, self.feed.child(name)
        reads: list[Any] = []
        self.send_delete(
            name, version, deadline, before=lambda: reads.append(client.get_async(path))
        )
        raw, stat = reads[0].get_nowait()  # answered before the delete was
        return znode(raw, stat)

    def create(
        self, key: str, value: V, *, ephemeral: bool = False, operation: str = "add"
    ) -> Znode:
        """Create a key that does not exist, once. Makes the root where that is missing.

        Raises:
            NodeExistsError: it exists; the copy shows it now.
            RootMissing, WriteUncertain, Timeout, KazooException, and what `set` checks.
        """
        name = self.codec.to_name(key)
        raw = self.encoded(key, value)
        deadline, floor = self.begin(), self.feed.cache.zxid
        while True:
            try:
                stat = self.send_create(name, raw, deadline, ephemeral=ephemeral)
            except NoNodeError:  # noqa: PERF203
                self.make_root(deadline)
            except UnansweredError as error:
                raise self.uncertain(operation, key, _created(raw, floor)) from error
            else:
                return znode(raw, stat)

    # -- what is left unknown

    def decode(self, key: str, found: Znode) -> Entry[V]:
        """The entry of a znode. Raises DecodeError."""
        entry = self._view.entry(key, found)
        if isinstance(entry, BadEntry):
            raise entry.fresh_error()
        return entry

    def uncertain(
        self,
        operation: str,
        key: str,
        judge: Callable[[Znode | None], bool | None],
        *,
        several: bool = False,
    ) -> WriteUncertain:
        """The exception for a write without an answer, of this key or of `several`.

        `judge` tells from the key's znode whether it was applied; None where that does not tell.
        """
        about = None if several else key

        def resolve(timeout: float | None) -> bool:
            verdict = judge(self.fetch(key, sync=True, timeout=timeout))
            if verdict is None:
                raise WriteUncertain(operation, about)
            return verdict

        return WriteUncertain(operation, about, resolve)

    def fetch(self, key: str, *, sync: bool, timeout: float | None) -> Znode | None:
        """Read one znode past the copy; None where it does not exist. Sent until answered.

        Raises:
            Timeout, KazooException.
        """
        client, path = self.feed.client, self.feed.child(self.codec.to_name(key))
        deadline = deadline_after(timeout)

        def send() -> Any:
            if sync:
                client.sync_async(path)
            return client.get_async(path)

        while True:
            try:
                raw, stat = self.call(send, deadline)
                return znode(raw, stat)
            except NoNodeError:  # noqa: PERF203
                return None
            except UnansweredError as error:
                if remaining(deadline) == 0:
                    raise Timeout(f"no answer within {timeout} s") from error


def _not_gone(known: Znode) -> Callable[[Znode | None], bool | None]:
    def judge(found: Znode | None) -> bool | None:
        # Gone, or made again: by this delete or by somebody else's.
        return False if found is not None and found.same_data(known) else None

    return judge


def _created(raw: bytes, floor: int) -> Callable[[Znode | None], bool | None]:
    def judge(found: Znode | None) -> bool | None:
        if found is None or found.czxid <= floor:
            return False
        return found.raw == raw if found.version == 0 else None

    return judge
