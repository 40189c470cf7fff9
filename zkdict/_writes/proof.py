"""What the server's znodes prove of a write whose answer was lost.

The rules that live here:

- A write that is sent now gets a zxid above every zxid that was seen before, the *floor*. So a
  znode that was not made, or set, since then proves that a write of it was not applied, and a root
  none of whose children came or went since proves the same of creates and deletes.
- A write that asked for a version takes the step from that version to the next. On a znode that was
  there all along that step is taken once: with other bytes than these it was somebody else's.
- A znode that has the bytes which were to be written proves nothing by itself: another client may
  have written the same. It is a proof where the caller says that they are *unique*. And it is all
  that a write of these bytes "whatever is there" wanted.
- An ephemeral znode names the session that made it.
- Everything else proves nothing, such as a key that is gone, which another client may have taken.
  Nothing is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict._copy.items import ReadZnode
    from zkdict._writes.claims import Claim

__all__ = ["Sighting", "WriteJudge", "created", "deleted", "made", "stored", "updated", "written"]


class Sighting(NamedTuple):
    """What was found: a key's znode, and after it the root's pzxid (None: there is no root)."""

    found: ReadZnode | None
    pzxid: int | None

    def no_child_came_or_went(self, floor: int) -> bool:
        """Whether the root has had the same children since `floor`."""
        return self.pzxid is not None and self.pzxid <= floor


class WriteJudge(Protocol):
    """Whether a write was applied; None where what was found does not prove it.

    With `unique` nobody and nothing else writes these bytes.
    """

    def __call__(self, seen: Sighting, *, unique: bool) -> bool | None: ...


def _judge(floor: int, of_znode: Callable[[ReadZnode, bool], bool | None]) -> WriteJudge:
    """``of_znode`` judges by the key's znode, and by whether the bytes are unique. Where there is
    none, the root tells: a key that is gone does not tell by whom.
    """

    def judge(seen: Sighting, *, unique: bool) -> bool | None:
        if seen.found is None:
            return False if seen.no_child_came_or_went(floor) else None
        return of_znode(seen.found, unique)

    return judge


def stored(raw: bytes, floor: int) -> WriteJudge:
    """These bytes were to be there, whatever was there, and whoever stored them."""

    def judge(seen: Sighting, *, unique: bool) -> bool | None:  # noqa: ARG001
        return written(raw, floor)(seen, unique=True)

    return judge


def written(raw: bytes, floor: int) -> WriteJudge:
    """A key was to be set, whatever version it has."""

    def of_znode(found: ReadZnode, unique: bool) -> bool | None:
        if found.mzxid <= floor:
            return False
        same = found.raw == raw
        if found.czxid <= floor and found.version == 1 and not same:
            return False  # it was set once, since then, and by somebody else
        return True if unique and same else None

    return _judge(floor, of_znode)


def updated(raw: bytes, version: int, floor: int) -> WriteJudge:
    """A key that has this version was to be set."""

    def of_znode(found: ReadZnode, unique: bool) -> bool | None:
        if found.mzxid <= floor:
            return False
        same = found.raw == raw
        # The very znode that was there: its versions only grow.
        if found.czxid <= floor and (
            found.version <= version or (found.version == version + 1 and not same)
        ):
            return False
        return True if unique and same and found.version == version + 1 else None

    return _judge(floor, of_znode)


def created(raw: bytes, floor: int) -> WriteJudge:
    """A key that is not there was to be made."""

    def of_znode(found: ReadZnode, unique: bool) -> bool | None:
        if found.czxid <= floor:
            return False
        return True if unique and found.raw == raw else None

    return _judge(floor, of_znode)


def made(floor: int, claim: Claim) -> WriteJudge:
    """An ephemeral key was to be made, in place of whatever was there."""

    def of_znode(found: ReadZnode, _unique: bool) -> bool | None:
        if found.czxid <= floor:
            return False
        return True if claim.session == found.ephemeral_owner and claim.alone() else None

    return _judge(floor, of_znode)


def deleted(floor: int) -> WriteJudge:
    """A key was to be deleted."""
    return _judge(floor, lambda found, _unique: False if found.czxid <= floor else None)
