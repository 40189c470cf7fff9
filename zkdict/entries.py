"""The values the dict hands out: entries, changes, states, all immutable; and what a version is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, Literal, TypeVar

__all__ = ["ABSENT", "ANY", "Change", "Entry", "State", "check_version"]

V = TypeVar("V")

ANY: Final = -1
"""For `version=`: whatever version the key has. `put` also makes a key that does not exist."""
ABSENT: Final = -2
"""For `version=` of `put` and `Txn.check`: the key must not exist."""


_GREATEST: Final = 2**31 - 1


def check_version(version: int) -> None:
    """Refuse an invalid version before kazoo sees it: its connection would end over it.

    Raises:
        TypeError, ValueError.
    """
    if not isinstance(version, int):
        raise TypeError(f"a version is an int, not {type(version).__name__}")
    if not ABSENT <= version <= _GREATEST:
        raise ValueError(
            f"{version} is not a version: it is 0 to {_GREATEST}, or ANY (-1), or ABSENT (-2)"
        )


class State(Enum):
    """How the local copy stands to the server."""

    LOADING = 1
    """Nothing was loaded yet."""
    LIVE = 2
    """Connected, watching, and revalidated since the connection was made."""
    SUSPENDED = 3
    """The connection was lost; the session may still be there. Reads do what `on_outage` says."""
    STALE = 4
    """The session was lost, or the server answers a read with an error; the copy was not
    revalidated since. Reads do what `on_outage` says.
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

    It compares states, and is not a log. A key that was set twice between two states may give one
    change. A key that was removed and made again may give a "changed" whose two czxid differ.

    Attributes:
        kind: what happened to the key. "resynced" has the key "" and neither `old` nor `new`: the
            copy was revalidated after an outage. The other changes of its batch were found then;
            the steps during the outage are not known.
        key: the key.
        old: the entry before; None for a new key, or where the old value could not be read or
            decoded.
        new: the entry after; None for a removed key, or where the new value cannot be read or
            decoded.
        zxid: every change up to this one is in the state that this change led to.
        local: whether this dict made the change itself. It is told by the bytes: another client
            that writes the same ones at the same moment cannot be told apart.
    """

    kind: Literal["added", "changed", "removed", "resynced"]
    key: str
    old: Entry[V] | None
    new: Entry[V] | None
    zxid: int
    local: bool
