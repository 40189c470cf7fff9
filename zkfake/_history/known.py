"""The changes of znodes that clients know of: what there is in the place of the log of a live
server.

Rules that live here:

- A write that was acknowledged names its zxid. A ``Stat`` names those of a znode's creation, of its
  last change and of the last change of its children. An event names one, from servers of 3.9 on.
- What is learnt may be long past: a change is often known only after replies that are newer.
- Nobody says what an unseen client has done: there may be more changes than those that are known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.paths import split
from zkfake._history import results
from zkfake._history.reading import is_acknowledged
from zkfake._history.states import CHILD, DATA, OPEN, Changed, Key, is_judged
from zkfake._protocol.records import Acls, EventType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from zkfake._history.events import Event, Reply, WatchEvent
    from zkfake._history.reading import Exchange

__all__ = ["KnownChanges", "may_read"]

_MOST = 1_000
"""Changes of one znode that are remembered."""

_KEYS = 10_000
"""Znodes of which changes are remembered."""

_NOBODY: Acls = ()
"""The ACL of a znode that somebody has closed, at some time, to some."""


def may_read(acls: Acls, ids: Collection[str | None]) -> bool:
    """Whether these ACLs let everybody read, or one of ``ids``, which are of the digest scheme.
    False where it is not known.
    """
    if acls is OPEN:
        return True
    return any(
        each.perms & 1
        and (
            (each.scheme, each.id) == ("world", "anyone")
            or (each.scheme == "digest" and each.id in ids)
        )
        for each in acls
    )


class _Known(NamedTuple):
    zxids: list[int]
    changes: dict[int, Changed]


class KnownChanges:
    """All that is known, in bounded memory: the oldest is forgotten."""

    def __init__(self) -> None:
        self._of: dict[Key, _Known] = {}
        self._closed: dict[str, None] = {}
        """Paths of znodes, or how they begin, that not everybody may read, at some time."""

    # -- learning

    def sent(self, exchange: Exchange) -> None:
        """A client asks for something: it may close a znode to others."""
        record = exchange.record
        parts = getattr(record, "operations", None)
        for each in (record,) if parts is None else (part.record for part in parts):
            acls = getattr(each, "acl", None)
            if acls and not may_read(tuple(acls), ()):
                self._closed[each.path or ""] = None

    def learn(self, exchange: Exchange, reply: Reply) -> list[Changed]:
        """What a reply tells of changes, as far as it was not known."""
        found: list[Changed] = []
        if is_acknowledged(reply):
            for each in results.written(exchange, reply):
                if each.kind == "setData":
                    self._put(found, each.path, DATA, reply.zxid, EventType.DATA_CHANGED, reply)
                elif each.kind == "create":
                    self._created(found, each.path, reply.zxid, reply)
                elif each.kind == "delete":
                    self._deleted(found, each.path, reply.zxid, reply)
            return found
        for path, _, read, *_ in results.found(exchange, reply):
            if read is not None and path != "/":
                self._created(found, path, read.czxid, reply)
                if read.mzxid > read.czxid:
                    self._put(found, path, DATA, read.mzxid, EventType.DATA_CHANGED, reply)
                if read.pzxid > read.czxid:
                    self._put(found, path, CHILD, read.pzxid, EventType.CHILDREN_CHANGED, reply)
        return found

    def told(self, event: WatchEvent) -> list[Changed]:
        """The same of an event."""
        found: list[Changed] = []
        if event.zxid > 0:
            if event.type == "CREATED":
                self._created(found, event.path, event.zxid, event)
            elif event.type == "DELETED":
                self._deleted(found, event.path, event.zxid, event)
            elif event.type in ("DATA_CHANGED", "CHILDREN_CHANGED"):
                table = DATA if event.type == "DATA_CHANGED" else CHILD
                self._put(found, event.path, table, event.zxid, EventType[event.type], event)
        return found

    def _created(self, found: list[Changed], path: str, zxid: int, by: Event) -> None:
        self._put(found, path, DATA, zxid, EventType.CREATED, by)
        self._put(found, split(path)[0], CHILD, zxid, EventType.CHILDREN_CHANGED, by)

    def _deleted(self, found: list[Changed], path: str, zxid: int, by: Event) -> None:
        self._put(found, path, DATA, zxid, EventType.DELETED, by)
        self._put(found, path, CHILD, zxid, EventType.DELETED, by)
        self._put(found, split(path)[0], CHILD, zxid, EventType.CHILDREN_CHANGED, by)

    def _put(
        self, found: list[Changed], path: str, table: str, zxid: int, type_: EventType, by: Event
    ) -> None:
        if zxid <= 0 or not is_judged(path):
            return
        known = self._of.get((table, path))
        if known is None:
            known = self._of[(table, path)] = _Known([], {})
            if len(self._of) > _KEYS:
                del self._of[next(iter(self._of))]
        if zxid in known.changes:
            return
        change = Changed(path, table, zxid, type_, self._acl(path), by)
        insort(known.zxids, zxid)
        known.changes[zxid] = change
        if len(known.zxids) > _MOST:
            del known.changes[known.zxids.pop(0)]
        found.append(change)

    def _acl(self, path: str) -> Acls:
        return _NOBODY if any(map(path.startswith, self._closed)) else OPEN

    # -- asking

    def next_change(self, path: str, table: str, zxid: int) -> Changed | None:
        """The first change above ``zxid`` that is known."""
        known = self._of.get((table, path))
        if known is None or not known.zxids or known.zxids[-1] <= zxid:
            return None
        return known.changes[known.zxids[bisect_right(known.zxids, zxid)]]

    def within(self, path: str, table: str, since: int, until: int) -> list[Changed]:
        """The changes above ``since`` and up to ``until`` that are known, in order."""
        known = self._of.get((table, path))
        if known is None:
            return []
        zxids = known.zxids
        return [
            known.changes[zxid]
            for zxid in zxids[bisect_right(zxids, since) : bisect_left(zxids, until + 1)]
        ]

    def below(self, path: str) -> Iterator[str]:
        """The paths at and below ``path`` whose data are known to have changed. Cost: linear."""
        start = path if path == "/" else f"{path}/"
        for table, each in self._of:
            if table == DATA and (each == path or each.startswith(start)):
                yield each
