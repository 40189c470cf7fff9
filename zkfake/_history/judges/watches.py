"""Watches: told once, in order, before the new data, and none is lost while the client is
connected.
"""

from __future__ import annotations

from collections import Counter, deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from zkfake._auth.providers import digest_of
from zkfake._history.errors import WatchesBroken
from zkfake._history.judge import Judge
from zkfake._history.known import KnownChanges, may_read
from zkfake._history.persistent import Expected, PersistentWatches
from zkfake._history.states import CHILD, DATA, FORGOTTEN, Changed, Key, PathVersion, is_judged
from zkfake._history.watching import Armed, Catching, ConnectionWatches, Past
from zkfake._protocol.records import Code

if TYPE_CHECKING:
    from zkfake._history.events import (
        Committed,
        Event,
        Logged,
        Reply,
        Restored,
        WatchEvent,
    )
    from zkfake._history.reading import ConnectionSeen, Exchange, Reading

__all__ = ["WatchesAreTold"]

_READS = {"getData": DATA, "exists": DATA, "getChildren": CHILD, "getChildren2": CHILD}

_TABLES: dict[str, tuple[str, ...]] = {
    "CREATED": (DATA,),
    "DATA_CHANGED": (DATA,),
    "CHILDREN_CHANGED": (CHILD,),
    "DELETED": (DATA, CHILD),
}

RESTORED = "watches of a connection that saw a test go back to a state"
MODES = "watches of two kinds on one znode, which versions of the server take differently"
HIDDEN = "an event of a znode that not everybody may read: some versions drop it"
AMBIGUOUS = "events without a zxid while setWatches was under way"
NO_LOG = "whether an event was lost: there is no log, and not every client that writes was recorded"

_RECURSIVE = 1
"""The mode of `addWatch` that is not for one znode alone."""

_ANY, _CHILDREN, _DATA = 3, 1, 2
"""What `removeWatches` takes back."""

_WITH_ACLS = ("create", "create2", "createContainer", "createTTL", "setACL", "multi")

_PAST, _KEYS = 50, 10_000
"""Without the log: watches of one znode that were told, and znodes of which they are kept."""


class WatchesAreTold(Judge):
    """Watches: a client is told of the first change after the state that it saw when it set the
    watch, once, in the order of the changes, and before anything as new as the change. As long as
    it is connected none is lost; with ``setWatches`` none is over a reconnect either. Who has a
    persistent watch is told of every change.

    Checked against the log, event by event. Without the log, where all clients that write were
    recorded, against the changes that clients know of: no reply shows a state as new as one of them
    to a client that was not told before. Of changes that nobody was shown, such as the last ones
    of a connection, nothing is decided then, nor whether an event told the truth. Not judged: a
    znode on which one connection has watches of two kinds; events of a znode that its watcher may
    not read, which some versions of the server tell all the same.
    """

    name = "watches are told"
    error = WatchesBroken

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[ConnectionSeen, ConnectionWatches] = {}
        self._watchers: dict[Key, dict[ConnectionSeen, Armed]] = {}
        self._persistent: dict[ConnectionSeen, PersistentWatches] = {}
        self._recent: deque[Changed] = deque()
        """Those within the window, for a persistent watch that a server behind the log takes."""
        self._known: KnownChanges | None = None
        self._past: dict[Key, deque[Past]] = {}
        self._tell_zxids = False
        """Whether servers say the zxids of events; those of 3.8 do not."""
        self._count = 0

    def begin(self, reading: Reading) -> None:
        super().begin(reading)
        if not reading.has_log:
            if reading.complete:
                self._known = KnownChanges()
            else:
                self.undecided(NO_LOG)

    def on_connected(self, connection: ConnectionSeen) -> None:
        self._of[connection] = ConnectionWatches()

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        watches = self._of.pop(connection, None)
        if watches is not None:
            self._compare(connection, watches)
            self._drop_all(connection, watches)

    def on_end(self) -> None:
        for connection, watches in self._of.items():
            self._compare(connection, watches)

    def _drop_all(self, connection: ConnectionSeen, watches: ConnectionWatches) -> None:
        for key, armed in watches.armed.items():
            self._forget(connection, key)
            self._is_over(key, armed, watches)
        watches.armed.clear()
        self._persistent.pop(connection, None)

    def _give_up(self, connection: ConnectionSeen, watches: ConnectionWatches, why: str) -> None:
        """Nothing more of this connection can be judged."""
        watches.judged = False
        self.undecided(why)
        self._drop_all(connection, watches)

    def _forget(self, connection: ConnectionSeen, key: Key) -> None:
        watchers = self._watchers.get(key)
        if watchers is not None:
            watchers.pop(connection, None)
            if not watchers:
                del self._watchers[key]

    def _is_over(self, key: Key, armed: Armed, watches: ConnectionWatches) -> None:
        """What is learnt later is held against it too."""
        if self._known is None or watches.shown_by is None or watches.shown <= armed.since:
            return
        past = self._past.get(key)
        if past is None:
            past = self._past[key] = deque(maxlen=_PAST)
            if len(self._past) > _KEYS:
                del self._past[next(iter(self._past))]
        past.append(Past(armed.since, watches.shown, armed.by, watches.shown_by))

    # -- what sets watches

    def on_sent(self, exchange: Exchange) -> None:
        operation = exchange.sent.operation
        if self._known is not None and operation in _WITH_ACLS:
            self._known.sent(exchange)
        if operation not in ("setWatches", "setWatches2"):
            return
        watches, record = self._of.get(exchange.connection), exchange.record
        if watches is None or not watches.judged:
            return
        lists = () if record is None else record.lists
        if not lists or any(paths is None or None in paths for paths in lists):
            self._give_up(exchange.connection, watches, AMBIGUOUS)
            return
        watches.catching.append(
            Catching(
                record.relative_zxid,
                tuple(Counter(map(str, paths)) for paths in lists),
                exchange.sent,
            )
        )

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        connection = exchange.connection
        watches = self._of.get(connection)
        if watches is None:
            return
        operation, record = reply.operation, exchange.record
        if operation == "auth" and not reply.error and record is not None:
            if record.scheme == "digest":
                credential = (record.auth or b"").decode("utf-8", "replace")
                watches.ids.setdefault(digest_of(credential), None)
            return
        if watches.ids and reply.zxid > 0:
            for each, since in watches.ids.items():
                if since is None:
                    watches.ids[each] = reply.zxid
        if self._known is not None:
            self._learnt(self._known.learn(exchange, reply))
        if not watches.judged:
            return
        if operation != "closeSession" and reply.zxid > 0:
            if reply.zxid > watches.shown:
                watches.shown, watches.shown_by = reply.zxid, reply
            self._look_for_lost(connection, watches, reply.zxid, reply)
        if operation in _READS:
            missing = operation == "exists" and reply.error == Code.NO_NODE
            if record is not None and record.watch and (not reply.error or missing):
                self._arm(connection, watches, (_READS[operation], record.path), reply)
        elif operation in ("setWatches", "setWatches2"):
            if watches.catching:
                self._caught_up(connection, watches, watches.catching.pop(0), reply)
        elif record is not None and not reply.error:
            if operation == "addWatch":
                self._add(connection, watches, record.path, record.value == _RECURSIVE, reply)
            elif operation == "removeWatches":
                self._remove(connection, watches, record.path, record.value)

    def _arm(
        self, connection: ConnectionSeen, watches: ConnectionWatches, key: Key, reply: Reply
    ) -> None:
        table, path = key
        if key in watches.armed or not path or not is_judged(path):
            return  # nobody is ever told of the root by its other name, the empty path
        if watches.persistent is not None and path in watches.persistent.watches:
            watches.persistent.doubt(path)
            return
        armed = watches.armed[key] = Armed(reply.zxid, reply)
        self._watchers.setdefault(key, {})[connection] = armed
        if self._known is not None:
            change = self._known.next_change(path, table, reply.zxid)
        elif reply.zxid < self.reading.states.horizon:
            return
        else:
            change = self.reading.states.next_change(path, table, reply.zxid)
        if change is not None:
            self._is_due(watches, key, armed, change)

    def _is_due(self, watches: ConnectionWatches, key: Key, armed: Armed, change: Changed) -> None:
        armed.due = change
        self._count += 1
        heappush(watches.dues, (change.zxid, self._count, key, armed))

    def _disarm(
        self, connection: ConnectionSeen, watches: ConnectionWatches, key: Key
    ) -> Armed | None:
        armed = watches.armed.pop(key, None)
        if armed is not None:
            self._forget(connection, key)
            self._is_over(key, armed, watches)
        return armed

    def _add(
        self,
        connection: ConnectionSeen,
        watches: ConnectionWatches,
        path: str | None,
        recursive: bool,
        reply: Reply,
    ) -> None:
        """A persistent watch."""
        if not path or not is_judged(path):
            return
        persistent = watches.persistent
        if persistent is None:
            persistent = watches.persistent = self._persistent[connection] = PersistentWatches()
        persistent.add(path, recursive, reply.zxid, reply)
        for table in (DATA, CHILD):
            if self._disarm(connection, watches, (table, path)) is not None:
                persistent.doubt(path)
        if self._recent and self._recent[-1].zxid > reply.zxid:
            if reply.zxid < self.reading.states.horizon:
                persistent.doubt(path)
            later = []
            for change in reversed(self._recent):
                if change.zxid <= reply.zxid:
                    break
                later.append(change)
            persistent.expect_again(later[::-1])

    def _remove(
        self, connection: ConnectionSeen, watches: ConnectionWatches, path: str, kind: int
    ) -> None:
        for table, own in ((DATA, _DATA), (CHILD, _CHILDREN)):
            if kind in (_ANY, own):
                self._disarm(connection, watches, (table, path))
        persistent = watches.persistent
        if persistent is not None and path in persistent.watches:
            if kind == _ANY:
                self._compare(connection, watches)
                persistent.remove(path)
            else:
                persistent.doubt(path)

    def _caught_up(
        self,
        connection: ConnectionSeen,
        watches: ConnectionWatches,
        asked: Catching,
        reply: Reply,
    ) -> None:
        """What of it was not told is armed now; and nothing of it should have been told."""
        if reply.error:
            return
        for place, paths in enumerate(asked.lists):
            for path in paths:
                if place >= 3:
                    self._add(connection, watches, path, place == 4, reply)
                    continue
                missed, by = self._missed(place, path, asked.since, reply)
                if missed:
                    self.broken(
                        f"{connection.client} came back with a watch on {path} as of "
                        f"{asked.since:#x}, and was not told that it had changed",
                        asked.sent,
                        by,
                        reply,
                    )
                    continue
                self._arm(connection, watches, (CHILD if place == 2 else DATA, path), reply)

    def _missed(
        self, place: int, path: str, since: int, reply: Reply
    ) -> tuple[bool, Event | Logged | None]:
        """Whether a watch in the list at ``place`` should have been told at once, and what shows
        it.
        """
        if not is_judged(path):
            return False, None
        self.times += 1
        if self._known is not None:
            # Whether what was made since is still there is not known.
            table = CHILD if place == 2 else DATA
            changes = [] if place == 1 else self._known.within(path, table, since, reply.zxid)
            return bool(changes), changes[0].by if changes else None
        if not self.reading.has_log:
            return False, None
        states = self.reading.states
        node = states.at(path or "/", reply.zxid)
        if node is FORGOTTEN:
            return False, None
        assert node is None or isinstance(node, PathVersion)
        there = node is not None and node.present
        newest = 0
        if there and node is not None:
            newest = node.mzxid
            if place == 2:
                newest = max(node.czxid, states.changed_children(path or "/", reply.zxid))
        missed = there if place == 1 else not there or newest > since
        return missed, node.entry if node is not None else None

    # -- what they are told

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        recent, horizon = self._recent, self.reading.states.horizon
        recent += changes
        while recent and recent[0].zxid <= horizon:
            recent.popleft()
        for change in changes:
            self._changed(change)
        for persistent in self._persistent.values():
            for change in changes:
                persistent.expect(change)

    def on_restored(self, entry: Restored) -> None:
        for connection, watches in self._of.items():
            self._give_up(connection, watches, RESTORED)
        self._recent.clear()

    def _changed(self, change: Changed) -> None:
        key = (change.table, change.path)
        for connection, armed in self._watchers.get(key, {}).items():
            if armed.since < change.zxid and (armed.due is None or change.zxid < armed.due.zxid):
                self._is_due(self._of[connection], key, armed, change)

    def _learnt(self, changes: list[Changed]) -> None:
        """Changes are known that may be long past."""
        for change in changes:
            key = (change.table, change.path)
            self._changed(change)
            for connection in list(self._watchers.get(key, ())):
                watches = self._of[connection]
                if watches.shown >= change.zxid and watches.shown_by is not None:
                    self._look_for_lost(connection, watches, watches.shown, watches.shown_by)
            for past in self._past.get(key, ()):
                if past.since < change.zxid <= past.until:
                    self._lost(change, past.by, past.event)

    def _look_for_lost(
        self,
        connection: ConnectionSeen,
        watches: ConnectionWatches,
        zxid: int,
        event: Reply | WatchEvent,
    ) -> None:
        """Everything up to ``zxid`` has to be told by now."""
        dues = watches.dues
        while dues and dues[0][0] <= zxid:
            due, _, key, armed = heappop(dues)
            change = armed.due
            if watches.armed.get(key) is not armed or change is None or change.zxid != due:
                continue  # told, or due earlier
            del watches.armed[key]
            self._forget(connection, key)
            self._lost(change, armed.by, event, watches)
        if watches.persistent is not None:
            self._are_lost(watches.persistent.overdue(zxid), event, watches)

    def _are_lost(
        self, lost: list[Expected], event: Reply | WatchEvent, watches: ConnectionWatches
    ) -> None:
        for change, sure, by in lost:
            if sure:
                self._lost(change, by, event, watches)
            else:
                self.undecided(MODES)

    def _lost(
        self, change: Changed, by: Event, event: Event, watches: ConnectionWatches | None = None
    ) -> None:
        if not may_read(change.acl, () if watches is None else watches.ids_at(change.zxid)):
            self.undecided(HIDDEN)
            return
        client, zxid = getattr(event, "client", ""), getattr(event, "zxid", 0)
        self.broken(
            f"{client} was shown the state of {zxid:#x} and not told before that {change.path} had "
            f"changed at {change.zxid:#x}, though it watched it since {getattr(by, 'zxid', 0):#x}",
            by,
            change.by,
            event,
        )

    def _compare(self, connection: ConnectionSeen, watches: ConnectionWatches) -> None:
        """Without the log: persistent watches, beside what is known by now."""
        if self._known is None or watches.persistent is None or watches.shown_by is None:
            return
        lost = watches.persistent.compare(self._known, watches.shown)
        self._are_lost(lost, watches.shown_by, watches)

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        watches = self._of.get(connection)
        if watches is None or not watches.judged or not is_judged(event.path):
            return
        self.times += 1
        tables = _TABLES.get(event.type, ())
        if event.zxid > 0:
            self._tell_zxids = True
            self._look_for_lost(connection, watches, event.zxid - 1, event)
            if connection.seen_by is not None and event.zxid <= connection.seen:
                self._is_late(connection, event)
        elif watches.catches_up(event):
            # Where all events are without a zxid, it may have been told of a watch all the same.
            if not self._tell_zxids and watches.has(event.path, tables):
                self._give_up(connection, watches, AMBIGUOUS)
            return
        expected = self._is_expected(connection, watches, event)
        armed = [
            found
            for table in tables
            if (found := watches.armed.get((table, event.path))) is not None
            and (found.due is not None or not self.reading.has_log)
        ]
        if armed:
            self._tell(connection, watches, event, armed, expected)
        elif not expected:
            self._is_unasked(connection, watches, event, tables)
        if self._known is not None:
            self._learnt(self._known.told(event))

    def _is_expected(
        self, connection: ConnectionSeen, watches: ConnectionWatches, event: WatchEvent
    ) -> bool:
        """Whether a persistent watch is told of it."""
        persistent = watches.persistent
        if persistent is None:
            return False
        unsure = persistent.is_doubtful(event.path)
        if not self.reading.has_log:
            told = persistent.is_told(event, watches.shown)
            if persistent.is_full:
                self._compare(connection, watches)
            return told or unsure
        told, lost = persistent.take(event)
        self._are_lost(lost, event, watches)
        if not told and unsure:
            self.undecided(MODES)
        return told or unsure

    def _tell(
        self,
        connection: ConnectionSeen,
        watches: ConnectionWatches,
        event: WatchEvent,
        armed: list[Armed],
        expected: bool,
    ) -> None:
        """An event for watches that are told once."""
        told = expected or any(
            each.due is not None
            and each.due.type.name == event.type
            and event.zxid in (each.due.zxid, -1)
            for each in armed
        )
        if not told and self.reading.has_log:
            due = armed[0].due
            assert due is not None
            self.broken(
                f"{connection.client} was told {event.type} of {event.path} at {event.zxid:#x}; "
                f"the first change after the state that it had seen was {due.type.name} at "
                f"{due.zxid:#x}",
                armed[0].by,
                due.by,
                event,
            )
        for table in _TABLES.get(event.type, ()):
            found = watches.armed.get((table, event.path))
            if found is None:
                continue
            due = found.due
            if due is None or event.zxid <= 0 or due.zxid <= event.zxid or not self.reading.has_log:
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

    def _is_unasked(
        self,
        connection: ConnectionSeen,
        watches: ConnectionWatches,
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
