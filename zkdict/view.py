"""What readers see: the published znodes as keys and decoded values.

The rules that live here:

- A value is decoded once per change, when its state is shown. One that does not decode is a *bad
  key*: it has no value, and harms no other key.
- What `d[key]` looks into is a plain dict, changed in place, so one change costs O(1). A
  step that removes keys and does something else too replaces the dict, so that no reader ever sees
  half of a step (a dict's `update` with str keys is one step by itself).
- `snapshot()` is an immutable copy of one state, made when first asked for after a change.
- Keys come in the order their znodes were created (czxid, then the name: the keys of one
  transaction share a czxid): the same in every process.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from zkdict import clock
from zkdict.errors import DecodeError, InvalidKey
from zkdict.records import Change, Entry, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict.cache import Publication, Znode
    from zkdict.events import Dispatcher
    from zkdict.keys import KeyCodec

__all__ = ["BadEntry", "Snapshot", "View"]

V = TypeVar("V")


class BadEntry:
    """A key whose znode cannot be read or decoded."""

    __slots__ = ("czxid", "error", "key", "raw", "version")

    def __init__(self, key: str, znode: Znode, error: Exception) -> None:
        self.key = key
        self.raw = znode.raw
        self.version = znode.version
        self.czxid = znode.czxid
        self.error = error

    def fresh_error(self) -> Exception:
        """A copy of the error to raise: an exception that is raised twice drags its past along."""
        error = copy.copy(self.error)
        error.__cause__ = self.error.__cause__
        return error


class _Unreadable:
    """What stands for a bad value in a repr."""

    def __init__(self, error: Exception) -> None:
        self._name = type(error).__name__

    def __repr__(self) -> str:
        return f"<{self._name}>"


class Snapshot(Mapping[str, V]):
    """An immutable copy of the dict at one zxid.

    Keys come in the order of creation. A key whose value does not decode is a key like others with
    `on_bad_value="raise"`, and reading it raises what reading it in the dict raises; with "omit" it
    is not there.
    """

    __slots__ = ("_bad", "_entries", "_exact", "_state", "_taken_at", "_values", "_zxid")

    def __init__(
        self,
        entries: Mapping[str, Entry[V] | BadEntry],
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
        """False where `max_staleness` ran out: these are the newest values that were known, and
        some may be newer than `zxid`.
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

    def __repr__(self) -> str:
        return f"Snapshot({self.shown()!r}, zxid={self.zxid})"

    def entry(self, key: str) -> Entry[V]:
        """The entry of `key`. Raises KeyError, or DecodeError for a bad value."""
        if key in self._bad:
            raise self._bad[key].fresh_error()
        return self._entries[key]

    def version(self, key: str) -> int | None:
        """The version of `key`, whether its value decodes or not; None where it is not there."""
        if key in self._bad:
            return self._bad[key].version
        return self._entries[key].version if key in self._entries else None

    def shown(self) -> dict[str, object]:
        """The items for a repr, with something to show for bad values."""
        return {
            key: _Unreadable(value.error) if isinstance(value, BadEntry) else value
            for key, value in self._values.items()
        }

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
    """See the module's rules. Every method is called under the lock.

    Args:
        codec: names to keys.
        decode: bytes to values.
        dispatcher: is told of what changes.
        show: is given the dict that `d[key]` is to look into from now on; an empty one while reads
            are gated.
        omit: whether keys without a value are hidden.
        autosync: whether each published state is shown as it comes.
        gate_outages: whether reads are gated without a live connection.
    """

    def __init__(
        self,
        codec: KeyCodec,
        decode: Callable[[bytes], V],
        dispatcher: Dispatcher[V],
        show: Callable[[dict[str, V]], None],
        *,
        omit: bool,
        autosync: bool,
        gate_outages: bool,
    ) -> None:
        self.gated = True
        """Whether a read has to ask first."""
        self.omit = omit
        self.autosync = autosync
        self.zxid = 0
        self.updated = 0
        self._all: dict[str, V] = {}
        self._length = 0  # of the state that is shown: a step takes some time
        self._entries: dict[str, Entry[V] | BadEntry] = {}
        self._bad: dict[str, BadEntry] = {}
        self._gate_outages = gate_outages
        self._codec = codec
        self._decode = decode
        self._dispatcher = dispatcher
        self._show = show
        self._held: dict[str, Znode | None] = {}  # published, not shown yet
        self._held_local: dict[str, bytes | None] = {}
        self._resynced = False
        self._latest: Publication | None = None  # not shown yet without autosync
        self._exact = True
        self._snapshot: Snapshot[V] | None = None
        self._ordered = True  # whether `_entries` is in the order of creation
        self._newest = 0  # the greatest czxid it ever had

    # -- reading

    def __len__(self) -> int:
        return self._length

    def __contains__(self, key: object) -> bool:
        return key in self._all or (not self.omit and key in self._entries)

    def get(self, key: str) -> Entry[V] | BadEntry | None:
        """The entry of a key, bad or not."""
        return self._entries.get(key)

    def bad_keys(self) -> Mapping[str, Exception]:
        """The keys without a value, and why."""
        return MappingProxyType({key: bad.error for key, bad in self._bad.items()})

    def snapshot(self, state: State) -> Snapshot[V]:
        """The state that is shown now. Costs O(N) once per change, else nothing."""
        taken, exact = self._snapshot, self._exact
        if taken is None:
            taken = Snapshot(
                self._in_order(), omit=self.omit, zxid=self.zxid, state=state, exact=exact
            )
        elif (taken.zxid, taken.state, taken.exact) != (self.zxid, state, exact):
            taken = taken.still(zxid=self.zxid, state=state, exact=exact)
        self._snapshot = taken
        return taken

    def _in_order(self) -> dict[str, Entry[V] | BadEntry]:
        if not self._ordered:
            order = sorted(self._entries.items(), key=lambda item: (item[1].czxid, item[0]))
            self._entries = dict(order)
            self._ordered = True
        return self._entries

    def as_changes(self) -> list[Change[V]]:
        """Every key as if it had just been added."""
        return [
            Change(
                "added", key, None, entry if isinstance(entry, Entry) else None, self.zxid, False
            )
            for key, entry in self._in_order().items()
        ]

    @property
    def loaded(self) -> bool:
        """Whether there is a state to show."""
        return self._latest is not None

    def state_changed(self, old: State, new: State) -> None:
        """The dict's state changed: gate reads as they were asked to be."""
        if new is State.LIVE:
            self.gate(gated=False)
        elif self._gate_outages or new in (State.LOADING, State.CLOSED):
            self.gate(gated=True)
        self._dispatcher.state_changed(old, new)

    def gate(self, *, gated: bool) -> None:
        """Let `d[key]` find nothing, so that it asks why; or let it read again."""
        self.gated = gated
        self._show({} if gated else self._all)

    # -- taking steps

    def publish(self, publication: Publication, local: Mapping[str, bytes | None]) -> None:
        """A new state was published; `local` is what this dict wrote itself lately."""
        self._held.update((delta.name, delta.new) for delta in publication.deltas)
        self._held_local.update(local)
        self._resynced = self._resynced or publication.resynced
        first = self._latest is None
        self._latest = publication
        if self.autosync or first:
            self.refresh()

    def refresh(self) -> None:
        """Show what was published last."""
        latest = self._latest
        if latest is None:
            return
        changes = self._step(self._held, latest.zxid, self._held_local)
        if self._resynced:
            changes.insert(0, Change("resynced", "", None, None, latest.zxid, False))
        self.zxid, self.updated, self._exact = latest.zxid, latest.updated, latest.exact
        self._held, self._held_local, self._resynced = {}, {}, False
        self._dispatcher.changed(changes)

    def _step(
        self, znodes: Mapping[str, Znode | None], zxid: int, local: Mapping[str, bytes | None]
    ) -> list[Change[V]]:
        """Take over these znodes (None: gone); what that changed, where anybody listens."""
        changes: list[Change[V]] = []
        listening = self._dispatcher.listening
        sets: dict[str, V] = {}
        removed: list[str] = []
        for name, znode in znodes.items():
            key = self.key(name)
            if key is None:
                continue
            old = self._entries.get(key)
            new = None if znode is None else self._decoded(key, znode)
            if old is None and new is None:
                continue
            self._snapshot = None
            self._place(key, old, new)
            if isinstance(new, Entry):
                sets[key] = new.value
            elif key in self._all:
                removed.append(key)
            if not listening:
                continue
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
        self._length = len(self._all if self.omit else self._entries)
        return changes

    def _place(
        self, key: str, old: Entry[V] | BadEntry | None, new: Entry[V] | BadEntry | None
    ) -> None:
        if isinstance(new, BadEntry):
            self._bad = {**self._bad, key: new}
        elif key in self._bad:
            self._bad = {other: bad for other, bad in self._bad.items() if other != key}
        if new is None:
            del self._entries[key]
            return
        if old is None or old.czxid != new.czxid:  # a key that was made again moves to the end
            self._ordered = self._ordered and old is None and new.czxid > self._newest
            self._newest = max(self._newest, new.czxid)
        self._entries[key] = new

    def _replace(self, sets: dict[str, V], removed: list[str]) -> None:
        if not removed:
            self._all.update(sets)
        elif len(removed) == 1 and not sets:
            del self._all[removed[0]]
        else:
            values = {**self._all, **sets}
            for key in removed:
                del values[key]
            self._all = values
            if not self.gated:
                self._show(values)

    def key(self, name: str) -> str | None:
        """The key of a znode's name; None where it stands for none."""
        try:
            return self._codec.from_name(name)
        except InvalidKey:
            return None  # another's znode: no key of this dict has such a name

    def _decoded(self, key: str, znode: Znode) -> Entry[V] | BadEntry:
        entry = self.entry(key, znode)
        if isinstance(entry, BadEntry):
            self._dispatcher.failed(entry.error)
        return entry

    def entry(self, key: str, znode: Znode) -> Entry[V] | BadEntry:
        """The entry of a znode. Reads nothing of this view: needs no lock."""
        if znode.error is not None:
            return BadEntry(key, znode, znode.error)
        try:
            value = self._decode(znode.raw)
        except Exception as error:  # an encoding is user's code
            if isinstance(error, DecodeError):
                bad = DecodeError(error.reason, key, znode.raw)
            else:
                bad = DecodeError(f"{type(error).__name__}: {error}", key, znode.raw)
            bad.__cause__ = error
            return BadEntry(key, znode, bad)
        return _make_entry(key, value, znode)


def _make_entry(key: str, value: V, znode: Znode) -> Entry[V]:
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
