"""What readers see: the published znodes as keys and decoded values.

The rules that live here:

- A value is decoded once per change, when its state is shown. One that does not decode is a *bad
  key*: it has no value, and harms no other key.
- `values` is what `d[key]` looks into: a plain dict, changed in place, so one change costs O(1). A
  step that removes keys and does something else too replaces the dict, so that no reader ever sees
  half of a step (a dict's `update` with str keys is one step by itself).
- `snapshot()` is an immutable copy of one state, made when first asked for after a change.
- Keys come in the order their znodes were created (czxid, then the name: the keys of one
  transaction share a czxid): the same in every process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from zkdict import clock
from zkdict.errors import DecodeError, InvalidKey
from zkdict.records import Change, Entry, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict.cache import Znode
    from zkdict.keys import KeyCodec

__all__ = ["BadEntry", "Snapshot", "View"]

V = TypeVar("V")


class BadEntry:
    """A key whose znode cannot be read or decoded."""

    __slots__ = ("czxid", "error", "key", "raw")

    def __init__(self, key: str, raw: bytes, czxid: int, error: Exception) -> None:
        self.key = key
        self.raw = raw
        self.czxid = czxid
        self.error = error


class Snapshot(Mapping[str, V]):
    """An immutable copy of the dict at one zxid.

    Keys come in the order of creation. A key whose value does not decode is a key like others with
    `on_bad_value="raise"`, and reading it raises what reading it in the dict raises; with "omit" it
    is not there.

    Attributes:
        zxid: the zxid whose state this is; every change up to it is in the snapshot.
        taken_at: when it was made, seconds since the epoch by this machine's clock.
        state: the dict's state at that moment.
    """

    __slots__ = ("_bad", "_entries", "_values", "state", "taken_at", "zxid")

    def __init__(
        self,
        entries: Mapping[str, Entry[V] | BadEntry],
        *,
        omit: bool,
        zxid: int,
        state: State,
    ) -> None:
        self.zxid = zxid
        self.taken_at = clock.wall()
        self.state = state
        self._entries: dict[str, Entry[V]] = {}
        self._values: dict[str, Any] = {}
        self._bad: dict[str, BadEntry] = {}
        for key, entry in entries.items():
            if isinstance(entry, BadEntry):
                self._bad[key] = entry
                if not omit:
                    self._values[key] = entry
            else:
                self._entries[key] = entry
                self._values[key] = entry.value

    def __getitem__(self, key: str) -> V:
        value: V = self._values[key]
        if isinstance(value, BadEntry):
            raise value.error
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __repr__(self) -> str:
        shown = {key: "<bad>" if isinstance(v, BadEntry) else v for key, v in self._values.items()}
        return f"Snapshot({shown!r}, zxid={self.zxid})"

    def entry(self, key: str) -> Entry[V]:
        """The entry of `key`. Raises KeyError, or DecodeError for a bad value."""
        if key in self._bad:
            raise self._bad[key].error
        return self._entries[key]

    def _known(self) -> Mapping[str, Entry[V] | None]:
        return {**self._entries, **dict.fromkeys(self._bad)}

    def diff(self, newer: Mapping[str, V]) -> dict[str, Change[V]]:
        """What has to change for this to become `newer`, by key.

        Two snapshots of a dict are compared by their znodes, which tells a value that was set again
        and a key that was made again; with any other mapping values are compared. Costs O(N).
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


class View(Generic[V]):
    """See the module's rules. Every method but plain reads of `values` is called under the lock."""

    def __init__(
        self,
        codec: KeyCodec,
        decode: Callable[[bytes], V],
        *,
        omit: bool,
        on_error: Callable[[Exception], None],
    ) -> None:
        self.values: dict[str, V] = {}
        self.entries: dict[str, Entry[V] | BadEntry] = {}
        self.bad: dict[str, BadEntry] = {}
        self.zxid = 0
        self.updated = 0
        self.omit = omit
        self._codec = codec
        self._decode = decode
        self._on_error = on_error
        self._snapshot: Snapshot[V] | None = None
        self._ordered = True  # whether `entries` is in the order of creation
        self._newest = 0  # the greatest czxid it ever had

    def __len__(self) -> int:
        return len(self.values) if self.omit else len(self.entries)

    def __contains__(self, key: object) -> bool:
        return key in self.values or (not self.omit and key in self.entries)

    def show(
        self,
        znodes: Mapping[str, Znode | None],
        *,
        zxid: int,
        updated: int,
        resynced: bool,
        local: Mapping[str, bytes | None],
    ) -> list[Change[V]]:
        """Take a step: these znodes are as given now (None: gone). Returns what changed.

        `local` tells what this dict wrote itself lately, None for a removal.
        """
        changes: list[Change[V]] = []
        sets: dict[str, V] = {}
        removed: list[str] = []
        if resynced:
            changes.append(Change("resynced", "", None, None, zxid, False))
        for name, znode in znodes.items():
            key = self._key(name)
            if key is None:
                continue
            old = self.entries.get(key)
            new = None if znode is None else self._decoded(key, znode)
            if old is None and new is None:
                continue
            self._place(key, old, new)
            if isinstance(new, Entry):
                sets[key] = new.value
            elif key in self.values:
                removed.append(key)
            kind: Literal["added", "changed", "removed"]
            kind = "added" if old is None else "removed" if new is None else "changed"
            own = name in local and local[name] == (None if znode is None else znode.raw)
            changes.append(
                Change(
                    kind,
                    key,
                    old if isinstance(old, Entry) else None,
                    new if isinstance(new, Entry) else None,
                    zxid,
                    own,
                )
            )
        self._replace(sets, removed)
        self.zxid, self.updated = zxid, updated
        self._snapshot = None
        return changes

    def _place(
        self, key: str, old: Entry[V] | BadEntry | None, new: Entry[V] | BadEntry | None
    ) -> None:
        if isinstance(new, BadEntry):
            self.bad = {**self.bad, key: new}
        elif key in self.bad:
            self.bad = {other: bad for other, bad in self.bad.items() if other != key}
        if old is not None and (new is None or new.czxid != old.czxid):
            del self.entries[key]  # a key that was made again moves to the end
            old = None
        if new is not None:
            if old is None:
                self._ordered = self._ordered and new.czxid > self._newest
                self._newest = max(self._newest, new.czxid)
            self.entries[key] = new

    def _replace(self, sets: dict[str, V], removed: list[str]) -> None:
        if not removed:
            self.values.update(sets)
        elif len(removed) == 1 and not sets:
            del self.values[removed[0]]
        else:
            values = {**self.values, **sets}
            for key in removed:
                del values[key]
            self.values = values

    def _key(self, name: str) -> str | None:
        try:
            return self._codec.from_name(name)
        except InvalidKey:
            return None  # another's znode: no key of this dict has such a name

    def _decoded(self, key: str, znode: Znode) -> Entry[V] | BadEntry:
        entry = self.entry(key, znode)
        if isinstance(entry, BadEntry):
            self._on_error(entry.error)
        return entry

    def entry(self, key: str, znode: Znode) -> Entry[V] | BadEntry:
        """The entry of a znode. Reads nothing of this view: needs no lock."""
        if znode.error is not None:
            return BadEntry(key, znode.raw, znode.czxid, znode.error)
        try:
            value = self._decode(znode.raw)
        except Exception as error:  # an encoding is user's code
            if isinstance(error, DecodeError):
                bad = DecodeError(error.reason, key, znode.raw)
            else:
                bad = DecodeError(f"{type(error).__name__}: {error}", key, znode.raw)
            bad.__cause__ = error
            return BadEntry(key, znode.raw, znode.czxid, bad)
        return make_entry(key, value, znode)

    def snapshot(self, state: State) -> Snapshot[V]:
        """The state that is shown now. Costs O(N) once per change, else nothing."""
        taken = self._snapshot
        if taken is None or taken.state is not state or taken.zxid != self.zxid:
            if not self._ordered:
                order = sorted(self.entries.items(), key=lambda item: (item[1].czxid, item[0]))
                self.entries = dict(order)
                self._ordered = True
            taken = Snapshot(self.entries, omit=self.omit, zxid=self.zxid, state=state)
            self._snapshot = taken
        return taken

    def bad_keys(self) -> Mapping[str, Exception]:
        """The keys without a value, and why."""
        return MappingProxyType({key: bad.error for key, bad in self.bad.items()})


def make_entry(key: str, value: V, znode: Znode) -> Entry[V]:
    """The entry of a decoded znode."""
    return Entry(
        key,
        value,
        znode.raw,
        znode.version,
        znode.czxid,
        znode.mzxid,
        znode.ctime / 1000,
        znode.mtime / 1000,
        znode.ephemeral_owner or None,
    )
