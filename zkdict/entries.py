"""The values the dict hands out: entries, changes, states, all immutable; and what a version is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, Literal, TypeVar

__all__ = ["ABSENT", "ANY", "Change", "Entry", "State", "check_version"]

V = TypeVar("V")

ANY: Final = -1
"""For `version=`: whatever version the key has, or none."""
ABSENT: Final = -2
"""For `version=`: the key must not exist."""


_GREATEST: Final = 2**31 - 1


def check_version(version: int) -> None:
    """Refuse what is no version before kazoo does, whose connection would not survive it.

    Raises:
        TypeError, ValueError.
    """
    if not isinstance(version, int):
        raise TypeError(f"a version is an int, not {type(version).__name__}")
    if not ABSENT <= version <= _GREATEST:
        raise ValueError(f"{version} is no version: they go from 0 to {_GREATEST}, or ANY, ABSENT")


class State(Enum):
    """How the local copy stands to the server."""

    LOADING = 1
    """Nothing was loaded yet."""
    LIVE = 2
    """Connected, watching, and revalidated since the connection was made."""
    SUSPENDED = 3
    """The connection was lost; the session may still be there. Reads serve the last copy."""
    STALE = 4
    """The session was lost, or the server answers a read with an error; the copy was not
    revalidated since.
    """
    CLOSED = 5
    """`close()` was called."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[V]):
    """A key with its value and what the server says about its znode.

    Attributes:
        key: the key.
        value: the decoded value.
        raw: the znode's bytes.
        version: how often the znode was set since it was created.
        czxid: zxid of the transaction that created the znode. Two entries of a key with different
            czxid are different znodes, whatever their versions.
        mzxid: zxid of the transaction that set the value last.
        ctime: when it was created, seconds since the epoch by the server's clock.
        mtime: when it was set last, seconds since the epoch by the server's clock.
        ephemeral_owner: session id of the owner of an ephemeral znode, else None.
    """

    key: str
    value: V
    raw: bytes
    version: int
    czxid: int
    mzxid: int
    ctime: float
    mtime: float
    ephemeral_owner: int | None


@dataclass(frozen=True, slots=True)
class Change(Generic[V]):
    """One key's difference between two published states.

    States, not a log: what happened between two of them is not told, so a key that was set twice
    may give one change, and one that was removed and made again a "changed" whose czxid differ.

    Attributes:
        kind: what happened to the key. "resynced" has the key "" and neither `old` nor `new`: the
            copy was just revalidated after an outage, whose steps nobody saw.
        key: the key.
        old: the entry before; None for a new key, or where the old value did not decode.
        new: the entry after; None for a removed key, or where the new value does not decode.
        zxid: every change up to this one is in the state that this change led to.
        local: whether this dict made the change itself.
    """

    kind: Literal["added", "changed", "removed", "resynced"]
    key: str
    old: Entry[V] | None
    new: Entry[V] | None
    zxid: int
    local: bool
