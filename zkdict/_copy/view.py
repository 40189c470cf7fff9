"""What readers see: the published znodes as keys and decoded values.

The rules that live here:

- A value is decoded once per change, when its state is shown. One that does not decode is a *bad
  key*: it has no value, and harms no other key.
- What a read looks into (see `lookup`) is changed in place, so one change costs O(1). A step that
  removes keys and does something else too, or changes which keys are bad, replaces it instead: no
  reader ever sees half of a step. (A dict's `update` with str keys is atomic, unless it frees a
  value whose `__del__` reads. So replaced values are kept until the lock is free.)
- Entries are changed by the same step, and are looked up with the lock held.
- `snapshot()` is an immutable copy of one state, made when first asked for after a change.
- Keys come in the order their znodes were created (czxid, then the name: the keys of one
  transaction share a czxid): the same in every process.
"""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from zkdict._copy.lookup import GATED, BadEntry, WithBadKeys
from zkdict._copy.snapshot import Snapshot
from zkdict._recording import shown_znode
from zkdict.entries import Change, Entry, State
from zkdict.errors import DecodeError, InvalidKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict._copy.events import Dispatcher
    from zkdict._copy.items import Publication, ReadZnode
    from zkdict._recording import DictRecorder
    from zkdict.keys import KeyCodec

__all__ = ["View"]

V = TypeVar("V")


class View(Generic[V]):
    """See the module's rules.

    Not thread-safe: the caller holds the dict's lock around every call, but for those that say
    "Needs no lock". A public attribute is one value, and may be read without it.

    Args:
        codec: names to keys.
        decode: bytes to values.
        dispatcher: is told of what changes.
        show: is given the dict that reads are to look into from now on.
        keep: is given what may hold the last reference to a value; frees it when the lock is free.
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
        self.recorder: DictRecorder | None = None
        self.gated = True
        """Whether a read has to ask first whether it may."""
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
        self._held: dict[str, ReadZnode | None] = {}  # published, not shown yet
        self._held_local: dict[str, bytes | None] = {}
        self._resynced = False
        # The zxid, `updated` and exactness of what was published last; without autosync it may not
        # be shown yet.
        self._latest: tuple[int, int, bool] | None = None
        self._exact = True
        self._snapshot: Snapshot[V] | None = None
        self._ordered = True  # whether `_entries` is in the order of creation
        self._told = (0, 0, False)
        self._newest = (0, "")  # the greatest czxid it ever had, and the key made last with it

    # -- reading

    def get(self, key: str) -> Entry[V] | BadEntry | None:
        """The entry of a key, bad or not."""
        return self._entries.get(key)

    def bad_keys(self) -> Mapping[str, Exception]:
        """The keys without a value, and why. Needs no lock: they are replaced, never changed."""
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
        """Whether there is a state to show. Needs no lock."""
        return self._latest is not None

    def state_changed(self, old: State, new: State) -> None:
        """The dict's state changed: gate reads as they were asked to be."""
        if new is State.LIVE:
            self.gate(gated=False)
        elif self._gate_outages or new in (State.LOADING, State.CLOSED):
            self.gate(gated=True)
        self._dispatcher.state_changed(old, new)

    def gate(self, *, gated: bool) -> None:
        """Make reads ask first (see `lookup.GATED`), or let them read directly again."""
        self.gated = gated
        self._show(GATED if gated else self.values)

    # -- taking steps

    def publish(self, publication: Publication, local: Mapping[str, bytes | None]) -> None:
        """A new state was published; `local` is what this dict wrote itself lately."""
        self._held.update(publication.changes)
        self._held_local.update(local)
        self._resynced = self._resynced or publication.resynced
        first = self._latest is None
        self._latest = publication.zxid, publication.updated, publication.exact
        if self.autosync or first:
            self.refresh()

    def refresh(self) -> None:
        """Show what was published last."""
        if self._latest is None:
            return
        zxid, updated, exact = self._latest
        changes = self._step(self._held, zxid, self._held_local)
        if self._resynced:
            changes.insert(0, Change("resynced", "", None, None, zxid, False))
        self.zxid, self.updated, self._exact = zxid, updated, exact
        if self.recorder is not None:
            self._tell(self.recorder)
        self._held, self._held_local, self._resynced = {}, {}, False
        self._dispatcher.changed(changes)

    def _tell(self, recorder: DictRecorder) -> None:
        exact = self._exact and not any(bad.refused for bad in self._bad.values())
        told = self.zxid, self.updated, exact
        if self._held or told != self._told:
            self._told = told
            # What reads find, not what was to be shown.
            changes = {
                name: shown_znode(znode if (key := self.key(name)) is None else self.get(key))
                for name, znode in self._held.items()
            }
            recorder.shown(*told, changes)

    def _step(
        self, znodes: Mapping[str, ReadZnode | None], zxid: int, local: Mapping[str, bytes | None]
    ) -> list[Change[V]]:
        """Take over these znodes (None: gone). Returns what that changed, if somebody listens."""
        changes: list[Change[V]] = []
        listening = self._dispatcher.listening
        steps: dict[str, Entry[V] | BadEntry | None] = {}
        for name, znode in znodes.items():
            key = self.key(name)
            if key is None:
                continue
            old = self._entries.get(key)
            new: Entry[V] | BadEntry | None
            if znode is not None:
                new = self.entry(key, znode)
                if isinstance(new, BadEntry):
                    self._dispatcher.failed(new.error)
            elif old is not None:
                new = None
            else:
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
        removed = []
        if len(sets) < len(steps):
            removed = [k for k in steps if k not in sets and dict.__contains__(self.values, k)]
        other = bool(bad or (self._bad and not steps.keys().isdisjoint(self._bad)))
        if other:
            kept = {key: entry for key, entry in self._bad.items() if key not in steps}
            self._bad = {**kept, **bad}
        self._replace(sets, removed, anew=other and not self.omit)

    def _place(self, key: str, new: Entry[V] | BadEntry | None) -> None:
        """Put an entry in its place in the order, or remove it."""
        old = self._entries.get(key)
        if new is None:
            del self._entries[key]
            return
        if old is None or old.czxid != new.czxid:  # a key that was made again moves to the end
            place = (new.czxid, key)
            if place > self._newest:
                self._newest = place
                self._ordered = self._ordered and old is None
            else:
                self._ordered = False
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
        """The key of a znode's name; None where it stands for none. Needs no lock."""
        try:
            return self._codec.from_name(name)
        except InvalidKey:
            return None  # another program's znode: no key of this dict has such a name

    def entry(self, key: str, znode: ReadZnode) -> Entry[V] | BadEntry:
        """The entry of a znode. Needs no lock: it reads nothing of this view."""
        if znode.error is not None:
            return BadEntry(znode, znode.error)
        try:
            value = self._decode(znode.raw)
        except BaseException as error:
            # An encoding is user's code. Whatever it raises would end kazoo's task without a word,
            # and with it the dict.
            if _is_for_the_task(error):
                raise
            if isinstance(error, DecodeError):
                bad = DecodeError(error.reason, key, znode.raw)
            else:
                bad = DecodeError(f"{type(error).__name__}: {error}", key, znode.raw)
            bad.__cause__ = error
            return BadEntry(znode, bad)
        raw, version, czxid, mzxid, ctime, mtime, owner, _ = znode
        return Entry(
            key, value, raw, version, czxid, mzxid, ctime / 1000, mtime / 1000, owner or None
        )


def _is_for_the_task(error: BaseException) -> bool:
    """Whether it came to the task that decodes, from outside of the decoder: a signal, which only
    the main thread gets, or the end or a timeout of a greenlet. These go on to whom they are meant
    for; the step that was not taken is taken later.
    """
    if isinstance(error, KeyboardInterrupt):
        return threading.current_thread() is threading.main_thread()
    packages = {each.__module__.partition(".")[0] for each in type(error).__mro__}
    return not packages.isdisjoint(("greenlet", "gevent", "eventlet"))
