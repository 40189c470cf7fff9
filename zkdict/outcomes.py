"""What the server's znodes tell of a write whose answer was lost.

The rules that live here:

- A write that is sent now gets a zxid above every zxid that was seen before, the *floor*. So a
  znode that was not made, or set, since then tells that a write of it was not applied, and a root
  none of whose children came or went tells the same of creates and deletes.
- A znode that was set since, and has the bytes that were to be written, tells that they were. (Two
  clients that write the same bytes cannot be told apart: a value that says whose it is can.)
- Everything else, such as a key that is gone and may have been taken by somebody else, does not
  tell, and is not guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zkdict.cache import Znode

__all__ = ["Judge", "Sighting", "created", "deleted", "stored", "updated"]


class Sighting(NamedTuple):
    """What was found: a key's znode, and after it the root's pzxid (None: there is no root)."""

    found: Znode | None
    pzxid: int | None

    def no_child_came_or_went(self, floor: int) -> bool:
        """Whether the root has had the same children since `floor`."""
        return self.pzxid is not None and self.pzxid <= floor


Judge = Callable[[Sighting], "bool | None"]
"""Whether a write was applied; None where what was found does not tell."""


def stored(raw: bytes, floor: int) -> Judge:
    """These bytes were to be stored, whatever was there."""

    def judge(seen: Sighting) -> bool | None:
        if seen.found is None:
            return False if seen.no_child_came_or_went(floor) else None
        if seen.found.mzxid <= floor:
            return False
        return True if seen.found.raw == raw else None

    return judge


def created(raw: bytes, floor: int, owner: int | None = None) -> Judge:
    """A key was to be made with these bytes, by the session `owner` where it is ephemeral."""

    def judge(seen: Sighting) -> bool | None:
        found = seen.found
        if found is None:
            return False if seen.no_child_came_or_went(floor) else None
        if found.czxid <= floor:
            return False
        ours = found.version == 0 and found.raw == raw and found.ephemeral_owner == (owner or 0)
        return True if ours else None

    return judge


def updated(raw: bytes, version: int, floor: int) -> Judge:
    """A key that has this version was to be set."""

    def judge(seen: Sighting) -> bool | None:
        found = seen.found
        if found is None:
            return False if seen.no_child_came_or_went(floor) else None
        if found.mzxid <= floor:
            return False
        if found.version == version + 1 and found.raw == raw:
            return True
        # The very znode that was there: its versions only grow, and one step was to be ours.
        return False if found.czxid <= floor and found.version <= version + 1 else None

    return judge


def deleted(floor: int) -> Judge:
    """A key was to be deleted. A key that is gone does not tell by whom."""

    def judge(seen: Sighting) -> bool | None:
        if seen.found is None:
            return False if seen.no_child_came_or_went(floor) else None
        return False if seen.found.czxid <= floor else None

    return judge
