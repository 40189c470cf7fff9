"""Compare and set: writes that are applied only where a key is as the caller saw it.

The rules that live here:

- The server compares versions, and nothing else: a key that was deleted and made again starts at
  version 0 again. Where the copy already shows another znode (another czxid) the write is refused
  here; where only the reply of a set tells, it says so (`VersionConflict.applied`).
- A conflict is raised when the copy holds what caused it, so the next attempt starts from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from zkdict._copy.replies import znode
from zkdict._copy.waiting import remaining
from zkdict._writes import fresh, proof
from zkdict._writes.claims import Claim
from zkdict._writes.multi import CONFLICTS, Multi
from zkdict._writes.sender import UnansweredError
from zkdict._writes.uncertain import write_uncertain
from zkdict.entries import ABSENT, ANY, check_version
from zkdict.errors import KeyExists, TransactionFailed, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict._copy.items import ReadZnode
    from zkdict._writes.single import Writer
    from zkdict.entries import Entry

__all__ = ["add", "cas", "modify", "put", "remove", "replace"]

V = TypeVar("V")


def add(writer: Writer[V], key: str, value: V, *, ephemeral: bool = False) -> Entry[V]:
    """Create a key. Raises KeyExists."""
    try:
        created = writer.create(key, value, ephemeral=ephemeral)
    except NodeExistsError:
        raise KeyExists(key) from None
    return writer.decode(key, created)


def put(writer: Writer[V], key: str, value: V, version: int, *, ephemeral: bool) -> Entry[V]:
    """Set a key that has this version; ANY, ABSENT as for `ZooKeeperDict.put`."""
    check_version(version)  # else an ephemeral one would say that the key has another one
    if version == ABSENT:
        try:
            return writer.decode(
                key, writer.create(key, value, ephemeral=ephemeral, operation="put")
            )
        except NodeExistsError:
            known = writer.feed.cache.peek(writer.codec.to_name(key))
            raise VersionConflict(key, ABSENT, None if known is None else known.version) from None
    if ephemeral:
        return _put_ephemeral(writer, key, value, version)
    if version == ANY:
        return writer.decode(key, writer.set(key, value))
    return _set(writer, key, value, version, operation="put")


def _set(
    writer: Writer[V],
    key: str,
    value: V,
    version: int,
    *,
    operation: str,
    czxid: int | None = None,
    deadline: float | None = None,
    before: Callable[[], object] = lambda: None,
) -> Entry[V]:
    """Set a key that has this version, and is this very znode where `czxid` is given."""
    name = writer.codec.to_name(key)
    raw = writer.encoded(key, value)
    deadline, floor = writer.begin() if deadline is None else deadline, writer.floor
    try:
        stat = writer.send_set(name, raw, version, deadline, before=before)
    except (NoNodeError, BadVersionError):
        raise _conflict(writer, key, version) from None
    except UnansweredError as error:
        judges = {name: proof.updated(raw, version, floor)}
        raise write_uncertain(writer, operation, key, judges, error) from error
    if czxid is not None and stat.czxid != czxid:
        raise VersionConflict(key, version, version, applied=True)
    return writer.decode(key, znode(raw, stat))


def _put_ephemeral(writer: Writer[V], key: str, value: V, version: int) -> Entry[V]:
    # Only a create makes an ephemeral znode: what is there has to go, in the same transaction.
    name = writer.codec.to_name(key)
    raw = writer.encoded(key, value)
    deadline = writer.begin(loaded=True)
    while True:
        known = writer.feed.cache.peek(name)
        if version != ANY and (known is None or known.version != version):
            raise _conflict(writer, key, version)
        try:
            if known is None:
                created = writer.create(
                    key, value, ephemeral=True, operation="put", deadline=deadline
                )
                return writer.decode(key, created)
            multi = Multi(writer)
            multi.delete(name, known.version)
            multi.create(name, b"", ephemeral=True)
            multi.set(name, raw)  # no reader sees the empty value, and its answer has the Stat
            with (claim := Claim(writer.feed.client, writer.feed.child(name))):
                stat = multi.commit(deadline, before=claim.begin)[-1]
        except NodeExistsError:
            writer.conflicts += 1
        except TransactionFailed as failed:
            if not isinstance(failed.cause, CONFLICTS):
                raise failed.cause from None
            writer.conflicts += 1
        except UnansweredError as error:
            judges = {name: proof.made(multi.floor, claim)}
            raise write_uncertain(
                writer, "put", key, judges, error, decided=claim.settle
            ) from error
        else:
            return writer.decode(key, znode(raw, stat))


def cas(writer: Writer[V], entry: Entry[V], value: V) -> Entry[V]:
    """Set the very znode that `entry` describes, unless it was set since."""
    return replace(writer, entry.key, entry, value, writer.begin())


def replace(
    writer: Writer[V],
    key: str,
    seen: Entry[V] | ReadZnode,
    value: V,
    deadline: float | None,
    *,
    before: Callable[[], object] = lambda: None,
) -> Entry[V]:
    """The same for a znode, whatever it holds. `before` is called as by `Writer.send_set`."""
    known = writer.feed.cache.peek(writer.codec.to_name(key))
    if known is None or known.czxid != seen.czxid or known.mzxid > seen.mzxid:
        newer = writer.feed.cache.zxid >= seen.mzxid
        if newer:
            raise VersionConflict(key, seen.version, None if known is None else known.version)
    return _set(
        writer,
        key,
        value,
        seen.version,
        operation="cas",
        czxid=seen.czxid,
        deadline=deadline,
        before=before,
    )


def remove(writer: Writer[V], key: str, version: int) -> Entry[V]:
    """Delete a key that has this version, and return what it held."""
    check_version(version)  # the copy would say that the key has another one
    if version == ANY:
        return writer.pop(key)
    name, deadline = writer.codec.to_name(key), writer.begin()
    known = writer.feed.cache.peek(name)
    if known is None or known.version != version:
        known = fresh.fetch(writer, key, sync=True, timeout=remaining(deadline))
    if known is None or known.version != version:
        raise VersionConflict(key, version, None if known is None else known.version)
    entry = writer.decode(key, known)  # what does not decode is left where it is
    try:
        return writer.taken(entry, writer.take(key, version, deadline, "remove"))
    except (NoNodeError, BadVersionError):
        raise _conflict(writer, key, version) from None


def modify(
    writer: Writer[V], key: str, function: Callable[[V], V], default: Any, attempts: int, unset: Any
) -> Entry[V]:
    """Set a key to `function(value)`; after a conflict again with the newer value."""
    deadline = writer.begin(loaded=True)
    for attempt in range(max(1, attempts)):
        if attempt:
            writer.back_off(attempt)
        known = writer.known(key)
        try:
            if known is not None:
                return _set(
                    writer,
                    key,
                    function(known.value),
                    known.version,
                    operation="modify",
                    czxid=known.czxid,
                )
            if default is unset:
                raise writer.missing(key, deadline)
            created = writer.create(key, function(default), operation="modify")
            return writer.decode(key, created)
        except VersionConflict as error:
            if error.applied:
                raise
            conflict = error
        except NodeExistsError:
            conflict = VersionConflict(key, ABSENT)
    raise conflict


def _conflict(writer: Writer[V], key: str, expected: int) -> VersionConflict:
    # The copy has caught up with the failure: it holds what caused it, or something newer.
    known = writer.feed.cache.peek(writer.codec.to_name(key))
    return VersionConflict(key, expected, None if known is None else known.version)
