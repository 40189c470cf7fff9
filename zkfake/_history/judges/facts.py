"""What clients saw, beside each other: where there is no log of what was committed.

Every reply names a zxid, and a znode's ``Stat`` the zxid of its last change. So a read is a fact
about a span of the one order of all writes: from the change on that it shows until its own zxid,
nothing changed the znode. Facts of different clients, on different servers, either go together or
they do not.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, NamedTuple

from zkfake._history import shown
from zkfake._history.errors import AtomicityBroken, ReliabilityBroken, SingleSystemImageBroken
from zkfake._history.judge import Judge
from zkfake._history.reading import is_acknowledged
from zkfake._history.results import found, written
from zkfake._history.states import is_judged

if TYPE_CHECKING:
    from zkfake._history.events import Reply, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange
    from zkfake._history.results import Read

__all__ = ["ClientsAgree"]

_MOST = 2_000
"""Changes of one path that are remembered, and lists of children in all."""

ABSENT = "whether a znode that was not there should have been: somebody unseen may have deleted it"


class _KnownChange(NamedTuple):
    """One change of a path. ``data`` is known where ``has_data``; a version of -1 is unknown."""

    gone: bool | None
    has_data: bool
    data: bytes | None
    version: int
    by: Reply | WatchEvent


class _Path:
    """All that is known of one path."""

    __slots__ = ("absent", "changes", "horizon", "spans", "zxids")

    def __init__(self) -> None:
        self.zxids: list[int] = []
        """Of the changes, in order."""
        self.changes: dict[int, _KnownChange] = {}
        self.spans: dict[int, tuple[int, Reply]] = {}
        """By the zxid of the change that begins one: until when nothing else changed, and who saw
        that.
        """
        self.absent: list[tuple[int, int, Reply]] = []
        """When it was seen not to be there; the second number keeps replies from being compared."""
        self.horizon = 0

    def forget(self) -> None:
        """The older half of what is known."""
        half = len(self.zxids) // 2
        self.horizon = self.zxids[half]
        for zxid in self.zxids[:half]:
            del self.changes[zxid]
            self.spans.pop(zxid, None)
        del self.zxids[:half]
        self.absent = [each for each in self.absent if each[0] >= self.horizon]


class ClientsAgree(Judge):
    """Single system image, reliability and atomicity, without the log: what all clients saw, on all
    servers, goes together, in one order of all writes.

    Checked: a znode that was shown as unchanged since some zxid was not changed in between by any
    write that was acknowledged or told of; so an acknowledged write is in every later state, and is
    not rolled back; the parts of a multi all took effect at its zxid. One change has one content
    and one version, whoever shows it. Lists of children that are of one zxid are equal. What nobody
    recorded did is not seen: whether a znode that is not there should be is not decided.
    """

    name = "clients agree"
    error = SingleSystemImageBroken
    needs_no_log = True

    def __init__(self) -> None:
        super().__init__()
        self._paths: dict[str, _Path] = {}
        self._children: dict[tuple[str, int], tuple[frozenset[str | None], Reply]] = {}
        self._count = 0

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if is_acknowledged(reply):
            last = {each.path: each for each in written(exchange, reply)}
            for path, each in last.items():
                if is_judged(path):
                    gone = each.kind == "delete"
                    change = _KnownChange(gone, not gone, each.data, each.version, reply)
                    self._changed(path, reply.zxid, change)
            return
        for path, missing, read, has_data, names, _ in found(exchange, reply):
            if not is_judged(path):
                continue
            if missing:
                self._is_absent(path, reply)
            if names is not None:
                self._has_children(path, names, reply)
            if read is not None and path != "/":
                self._is_there(path, has_data, read, reply)

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        if event.zxid > 0 and event.type != "CHILDREN_CHANGED" and is_judged(event.path):
            # A multi may delete and make it anew, and there is an event of each.
            change = _KnownChange(None, False, None, -1, event)
            self._changed(event.path, event.zxid, change)

    # -- facts

    def _of(self, path: str) -> _Path:
        known = self._paths.get(path)
        if known is None:
            known = self._paths[path] = _Path()
        elif len(known.zxids) > _MOST:
            known.forget()
        return known

    def _changed(self, path: str, zxid: int, change: _KnownChange) -> None:
        """The path was changed at ``zxid``."""
        known = self._of(path)
        if zxid < known.horizon:
            return
        self.times += 1
        self._note(path, known, zxid, change)
        place = bisect_left(known.zxids, zxid)
        before = known.zxids[place - 1] if place else None
        span = None if before is None else known.spans.get(before)
        if span is not None and span[0] >= zxid:
            self._hidden(path, zxid, change, span[1])

    def _hidden(self, path: str, zxid: int, change: _KnownChange, reply: Reply) -> None:
        multi = getattr(change.by, "operation", "") == "multi"
        self.broken(
            f"{reply.client} was shown {path} as of {reply.zxid:#x} without its change at "
            f"{zxid:#x}, which {change.by.client} knows of",
            change.by,
            reply,
            error=AtomicityBroken if multi else ReliabilityBroken,
        )

    def _note(self, path: str, known: _Path, zxid: int, change: _KnownChange) -> None:
        """One change has one content."""
        before = known.changes.get(zxid)
        if before is None:
            insort(known.zxids, zxid)
            known.changes[zxid] = change
            return
        differs = None
        if before.gone is not None and change.gone is not None and before.gone != change.gone:
            differs = "whether it is there"
        elif before.has_data and change.has_data and before.data != change.data:
            differs = f"{shown.data(before.data)} or {shown.data(change.data)}"
        elif -1 not in (before.version, change.version) and before.version != change.version:
            differs = f"version {before.version} or {change.version}"
        if differs is not None:
            self.broken(
                f"clients do not agree on {path} at {zxid:#x}: {differs}", before.by, change.by
            )
        elif (change.has_data, change.version) > (before.has_data, before.version):
            known.changes[zxid] = change

    def _is_there(self, path: str, has_data: bool, read: Read, reply: Reply) -> None:
        """Since its last change and until the reply nothing changed it."""
        known, start, end = self._of(path), read.mzxid, reply.zxid
        if start < known.horizon:
            return
        self.times += 1
        if start > end:
            self.broken(
                f"{reply.client} was shown {path} as of {end:#x}, with a change of {start:#x}",
                reply,
            )
            return
        # Who only reads does not say whether the change made it or wrote to it.
        self._note(
            path, known, start, _KnownChange(False, has_data, read.data, read.version, reply)
        )
        place = bisect_right(known.zxids, start)
        if place < len(known.zxids) and (zxid := known.zxids[place]) <= end:
            self._hidden(path, zxid, known.changes[zxid], reply)
            return
        place = bisect_left(known.absent, (start, 0))
        if place < len(known.absent) and known.absent[place][0] <= end:
            self._absent_within(path, known.absent[place][2], reply, start)
        until = known.spans.get(start)
        if until is None or until[0] < end:
            known.spans[start] = (end, reply)

    def _is_absent(self, path: str, reply: Reply) -> None:
        known, zxid = self._of(path), reply.zxid
        if zxid < known.horizon:
            return
        self.undecided(ABSENT)
        self._count += 1
        insort(known.absent, (zxid, self._count, reply))
        if len(known.absent) > _MOST:
            del known.absent[: _MOST // 2]
        place = bisect_right(known.zxids, zxid)
        start = known.zxids[place - 1] if place else None
        span = None if start is None else known.spans.get(start)
        if start is not None and span is not None and span[0] >= zxid:
            self._absent_within(path, reply, span[1], start)

    def _absent_within(self, path: str, absent: Reply, there: Reply, start: int) -> None:
        self.broken(
            f"{absent.client} did not find {path} as of {absent.zxid:#x}; {there.client} was shown "
            f"it as of {there.zxid:#x}, unchanged since {start:#x}",
            absent,
            there,
        )

    def _has_children(self, path: str, names: list[str | None], reply: Reply) -> None:
        self.times += 1
        now = frozenset(names)
        before, by = self._children.setdefault((path, reply.zxid), (now, reply))
        if before != now:
            odd = sorted(str(name) for name in before ^ now)[0]
            self.broken(
                f"clients do not agree on the children of {path} as of {reply.zxid:#x}: {odd} is "
                "one, or is not",
                by,
                reply,
            )
        if len(self._children) > _MOST:
            del self._children[next(iter(self._children))]
