"""The words of the cache: items of the copy, requests that read them, states that are published.

All of it is immutable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NOTHING", "ROOT", "Kind", "Publication", "ReadZnode", "SentRequest"]

ROOT: Final = ""
"""The item that stands for the root and its list of children; no child has an empty name."""


class Kind(Enum):
    """What a request reads."""

    SYNC = 1
    """Nothing: ZooKeeper's sync, so that later replies are not older than now."""
    CHILDREN = 2
    """The list of children, with a child watch."""
    ROOT_EXISTS = 3
    """Whether the missing root is back, with a watch for it."""
    STAT = 4
    """A child's Stat, with a data watch: is the known data still right?"""
    DATA = 5
    """A child's data and Stat, with a data watch."""
    OTHER = 6
    """A user's write or sync; it only marks a position."""
    SUBTREE = 7
    """Nothing: it sets the one watch on the root and all below it."""
    GONE = 8
    """The root's Stat, after an event told that a child is gone: it tells when."""


class SentRequest(NamedTuple):
    """A request in its place: `position` orders all requests of a dict, `epoch` is its connection.

    `floor` is the last zxid the client had seen when the request was sent.
    """

    position: int
    epoch: int
    kind: Kind
    name: str
    floor: int


NOTHING: Final = SentRequest(0, 0, Kind.OTHER, ROOT, 0)


class ReadZnode(NamedTuple):
    """A child znode as it was read. `error` is set where the server refused to show the data."""

    raw: bytes
    version: int
    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    ephemeral_owner: int
    error: Exception | None = None

    def same_data(self, other: ReadZnode) -> bool:
        """Whether both Stats belong to the same data of the same znode."""
        return (self.mzxid, self.version, self.czxid) == (other.mzxid, other.version, other.czxid)


@dataclass(frozen=True, slots=True)
class Publication:
    """The step from one published state to the next.

    `changes`: each child that differs, as it is now; None: it is gone.
    `exact`: it is the state at `zxid`; otherwise a bounded wait ran out (see the module's rules).
    `updated` grows with every state that differs from the one before: the zxid of its last change,
    or one more than before where that is not told (a root that went) or not greater.
    `live`: everything in it was read, or confirmed, on the present connection.
    `resynced`: it is the first such one of a new connection, after an earlier one.
    """

    position: int
    zxid: int
    updated: int
    changes: Mapping[str, ReadZnode | None]
    exact: bool
    resynced: bool
    live: bool
