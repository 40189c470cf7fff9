"""Writes of a single key, by the requests they take.

The rules that live here:

- The copy only guides the first attempt (set or create? which version?). The server decides, and
  its answer corrects the next attempt.
- A write returns, or raises KeyError for, nothing but what readers are shown by then; it waits for
  that, for `max_staleness` at most.
- `pop` and `remove` return the value of the very znode that was deleted, or raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from zkdict._copy.effects import Effects
from zkdict._copy.lookup import BadEntry
from zkdict._copy.replies import answer_of, znode
from zkdict._copy.waiting import deadline_after, earlier
from zkdict._writes import proof
from zkdict._writes.claims import Claim
from zkdict._writes.multi import Multi
from zkdict._writes.sender import Sender, UnansweredError
from zkdict._writes.uncertain import write_uncertain
from zkdict.entries import ANY, check_version
from zkdict.errors import (
    DecodeError,
    InvalidKey,
    RootMissing,
    TransactionFailed,
    VersionConflict,
    WriteUncertain,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict._copy.effects import Submitted
    from zkdict._copy.items import ReadZnode
    from zkdict.entries import Entry

__all__ = ["SetCall", "Writer"]

V = TypeVar("V")


@dataclass(slots=True)
class SetCall:
    """A `set` under way."""

    key: str
    name: str
    raw: bytes
    deadline: float | None
    floor: int
    """A zxid below that of all its requests."""
    exists: bool
    """Whether the next request, or the one that was sent, is a set and no create."""
    submitted: Submitted | None = None
    """A request that was sent, and not waited for yet."""


class Writer(Sender[V]):
    """The single-key writes of one dict. See the module's rules."""

    def key_names(self) -> list[str]:
        """The names of the znodes that are keys, as the copy has them, and as reads find them: a
        key that is shown may be gone from what was read since, and is not published yet.
        """
        with self.feed.lock:
            shown = map(self.codec.to_name, self.view.snapshot(self.feed.state))
            names = list(dict.fromkeys([*self.feed.cache.working_names(), *shown]))
        return [name for name in names if self.view.key(name) is not None]

    def set(self, key: str, value: V) -> ReadZnode:
        """Set, or create: whatever is there. Sent again when its answer was lost.

        Raises:
            InvalidKey, EncodeError, ValueTooLarge: nothing was sent.
            RootMissing, Timeout, WriteUncertain, KazooException.
        """
        return self.finish_set(self._begin_set(key, value))

    def _begin_set(self, key: str, value: V) -> SetCall:
        name, raw = self.codec.to_name(key), self.encoded(key, value)
        deadline, floor = self.begin(), self.floor
        return SetCall(key, name, raw, deadline, floor, self.feed.cache.peek(name) is not None)

    def start_set(self, key: str, value: V) -> SetCall:
        """The beginning of `set`, which waits for nothing: its first request, with a connection.

        Raises what `set` checks, Closed, ForkedDict.
        """
        call = self._begin_set(key, value)
        if self.feed.connected:
            if call.exists:
                send, effects = self._set(call.name, call.raw, ANY)
            else:
                send, effects = self._create(call.name, call.raw, None)
            call.submitted = self.feed.submit(send, effects=effects)
        return call

    def finish_set(self, call: SetCall) -> ReadZnode:
        """The rest of `set`: wait for what was sent, and send it again where that is needed.

        Raises as `set`.
        """
        name, raw, deadline = call.name, call.raw, call.deadline

        def sent() -> Any:
            started, call.submitted = call.submitted, None
            if started is not None:
                answer = self.answer(started, deadline)
                return answer if call.exists else answer[1]
            if call.exists:
                return self.send_set(name, raw, ANY, deadline)
            return self.send_create(name, raw, deadline)

        def attempt() -> ReadZnode | None:
            try:
                return znode(raw, sent())
            except NoNodeError:
                if not call.exists:
                    self.make_root(deadline)
                call.exists = False
            except NodeExistsError:
                call.exists = True
            return None

        return self.resend(attempt, deadline, lambda: self.uncertain_set(call))

    def uncertain_set(self, call: SetCall) -> WriteUncertain:
        """The exception for a `set` that was sent and may or may not have been applied."""
        judges = {call.name: proof.stored(call.raw, call.floor)}
        return write_uncertain(self, "set", call.key, judges, wants="stored")

    def send_set(
        self,
        name: str,
        raw: bytes,
        version: int,
        deadline: float | None,
        *,
        before: Callable[[], object] = lambda: None,
    ) -> Any:
        """One setData; its Stat. Raises NoNodeError, BadVersionError, and as `call`.

        `before` is called right before it is sent, with the lock held. What it raises is passed on,
        and nothing is sent.
        """
        check_version(version)
        send, effects = self._set(name, raw, version, before)
        return self.call(send, deadline, effects=effects)

    def _set(
        self, name: str, raw: bytes, version: int, before: Callable[[], object] = lambda: None
    ) -> tuple[Callable[[], Any], Effects]:
        """One setData, as `call` and `Feed.submit` take it."""
        client, path = self.feed.client, self.feed.child(name)

        def send() -> Any:
            before()
            return client.set_async(path, raw, version)

        return send, Effects().set(name, raw, version)

    def send_create(
        self, name: str, raw: bytes, deadline: float | None, claim: Claim | None = None
    ) -> Any:
        """One create; its Stat. An ephemeral one has a claim.

        Raises NodeExistsError, NoNodeError (no root), and as `call`.
        """
        send, effects = self._create(name, raw, claim)
        _, stat = self.call(send, deadline, effects=effects)
        return stat

    def _create(
        self, name: str, raw: bytes, claim: Claim | None
    ) -> tuple[Callable[[], Any], Effects]:
        """One create, as `call` and `Feed.submit` take it."""
        client, path = self.feed.client, self.feed.child(name)

        def send() -> Any:
            if claim is not None:
                claim.begin()
            return client.create_async(
                path, raw, acl=self.acl, ephemeral=claim is not None, include_data=True
            )

        return send, Effects().create(name, raw)

    def send_delete(self, name: str, version: int, deadline: float | None) -> None:
        """One delete. Raises NoNodeError, BadVersionError, NotEmptyError, and as `call`."""
        client, path = self.feed.client, self.feed.child(name)
        self.call(
            lambda: client.delete_async(path, version),
            deadline,
            effects=Effects().delete(name, version),
        )

    def make_root(self, deadline: float | None) -> None:
        """Make the missing root, if the dict may.

        Raises:
            RootMissing: it may not.
        """
        feed = self.feed
        if not self.create_root:
            raise RootMissing(feed.path)
        try:
            self.call(lambda: feed.client.ensure_path_async(feed.path, self.acl), deadline)
        except NoNodeError:
            if feed.client.chroot:  # of which kazoo makes one level at most
                raise RootMissing(feed.path, feed.client.chroot) from None
            # Somebody removed what lies above it at that moment.
        except UnansweredError as error:
            if error.unreadable is not None:
                raise error.unreadable from error.unreadable.__cause__
            # The caller tries again, and so does this.

    def known(self, key: str) -> Entry[V] | None:
        """What the copy has of `key`, shown or not. Raises InvalidKey, DecodeError."""
        found = self.feed.cache.peek(self.codec.to_name(key))
        return None if found is None else self.decode(key, found)

    def shown(self, key: str) -> Entry[V] | None:
        """What readers are shown of `key`. Raises InvalidKey, DecodeError."""
        self.codec.to_name(key)
        with self.feed.lock:
            found = self.view.get(key)
        if isinstance(found, BadEntry):
            raise found.fresh_error()
        return found

    def missing(self, key: str, deadline: float | None) -> KeyError:
        """The error for a key that the copy has no more, once readers are not shown it either."""
        seen, soon = self.feed.cache.published, deadline_after(self.max_staleness)

        def gone() -> bool:
            self.view.refresh()
            return self.view.get(key) is None or self.feed.cache.published != seen

        self.feed.signal.wait_for(gone, earlier(soon, deadline))
        return KeyError(key)

    def _name_of_absent(self, key: str) -> str:
        """The name of a key that may be missing. What cannot be a key is: raises KeyError."""
        try:
            return self.codec.to_name(key)
        except InvalidKey as error:
            self.feed.check_usable()
            raise KeyError(key) from error

    def delete(self, key: str) -> None:
        """Delete whatever is there, once.

        Raises:
            KeyError: no such key.
            WriteUncertain, Timeout, KazooException.
        """
        name, deadline, floor = self._name_of_absent(key), self.begin(), self.floor
        try:
            self.send_delete(name, ANY, deadline)
        except NoNodeError:
            raise KeyError(key) from None  # as readers are shown by now
        except UnansweredError as error:
            judges = {name: proof.deleted(floor)}
            raise write_uncertain(self, "delete", key, judges, error, wants="gone") from error

    def setdefault(self, key: str, default: V) -> Entry[V]:
        """What readers are shown of `key`, or a create. Raises as `create`, DecodeError."""
        deadline = None
        while True:
            shown = self.shown(key)
            if shown is not None:
                return shown
            deadline = self.begin() if deadline is None else deadline
            try:
                created = self.create(key, default, operation="setdefault", deadline=deadline)
                return self.decode(key, created)
            except NodeExistsError:
                self.conflicts += 1

    def pop(self, key: str, deadline: float | None = None) -> Entry[V]:
        """Delete the znode that the copy shows, and return what it held.

        Raises:
            KeyError: the copy has no such key, or another client was faster.
            DecodeError: the value does not decode; it was not deleted.
            VersionConflict, WriteUncertain, Timeout, KazooException: as `take`.
        """
        name = self._name_of_absent(key)
        deadline = self.begin(loaded=True) if deadline is None else deadline
        while True:
            known = self.feed.cache.peek(name)
            if known is None:
                raise self.missing(key, deadline)
            entry = self.decode(key, known)
            try:
                return self.taken(entry, self.take(key, known.version, deadline, "pop"))
            except (NoNodeError, BadVersionError):
                self.conflicts += 1  # the copy has caught up with what made it fail

    def take(
        self,
        key: str,
        version: int,
        deadline: float | None,
        operation: str,
        *,
        before: Callable[[], object] = lambda: None,
    ) -> ReadZnode:
        """Delete a key, if it has this version, and return what it held. `before`: see `send_set`.

        The answer to a delete does not tell which znode it was, and a key that is made again begins
        with version 0 again. The answer to a set does tell: so a set goes before the delete, in the
        same transaction. What that znode held is known from the copy, or from a read before both.

        Raises:
            NoNodeError, BadVersionError: the key has not; nothing was deleted.
            VersionConflict: it had, but it was another znode, whose value is not known.
            WriteUncertain, Timeout, KazooException.
        """
        name, client = self.codec.to_name(key), self.feed.client
        path, known = self.feed.child(name), self.feed.cache.peek(name)
        reads: list[Any] = []

        def read() -> None:
            before()
            reads.clear()
            if known is None or known.version != version:
                reads.append(client.sync_async(path))  # all to go by: no server that lags will do
            reads.append(client.get_async(path))
            self.feed.requests += len(reads)

        multi = Multi(self)
        multi.set(name, b"", version)
        multi.delete(name)
        try:
            stat = multi.commit(deadline, before=read)[0]
        except TransactionFailed as failed:
            raise failed.cause from None
        except UnansweredError as error:
            judges = {name: proof.deleted(multi.floor)}
            raise write_uncertain(self, operation, key, judges, error) from error
        answers = [answer_of(each) for each in reads]
        for held in [known, *(znode(*each) for each in answers if isinstance(each, tuple))]:
            if held is not None and (held.czxid, held.version) == (stat.czxid, version):
                return held
        raise VersionConflict(key, version, version, applied=True)

    def taken(self, seen: Entry[V], held: ReadZnode) -> Entry[V]:
        """The entry of a znode that was deleted, where `seen` was decoded before that.

        Raises:
            VersionConflict: it was another znode than that, which does not decode. It is too late
                for DecodeError, which says that it is left where it is.
        """
        if held.czxid == seen.czxid:
            return seen
        try:
            return self.decode(seen.key, held)
        except DecodeError as error:
            raise VersionConflict(seen.key, held.version, held.version, applied=True) from error

    def create(
        self,
        key: str,
        value: V,
        *,
        ephemeral: bool = False,
        operation: str = "add",
        deadline: float | None = None,
    ) -> ReadZnode:
        """Create a key that does not exist, once. Makes the root where that is missing.

        Raises:
            NodeExistsError: it exists; the copy shows it now.
            RootMissing, WriteUncertain, Timeout, KazooException, and what `set` checks.
        """
        name = self.codec.to_name(key)
        raw = self.encoded(key, value)
        deadline = self.begin() if deadline is None else deadline
        while True:
            floor = self.floor
            try:
                if not ephemeral:
                    return znode(raw, self.send_create(name, raw, deadline))
                with (claim := Claim(self.feed.client, self.feed.child(name))):
                    return znode(raw, self.send_create(name, raw, deadline, claim))
            except NoNodeError:
                self.make_root(deadline)
            except UnansweredError as error:
                if not ephemeral:
                    judges = {name: proof.created(raw, floor)}
                    raise write_uncertain(self, operation, key, judges, error) from error
                judges = {name: proof.made(floor, claim)}
                raise write_uncertain(
                    self, operation, key, judges, error, decided=claim.settle
                ) from error
