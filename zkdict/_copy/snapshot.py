"""An immutable copy of the dict at one zxid.

The rules that live here:

- A snapshot never changes, and shares its entries and values with the dict.
- Where every key has a value its views are those of a plain dict, and as fast.
- Two snapshots of a dict are compared by their znodes, anything else by its values.
"""

from __future__ import annotations

import copy
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar

from zkdict._copy import clock
from zkdict._copy.lookup import BadEntry
from zkdict.entries import Change, Entry, State
from zkdict.storage import WholeMapping, plain

__all__ = ["Snapshot"]

V = TypeVar("V")


class _Unreadable:
    """What stands for a bad value in a repr."""

    def __init__(self, error: Exception) -> None:
        self._name = type(error).__name__

    def __repr__(self) -> str:
        return f"<{self._name}>"


class Snapshot(WholeMapping[V]):
    """An immutable copy of the dict at one zxid.

    Keys come in the order of creation. With `on_bad_value="raise"` a key whose value does not
    decode, or that the server does not show, is a key like others. What gives its value, or all
    values, raises what the dict raises for it: DecodeError or KazooException. With "omit" it is not
    there. Nothing here asks the server, and each read costs what a dict's costs.
    """

    __hash__ = None  # type: ignore[assignment]  # as a dict: it is compared by its items
    __slots__ = ("_bad", "_entries", "_exact", "_state", "_taken_at", "_values", "_whole", "_zxid")

    def __init__(
        self,
        entries: Mapping[str, Entry[V] | BadEntry],
        bad: Mapping[str, BadEntry],
        *,
        omit: bool,
        zxid: int,
        state: State,
        exact: bool,
    ) -> None:
        self._zxid = zxid
        self._exact = exact
        self._taken_at = clock.wall()
        self._state = state
        self._bad = bad
        self._whole = omit or not bad  # whether every key has a value
        good = {key: entries[key] for key in entries if key not in bad} if bad else entries
        self._entries: dict[str, Entry[V]] = dict(good)  # type: ignore[arg-type]
        self._values: dict[str, Any] = {key: entry.value for key, entry in self._entries.items()}
        if not self._whole:
            self._values = {key: bad.get(key) or self._values[key] for key in entries}

    def still(self, *, zxid: int, state: State, exact: bool) -> Snapshot[V]:
        """The same items at a later zxid, or in another state of the dict. Costs nothing."""
        same: Snapshot[V] = copy.copy(self)
        same._zxid, same._state = zxid, state
        same._exact, same._taken_at = exact, clock.wall()
        return same

    @property
    def zxid(self) -> int:
        """The zxid whose state this is; every change up to it is in the snapshot."""
        return self._zxid

    @property
    def taken_at(self) -> float:
        """When it was made, seconds since the epoch by this machine's clock."""
        return self._taken_at

    @property
    def state(self) -> State:
        """The dict's state at that moment."""
        return self._state

    @property
    def exact(self) -> bool:
        """Whether it is the state of all znodes at `zxid`.

        False where `max_staleness` ran out: each key has the value it had at `zxid`, or a newer
        one. False also while a key may not be read: that may have changed since it was last tried.
        """
        return self._exact

    def __getitem__(self, key: str) -> V:
        value: V = self._values[key]
        if isinstance(value, BadEntry):
            raise value.fresh_error()
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    # Where every key has a value these are the views of a dict, and as fast.

    def keys(self) -> KeysView[str]:
        """The keys, as a view."""
        return self._values.keys()

    def values(self) -> ValuesView[V]:
        """The values, as a view. Iterating over it raises DecodeError or KazooException for a key
        that has none.
        """
        return self._values.values() if self._whole else super().values()

    def items(self) -> ItemsView[str, V]:
        """The items, as a view. Iterating over it raises DecodeError or KazooException for a key
        that has no value.
        """
        return self._values.items() if self._whole else super().items()

    def copy(self) -> dict[str, V]:
        """A plain dict of the items.

        O(N), and as fast as a dict's copy; `dict(snapshot)` asks for one key after the other.

        Raises:
            DecodeError: a value does not decode.
            KazooException: the server did not show a key.
        """
        return self._values.copy() if self._whole else dict(super().items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        ours = self._values if self._whole else self.copy()
        if isinstance(other, Snapshot) and other._whole:
            return ours == other._values
        return ours == (other if type(other) is dict else plain(other))

    def __repr__(self) -> str:
        return f"Snapshot({self.shown()!r}, zxid={self.zxid})"

    def entry(self, key: str) -> Entry[V]:
        """The entry of `key`.

        Raises:
            KeyError: no such key.
            DecodeError: its value does not decode.
            KazooException: the server did not show it.
        """
        if key in self._bad:
            raise self._bad[key].fresh_error()
        return self._entries[key]

    def version(self, key: str) -> int | None:
        """The version of `key`, whether its value decodes or not (with "omit", too); -1 where the
        server did not show it, None where it is not there.
        """
        if key in self._bad:
            return self._bad[key].version
        return self._entries[key].version if key in self._entries else None

    def shown(self) -> dict[str, object]:
        """The items for a repr: in place of a value that does not decode stands something whose
        repr has the error's name.
        """
        return {
            key: _Unreadable(value.error) if isinstance(value, BadEntry) else value
            for key, value in self._values.items()
        }

    def _known(self) -> Mapping[str, Entry[V] | None]:
        return {**self._entries, **dict.fromkeys(self._bad)}

    def diff(self, newer: Mapping[str, V]) -> dict[str, Change[V]]:
        """What has to change for this to become `newer`, by key: O(N).

        Two snapshots of a dict are compared by their znodes, which shows a value that was set again
        and a key that was made again. With any other mapping values are compared by `==`; the
        entries of that side have the value alone, with version -1.
        """
        theirs: Mapping[str, Entry[V] | None]
        if isinstance(newer, Snapshot):
            theirs = newer._known()  # noqa: SLF001  its own class
            zxid = newer.zxid
        else:
            theirs = {
                key: Entry(key, value, b"", -1, 0, 0, 0.0, 0.0, None)
                for key, value in newer.items()
            }
            zxid = self.zxid
        ours = self._known()
        changes: dict[str, Change[V]] = {}
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            old, new = ours.get(key), theirs.get(key)
            if key not in theirs:
                changes[key] = Change("removed", key, old, None, zxid, False)
            elif key not in ours:
                changes[key] = Change("added", key, None, new, zxid, False)
            elif _differ(old, new):
                changes[key] = Change("changed", key, old, new, zxid, False)
        return changes


def _differ(old: Entry[Any] | None, new: Entry[Any] | None) -> bool:
    if old is None or new is None:
        return old is not new
    if old.mzxid and new.mzxid:
        return (old.mzxid, old.version, old.czxid) != (new.mzxid, new.version, new.czxid)
    return bool(old.value != new.value)
