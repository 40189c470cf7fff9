"""The persistent watches of one connection: what its client is to be told, and what it was told.

Rules that live here:

- A persistent watch is told of all that happens to its znode and of its children; a recursive one
  of what happens to its znode and to all below it, never of children.
- Of one change a connection is told once, however many of its watches cover it.
- What versions of the server do not agree on is not demanded, nor objected to: a path that has
  watches of two kinds. Before 3.9 the later one takes the place of the earlier one.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.paths import split
from zkfake._history.states import CHILD, DATA, Changed, Key, is_judged
from zkfake._protocol.records import EventType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._history.events import Event, WatchEvent
    from zkfake._history.known import KnownChanges

__all__ = ["Expected", "PersistentWatch", "PersistentWatches"]

_MOST = 5_000
"""Events that are remembered until they are compared with what is known."""


class PersistentWatch:
    """One watch; ``since``: the zxid of the state at which it was set; ``sure``: whether all
    versions of the server agree on what it is told.
    """

    __slots__ = ("by", "recursive", "since", "sure")

    def __init__(self, recursive: bool, since: int, by: Event) -> None:
        self.recursive = recursive
        self.since = since
        self.by = by
        self.sure = True


class Expected(NamedTuple):
    """A change that a client is to be told of; ``sure``: or may be."""

    change: Changed
    sure: bool
    by: Event


class PersistentWatches:
    """Those of one connection."""

    def __init__(self) -> None:
        self.watches: dict[str, PersistentWatch] = {}
        self._expected: list[Expected] = []
        """In the order of the changes; with the log."""
        self._told: dict[Key, list[int]] = {}
        """Without the log: for each event the newest state that had been shown before it."""
        self._count = 0

    def add(self, path: str, recursive: bool, since: int, by: Event) -> PersistentWatch:
        """A watch is set."""
        watch = self.watches.get(path)
        if watch is None:
            watch = self.watches[path] = PersistentWatch(recursive, since, by)
        elif watch.recursive != recursive:
            self.doubt(path)
        return watch

    def doubt(self, path: str) -> None:
        """What the watch of ``path`` is told from now on depends on the server's version; what is
        expected by now was committed, but its server may apply it later.
        """
        self.watches[path].sure = False
        self._expected = [each._replace(sure=False) for each in self._expected]

    def remove(self, path: str) -> None:
        """A watch is taken back; what is expected by now may still be told."""
        self.doubt(path)
        del self.watches[path]

    def covering(self, path: str, table: str) -> Iterator[PersistentWatch]:
        """The watches that are told of changes of ``path`` in ``table``."""
        watch = self.watches.get(path)
        if watch is not None and (table == DATA or not watch.recursive):
            yield watch
        while table == DATA and path != "/":
            path = split(path)[0]
            watch = self.watches.get(path)
            if watch is not None and watch.recursive:
                yield watch

    def is_doubtful(self, path: str) -> bool:
        """Whether a watch that may be told of ``path`` is one of those in `doubt`."""
        while True:
            watch = self.watches.get(path)
            if watch is not None and not watch.sure:
                return True
            if path == "/":
                return False
            path = split(path)[0]

    # -- with the log

    def expect(self, change: Changed) -> None:
        """Something has changed. Changes come in their order."""
        if change.table == CHILD and change.type is not EventType.CHILDREN_CHANGED:
            return  # a deletion, which the other table tells of
        if not is_judged(change.path):
            return
        sure, by = False, None
        for watch in self.covering(change.path, change.table):
            if watch.since < change.zxid:
                sure, by = sure or watch.sure, by or watch.by
        if by is not None:
            self._expected.append(Expected(change, sure, by))

    def expect_again(self, changes: list[Changed]) -> None:
        """A watch was added: what it is told of the last changes too, all in their order."""
        before, self._expected = self._expected, []
        known = {id(each.change) for each in before}
        for change in changes:
            if id(change) not in known:
                self.expect(change)
        self._expected = sorted([*before, *self._expected], key=lambda each: each.change.zxid)

    def take(self, event: WatchEvent) -> tuple[bool, list[Expected]]:
        """An event: whether it was expected, and what should have been told before it."""
        for place, (change, _, _) in enumerate(self._expected):
            if (
                change.path == event.path
                and change.type.name == event.type
                and event.zxid in (change.zxid, -1)
            ):
                before = self._expected[:place]
                self._expected = [
                    *(each for each in before if each.change.zxid == change.zxid),
                    *self._expected[place + 1 :],
                ]
                return True, [each for each in before if each.change.zxid < change.zxid]
        return False, []

    def overdue(self, zxid: int) -> list[Expected]:
        """What should have been told by the time that the state of ``zxid`` is shown."""
        expected = self._expected
        count = 0
        while count < len(expected) and expected[count].change.zxid <= zxid:
            count += 1
        self._expected = expected[count:]
        return expected[:count]

    # -- without it

    def is_told(self, event: WatchEvent, shown: int) -> bool:
        """An event came, after the state of ``shown``: whether a watch covers it."""
        table = CHILD if event.type == "CHILDREN_CHANGED" else DATA
        if not any(self.covering(event.path, table)):
            return False
        self._told.setdefault((table, event.path), []).append(shown)
        self._count += 1
        return True

    @property
    def is_full(self) -> bool:
        """Whether it is time for `compare`."""
        return self._count > _MOST

    def compare(self, known: KnownChanges, shown: int) -> list[Expected]:
        """What should have been told before the state of ``shown`` was: of the changes that are
        known of a znode, the n-th was not told where less than n events had come by then.
        """
        lost: list[Expected] = []
        for path, watch in self.watches.items():
            if not watch.sure or watch.since >= shown:
                continue
            tables = (DATA,) if watch.recursive else (DATA, CHILD)
            for each in list(known.below(path)) if watch.recursive else [path]:
                for table in tables:
                    told = self._told.get((table, each), [])
                    changes = known.within(each, table, watch.since, shown)
                    number = 0
                    for change in changes:
                        if table == CHILD and change.type is not EventType.CHILDREN_CHANGED:
                            continue
                        if bisect_left(told, change.zxid) <= number:
                            lost.append(Expected(change, True, watch.by))
                            break
                        number += 1
            watch.since = shown
        self._told.clear()
        self._count = 0
        return lost
