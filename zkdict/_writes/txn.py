"""Several keys in one atomic multi: `update`, `clear`, and transactions with checked reads.

The rules that live here:

- A transaction reads from one published state. Each key read becomes a check of its version, so
  what the writes were computed from still holds when they are applied. (The server checks versions
  alone: a key deleted and made again can have the same one.)
- A key that was not read is written whatever is there. Whether that takes a set or a create is a
  guess from the copy. If the guess is wrong nothing is applied, and the other one is sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Generic, TypeVar

from kazoo.exceptions import (
    KazooException,
    NodeExistsError,
    NoNodeError,
)

from zkdict._copy.waiting import deadline_after, remaining
from zkdict._writes import fresh, proof
from zkdict._writes.multi import CONFLICTS, Multi
from zkdict._writes.sender import UnansweredError
from zkdict._writes.uncertain import write_uncertain
from zkdict.entries import ABSENT, ANY, check_version
from zkdict.errors import InvalidKey, TransactionFailed, ZkDictError
from zkdict.storage import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict._copy.snapshot import Snapshot
    from zkdict._writes.single import Writer
    from zkdict.entries import Change
    from zkdict.errors import WriteUncertain

__all__ = ["Transaction", "Txn", "atomically", "clear", "update"]

_ATTEMPTS = 100

V = TypeVar("V")
T = TypeVar("T")


def update(writer: Writer[V], items: Mapping[str, V]) -> None:
    """Store all items in one multi, whatever is there. Sent again when its answer was lost.

    Raises:
        InvalidKey, EncodeError, ValueTooLarge: nothing was sent.
        RootMissing, Timeout, WriteUncertain, KazooException.
    """
    raws = {writer.codec.to_name(key): writer.encoded(key, value) for key, value in items.items()}
    deadline, floor = writer.begin(), writer.floor
    guess = _Guess(writer)

    def attempt() -> bool | None:
        multi = Multi(writer)
        for name, raw in raws.items():
            if guess.exists(name):
                multi.set(name, raw)
            else:
                multi.create(name, raw)
        try:
            multi.commit(deadline)
        except TransactionFailed as error:
            guess.learn(error, deadline)
            return None
        return True

    def uncertain() -> WriteUncertain:
        judges = {name: proof.stored(raw, floor) for name, raw in raws.items()}
        return write_uncertain(writer, "update", None, judges, wants="stored")

    if raws:
        writer.resend(attempt, deadline, uncertain)


class _Guess(Generic[V]):
    """Whether keys exist: by the copy, corrected by what the server answered."""

    def __init__(self, writer: Writer[V]) -> None:
        self._writer = writer
        self._learned: dict[str, bool] = {}

    def exists(self, name: str) -> bool:
        known = self._writer.feed.cache.peek(name) is not None
        return self._learned.get(name, known)

    def learn(self, failed: TransactionFailed, deadline: float | None) -> None:
        """Take the answer over, or raise it where it is about something else."""
        if failed.key is None:
            raise failed
        name = self._writer.codec.to_name(failed.key)
        if isinstance(failed.cause, NodeExistsError):
            self._learned[name] = True
        elif not isinstance(failed.cause, NoNodeError):
            raise failed
        elif self.exists(name):
            self._learned[name] = False
        else:
            self._writer.make_root(deadline)


def clear(writer: Writer[V]) -> None:
    """Delete every key the copy has in one multi; those which are gone meanwhile are left out. If
    all are, there is no multi after which the copy would show that: it takes a `sync`.

    Raises:
        ValueTooLarge: nothing was sent.
        TransactionFailed, Timeout, WriteUncertain, KazooException.
    """
    deadline = writer.begin(loaded=True)
    left = dict.fromkeys(writer.key_names())
    if not left:
        return
    while left:
        multi = Multi(writer)
        for name in left:
            multi.delete(name)
        try:
            multi.commit(deadline)
        except TransactionFailed as error:
            if not isinstance(error.cause, NoNodeError) or error.key is None:
                raise
            del left[writer.codec.to_name(error.key)]
        except UnansweredError as error:
            raise multi.uncertain("clear", error, wants="gone") from error
        else:
            return
    fresh.sync(writer, remaining(deadline))


def replace_all(
    writer: Writer[V],
    begin: Callable[[], Txn[V]],
    sync: Callable[[float | None], object],
    new: Mapping[str, V],
) -> dict[str, Change[V]]:
    """Make the dict equal to `new` in one multi of what differs; that difference.

    The multi checks every key that was known. It cannot check that no other key was added in that
    moment: the state after it tells, and those go in another one. Where nothing differs there is no
    multi that could fail: the copy may be old, and is compared again after a `sync`.
    """
    new = plain(new)

    def replace(txn: Txn[V]) -> dict[str, Change[V]]:
        changes = txn.base.diff(new)
        if changes:
            for key in [*txn.base, *new, *changes]:
                _ = key in txn  # notes the version: it must still be this one
        for key, change in changes.items():
            if change.kind == "removed":
                txn._remove(key)  # noqa: SLF001  its own module
            else:
                txn[key] = new[key]
        return changes

    told: dict[str, Change[V]] = {}
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            changes = atomically(writer, begin, replace, _ATTEMPTS)
            if not changes and not told:
                sync(writer.write_timeout)
                changes = atomically(writer, begin, replace, _ATTEMPTS)
                if not changes:
                    return {}
        except (ZkDictError, KazooException) as error:
            if not told:
                raise
            raise write_uncertain(writer, "replace_all", None, {}) from error  # one part is applied
        told.update(changes)
        if _is_replaced(writer, new):
            return told
        writer.back_off(attempt)
    raise write_uncertain(writer, "replace_all", None, {})  # others are faster


def _is_replaced(writer: Writer[V], new: Mapping[str, V]) -> bool:
    """Whether the server has no key but those of `new`: the copy may not know them all yet."""
    feed, wanted = writer.feed, set(map(writer.codec.to_name, new))
    deadline = deadline_after(writer.write_timeout)
    try:
        (names,) = fresh.read(writer, lambda: [feed.client.get_children_async(feed.path)], deadline)
    except (ZkDictError, KazooException) as error:
        raise write_uncertain(writer, "replace_all", None, {}) from error
    return all(name in wanted or writer.view.key(name) is None for name in names or ())


class Txn(MutableMapping[str, V]):
    """The mapping inside a transaction: one published state, with the transaction's own writes.

    Nothing is sent before it is committed. A key that was read, also by `in`, is checked then: it
    must have the version that it has in this state. Iterating and `len` count as reading every key
    there is; a key that another client adds meanwhile is not noticed, as no read told of it.

    Reads raise KeyError, DecodeError, and KazooException for a key that the server does not show.
    `t[key] = value` raises InvalidKey, EncodeError and ValueTooLarge at once, and `del t[key]`
    KeyError.

    Attributes:
        base: the snapshot that it reads from.
    """

    def __init__(self, writer: Writer[V], base: Snapshot[V]) -> None:
        self._writer = writer
        self.base = base
        self._writes: dict[str, bytes | None] = {}  # key to bytes; None: removed
        self._values: dict[str, V] = {}
        self._read: dict[str, int | None] = {}  # key to version, or ANY; None: absent
        self._also: dict[str, int | None] = {}  # what was asked for, too, and contradicts that
        self._noted: set[str] = set()  # keys whose version in `base` is in `_read`

    def __getitem__(self, key: str) -> V:
        if key in self._writes:
            return self._values[key]  # what was deleted has none
        self._note(key)
        return self.base[key]

    def _note(self, key: str) -> None:
        if key not in self._noted:
            with contextlib.suppress(InvalidKey):  # an invalid key will never exist
                self._writer.codec.to_name(key)
                self._require(key, self.base.version(key))
                self._noted.add(key)

    def _require(self, key: str, version: int | None) -> None:
        """The key must have this version, or be absent (None), beside what was required of it."""
        before = self._read.setdefault(key, version)
        if before == version or (version == ANY and before is not None):
            return
        if before == ANY and version is not None:
            self._read[key] = version  # which says more
        else:
            self._also[key] = version  # one of both fails: the server says so

    def __setitem__(self, key: str, value: V) -> None:
        self._writer.codec.to_name(key)
        self._writes[key] = self._writer.encoded(key, value)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._remove(key)

    def _remove(self, key: str) -> None:
        """Delete a key, also one that `base` does not show (`on_bad_value="omit"`)."""
        self._writes[key] = None
        self._values.pop(key, None)

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        if key in self._writes:
            return self._writes[key] is not None
        self._note(key)
        return key in self.base

    def __iter__(self) -> Iterator[str]:
        keys = [key for key in self.base if self._writes.get(key, b"") is not None]
        for key in self.base:
            self._note(key)
        own = (key for key, raw in self._writes.items() if raw is not None)
        return iter([*keys, *(key for key in own if key not in self.base)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def check(self, key: str, version: int) -> None:
        """The key must have this version when the transaction is applied.

        That comes on top of what reads and other checks ask of the key. Where no state can fulfil
        all of it, the transaction fails.

        Args:
            key: the key.
            version: a version; ANY (-1): the key must exist; ABSENT (-2): as `check_absent`.

        Raises:
            InvalidKey: the key cannot be.
            TypeError, ValueError: `version` is not a version.
        """
        check_version(version)
        self._writer.codec.to_name(key)
        self._require(key, None if version == ABSENT else version)

    def check_absent(self, key: str) -> None:
        """The key must not exist when the transaction is applied.

        Costs a create and a delete within the transaction, unless the key is written there.

        Raises:
            InvalidKey: the key cannot be.
        """
        self._writer.codec.to_name(key)
        self._require(key, None)

    def _plan(self, guess: _Guess[V]) -> Multi[V]:
        """The operations: a check for each key that was only read, and the writes."""
        multi = Multi(self._writer)
        to_name = self._writer.codec.to_name
        if not self._writes:
            return multi  # what was read is one state that existed: nothing to be checked
        for key, version in self._also.items():
            if version is None:
                multi.check_absent(to_name(key))
            else:
                multi.check(to_name(key), version)
        for key, version in self._read.items():
            name = to_name(key)
            raw = self._writes.get(key)
            if key in self._writes and version is not None:
                if raw is None:
                    multi.delete(name, version)
                else:
                    multi.set(name, raw, version)
            elif raw is not None:
                multi.create(name, raw)
            elif version is None:
                multi.check_absent(name)
            else:
                multi.check(name, version)
        for key, raw in self._writes.items():
            if key not in self._read:
                name = to_name(key)
                if raw is None:
                    if guess.exists(name):
                        multi.delete(name)
                elif guess.exists(name):
                    multi.set(name, raw)
                else:
                    multi.create(name, raw)
        return multi

    def commit(self) -> None:
        """Send it: one round trip, and none if nothing was written.

        `transaction` and `atomically` call it; programs do not.

        Raises:
            TransactionFailed, ValueTooLarge, RootMissing, WriteUncertain, Timeout, KazooException.
        """
        deadline = self._writer.begin()
        guess = _Guess(self._writer)
        while True:
            multi = self._plan(guess)
            if not len(multi):
                return
            try:
                multi.commit(deadline)
            except TransactionFailed as error:
                if error.key in self._read and not self._root_is_missing(error):
                    raise
                guess.learn(error, deadline)
            except UnansweredError as error:
                raise multi.uncertain("transaction", error) from error
            else:
                return

    def _root_is_missing(self, failed: TransactionFailed) -> bool:
        # The create of a key that was found absent fails with NoNode only where its parent is gone.
        key = failed.key
        absent = key is not None and key not in self._also and self._read.get(key, 0) is None
        return absent and isinstance(failed.cause, NoNodeError)


class Transaction(Generic[V]):
    """`with dict.transaction() as txn`: commits at the end of the block, unless that raises."""

    def __init__(self, begin: Callable[[], Txn[V]], commit: Callable[[Txn[V]], None]) -> None:
        self._begin = begin
        self._commit = commit
        self._txn: Txn[V] | None = None

    def __enter__(self) -> Txn[V]:
        self._txn = self._begin()
        return self._txn

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        txn, self._txn = self._txn, None
        if kind is None and txn is not None:
            self._commit(txn)


def atomically(
    writer: Writer[V],
    begin: Callable[[], Txn[V]],
    function: Callable[[Txn[V]], T],
    attempts: int,
) -> T:
    """Run a function in a transaction, again from a newer state as long as it conflicts."""
    attempt = 0
    while True:
        attempt += 1
        txn = begin()
        result = function(txn)
        try:
            txn.commit()
        except TransactionFailed as error:
            if attempt >= attempts or not isinstance(error.cause, CONFLICTS):
                raise
            writer.back_off(attempt)
        else:
            return result
