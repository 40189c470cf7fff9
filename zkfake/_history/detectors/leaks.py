"""What a program leaves behind: ephemeral znodes, watches, sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.detector import Detector, keep
from zkfake._history.detectors.seen import parent_of
from zkfake._history.results import written
from zkfake._protocol.records import Code

if TYPE_CHECKING:
    from zkfake._history.events import Event, Reply, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange, WriteSeen
    from zkfake._history.states import Key

__all__ = ["LeakedEphemerals", "LeakedSessions", "LeakedWatches"]

MANY_EPHEMERALS = 100
"""Of one session below one parent. A lock needs one for each thread that waits for it: this is more
than a program has waiting.
"""

MANY_WATCHES = 100
"""Watches that wait for nothing, or settings of one watch that it did not need."""

MANY_SESSIONS = 10
"""A program needs one, and some tools one for each of a few workers."""


class LeakedEphemerals(Detector):
    """One session makes ephemeral znodes and deletes none: they stay as long as it does.

    Matched: one session has made 100 sequential ephemeral znodes below one parent by acknowledged
    requests, and nobody has deleted any that it made there.

    Not matched: fixed names, as of a registry; znodes of several sessions; what was made by
    requests that were not answered.
    """

    name = "leaked ephemerals"
    advice = (
        "Delete an ephemeral znode when it is not needed any more, in a finally block: it lasts as "
        "long as the session, not as the function that made it."
    )

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[tuple[int, str], list[Reply]] = {}
        self._counts: dict[tuple[int, str], int] = {}
        self._owners: dict[str, int] = {}

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if not (reply.operation.startswith("create") or reply.operation == "multi"):
            return
        session = exchange.connection.session
        if session is None:
            return
        for one in written(exchange, reply):
            if one.kind != "create" or not (one.sequential and one.ephemeral):
                continue
            parent = parent_of(one.path)
            key = (session.id, parent)
            keep(self._owners, one.path, session.id)
            count = self._counts.get(key, 0)
            if count < 0:  # it does delete them
                continue
            if not count:
                keep(self._made, key, [reply])
            keep(self._counts, key, count + 1)
            if count + 1 == MANY_EPHEMERALS:
                self.detected(
                    key,
                    f"{session.client} has made {MANY_EPHEMERALS} ephemeral znodes below {parent} "
                    "and deleted none",
                    *self._made.get(key, ()),
                    reply,
                )

    def on_write(self, write: WriteSeen) -> None:
        if write.kind == "delete":
            owner = self._owners.pop(write.path, None)
            if owner is not None:
                key = (owner, parent_of(write.path))
                self._counts[key] = -1
                self._made.pop(key, None)


class _Waiting:
    """The watches of one connection that may be one too many."""

    __slots__ = ("absent", "again")

    def __init__(self) -> None:
        self.absent: dict[str, Reply] = {}
        """On znodes that were not there."""
        self.again: dict[Key, tuple[int, Reply]] = {}
        """How often each was set in vain, and first by what."""


class LeakedWatches(Detector):
    """Watches that nobody needs: they stay on the server, and in the client, as long as the session
    does.

    Matched: one connection, when it ends or the history does, has 100 watches that ``exists`` set
    on znodes that were not there, and nothing came. Or: a watch that is called once was set by 100
    more requests while it was set already, without an event in between; kazoo keeps each of
    their functions, and calls all of them at the one event.

    Not matched: fewer; watches on what is there; connections with persistent watches. Whether it
    was one function or many cannot be seen.
    """

    name = "leaked watches"
    advice = (
        "Set a watch only where none is set, from its own callback, and wait for znodes by a watch "
        "on their parent."
    )

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[ConnectionSeen, _Waiting] = {}

    def on_watch_set(
        self, connection: ConnectionSeen, key: Key, reply: Reply, before: Reply | None
    ) -> None:
        mine = self._of.get(connection)
        if mine is None:
            mine = self._of[connection] = _Waiting()
        if reply.error == Code.NO_NODE:
            mine.absent[key[1]] = mine.absent.get(key[1], reply)
        elif mine.absent:
            mine.absent.pop(key[1], None)
        if before is None:
            return
        count, first = mine.again.get(key, (0, before))
        mine.again[key] = (count + 1, first)
        if count + 1 == MANY_WATCHES:
            self.detected(
                (connection.client, key),
                f"{connection.client} set its watch on {key[1]} {MANY_WATCHES} times more while it "
                "was set",
                first,
                reply,
            )

    def on_watch_told(
        self, connection: ConnectionSeen, key: Key, event: WatchEvent, reply: Reply
    ) -> None:
        self.on_watch_removed(connection, key)

    def on_watch_removed(self, connection: ConnectionSeen, key: Key) -> None:
        mine = self._of.get(connection)
        if mine is not None:
            mine.absent.pop(key[1], None)
            mine.again.pop(key, None)

    def on_watch_added(self, connection: ConnectionSeen, exchange: Exchange, reply: Reply) -> None:
        self._of.pop(connection, None)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        mine = self._of.pop(connection, None)
        if mine is not None and len(mine.absent) >= MANY_WATCHES:
            first, second, *_, last = mine.absent.values()
            self.detected(
                connection.client,
                f"{connection.client} waited for {len(mine.absent)} znodes that were not there, "
                "and never came",
                first,
                second,
                last,
            )

    def on_end(self) -> None:
        for connection in list(self._of):
            self.on_disconnected(connection)


class _Open:
    """A session that may be left behind."""

    __slots__ = ("client", "connection", "last", "next", "opened", "timeout", "used")

    def __init__(self, connection: ConnectionSeen, opened: Reply, timeout: float) -> None:
        self.client = connection.client
        self.connection: ConnectionSeen | None = connection
        self.opened = opened
        self.timeout = timeout
        self.last: Event | None = None
        """The last request."""
        self.next: Reply | None = None
        """What opened the next session."""
        self.used = False
        """Whether it is for something while it is silent: it watches, or owns a znode."""


class LeakedSessions(Detector):
    """A program opens one session after the other and does not close them.

    Matched: when the history ends there are ten or more sessions that were left behind. A session
    is left behind where it was used for one request or more, was never closed, set no watch, made
    no ephemeral znode, and either has a connection that sent nothing after the next session was
    opened, or had one that its client ended without coming back within the session's timeout.

    Not matched: fewer; sessions that were opened together before they were used; sessions whose
    clients come back, whatever they are told then.
    """

    name = "leaked sessions"
    advice = "Use one client in the whole process, and call stop() and close() when it is done."

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[int, _Open] = {}
        self._newest: int = 0

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        if not session_id:
            record = exchange.record
            if record is not None:
                self._open.pop(record.session_id, None)  # the client came back, too late
            return
        known = self._open.get(session_id)
        if known is not None:
            known.connection = connection
            return
        newest = self._open.get(self._newest)
        if newest is not None:
            newest.next = reply
        session = connection.session
        timeout = session.timeout if session is not None else 0.0
        keep(self._open, session_id, _Open(connection, reply, timeout))
        self._newest = session_id

    def on_sent(self, exchange: Exchange) -> None:
        session = exchange.connection.session
        mine = None if session is None else self._open.get(session.id)
        if mine is None or session is None:
            return
        sent = exchange.sent
        if sent.operation == "closeSession":
            del self._open[session.id]
        elif mine.next is not None and sent.operation != "closeSession":
            del self._open[session.id]  # in use
        else:
            mine.last = sent

    def on_watch_set(
        self, connection: ConnectionSeen, key: Key, reply: Reply, before: Reply | None
    ) -> None:
        self._is_used(connection)

    def on_watch_added(self, connection: ConnectionSeen, exchange: Exchange, reply: Reply) -> None:
        self._is_used(connection)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        makes = reply.operation.startswith("create") or reply.operation == "multi"
        if makes and any(one.ephemeral for one in written(exchange, reply)):
            self._is_used(exchange.connection)

    def _is_used(self, connection: ConnectionSeen) -> None:
        if connection.session is not None:
            self._open.pop(connection.session.id, None)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        mine = None if connection.session is None else self._open.get(connection.session.id)
        if mine is None or mine.connection is not connection or connection.session is None:
            return
        if connection.ended is not None and connection.ended.by != "client":
            del self._open[connection.session.id]  # not of its own will

    def on_end(self) -> None:
        left = [each for each in self._open.values() if self._is_left(each)]
        if len(left) < MANY_SESSIONS:
            return
        first, second, *_, last = left
        self.detected(
            "",
            f"{len(left)} sessions were opened and not closed, those of {first.client} to "
            f"{last.client}",
            first.opened,
            first.last,
            second.opened,
            second.last,
            last.opened,
            last.last,
        )

    def _is_left(self, session: _Open) -> bool:
        if session.last is None or session.connection is None:
            return False
        ended = session.connection.ended
        if ended is not None:
            return self.reading.time - ended.time >= session.timeout
        return session.next is not None
