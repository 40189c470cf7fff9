"""What readers see: the published znodes as keys and decoded values.

The rules that live here:

- A value is decoded once per change, when its state is shown. One that does not decode is a *bad
  key*: it has no value, and harms no other key.
- What a read looks into (see `lookup`) is changed in place, so one change costs O(1). A step that
  removes keys and does something else too, or changes which keys are bad, replaces it, so that no
  reader ever sees half of a step. (A dict's `update` with str keys is one step by itself, unless
  a value that it replaces is freed by it, whose `__del__` reads: those are kept until later.)
- Entries are changed by the same step, under the lock: they are looked up under the lock.
- `snapshot()` is an immutable copy of one state, made when first asked for after a change.
- Keys come in the order their znodes were created (czxid, then the name: the keys of one
  transaction share a czxid): the same in every process.
"""

from __future__ import annotations

import copy
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from zkdict._copy import clock
from zkdict._copy.lookup import GATED, BadEntry, WithBadKeys
from zkdict.entries import Change, Entry, State
from zkdict.errors import DecodeError, InvalidKey
from zkdict.storage import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict._copy.cache import Publication, Znode
    from zkdict._copy.events import Dispatcher
    from zkdict.keys import KeyCodec

__all__ = ["Snapshot", "View"]

V = TypeVar("V")


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
        """The values, as a view. Iterating over it raises DecodeError at a bad one."""
        return self._values.values() if self._whole else super().values()

    def items(self) -> ItemsView[str, V]:
        """The items, as a view. Iterating over it raises DecodeError at a bad value."""
        return self._values.items() if self._whole else super().items()

    def copy(self) -> dict[str, V]:
        """A plain dict of the items. Raises DecodeError where a value does not decode.

        At the cost of a dict's copy; `dict(snapshot)` asks for one key after the other.
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
        show: is given the dict that reads are to look into from now on.
        keep: is given what may hold the last reference to a value, and frees it without the lock.
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
        keep: Callable[[object], None],
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
        self.values: dict[str, V] = {}
        """What reads look into once they may."""
        self._entries: dict[str, Entry[V] | BadEntry] = {}
        self._bad: dict[str, BadEntry] = {}
        self._gate_outages = gate_outages
        self._codec = codec
        self._decode = decode
        self._dispatcher = dispatcher
        self._show = show
        self._keep = keep
        self._held: dict[str, Znode | None] = {}  # published, not shown yet
        self._held_local: dict[str, bytes | None] = {}
        self._resynced = False
        self._latest: Publication | None = None  # not shown yet without autosync
        self._exact = True
        self._snapshot: Snapshot[V] | None = None
        self._ordered = True  # whether `_entries` is in the order of creation
        self._newest = (0, "")  # the greatest czxid it ever had, and the key made last with it

    # -- reading

    def get(self, key: str) -> Entry[V] | BadEntry | None:
        """The entry of a key, bad or not."""
        return self._entries.get(key)

    def bad_keys(self) -> Mapping[str, Exception]:
        """The keys without a value, and why."""
        return MappingProxyType({key: bad.error for key, bad in self._bad.items()})

    def snapshot(self, state: State) -> Snapshot[V]:
        """The state that is shown now. Costs O(N) once per change, else nothing."""
        taken, exact = self._snapshot, self._exact
        if exact and self._bad:
            exact = not any(bad.refused for bad in self._bad.values())
        if taken is None:
            entries = self._in_order()
            taken = Snapshot(
                entries, self._bad, omit=self.omit, zxid=self.zxid, state=state, exact=exact
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
        """Let reads ask first; or let them read again."""
        self.gated = gated
        self._show(GATED if gated else self.values)

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
        steps: dict[str, Entry[V] | BadEntry | None] = {}
        for name, znode in znodes.items():
            key = self.key(name)
            if key is None:
                continue
            old = self._entries.get(key)
            new = None if znode is None else self._decoded(key, znode)
            if old is None and new is None:
                continue
            steps[key] = new
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
        if steps:
            self._take(steps)
        return changes

    def _take(self, steps: Mapping[str, Entry[V] | BadEntry | None]) -> None:
        """Change what readers see by this step, all of it at once. None: removed."""
        self._keep((self._snapshot, [self._entries.get(key) for key in steps]))
        self._snapshot = None
        sets: dict[str, V] = {}
        bad: dict[str, BadEntry] = {}
        for key, new in steps.items():
            self._place(key, new)
            if isinstance(new, Entry):
                sets[key] = new.value
            elif new is not None:
                bad[key] = new
        removed = [key for key in steps if key not in sets and dict.__contains__(self.values, key)]
        other = bool(bad) or any(key in self._bad for key in steps)  # are other keys bad?
        if other:
            kept = {key: entry for key, entry in self._bad.items() if key not in steps}
            self._bad = {**kept, **bad}
        self._replace(sets, removed, anew=other and not self.omit)

    def _place(self, key: str, new: Entry[V] | BadEntry | None) -> None:
        """Put an entry where it belongs in the order, or take it away."""
        old = self._entries.get(key)
        if new is None:
            del self._entries[key]
            return
        if old is None or old.czxid != new.czxid:  # a key that was made again moves to the end
            place = (new.czxid, key)
            self._ordered = self._ordered and old is None and place > self._newest
            self._newest = max(self._newest, place)
        self._entries[key] = new

    def _replace(self, sets: dict[str, V], removed: list[str], *, anew: bool) -> None:
        if not anew and not removed:
            self.values.update(sets)
        elif not anew and len(removed) == 1 and not sets:
            del self.values[removed[0]]
        else:
            values = {**self.values, **sets}
            for key in removed:
                del values[key]
            self.values = WithBadKeys(values, self._bad) if self._bad and not self.omit else values
            if not self.gated:
                self._show(self.values)

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
            return BadEntry(znode, znode.error)
        try:
            value = self._decode(znode.raw)
        except (Exception, SystemExit) as error:
            # An encoding is user's code; a sys.exit() in it would end kazoo's thread unheard.
            if isinstance(error, DecodeError):
                bad = DecodeError(error.reason, key, znode.raw)
            else:
                bad = DecodeError(f"{type(error).__name__}: {error}", key, znode.raw)
            bad.__cause__ = error
            return BadEntry(znode, bad)
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
