"""Habits of programs that watch: a watch that is used once, a change that is missed, one watch for
each of many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.detector import KEPT, Detector, keep
from zkfake._history.detectors.seen import READS, asked_writes, parent_of
from zkfake._history.states import CHILD, DATA

if TYPE_CHECKING:
    from zkfake._history.events import Logged, Reply, Sent, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange, WriteSeen
    from zkfake._history.states import Key

__all__ = ["ReadThenWatch", "WatchForEachChild", "WatchNotSetAgain"]

MISSED = 3
"""Changes that it was not told of: one or two may belong to the change that it was told of."""

SETTLED = 1.0
"""Seconds after a look in which a change does not count: time enough to set the watch again, and
more than a round trip takes.
"""

AT_ONCE = 1.0
"""Seconds between the parts of what a program does in one go."""

MANY_CHILDREN = 50
"""Watches on the children of one znode: few enough to be found in a small test, and more than
anybody waits for one by one.
"""


class _ToldWatch:
    """A watch that was told and not set again."""

    __slots__ = ("event", "first", "last", "looked", "missed", "quiet", "reply")

    def __init__(self, reply: Reply, event: WatchEvent) -> None:
        self.reply = reply
        """What set it."""
        self.event = event
        self.looked: Reply | None = None
        """The last look without a watch."""
        self.quiet = 0.0
        self.missed = 0
        self.first: Logged | Reply | None = None
        self.last: Logged | Reply | None = None


class WatchNotSetAgain(Detector):
    """A client is told of a change, looks what it is, and does not set its watch again: it misses
    the changes after that.

    Matched: a client is told DATA_CHANGED or CHILDREN_CHANGED by a watch that is called once. On
    the same connection it looks again at what has changed, without a watch, and never sets one
    again. Others change it three more times, each at least a second after the last look.

    Not matched: a client that does not look after the event, since it may be done with what it
    waited for, and a watch was left; one that sets the watch again, or looks again later than the
    last of these changes; one that then writes to the znode, beside it or below it, because it has
    got what it waited for; DELETED and CREATED; changes of the client's own; connections with
    persistent watches. What is missed because the connection was lost is not this habit.
    """

    name = "a watch that is not set again"
    advice = (
        "Set the watch again with the read that its event asks for, or use DataWatch, "
        "ChildrenWatch or a persistent watch."
    )

    def __init__(self) -> None:
        super().__init__()
        self._told_by: dict[ConnectionSeen, dict[Key, _ToldWatch]] = {}
        self._near: dict[ConnectionSeen, dict[str, dict[Key, None]]] = {}
        self._watchers: dict[Key, dict[ConnectionSeen, _ToldWatch]] = {}

    def on_watch_set(
        self, connection: ConnectionSeen, key: Key, reply: Reply, before: Reply | None
    ) -> None:
        self._drop(connection, key)

    def on_watch_told(
        self, connection: ConnectionSeen, key: Key, event: WatchEvent, reply: Reply
    ) -> None:
        if event.type not in ("DATA_CHANGED", "CHILDREN_CHANGED"):
            return
        told = _ToldWatch(reply, event)
        mine = self._told_by.setdefault(connection, {})
        mine[key] = told
        self._near.setdefault(connection, {}).setdefault(_near(key[1]), {})[key] = None
        self._watchers.setdefault(key, {})[connection] = told
        if len(mine) > KEPT:
            self._drop(connection, next(iter(mine)))

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        table = READS.get(reply.operation)
        record, connection = exchange.record, exchange.connection
        if table is None or record is None or connection not in self._told_by:
            return
        if record.watch:
            return  # set again: `on_watch_set`
        told = self._told_by[connection].get((table, record.path))
        if told is not None:
            told.looked, told.missed, told.first = reply, 0, None
            told.quiet = reply.time + SETTLED

    def on_sent(self, exchange: Exchange) -> None:
        near = self._near.get(exchange.connection)
        if not near or exchange.sent.operation in READS:
            return
        for one in asked_writes(exchange):
            for place in (_near(one.path), one.path, parent_of(_near(one.path))):
                for key in list(near.get(place, ())):
                    self._drop(exchange.connection, key)

    def on_write(self, write: WriteSeen) -> None:
        if write.kind == "setData":
            key = (DATA, write.path)
        elif write.kind == "delete" and (DATA, write.path) in self._watchers:
            self._gone((DATA, write.path))
            key = (CHILD, parent_of(write.path))
        else:
            key = (CHILD, parent_of(write.path))
        for connection, told in self._watchers.get(key, {}).items():
            session = connection.session
            if told.looked is None or write.by.time < told.quiet:
                continue
            if session is None or session.id != write.session:
                told.missed += 1
                told.first = told.first or write.by
                told.last = write.by

    def _gone(self, key: Key) -> None:
        for connection in list(self._watchers.get(key, ())):
            self._drop(connection, key)

    def on_watch_added(self, connection: ConnectionSeen, exchange: Exchange, reply: Reply) -> None:
        self._forget(connection)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        for key, told in self._told_by.get(connection, {}).items():
            self._judge(connection, key, told)
        self._forget(connection)

    def _forget(self, connection: ConnectionSeen) -> None:
        for key in list(self._told_by.get(connection, ())):
            self._drop(connection, key)
        self._told_by.pop(connection, None)
        self._near.pop(connection, None)

    def on_end(self) -> None:
        for connection, mine in self._told_by.items():
            for key, told in mine.items():
                self._judge(connection, key, told)

    def _judge(self, connection: ConnectionSeen, key: Key, told: _ToldWatch) -> None:
        if told.missed < MISSED:
            return
        what = "the children of" if key[0] == CHILD else ""
        self.detected(
            (connection.client, key),
            f"{connection.client} was told that {what}{' ' * bool(what)}{key[1]} had changed, did "
            f"not set its watch again, and missed {told.missed} changes",
            told.reply,
            told.event,
            told.looked,
            told.first,
            told.last,
        )

    def _drop(self, connection: ConnectionSeen, key: Key) -> _ToldWatch | None:
        told = self._told_by.get(connection, {}).pop(key, None)
        if told is not None:
            watchers = self._watchers[key]
            del watchers[connection]
            if not watchers:
                del self._watchers[key]
            near = self._near[connection]
            keys = near[_near(key[1])]
            keys.pop(key, None)
            if not keys:
                del near[_near(key[1])]
        return told


def _near(path: str) -> str:
    """Where a write has to do with ``path``: the znode above it, or itself below the root."""
    above = parent_of(path)
    return path if above == "/" else above


class _Unwatched:
    """A read without a watch, and a watch that was set right after it."""

    __slots__ = ("read", "sent", "set")

    def __init__(self, read: Reply, sent: Sent) -> None:
        self.read = read
        self.sent = sent
        self.set: Reply | None = None


class ReadThenWatch(Detector):
    """A client reads a znode, and then sets a watch on it by a request that does not tell it what
    is there: what changes between the two is missed.

    Matched: ``getData`` or ``getChildren`` without a watch is answered, and the connection's next
    request, within a second, is one on the same path that sets a watch and does not return the
    same: ``exists`` after ``getData``, ``addWatch`` after either. Then the client does not read the
    path again before it is told of a change, or before its connection, or the history, ends.

    Not matched: a second read that returns the same and sets the watch, since its result is as
    new as the watch; a look after the watch is set. A program that compares the versions of both
    replies is matched as well: one read with the watch does the same.
    """

    name = "a read and then a watch"
    advice = "Give the watch to the request that reads, or read after you have set it."

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[ConnectionSeen, tuple[Key, Reply]] = {}
        self._open: dict[ConnectionSeen, dict[Key, _Unwatched]] = {}

    def on_sent(self, exchange: Exchange) -> None:
        connection, sent = exchange.connection, exchange.sent
        last = self._read.pop(connection, None)
        if last is None or sent.operation not in ("exists", "addWatch"):
            return
        (table, path), read = last
        record = exchange.record
        if record is None or record.path != path or sent.time - read.time > AT_ONCE:
            return
        if sent.operation == "addWatch" or (record.watch and table == DATA):
            keep(self._open.setdefault(connection, {}), (table, path), _Unwatched(read, sent))

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        connection, record = exchange.connection, exchange.record
        table = READS.get(reply.operation)
        waiting = self._open.get(connection)
        if record is None:
            return
        if table is None or reply.operation == "exists":
            if waiting and reply.operation in ("exists", "addWatch"):
                for each in waiting.values():
                    if each.sent is exchange.sent:
                        each.set = reply
            return
        key = (table, record.path)
        if waiting:
            waiting.pop(key, None)
        if not record.watch and not reply.error and not connection.pending:
            self._read[connection] = (key, reply)

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        waiting = self._open.get(connection)
        if waiting:
            for table in (DATA, CHILD):
                found = waiting.pop((table, event.path), None)
                if found is not None:
                    self._tell(connection, (table, event.path), found, event)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._read.pop(connection, None)
        for key, found in self._open.pop(connection, {}).items():
            self._tell(connection, key, found, None)

    def on_end(self) -> None:
        for connection in list(self._open):
            self.on_disconnected(connection)

    def _tell(
        self, connection: ConnectionSeen, key: Key, found: _Unwatched, event: WatchEvent | None
    ) -> None:
        if found.set is None:
            return
        self.detected(
            (connection.client, key),
            f"{connection.client} read {key[1]} and set a watch on it after that, with "
            f"{found.sent.operation}; a change between the two is missed",
            found.read,
            found.sent,
            found.set,
            event,
        )


class WatchForEachChild(Detector):
    """A client watches the children of a znode one by one, where one watch would do.

    Matched: one connection has 50 watches that are called once on different children of one
    znode, on their data or their own children, at the same time.

    Not matched: fewer; watches on znodes of different parents, or on what is not there; persistent
    ones. Servers before 3.6 have no persistent watches, and neither has kazoo up to 2.11; the
    history knows neither version.
    """

    name = "a watch for each child"
    advice = (
        "Watch one znode that is written together with any of them, or set one persistent "
        "recursive watch on the parent (ZooKeeper 3.6) where your client can."
    )

    def __init__(self) -> None:
        super().__init__()
        self._by_parent: dict[ConnectionSeen, dict[str, dict[str, Reply]]] = {}

    def on_watch_set(
        self, connection: ConnectionSeen, key: Key, reply: Reply, before: Reply | None
    ) -> None:
        if before is not None or reply.error or key[1] == "/":
            return
        parent = parent_of(key[1])
        watched = self._by_parent.setdefault(connection, {}).setdefault(parent, {})
        watched.setdefault(key[1], reply)
        if len(watched) == MANY_CHILDREN:
            first, *_, last = watched.values()
            self.detected(
                (connection.client, parent),
                f"{connection.client} has {MANY_CHILDREN} watches on children of {parent}",
                first,
                last,
            )

    def on_watch_told(
        self, connection: ConnectionSeen, key: Key, event: WatchEvent, reply: Reply
    ) -> None:
        self.on_watch_removed(connection, key)

    def on_watch_removed(self, connection: ConnectionSeen, key: Key) -> None:
        parents = self._by_parent.get(connection, {})
        watched = parents.get(parent_of(key[1]))
        if watched is not None:
            watched.pop(key[1], None)
            if not watched:
                del parents[parent_of(key[1])]

    def on_watch_added(self, connection: ConnectionSeen, exchange: Exchange, reply: Reply) -> None:
        self._by_parent.pop(connection, None)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._by_parent.pop(connection, None)
