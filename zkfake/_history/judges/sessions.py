"""Sessions: ephemerals, expiry and sync."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.log import Create, Delete
from zkfake._history.errors import (
    EphemeralsBroken,
    ExpiryBroken,
    SyncBroken,
    TimelinessBroken,
)
from zkfake._history.events import Reply
from zkfake._history.judge import Judge
from zkfake._history.reading import is_acknowledged
from zkfake._history.results import found
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from zkfake._history.events import Committed, Fault, Logged, Restored, ServerEvent
    from zkfake._history.inside import LastHeard
    from zkfake._history.reading import ConnectionSeen, Exchange, SessionSeen
    from zkfake._history.states import Changed

__all__ = [
    "EndsAreTrue",
    "EphemeralsEnd",
    "NotExpiredEarly",
    "SyncIsABarrier",
    "ViewsAreTimely",
]

_TIMEOUT = re.compile(r"for (\d{1,12}) ms")
"""What a leader says of a session that it lets expire."""

KEPT = 10_000
"""Sessions, parents or znodes that a judge remembers."""

DEPOSED = (
    "a sync that a leader answered, or a server of one that had been replaced: it asks no quorum"
)
UNPROVEN = "whether a server that told of a session's end followed the newest leader"


class EphemeralsEnd(Judge):
    """Ephemeral znodes live exactly as long as their session: its end deletes all of them, at once,
    and none is made for it later.

    Checked against the log. Without it: no client is shown an ephemeral znode, at the zxid where
    its session was closed by its client, or later.
    """

    name = "ephemerals end with their session"
    error = EphemeralsBroken

    def __init__(self) -> None:
        super().__init__()
        self._owned: dict[int, dict[str, Logged]] = {}
        self._owners: dict[str, int] = {}
        self._closed: dict[int, Committed | Reply] = {}

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        done = entry.transaction
        for operation in done.operations:
            if isinstance(operation, Create) and operation.owner:
                self.times += 1
                owner, path = operation.owner, operation.path
                self._owned.setdefault(owner, {})[path] = entry
                self._owners[path] = owner
                if owner in self._closed:
                    self.broken(
                        f"{path} was made for session {owner:#x}, which was over",
                        self._closed[owner],
                        entry,
                    )
            elif isinstance(operation, Delete) and operation.path in self._owners:
                owner = self._owners.pop(operation.path)
                self._owned.get(owner, {}).pop(operation.path, None)
        if done.op is Op.CLOSE_SESSION and not done.error:
            self._close(done.session_id, entry)
            for path, made in self._owned.pop(done.session_id, {}).items():
                self._owners.pop(path, None)
                self.broken(
                    f"session {done.session_id:#x} ended at {done.zxid:#x}, and its ephemeral "
                    f"{path} stayed",
                    made,
                    entry,
                )

    def on_restored(self, entry: Restored) -> None:
        self._owned.clear()
        self._owners.clear()
        for node in entry.znodes:
            if node.owner:
                self._owned.setdefault(node.owner, {})[node.path] = entry
                self._owners[node.path] = node.owner

    def _close(self, session_id: int, by: Committed | Reply) -> None:
        self._closed[session_id] = by
        if len(self._closed) > KEPT:
            del self._closed[next(iter(self._closed))]

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if self.reading.has_log or reply.error:
            return
        session = exchange.connection.session
        if reply.operation == "closeSession" and session is not None:
            self._close(session.id, reply)
            return
        for path, _, read, *_ in found(exchange, reply):
            if read is None or not read.owner:
                continue
            self.times += 1
            end = self._closed.get(read.owner)
            if end is not None and _zxid(end) <= reply.zxid:
                self.broken(
                    f"{reply.client} was shown {path} as of {reply.zxid:#x}; the session that owns "
                    f"it, {read.owner:#x}, had been closed at {_zxid(end):#x}",
                    end,
                    exchange.sent,
                    reply,
                )


def _session_of(event: ServerEvent) -> int:
    """The session that a server lets expire; 0, which is nobody's, in a file that was damaged."""
    try:
        return int(event.text.partition(",")[0], 16)
    except ValueError:
        return 0


def _zxid(event: Committed | Reply) -> int:
    return event.zxid if isinstance(event, Reply) else event.transaction.zxid


class _Told(NamedTuple):
    """A client was told that its session is over; ``witnesses``: other connections that its server
    had.
    """

    session_id: int
    reply: Reply
    witnesses: set[ConnectionSeen]


class NotExpiredEarly(Judge):
    """A session does not expire before its timeout is over, counted from when a server of the
    newest leader last let its client connect.

    Checked when a leader says that a session has expired: a client that comes back before that is
    committed is let in, and told of the end then. A live server says nothing: there it is checked
    when a client is told that its session is over. Which leader is the newest is not known there
    either, so both servers must have shown that they followed it: by a write that was acknowledged
    later, on the connection that was let in, and on one that was open when the end was told. Not
    judged: what a client closed, and what a fault expired. Pings are not recorded. Where time is
    virtual it is checked, for them and for all else that clients send, that a leader lets no
    session expire within its timeout after it has heard of it from another server.
    """

    name = "not expired early"
    error = ExpiryBroken

    def __init__(self) -> None:
        super().__init__()
        self._closing: dict[int, None] = {}
        self._expired: dict[str, Fault] = {}
        self._let_in: dict[ConnectionSeen, Exchange] = {}
        """Without the log: handshakes of which it is not known yet whether they count."""
        self._told: list[_Told] = []
        """Without the log: ends of which it is not known yet whether they are true."""
        self._last_heard: LastHeard | None = None
        """Of the session that is about to expire."""

    def on_last_heard(self, event: LastHeard) -> None:
        self._last_heard = event

    def on_sent(self, exchange: Exchange) -> None:
        connection = exchange.connection
        session = connection.session or connection.renews
        if exchange.sent.operation == "closeSession" and session is not None:
            self._close(session)

    def _close(self, session: SessionSeen) -> None:
        self._closing[session.id] = None
        if len(self._closing) > KEPT:
            del self._closing[next(iter(self._closing))]

    def on_fault(self, event: Fault) -> None:
        if event.name == "expire":
            self._expired[event.text] = event

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        session, reading = connection.session, self.reading
        if session is not None and any(
            each.sent.operation == "closeSession" for each in connection.pending
        ):
            self._close(session)  # it did not wait for the answer
        if reading.has_log:
            if session is not None and reading.epochs.get(connection.server, 0) == reading.epoch:
                session.heard = exchange
        elif session is not None:
            self._let_in[connection] = exchange
        elif (
            (asked := exchange.record) is not None
            and (ended := reading.sessions.get(asked.session_id)) is not None
            and ended.password == asked.password
        ):
            witnesses = {
                each
                for each in reading.connections.values()
                if each.server == connection.server and each.session is not None
            }
            told = _Told(ended.id, reply, witnesses)
            self._told.append(told)
            self._is_unproven(told)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        connection = exchange.connection
        if self.reading.has_log or not is_acknowledged(reply):
            return
        let_in = self._let_in.pop(connection, None)
        if let_in is not None and connection.session is not None:
            connection.session.heard = let_in
        for told in [each for each in self._told if connection in each.witnesses]:
            self._told.remove(told)
            self._expires(told.session_id, told.reply)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._let_in.pop(connection, None)
        for told in [each for each in self._told if connection in each.witnesses]:
            told.witnesses.discard(connection)
            self._is_unproven(told)

    def _is_unproven(self, told: _Told) -> None:
        if not told.witnesses:
            self._told.remove(told)
            self.undecided(UNPROVEN)

    def on_end(self) -> None:
        if self._told:
            self.undecided(UNPROVEN, len(self._told))

    def on_server_event(self, event: ServerEvent) -> None:
        if event.name != "expires session" or not self.reading.has_log:
            return
        session_id = _session_of(event)
        heard, self._last_heard = self._last_heard, None
        stated = _TIMEOUT.search(event.text)
        if heard is not None and stated is not None and heard.session == session_id:
            self.times += 1
            silent, timeout = event.time - heard.since, int(stated[1]) / 1000
            if silent < timeout:
                self.broken(
                    f"server {event.server} let session {session_id:#x} expire {silent:.3f} s "
                    f"after server {heard.source} had told it that its client is there; its "
                    f"timeout is {timeout:g} s",
                    heard,
                    event,
                )
                return
        # What a leader decides that another one has replaced is not committed.
        if event.epoch == self.reading.epoch:
            self._expires(session_id, event)

    def _expires(self, session_id: int, event: Reply | ServerEvent) -> None:
        session = self.reading.sessions.get(session_id)
        if session is None or session.heard is None or session_id in self._closing:
            return
        heard = session.heard.sent
        fault = self._expired.get(session.client)
        # Until the end is committed the client may come back, and learns of it only afterwards.
        since = heard.time if self.reading.has_log else session.began
        if (fault is not None and fault.time >= since) or heard.time > event.time:
            return
        self.times += 1
        if event.time < heard.time + session.timeout:
            self.broken(
                f"the session of {session.client} expired {event.time - heard.time:.3f} s after it "
                f"had been heard of; its timeout is {session.timeout:g} s",
                heard,
                event,
            )


class EndsAreTrue(Judge):
    """A client is told that its session is over where it is, or where its password is wrong; and
    nowhere else.

    Checked of all that come with a wrong password; and against the log, of those that come with the
    right one to a server of the newest leader, unless the history ends so soon that the end may not
    be committed yet. Not judged: what is told of a session that a leader has begun to expire. It
    tells so at once, and the end is lost where the leader is replaced before it is committed.
    """

    name = "told of an end that was"
    error = ExpiryBroken
    needs_log = True
    why_log = "whether a session has ended: there is no log, and a leader that was deposed may err"

    def __init__(self) -> None:
        super().__init__()
        self._refused: dict[int, tuple[Exchange, Reply, float]] = {}
        self._closed: dict[int, None] = {}
        """The sessions that ended, or that a leader has begun to expire."""
        self._open: dict[int, set[str]] = {}
        """The other sessions: how a fault names each, by its client or by its number."""
        self._named: dict[str, dict[int, None]] = {}
        """The same by name, so that a fault does not look at the sessions of all clients."""

    def on_server_event(self, event: ServerEvent) -> None:
        if event.name == "expires session":
            self._close(_session_of(event))

    def on_fault(self, event: Fault) -> None:
        if event.name == "expire":  # a leader is made to begin, which it does not tell by itself
            for session_id in list(self._named.get(event.text, ())):
                self._close(session_id)

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        asked, reading = exchange.record, self.reading
        if session_id and connection.session is not None:
            self._opened(session_id, connection.session.client)
        if asked is None or not asked.session_id:
            return
        session = reading.sessions.get(asked.session_id)
        if session_id:
            self.times += 1
            # The answer tells the right password again.
            if session is not None and session.password != asked.password:
                self.broken(
                    f"{reply.client} was let into session {session_id:#x} with a wrong password",
                    exchange.sent,
                    reply,
                )
            return
        current = reading.epochs.get(connection.server, 0) == reading.epoch
        if session is None or session.password != asked.password or not current:
            return
        self.times += 1
        if session.id not in self._closed:
            self._refused.setdefault(session.id, (exchange, reply, session.timeout))

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        done = entry.transaction
        if done.op is Op.CLOSE_SESSION:
            self._refused.pop(done.session_id, None)
            self._close(done.session_id)

    def _opened(self, session_id: int, client: str) -> None:
        if session_id in self._closed or session_id in self._open:
            return
        self._open[session_id] = names = {client, f"{session_id:#x}"}
        for name in names:
            self._named.setdefault(name, {})[session_id] = None
        if len(self._open) > KEPT:
            self._forget(next(iter(self._open)))

    def _forget(self, session_id: int) -> None:
        for name in self._open.pop(session_id, ()):
            self._named[name].pop(session_id, None)
            if not self._named[name]:
                del self._named[name]

    def _close(self, session_id: int) -> None:
        self._forget(session_id)
        self._closed[session_id] = None
        if len(self._closed) > KEPT:
            del self._closed[next(iter(self._closed))]

    def on_end(self) -> None:
        for session_id, (exchange, reply, timeout) in self._refused.items():
            if reply.time + timeout < self.reading.time:
                self.broken(
                    f"{reply.client} was told by server {exchange.connection.server} that its "
                    f"session {session_id:#x} is over, and nobody ended it",
                    exchange.sent,
                    reply,
                )


class SyncIsABarrier(Judge):
    """Behind a ``sync`` a client sees everything that was committed when it asked for it.

    Checked against the log. Not judged: syncs on a server that leads, which asks nobody, and on one
    whose leader had been replaced by the time of the answer; ZooKeeper promises nothing there.
    Without the log nothing is decided: a live server does not say whether it leads. A program that
    wants a barrier all the same promises it with `register`.
    """

    name = "sync is a barrier"
    error = SyncBroken
    needs_log = True
    why_log = "who leads is not known without a log, and a leader answers a sync by itself"

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[Exchange, tuple[int, Logged | None]] = {}
        self._epochs: dict[ConnectionSeen, int] = {}
        self._with_leader: dict[ConnectionSeen, None] = {}
        """Connections with a server that led when they were made. Its clients are dropped when it
        steps down, and what it has sent them before arrives all the same.
        """

    def on_connected(self, connection: ConnectionSeen) -> None:
        self._epochs[connection] = self.reading.epochs.get(connection.server, 0)
        if connection.server in self.reading.leaders:
            self._with_leader[connection] = None

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._epochs.pop(connection, None)
        self._with_leader.pop(connection, None)
        for exchange in connection.pending:
            self._asked.pop(exchange, None)

    def on_sent(self, exchange: Exchange) -> None:
        if exchange.sent.operation == "sync":
            states = self.reading.states
            self._asked[exchange] = (states.last, states.last_entry)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        asked = self._asked.pop(exchange, None)
        if asked is None or reply.error:
            return
        floor, entry = asked
        reading, connection = self.reading, exchange.connection
        leads = connection.server in reading.leaders or connection in self._with_leader
        if leads or self._epochs[connection] != reading.epoch:
            self.undecided(DEPOSED)
            return
        self.times += 1
        if reply.zxid < floor:
            self.broken(
                f"{reply.client} was answered a sync with the state of {reply.zxid:#x}; "
                f"{floor:#x} had been committed when it asked",
                entry,
                exchange.sent,
                reply,
            )


class ViewsAreTimely(Judge):
    """Timeliness: what a connected client is shown is not older than a bound.

    Checked against the log, where `check` is given the bound: what had been committed for so long
    when a request was sent is in the state that its reply shows.
    """

    name = "views are timely"
    error = TimelinessBroken
    needs_log = True

    def __init__(self, bound: float) -> None:
        super().__init__()
        self._bound = bound
        self._recent: deque[Committed] = deque()
        self._old: Committed | None = None

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        self._recent.append(entry)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if reply.zxid <= 0:
            return
        limit = exchange.sent.time - self._bound
        recent = self._recent
        while recent and recent[0].time < limit:
            self._old = recent.popleft()
        self.times += 1
        old = self._old
        if old is not None and old.time < limit and old.transaction.zxid > reply.zxid:
            self.broken(
                f"{reply.client} was shown the state of {reply.zxid:#x} more than "
                f"{self._bound:g} s after {old.transaction.zxid:#x} had been committed",
                old,
                exchange.sent,
                reply,
            )
