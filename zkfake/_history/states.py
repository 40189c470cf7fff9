"""The state at each zxid, computed anew from the log of what was committed, by rules of this
module's own: a server that applies a transaction wrongly disagrees with it.

Of each path its versions are kept, of each parent the changes of its children; what is further back
than the window is forgotten, but for the newest version of what is still there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._database.log import Create, Delete, SetAcl, SetData
from zkfake._database.paths import split
from zkfake._protocol.records import Acl, Acls, EventType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._history.events import Committed, Event, Logged, Restored

__all__ = [
    "CHILD",
    "DATA",
    "FORGOTTEN",
    "OPEN",
    "Changed",
    "Key",
    "PathVersion",
    "States",
    "is_judged",
]

DATA, CHILD = "data", "child"
"""The two tables that watches stand in."""

Key = tuple[str, str]
"""Table and path: where a watch stands."""


class PathVersion(NamedTuple):
    """What a path holds from one zxid on."""

    zxid: int
    present: bool
    data: bytes | None
    czxid: int
    mzxid: int
    version: int
    owner: int
    acl: Acls
    entry: Logged | None


class Changed(NamedTuple):
    """One change that watchers in one table are told of, if they may read the znode: ``acl``."""

    path: str
    table: str
    zxid: int
    type: EventType
    acl: Acls
    by: Event | Logged | None


class _Forgotten:
    def __repr__(self) -> str:
        return "forgotten"


FORGOTTEN = _Forgotten()
"""Asked for what is further back than the window."""

OPEN: Acls = (Acl(31, "world", "anyone"),)
"""Everybody may read that."""

_ROOT = PathVersion(0, True, b"", 0, 0, 0, 0, OPEN, None)


class _Children:
    __slots__ = ("changes", "count", "last", "names")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.changes: deque[tuple[int, str, bool, Logged]] = deque()
        """zxid, name, whether it was added, and the entry."""
        self.count = 0
        """How often they have changed since their parent was made."""
        self.last = 0
        """The zxid of the last change that was forgotten."""


class States:
    """Every state within the window."""

    def __init__(self, window: int) -> None:
        """``window``: transactions."""
        self._window = window
        self._versions: dict[str, list[PathVersion]] = {"/": [_ROOT]}
        self._children: dict[str, _Children] = {"/": _Children()}
        self._touched: deque[tuple[int, tuple[str, ...]]] = deque()
        self._told: dict[tuple[str, str], deque[Changed]] = {}
        """By path and table, in the order in which watchers are told."""
        self._entries: dict[int, Logged] = {}
        self.horizon = 0
        """States before it are forgotten."""
        self.last = 0
        """The zxid of the last transaction."""
        self.last_entry: Logged | None = None
        self._restarted = -1
        """The zxid of the last restart: how often children had changed before is not known."""

    def apply(self, entry: Committed) -> list[Changed]:
        """The next transaction. What watchers are told of it, in order."""
        transaction = entry.transaction
        zxid = self.last = transaction.zxid
        self.last_entry = self._entries[zxid] = entry
        changes: list[Changed] = []
        touched: list[str] = []
        for operation in transaction.operations:
            kind = type(operation)
            if kind is Create:
                touched += self._create(operation, zxid, entry, changes)
            elif kind is SetData:
                self._set_data(operation, zxid, entry, changes)
                touched.append(operation.path)
            elif kind is Delete:
                touched += self._delete(operation, zxid, entry, changes)
            elif kind is SetAcl:
                self._set_acl(operation, zxid, entry)
                touched.append(operation.path)
        for change in changes:
            self._told.setdefault((change.path, change.table), deque()).append(change)
        self._touched.append((zxid, tuple(touched)))
        if len(self._touched) > self._window:
            self._forget()
        return changes

    def restart(self, entry: Restored) -> None:
        """The state is another one from here on; what was before is forgotten."""
        zxid = self.horizon = self.last = self._restarted = entry.zxid
        self.last_entry = entry
        self._entries = {zxid: entry}
        self._told.clear()
        self._versions = {"/": [_ROOT._replace(zxid=zxid)]}
        self._children = {"/": _Children()}
        self._touched.clear()
        for path, data, acl, czxid, mzxid, version, owner in entry.znodes:
            if path == "/" or not is_judged(path):
                continue
            parent, name = split(path)
            self._put(path, PathVersion(zxid, True, data, czxid, mzxid, version, owner, acl, entry))
            children = self._children.setdefault(parent, _Children())
            children.names.add(name)
            children.last = zxid

    def entry(self, zxid: int) -> Logged | None:
        """The transaction with this zxid, within the window."""
        return self._entries.get(zxid)

    def _create(
        self, done: Any, zxid: int, entry: Committed, changes: list[Changed]
    ) -> tuple[str, str]:
        path, acl = done.path, done.acl
        parent, name = split(path)
        self._put(
            path,
            PathVersion(zxid, True, done.data, zxid, zxid, 0, done.owner, acl, entry),
        )
        if (below := self._children.get(path)) is not None:
            below.count = 0  # of one that was there before
        above = self._now(parent).acl
        self._child(parent, zxid, name, True, entry)
        changes.append(Changed(path, DATA, zxid, EventType.CREATED, acl, entry))
        changes.append(Changed(parent, CHILD, zxid, EventType.CHILDREN_CHANGED, above, entry))
        return path, parent

    def _delete(
        self, done: Any, zxid: int, entry: Committed, changes: list[Changed]
    ) -> tuple[str, str]:
        path = done.path
        parent, name = split(path)
        acl = self._now(path).acl
        gone = PathVersion(zxid, False, None, 0, 0, 0, 0, acl, entry)
        self._put(path, gone)
        above = self._now(parent).acl
        self._child(parent, zxid, name, False, entry)
        changes.append(Changed(path, DATA, zxid, EventType.DELETED, acl, entry))
        changes.append(Changed(path, CHILD, zxid, EventType.DELETED, acl, entry))
        changes.append(Changed(parent, CHILD, zxid, EventType.CHILDREN_CHANGED, above, entry))
        return path, parent

    def _set_data(self, done: Any, zxid: int, entry: Committed, changes: list[Changed]) -> None:
        old = self._now(done.path)
        new = old._replace(zxid=zxid, data=done.data, mzxid=zxid, version=done.version, entry=entry)
        self._put(done.path, new)
        kind = EventType.DATA_CHANGED
        changes.append(Changed(done.path, DATA, zxid, kind, old.acl, entry))

    def _set_acl(self, done: Any, zxid: int, entry: Committed) -> None:
        old = self._now(done.path)
        self._put(done.path, old._replace(zxid=zxid, acl=done.acl, entry=entry))

    def _put(self, path: str, version: PathVersion) -> None:
        self._versions.setdefault(path, []).append(version)

    def _now(self, path: str) -> PathVersion:
        versions = self._versions.get(path)
        return versions[-1] if versions else _ROOT

    def _child(self, parent: str, zxid: int, name: str, added: bool, entry: Committed) -> None:
        children = self._children.get(parent)
        if children is None:
            children = self._children[parent] = _Children()
        if added:
            children.names.add(name)
        else:
            children.names.discard(name)
        children.count += 1
        children.changes.append((zxid, name, added, entry))

    def _forget(self) -> None:
        """One transaction leaves the window."""
        horizon, paths = self._touched.popleft()
        self.horizon = horizon
        self._entries.pop(horizon, None)
        for path in paths:
            versions = self._versions.get(path)
            if versions:
                while len(versions) > 1 and versions[1].zxid <= horizon:
                    del versions[0]
                if not versions[0].present and len(versions) == 1 and versions[0].zxid <= horizon:
                    del self._versions[path]
                    self._children.pop(path, None)
            children = self._children.get(path)
            if children is not None:
                changes = children.changes
                while changes and changes[0][0] <= horizon:
                    children.last = changes.popleft()[0]
            for table in (DATA, CHILD):
                told = self._told.get((path, table))
                if told is not None:
                    while told and told[0].zxid <= horizon:
                        told.popleft()
                    if not told:
                        del self._told[path, table]

    # -- asking

    def owners(self, path: str) -> Iterator[int]:
        """The owners that the znodes of a path have had, within the window, the last first."""
        return (version.owner for version in reversed(self._versions.get(path, ())))

    def now(self, path: str) -> PathVersion | None:
        """What is committed there at present; ``None`` for nothing."""
        versions = self._versions.get(path)
        return versions[-1] if versions and versions[-1].present else None

    def at(self, path: str, zxid: int) -> PathVersion | _Forgotten | None:
        """What was there right after the last transaction up to ``zxid``: a version that may say
        that nothing was, or ``None`` where nothing ever was.
        """
        if zxid < self.horizon:
            return FORGOTTEN
        versions = self._versions.get(path)
        if not versions:
            return None
        if versions[-1].zxid <= zxid:
            return versions[-1]
        place = bisect_right(versions, zxid, key=itemgetter(0))
        return versions[place - 1] if place else None

    def children(self, path: str, zxid: int) -> set[str] | _Forgotten:
        """The names of the children at ``zxid``. Cost: linear in them and in the changes since."""
        if zxid < self.horizon:
            return FORGOTTEN
        children = self._children.get(path)
        if children is None:
            return set()
        names = set(children.names)
        for when, name, added, _ in reversed(children.changes):
            if when <= zxid:
                break
            if added:
                names.discard(name)
            else:
                names.add(name)
        return names

    def children_count(self, path: str, zxid: int) -> int:
        """How many children there were. Cost: linear in the changes since."""
        children = self._children.get(path)
        if children is None:
            return 0
        count = len(children.names)
        for when, _, added, _ in reversed(children.changes):
            if when <= zxid:
                break
            count += -1 if added else 1
        return count

    def count_of_child_changes(self, path: str, czxid: int, zxid: int) -> int | None:
        """How often the children of the znode that was made at ``czxid`` had changed at ``zxid``;
        ``None`` where it is not there any more, or was there before a restart. Cost: linear in the
        changes since.
        """
        if czxid <= self._restarted or self._now(path).czxid != czxid:
            return None
        children = self._children.get(path)
        if children is None:
            return 0
        since = takewhile(lambda change: change[0] > zxid, reversed(children.changes))
        return children.count - sum(1 for _ in since)

    def changed_children(self, path: str, zxid: int) -> int:
        """The zxid of the last change of the children up to ``zxid``; 0 for none."""
        children = self._children.get(path)
        if children is None:
            return 0
        for when, *_ in reversed(children.changes):
            if when <= zxid:
                return when
        return children.last

    def last_child_change(self, path: str, zxid: int) -> Logged | None:
        """What changed the children last, up to ``zxid``, within the window."""
        children = self._children.get(path)
        for when, _, _, entry in reversed(children.changes if children else ()):
            if when <= zxid:
                return entry
        return None

    def next_change(self, path: str, table: str, zxid: int) -> Changed | None:
        """The first change above ``zxid`` that watchers of ``path`` in ``table`` are told of."""
        first: Changed | None = None
        # From the end: what is asked for is seldom far back.
        for change in reversed(self._told.get((path, table), ())):
            if change.zxid <= zxid:
                break
            first = change
        return first


def is_judged(path: str) -> bool:
    """Whether a path's state follows from the log alone: what is below ``/zookeeper`` does not."""
    return path != "/zookeeper" and not path.startswith("/zookeeper/")
