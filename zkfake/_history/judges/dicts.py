"""What a `zkdict.ZooKeeperDict` promises of the states that it shows, beside the log.

Rules that live here:

- What is judged is what reads find: the state that was shown last, when a call returns.
- A state that the dict itself calls inexact (its bounded wait was over) need not have existed: each
  of its keys is judged for itself.
- Where somebody may not read a znode no watch tells of its changes: from then on a dict is not
  judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._database.log import Create, Delete, SetData
from zkfake._database.paths import split
from zkfake._history import shown
from zkfake._history.errors import DictBroken
from zkfake._history.judge import Judge
from zkfake._history.known import may_read
from zkfake._history.states import FORGOTTEN, PathVersion
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from zkfake._history.events import (
        Committed,
        DictAnswered,
        DictAsked,
        DictOpened,
        DictSent,
        DictShown,
        Restored,
        ShownKey,
    )
    from zkfake._history.states import Changed

__all__ = ["DictJudge", "DictNeverBack", "DictReadsItsWrites", "DictStatesExisted", "DictSyncs"]

HIDDEN = "a dict of znodes that not everybody may read, or that saw a test go back to a state"
UNREADABLE = -1

NOT_EXACT = "a state that the dict calls inexact"


class _SeenDict:
    """One dict: what it shows, and what was committed below its znode since."""

    def __init__(self, opened: DictOpened) -> None:
        self.opened = opened
        self.root = opened.path
        self.zxid = 0
        self.updated = 0
        self.exact = False
        self.keys: dict[str, ShownKey] = {}
        self.by: DictShown | None = None
        self.judged = True
        self.dirty: dict[str, int] = {}
        """The children that were changed since the last exact state, with the zxid of the last
        change of each.
        """
        self.sessions: set[int] = set()
        self.own: dict[str, Committed] = {}
        """The last transaction of the dict's own sessions for each child that it sent."""
        self.calls: dict[int, _DictCall] = {}

    def path(self, name: str) -> str:
        return f"{'' if self.root == '/' else self.root}/{name}"

    def show(self, event: DictShown) -> None:
        self.zxid, self.updated, self.exact, self.by = (
            event.zxid, event.updated, event.exact, event
        )  # fmt: skip
        for key in event.changes:
            if key.czxid:
                self.keys[key.name] = key
            else:
                self.keys.pop(key.name, None)


class _DictCall:
    """A call under way, what was committed when it began, and what it sent."""

    def __init__(self, asked: DictAsked, committed: int) -> None:
        self.asked = asked
        self.committed = committed
        self.sent: dict[str, DictSent] = {}


class DictJudge(Judge):
    """Knows what each dict shows."""

    error = DictBroken

    def __init__(self) -> None:
        super().__init__()
        self.dicts: dict[int, _SeenDict] = {}

    def on_dict_opened(self, event: DictOpened) -> None:
        self.dicts[event.dict] = _SeenDict(event)

    def on_dict_shown(self, event: DictShown) -> None:
        if (seen := self.dicts.get(event.dict)) is not None:
            seen.show(event)

    def on_restored(self, entry: Restored) -> None:
        for seen in self.dicts.values():
            seen.judged = False

    def is_judged(self, seen: _SeenDict) -> bool:
        """Whether everybody may read all of it, now."""
        return seen.judged

    def see_commit(self, entry: Committed) -> None:
        """Note what a transaction changes below the dicts' znodes."""
        zxid = entry.transaction.zxid
        for operation in entry.transaction.operations:
            parent, name = split(operation.path)
            node = self.reading.states.now(operation.path)
            hidden = node is not None and not may_read(node.acl, ())
            for seen in self.dicts.values():
                if seen.root not in (parent, operation.path):
                    continue
                if hidden:
                    seen.judged = False
                if seen.root == parent and isinstance(operation, (Create, Delete, SetData)):
                    seen.dirty[name] = zxid
                    # What goes with its session was not taken away by a call.
                    closed = entry.transaction.op is Op.CLOSE_SESSION
                    if entry.transaction.session_id in seen.sessions and not closed:
                        seen.own[name] = entry


class DictNeverBack(DictJudge):
    """A dict never goes back: neither the zxid of the state that it shows, nor `last_updated`, over
    reconnects and new sessions too.
    """

    name = "a dict never goes back"

    def on_dict_shown(self, event: DictShown) -> None:
        seen = self.dicts.get(event.dict)
        if seen is None:
            return
        self.times += 1
        if event.zxid < seen.zxid:
            self.broken(
                f"dict {event.dict} showed the state of {event.zxid:#x} after that of "
                f"{seen.zxid:#x}",
                seen.by,
                event,
            )
        elif event.updated < seen.updated:
            self.broken(
                f"last_updated of dict {event.dict} fell from {seen.updated:#x} to "
                f"{event.updated:#x}",
                seen.by,
                event,
            )
        seen.show(event)


class DictStatesExisted(DictJudge):
    """Each exact state that a dict shows is the state of all children of its znode at its zxid: so
    a transaction's keys are there together, or none of them.

    Checked against the log, child by child as they change: data, version, czxid and mzxid.
    """

    name = "a dict's states existed"
    needs_log = True

    def on_dict_opened(self, event: DictOpened) -> None:
        super().on_dict_opened(event)
        seen = self.dicts[event.dict]
        states = self.reading.states
        names = states.children(seen.root, states.last)
        seen.dirty = dict.fromkeys(names if isinstance(names, set) else (), 0)
        root = states.now(seen.root)
        nodes = [root, *(states.now(seen.path(name)) for name in seen.dirty)]
        seen.judged = all(node is None or may_read(node.acl, ()) for node in nodes)

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        if self.dicts:
            self.see_commit(entry)

    def on_dict_shown(self, event: DictShown) -> None:
        super().on_dict_shown(event)
        seen = self.dicts.get(event.dict)
        if seen is None:
            return
        if not seen.judged:
            self.undecided(HIDDEN)
            return
        if not event.exact:
            for key in event.changes:
                seen.dirty.setdefault(key.name, 0)
            self.undecided(NOT_EXACT)
            return
        self.times += 1
        for name in {**seen.dirty, **dict.fromkeys(key.name for key in event.changes)}:
            self._compare(seen, name, event)
        seen.dirty = {name: zxid for name, zxid in seen.dirty.items() if zxid > event.zxid}

    def _compare(self, seen: _SeenDict, name: str, event: DictShown) -> None:
        is_ = seen.keys.get(name)
        was = self.reading.states.at(seen.path(name), event.zxid)
        if was is FORGOTTEN:
            return
        assert was is None or isinstance(was, PathVersion)
        there = was is not None and was.present
        if is_ is None and not there:
            return
        text = f"dict {event.dict} showed {name} as of {event.zxid:#x}"
        entry = None if was is None else was.entry
        if is_ is None:
            text = f"dict {event.dict} showed no {name} as of {event.zxid:#x}, where it was there"
        elif was is None or not there:
            text += ", where it was not there"
        elif (is_.data, is_.version, is_.czxid, is_.mzxid) != (
            was.data or b"", was.version, was.czxid, was.mzxid
        ):  # fmt: skip
            text += (
                f" with {shown.data(is_.data)}, version {is_.version}, where it had "
                f"{shown.data(was.data)}, version {was.version}"
            )
        else:
            return
        self.broken(text, seen.opened, entry, event)


class DictReadsItsWrites(DictJudge):
    """Read your writes: when a write of a dict returns, the state that the dict shows has it, or
    something newer.

    Checked against the log, for each child that the call had sent, if its session's last
    transaction for that child is the one that was sent.
    """

    name = "a dict reads its writes"
    needs_log = True

    def on_dict_asked(self, event: DictAsked) -> None:
        if (seen := self.dicts.get(event.dict)) is not None:
            seen.calls[event.number] = _DictCall(event, self.reading.states.last)

    def on_dict_sent(self, event: DictSent) -> None:
        seen = self.dicts.get(event.dict)
        if seen is None:
            return
        seen.sessions.add(event.session)
        call = seen.calls.get(event.number)
        if call is not None:
            call.sent.update((name, event) for name, _ in event.writes)

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        if self.dicts:
            self.see_commit(entry)

    def on_dict_answered(self, event: DictAnswered) -> None:
        seen = self.dicts.get(event.dict)
        call = None if seen is None else seen.calls.pop(event.number, None)
        if seen is None or call is None or event.outcome != "returned":
            return
        for name, sent in call.sent.items():
            done = seen.own.get(name)
            if done is None or done.transaction.zxid <= call.committed:
                continue
            self.times += 1
            if not seen.judged:
                self.undecided(HIDDEN)
            elif not self._has(seen, name, dict(sent.writes)[name], done):
                self.broken(
                    f"dict {event.dict} was done with {call.asked.call}, and does not show what it "
                    f"wrote to {name} at {done.transaction.zxid:#x}",
                    sent,
                    done,
                    seen.by,
                    event,
                )

    def _has(self, seen: _SeenDict, name: str, wanted: bytes | None, done: Committed) -> bool:
        zxid, path, is_ = done.transaction.zxid, seen.path(name), seen.keys.get(name)
        left = self.reading.states.at(path, zxid)
        if not isinstance(left, PathVersion) or (left.data if left.present else None) != wanted:
            return True  # what was committed is not what was sent for this call
        if is_ is not None:
            return is_.mzxid >= zxid or is_.czxid == UNREADABLE
        if wanted is None:
            return True
        now = self.reading.states.now(path)
        return now is None or now.czxid > zxid  # it was deleted since


class DictSyncs(DictJudge):
    """Convergence: when `sync` returns, the state that a dict shows has, of each child, what had
    been committed when it was called, or something newer.

    Checked against the log, for the children that were changed since the last exact state.
    """

    name = "a dict syncs"
    needs_log = True

    def on_dict_asked(self, event: DictAsked) -> None:
        seen = self.dicts.get(event.dict)
        if seen is not None and event.call == "sync":
            seen.calls[event.number] = _DictCall(event, self.reading.states.last)

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        if self.dicts:
            self.see_commit(entry)

    def on_dict_shown(self, event: DictShown) -> None:
        super().on_dict_shown(event)
        seen = self.dicts.get(event.dict)
        if seen is not None and event.exact:
            seen.dirty = {name: zxid for name, zxid in seen.dirty.items() if zxid > event.zxid}

    def on_dict_answered(self, event: DictAnswered) -> None:
        seen = self.dicts.get(event.dict)
        call = None if seen is None else seen.calls.pop(event.number, None)
        if seen is None or call is None or event.outcome != "returned":
            return
        if not seen.judged:
            self.undecided(HIDDEN)
            return
        self.times += 1
        for name in seen.dirty:
            expected = self.reading.states.at(seen.path(name), call.committed)
            is_ = seen.keys.get(name)
            if not isinstance(expected, PathVersion) or (is_ and is_.czxid == UNREADABLE):
                continue
            if expected.present:
                now = self.reading.states.now(seen.path(name))
                gone = is_ is None and (now is None or now.czxid > call.committed)
                fine = gone or (is_ is not None and is_.mzxid >= expected.mzxid)
            else:
                fine = is_ is None or is_.czxid > expected.zxid
            if not fine:
                self.broken(
                    f"dict {event.dict} was done with sync, and does not show what had been "
                    f"committed of {name} before",
                    expected.entry,
                    call.asked,
                    seen.by,
                    event,
                )
