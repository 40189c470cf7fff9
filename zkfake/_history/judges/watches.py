"""Watches: told once, in order, before the new data, and none is lost while the client is
connected.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from zkfake._history.errors import WatchesBroken
from zkfake._history.judge import Judge
from zkfake._history.states import CHILD, DATA, FORGOTTEN, Changed, PathVersion, is_judged
from zkfake._protocol.records import Code

if TYPE_CHECKING:
    from zkfake._history.events import Committed, Event, Reply, Restored, Sent, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange

__all__ = ["WatchesAreTold"]

Key = tuple[str, str]
"""Table and path."""

_READS = {"getData": DATA, "exists": DATA, "getChildren": CHILD, "getChildren2": CHILD}

_TABLES: dict[str, tuple[str, ...]] = {
    "CREATED": (DATA,),
    "DATA_CHANGED": (DATA,),
    "CHILDREN_CHANGED": (CHILD,),
    "DELETED": (DATA, CHILD),
}

MODES = "watches of a connection that has persistent ones, or that saw a test go back to a state"
HIDDEN = "an event of a znode that not everybody may read"


class _Armed:
    """One watch; ``since``: the zxid of the state that its client has seen."""

    __slots__ = ("by", "due", "since")

    def __init__(self, since: int, by: Event) -> None:
        self.since = since
        self.by = by
        self.due: Changed | None = None
        """The change that its client is to be told of."""


class _Catching(NamedTuple):
    """What a ``setWatches`` asks for that is not answered yet."""

    since: int
    lists: tuple[dict[str, None], dict[str, None], dict[str, None]]
    sent: Sent


class _ConnectionWatches:
    """The watches of one connection."""

    __slots__ = ("armed", "catching", "dues", "judged")

    def __init__(self) -> None:
        self.armed: dict[Key, _Armed] = {}
        self.dues: list[tuple[int, int, Key, _Armed]] = []
        """A heap of what is due."""
        self.catching: list[_Catching] = []
        self.judged = True


class WatchesAreTold(Judge):
    """Watches: a client is told of the first change after the state that it saw when it set the
    watch, once, in the order of the changes, and before anything as new as the change. As long as
    it is connected none is lost; with ``setWatches`` none is over a reconnect either.

    Checked against the log, event by event. Without the log, only against the changes that clients
    know of: that a change nobody recorded was not told is not found. Not judged: a connection from
    its first persistent watch on; events of znodes that not everybody may read, which are dropped
    for those who may not.
    """

    name = "watches are told"
    error = WatchesBroken

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[ConnectionSeen, _ConnectionWatches] = {}
        self._watchers: dict[Key, dict[ConnectionSeen, _Armed]] = {}
        self._count = 0

    def on_connected(self, connection: ConnectionSeen) -> None:
        self._of[connection] = _ConnectionWatches()

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        watches = self._of.pop(connection, None)
        for key in watches.armed if watches is not None else ():
            self._forget(connection, key)

    def _forget(self, connection: ConnectionSeen, key: Key) -> None:
        watchers = self._watchers.get(key)
        if watchers is not None:
            watchers.pop(connection, None)
            if not watchers:
                del self._watchers[key]

    # -- what sets watches

    def on_sent(self, exchange: Exchange) -> None:
        operation = exchange.sent.operation
        if operation not in ("setWatches", "setWatches2"):
            return
        watches, record = self._of.get(exchange.connection), exchange.record
        if watches is None:
            return
        if (
            record is None
            or any(record.lists[3:])
            or any(paths is None or None in paths for paths in record.lists[:3])
        ):
            watches.judged = False
            return
        data, exist, child = (dict.fromkeys(map(str, paths)) for paths in record.lists[:3])
        watches.catching.append(
            _Catching(record.relative_zxid, (data, exist, child), exchange.sent)
        )

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        connection = exchange.connection
        watches = self._of.get(connection)
        if watches is None:
            return
        operation = reply.operation
        if operation == "addWatch" and not reply.error:
            watches.judged = False
        if not watches.judged:
            return
        if operation != "closeSession" and reply.zxid > 0:
            self._look_for_lost(connection, watches, reply.zxid, reply)
        if operation in _READS:
            record = exchange.record
            missing = operation == "exists" and reply.error == Code.NO_NODE
            if record is not None and record.watch and (not reply.error or missing):
                self._arm(connection, watches, (_READS[operation], record.path), reply)
        elif operation in ("setWatches", "setWatches2"):
            if watches.catching:
                self._caught_up(connection, watches, watches.catching.pop(0), reply)
        elif operation == "removeWatches" and not reply.error and exchange.record is not None:
            for table in (DATA, CHILD):
                if exchange.record.value in (3, 1 if table == CHILD else 2):
                    self._disarm(connection, watches, (table, exchange.record.path))

    def _arm(
        self, connection: ConnectionSeen, watches: _ConnectionWatches, key: Key, reply: Reply
    ) -> None:
        if key in watches.armed or not is_judged(key[1]):
            return
        armed = watches.armed[key] = _Armed(reply.zxid, reply)
        self._watchers.setdefault(key, {})[connection] = armed
        path = key[1] or "/"
        if reply.zxid < self.reading.states.horizon:
            return
        change = self.reading.states.next_change(path, key[0], reply.zxid)
        if change is not None:
            self._is_due(watches, key, armed, change)

    def _is_due(
        self, watches: _ConnectionWatches, key: Key, armed: _Armed, change: Changed
    ) -> None:
        armed.due = change
        self._count += 1
        heappush(watches.dues, (change.zxid, self._count, key, armed))

    def _disarm(
        self, connection: ConnectionSeen, watches: _ConnectionWatches, key: Key
    ) -> _Armed | None:
        armed = watches.armed.pop(key, None)
        if armed is not None:
            self._forget(connection, key)
        return armed

    def _caught_up(
        self,
        connection: ConnectionSeen,
        watches: _ConnectionWatches,
        asked: _Catching,
        reply: Reply,
    ) -> None:
        """What of it was not told is armed now; and nothing of it should have been told."""
        states = self.reading.states
        for place, paths in enumerate(asked.lists):
            table = CHILD if place == 2 else DATA
            for path in paths:
                if self.reading.has_log and is_judged(path) and not reply.error:
                    self.times += 1
                    node = states.at(path or "/", reply.zxid)
                    if node is FORGOTTEN:
                        continue
                    assert node is None or isinstance(node, PathVersion)
                    there = node is not None and node.present
                    newest = 0
                    if there and node is not None:
                        newest = node.mzxid
                        if place == 2:
                            changed = states.changed_children(path or "/", reply.zxid)
                            newest = max(node.czxid, changed)
                    missed = there if place == 1 else not there or newest > asked.since
                    if missed:
                        self.broken(
                            f"{connection.client} came back with a watch on {path} as of "
                            f"{asked.since:#x}, and was not told that it had changed",
                            asked.sent,
                            node.entry if node is not None else None,
                            reply,
                        )
                        continue
                self._arm(connection, watches, (table, path), reply)

    # -- what they are told

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        for change in changes:
            self._changed(change)

    def on_restored(self, entry: Restored) -> None:
        for watches in self._of.values():
            watches.judged = False

    def _changed(self, change: Changed) -> None:
        paths = (change.path, "") if change.path == "/" else (change.path,)
        for path in paths:
            key = (change.table, path)
            for connection, armed in self._watchers.get(key, {}).items():
                if armed.due is None and armed.since < change.zxid:
                    watches = self._of[connection]
                    self._is_due(watches, key, armed, change)

    def _look_for_lost(
        self,
        connection: ConnectionSeen,
        watches: _ConnectionWatches,
        zxid: int,
        event: Reply | WatchEvent,
    ) -> None:
        """Everything up to ``zxid`` has to be told by now."""
        dues = watches.dues
        while dues and dues[0][0] <= zxid:
            _, _, key, armed = heappop(dues)
            if watches.armed.get(key) is not armed:
                continue  # told
            change = armed.due
            assert change is not None
            self._disarm(connection, watches, key)
            if change.hidden:
                self.undecided(HIDDEN)
                continue
            self.broken(
                f"{connection.client} was shown the state of {zxid:#x} and not told before that "
                f"{key[1]} had changed at {change.zxid:#x}, though it watched it since "
                f"{armed.since:#x}",
                armed.by,
                change.entry,
                event,
            )

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        watches = self._of.get(connection)
        if watches is None or not watches.judged:
            if watches is not None:
                self.undecided(MODES)
            return
        if not is_judged(event.path):
            return
        self.times += 1
        if event.zxid > 0:
            self._look_for_lost(connection, watches, event.zxid - 1, event)
            if connection.seen_by is not None and event.zxid <= connection.seen:
                self._is_late(connection, event)
        elif self._catches_up(watches, event):
            return
        tables = _TABLES.get(event.type, ())
        armed = [
            found
            for table in tables
            if (found := watches.armed.get((table, event.path))) is not None
            and (found.due is not None or not self.reading.has_log)
        ]
        if not armed:
            self._is_unasked(connection, watches, event, tables)
            return
        told = False
        for each in armed:
            due = each.due
            if due is None or (due.type.name == event.type and event.zxid in (due.zxid, -1)):
                told = True
        if not told and self.reading.has_log:
            due = armed[0].due
            assert due is not None
            self.broken(
                f"{connection.client} was told {event.type} of {event.path} at {event.zxid:#x}; "
                f"the first change after the state that it had seen was {due.type.name} at "
                f"{due.zxid:#x}",
                armed[0].by,
                due.entry,
                event,
            )
        for table in tables:
            found = watches.armed.get((table, event.path))
            if found is None:
                continue
            due = found.due
            if due is None or event.zxid <= 0 or due.zxid <= event.zxid:
                self._disarm(connection, watches, (table, event.path))

    def _is_late(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        """The client has seen something as new; unless that was an event of the same zxid."""
        by = connection.seen_by
        if by is not None and type(by).__name__ == "Reply":
            self.broken(
                f"{connection.client} was told of the change of {event.path} at {event.zxid:#x} "
                f"after it had been shown the state of {connection.seen:#x}",
                by,
                event,
            )

    @staticmethod
    def _catches_up(watches: _ConnectionWatches, event: WatchEvent) -> bool:
        for asked in watches.catching:
            data, exist, child = asked.lists
            lists = {
                "DELETED": (data, child),
                "DATA_CHANGED": (data,),
                "CREATED": (exist,),
                "CHILDREN_CHANGED": (child,),
            }.get(event.type, ())
            for paths in lists:
                if event.path in paths:
                    del paths[event.path]
                    return True
        return False

    def _is_unasked(
        self,
        connection: ConnectionSeen,
        watches: _ConnectionWatches,
        event: WatchEvent,
        tables: tuple[str, ...],
    ) -> None:
        early = [
            found
            for table in tables
            if (found := watches.armed.get((table, event.path))) is not None
        ]
        if early:
            self.broken(
                f"{connection.client} was told of a change of {event.path} that nobody committed",
                early[0].by,
                event,
            )
            for table in tables:
                self._disarm(connection, watches, (table, event.path))
            return
        self.broken(
            f"{connection.client} was told {event.type} of {event.path}, and does not watch it",
            connection.opened,
            event,
        )
