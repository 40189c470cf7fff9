"""Reading a history from its beginning to its end: connections, sessions and requests, put together
from single events, for those who subscribe.

Rules that live here:

- Each event is read once and handed to every subscriber that asks for its kind. What it is told of
  is what the client saw: what comes behind the end of a connection was seen by nobody.
- Memory is bounded: what belongs to a connection goes with it, what belongs to a session goes when
  the session's end is long past, of requests only those without an answer are kept.
- A connection's session is known from the reply to its first request.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._history.events import (
    CallbackBegan,
    CallbackEnded,
    Claimed,
    Committed,
    Connected,
    DictAnswered,
    DictAsked,
    DictOpened,
    DictSent,
    DictShown,
    Disconnected,
    Fault,
    Queued,
    Recorded,
    Released,
    Reply,
    Restored,
    Sent,
    ServerEvent,
    StateChange,
    WatchEvent,
)
from zkfake._history.inside import (
    INSIDE,
    AppliedNext,
    Configured,
    Elected,
    Followed,
    LastHeard,
    LinkChanged,
    ServerPaused,
)
from zkfake._history.states import States
from zkfake._protocol.jute import JuteError, Reader
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import Op, read_connect_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkfake._history.events import Event, Logged

__all__ = [
    "WINDOW",
    "WRITES",
    "ConnectionSeen",
    "Exchange",
    "Reading",
    "SessionSeen",
    "WriteSeen",
    "is_acknowledged",
]

_OPS = {row.name: row for row in OPERATIONS.values()}

WRITES = frozenset(
    {"create", "create2", "createContainer", "createTTL", "delete", "deleteContainer", "setData",
     "setACL", "multi", "reconfig", "check"}
)  # fmt: skip
"""The operations that take a place in the log, but for those of sessions."""

SESSIONS_KEPT = 10_000

WINDOW = 10_000
"""Transactions back, up to which a state can be asked for."""


class SessionSeen:
    """One session, as its client knows it."""

    __slots__ = (
        "began", "client", "heard", "id", "password", "seen", "seen_by", "sent", "timeout"
    )  # fmt: skip

    def __init__(self, session_id: int, client: str, began: float) -> None:
        self.id = session_id
        self.client = client
        self.began = began
        """When its client was first told of it."""
        self.timeout = 0.0
        """Seconds."""
        self.password: bytes | None = None
        self.seen = 0
        """The highest zxid of a reply to its client: what clients tell the next server. Of what
        events told them they say nothing.
        """
        self.seen_by: Event | None = None
        self.heard: Exchange | None = None
        """The last handshake that a server of the newest leader answered."""
        self.sent: deque[Exchange] = deque()
        """The writes that were not found in the log yet, oldest first; none where there is none."""


class Exchange:
    """A request, and what is known of it before it is answered."""

    __slots__ = ("_record", "acknowledged", "by", "connection", "sent")

    def __init__(
        self, sent: Sent, connection: ConnectionSeen, acknowledged: int, by: Event | None
    ) -> None:
        self.sent = sent
        self.connection = connection
        self.acknowledged = acknowledged
        """The highest zxid of a write that had been acknowledged to anybody when it was sent."""
        self.by = by
        """What acknowledged it."""
        self._record: Any = _UNREAD

    @property
    def record(self) -> Any:
        """What it asks for; ``None`` where that cannot be read."""
        if self._record is _UNREAD:
            operation, frame = self.sent.operation, self.sent.frame
            row = _OPS.get(operation)
            try:
                if operation == "connect":
                    self._record = read_connect_request(Reader(frame, 4))
                else:
                    self._record = None if row is None else row.read(Reader(frame, 12))
            except (JuteError, ValueError):
                self._record = None
        return self._record


_UNREAD: Any = object()


class ConnectionSeen:
    """One connection of a client to a server."""

    __slots__ = (
        "client", "ended", "number", "opened", "pending", "read_at", "renews", "seen", "seen_by",
        "server", "session", "shaken_at", "shares", "shown_before",
    )  # fmt: skip

    def __init__(self, opened: Connected, read_at: int) -> None:
        """``read_at``: how many events had been read when it was made."""
        self.opened = opened
        self.read_at = read_at
        self.shaken_at: int | None = None
        """How many events had been read when its handshake was answered."""
        self.ended: Disconnected | None = None
        self.client = opened.client
        self.number = opened.connection
        self.server = opened.server
        self.session: SessionSeen | None = None
        """The one that it was given."""
        self.renews: SessionSeen | None = None
        """The one that it has asked for: requests may follow before the handshake is answered."""
        self.shown_before: tuple[int, Event | None] = 0, None
        """The highest zxid that that session had been shown by then, and what showed it."""
        self.shares = False
        """Whether another one has asked for the session while this one was open: to servers it may
        have moved from either of them, and then they leave what waits there unanswered.
        """
        self.pending: deque[Exchange] = deque()
        self.seen = 0
        """The highest zxid that came through it."""
        self.seen_by: Event | None = None

    def is_behind(self, other: ConnectionSeen) -> bool:
        """Whether it was made when the other one had its session: if it has the same session, a
        server that lets it in does nothing any more for the other one.
        """
        return other.shaken_at is not None and other.shaken_at < self.read_at


class WriteSeen(NamedTuple):
    """One change of a znode that took effect. ``session``: who made it; 0 for nobody's."""

    kind: str
    path: str
    session: int
    by: Logged | Reply


class Reading:
    """One history, read once."""

    def __init__(
        self, has_log: bool, complete: bool, window: int, *, keep_sent: bool = True
    ) -> None:
        """``complete``: every client that writes was recorded. ``window``: how many transactions
        back a state can still be asked for. ``keep_sent``: somebody takes what is committed out of
        `SessionSeen.sent`.
        """
        self.has_log = has_log
        self._keep_sent = has_log and keep_sent
        self.complete = complete
        self.states = States(window)
        self.connections: dict[int, ConnectionSeen] = {}
        """By their numbers: a client may be called by its session, before it has one."""
        self.sessions: dict[int, SessionSeen] = {}
        self.events = 0
        self.time = 0.0
        """Of the last event."""
        self.transactions = 0
        self.acknowledged = 0
        """The highest zxid of a write that was acknowledged to anybody."""
        self.acknowledged_by: Event | None = None
        self.epoch = 0
        """The newest one that a server leads or has led."""
        self.epochs: dict[int, int] = {}
        """The epoch that each server leads or follows, as far as it was told."""
        self.leaders: dict[int, int] = {}
        """The epoch that each leading server leads."""
        self._heard_by: dict[str, list[Callable[..., None]]] = {}
        self._reads: dict[type, Callable[[Any], None]] = {
            Sent: self._sent,
            Reply: self._reply,
            Committed: self._committed,
            Restored: self._restored,
            WatchEvent: self._watch_event,
            Connected: self._connected,
            Disconnected: self._disconnected,
            ServerEvent: self._server_event,
            Fault: lambda event: self.tell("on_fault", event),
            Claimed: lambda event: self.tell("on_claimed", event),
            Released: lambda event: self.tell("on_released", event),
            Recorded: lambda event: self.tell("on_recorded", event),
            StateChange: lambda event: self.tell("on_state_change", event),
            Queued: lambda event: self.tell("on_queued", event),
            CallbackBegan: lambda event: self.tell("on_callback_began", event),
            CallbackEnded: lambda event: self.tell("on_callback_ended", event),
            DictOpened: lambda event: self.tell("on_dict_opened", event),
            DictAsked: lambda event: self.tell("on_dict_asked", event),
            DictSent: lambda event: self.tell("on_dict_sent", event),
            DictAnswered: lambda event: self.tell("on_dict_answered", event),
            DictShown: lambda event: self.tell("on_dict_shown", event),
            Elected: lambda event: self.tell("on_elected", event),
            Followed: lambda event: self.tell("on_followed", event),
            LastHeard: lambda event: self.tell("on_last_heard", event),
            Configured: lambda event: self.tell("on_configured", event),
            AppliedNext: lambda event: self.tell("on_applied_next", event),
            LinkChanged: lambda event: self.tell("on_link_changed", event),
            ServerPaused: lambda event: self.tell("on_server_paused", event),
        }

    def listen(self, name: str, method: Callable[..., None]) -> None:
        """``method`` is to hear of what the method of that name of a `Subscriber` hears of."""
        self._heard_by.setdefault(name, []).append(method)

    def read(self, events: Iterable[Event | Logged]) -> None:
        """All the rest of a history."""
        reads = self._reads
        for event in events:
            read = reads.get(type(event))
            if read is not None:
                read(event)
            kind = type(event)
            if kind is Committed or kind is Restored:
                self.transactions += 1
            elif kind not in INSIDE:
                self.events += 1
                self.time = event.time
        self.tell("on_end")

    def tell(self, name: str, *arguments: Any) -> None:
        """Call the methods of that name of those who subscribe to it."""
        for method in self._heard_by.get(name, ()):
            method(*arguments)

    # -- connections

    def _connected(self, event: Connected) -> None:
        connection = ConnectionSeen(event, self.events)
        self.connections[event.connection] = connection
        self.tell("on_connected", connection)

    def _disconnected(self, event: Disconnected) -> None:
        connection = self.connections.pop(event.connection, None)
        if connection is not None:
            connection.ended = event
            self.tell("on_disconnected", connection)

    # -- requests

    def _sent(self, event: Sent) -> None:
        connection = self.connections.get(event.connection)
        if connection is None:
            return
        exchange = Exchange(event, connection, self.acknowledged, self.acknowledged_by)
        connection.pending.append(exchange)
        if event.operation == "connect" and exchange.record is not None:
            self._renew(connection, exchange.record.session_id)
        if self._keep_sent and event.operation in WRITES:
            session = connection.session or connection.renews
            if session is not None:
                session.sent.append(exchange)
        self.tell("on_sent", exchange)

    def _renew(self, connection: ConnectionSeen, session_id: int) -> None:
        """It has asked for this session. Others that are open may have it."""
        session = connection.renews = self.sessions.get(session_id)
        if session is None:
            return
        connection.shown_before = session.seen, session.seen_by
        for other in self.connections.values():
            if other is not connection and session in (other.session, other.renews):
                other.shares = connection.shares = True

    def _reply(self, event: Reply) -> None:
        connection = self.connections.get(event.connection)
        if connection is None:
            return  # it came too late: nobody is there
        exchange = self._answered(connection, event)
        if exchange is None:
            return
        if event.operation == "connect":
            self._shake(connection, exchange, event)
            return
        self.tell("on_reply", exchange, event)
        session = connection.session
        if session is not None and session.sent and session.sent[0] is exchange:
            session.sent.popleft()  # it has failed: what is committed was taken out then
        if event.zxid > self.acknowledged and is_acknowledged(event):
            self.acknowledged, self.acknowledged_by = event.zxid, event
        self._saw(connection, event)

    def _answered(self, connection: ConnectionSeen, event: Reply) -> Exchange | None:
        pending = connection.pending
        for place, exchange in enumerate(pending):
            if exchange.sent.number == event.number:
                if place:
                    self.tell("on_overtaken", pending[0], exchange, event)
                del pending[place]
                return exchange
        return None

    def _saw(self, connection: ConnectionSeen, event: Reply | WatchEvent) -> None:
        zxid = event.zxid
        if zxid > connection.seen:
            connection.seen, connection.seen_by = zxid, event
        session = connection.session
        if session is not None and zxid > session.seen and type(event) is Reply:
            session.seen, session.seen_by = zxid, event

    def _shake(self, connection: ConnectionSeen, exchange: Exchange, event: Reply) -> None:
        """The handshake is answered."""
        try:
            reader = Reader(event.frame, 8)
            timeout, session_id = reader.read_int(), reader.read_long()
            password = reader.read_buffer()
        except JuteError:
            return  # a server that is read-only refuses in a form of its own
        if session_id:
            session = self.sessions.get(session_id)
            if session is None:
                session = self.sessions[session_id] = SessionSeen(
                    session_id, event.client, event.time
                )
                if len(self.sessions) > SESSIONS_KEPT:
                    self._forget_a_session()
            connection.session, connection.shaken_at = session, self.events
            connection.client = event.client  # which may be called by the session, so only now
            session.timeout, session.password = timeout / 1000, password
            if self._keep_sent and session is not connection.renews:
                session.sent.extend(
                    each for each in connection.pending if each.sent.operation in WRITES
                )
        self.tell("on_handshake", connection, exchange, event, session_id)

    def _forget_a_session(self) -> None:
        in_use = {id(each.session) for each in self.connections.values()}
        for number, session in self.sessions.items():
            if id(session) not in in_use:
                del self.sessions[number]
                return

    def _watch_event(self, event: WatchEvent) -> None:
        connection = self.connections.get(event.connection)
        if connection is not None:
            self.tell("on_watch_event", connection, event)
            self._saw(connection, event)

    # -- servers

    def _committed(self, entry: Committed) -> None:
        changes = self.states.apply(entry)
        self.tell("on_committed", entry, changes)

    def _restored(self, entry: Restored) -> None:
        self.states.restart(entry)
        self.tell("on_restored", entry)

    def _server_event(self, event: ServerEvent) -> None:
        name, server = event.name, event.server
        if name == "leads":
            self.epoch = max(self.epoch, event.epoch)
            self.leaders[server] = self.epochs[server] = event.epoch
        elif name in ("follows", "observes"):
            self.epochs[server] = event.epoch
            self.leaders.pop(server, None)
        elif name in ("looks", "steps down", "stops", "starts"):
            self.epochs.pop(server, None)
            self.leaders.pop(server, None)
        self.tell("on_server_event", event)


def is_acknowledged(reply: Reply) -> bool:
    """Whether a reply says that a write took effect."""
    if reply.error or reply.operation not in WRITES:
        return False
    if reply.operation != "multi":
        return True
    # One that failed says so in the header of each of its parts, not in that of the reply. The
    # header behind the last part looks like it, and comes first where there are no parts.
    is_over = reply.frame[24:25] == b"\x01"
    return is_over or int.from_bytes(reply.frame[20:24], "big", signed=True) != Op.ERROR
