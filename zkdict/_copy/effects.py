"""What a caller's write does to the children, known before it is sent, and what its answer shows.

The rules that live here:

- A write is one operation on a child, or several that are applied together or not at all. Single
  writes and multis are described by the same value.
- Where the copy foresees that all of it will be applied, what it changes is read right after it:
  then it is seen after one round trip. Where it does not, the watch events ask for those reads.
- The answer to a set, and to a create that asks for it, shows the znode's new Stat. That of a
  create in a multi does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkdict._copy.items import ROOT, Kind, ReadZnode, SentRequest
from zkdict._copy.replies import applied, znode
from zkdict.entries import ABSENT, ANY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from zkdict._copy.cache import Cache

__all__ = ["Effects", "Looks", "Submitted"]

Looks = list[tuple[str, Any]]
"""Names of items, each with kazoo's result of an `exists`, sent with a caller's request."""


class Effects:
    """The operations of one write on the children of the root, in their order."""

    __slots__ = ("_reads", "_wants", "leaves", "operations")

    def __init__(self) -> None:
        self.operations: list[tuple[str, bytes | None]] = []
        """The child of each, and the data that a set or a create puts there."""
        self.leaves: dict[str, bytes | None] = {}
        """The data of each child after all of them; None: there is no such child."""
        self._wants: list[tuple[str, int]] = []  # the version that each child must have before
        self._reads: dict[str, Kind | None] = {}  # what all of them make stale, see `Cache.expect`

    def set(self, name: str, raw: bytes, version: int) -> Self:
        """Set a child that has this version (or ANY)."""
        self._add(name, version, raw)
        self.leaves[name] = raw
        self._reads.setdefault(name, Kind.STAT)
        return self

    def create(self, name: str, raw: bytes) -> Self:
        """Create a child that does not exist."""
        self._add(name, ABSENT, raw)
        self.leaves[name] = raw
        # The data is read, not only the Stat: kazoo brings the reply to a create late.
        self._reads |= {name: Kind.DATA, ROOT: Kind.CHILDREN}
        return self

    def delete(self, name: str, version: int) -> Self:
        """Delete a child that has this version (or ANY)."""
        self._add(name, version)
        self.leaves[name] = None
        self._reads |= {name: None, ROOT: Kind.CHILDREN}
        return self

    def check(self, name: str, version: int) -> Self:
        """A child must have this version."""
        self._add(name, version)
        return self

    def check_absent(self, name: str) -> Self:
        """A child must not exist: a create and a delete."""
        self.create(name, b"").delete(name, ANY)
        del self.leaves[name]
        return self

    def _add(self, name: str, version: int, raw: bytes | None = None) -> None:
        self.operations.append((name, raw))
        if name not in self.leaves:  # else the operations before this one see to that
            self._wants.append((name, version))

    def to_read(self, cache: Cache) -> Mapping[str, Kind | None]:
        """What to read right after it; nothing where the copy does not foresee that it is applied.

        Call it with the dict's lock held.
        """
        foreseen = all(cache.foresees(name, version) for name, version in self._wants)
        return self._reads if foreseen and all(map(cache.predicts, self.leaves)) else {}

    def shown(self, answer: Any) -> dict[str, ReadZnode]:
        """The children it left, where its answer has their Stat. `answer`: kazoo's, of one
        operation, or the list of a multi, which may be shorter or longer than it should be.
        """
        if not applied(answer):
            return {}
        answers = answer if type(answer) is list else [answer]
        stats = [each[1] if type(each) is tuple else each for each in answers]
        return {
            name: znode(raw, stat)
            for (name, raw), stat in zip(self.operations, stats, strict=False)
            if raw is not None and self.leaves.get(name) == raw and hasattr(stat, "mzxid")
        }


class Submitted:
    """A caller's request under way: its place, and its outcome once `done` is set."""

    __slots__ = ("done", "effects", "looks", "request", "result", "sent")

    def __init__(
        self, request: SentRequest, done: Any, effects: Effects, looks: Looks | None
    ) -> None:
        self.request = request
        self.done = done
        self.effects = effects
        self.looks = looks
        self.sent: Any = None
        """What kazoo returned for the last request that is waited for."""
        self.result: Any = None
        """What kazoo returned for the request itself, once `sent` has its answer."""

    def completed(self, result: Any) -> None:
        """The completion callback that wakes the caller."""
        self.result = result
        self.done.set()
