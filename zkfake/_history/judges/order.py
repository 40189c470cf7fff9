"""Sequential consistency, and that nobody is taken back in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.errors import SequentialConsistencyBroken, SingleSystemImageBroken
from zkfake._history.judge import Judge
from zkfake._history.reading import is_acknowledged

if TYPE_CHECKING:
    from zkfake._history.events import Reply, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange, SessionSeen

__all__ = ["NeverBack", "RepliesInOrder", "WritesInOrder"]


class RepliesInOrder(Judge):
    """Sequential consistency: replies come in the order in which the requests were sent.

    Checked: of each connection. Not of authentication, and of operations that do not exist, which
    a server answers ahead of what waits; nor of ``check`` outside a multi, which some versions
    leave unanswered, and of pings, which are answered with a number of their own.
    """

    name = "replies in order"
    error = SequentialConsistencyBroken

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        self.times += 1

    def on_overtaken(self, first: Exchange, exchange: Exchange, reply: Reply) -> None:
        operation = reply.operation
        if operation in ("auth", "sasl", "malformed") or operation.startswith("operation "):
            return
        if first.sent.operation in ("check", "createSession", "ping"):
            return
        self.broken(
            f"{reply.client} was answered request {reply.number} before request "
            f"{first.sent.number}, which it had sent before",
            first.sent,
            exchange.sent,
            reply,
        )


class WritesInOrder(Judge):
    """Sequential consistency: writes take effect in the order in which they were sent.

    Checked, by the zxids of the replies: each write that was acknowledged comes after those that
    its client had sent before it, and after all that had been acknowledged, to anybody, when it
    was sent. No two have one zxid. What was not answered has no zxid, and is not judged here.
    """

    name = "writes in order"
    error = SequentialConsistencyBroken

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[ConnectionSeen, Reply] = {}

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._last.pop(connection, None)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if not is_acknowledged(reply):
            return
        self.times += 1
        before = self._last.get(exchange.connection)
        if before is not None and reply.zxid <= before.zxid:
            self.broken(
                f"{reply.client} sent request {before.number} and then request {reply.number}, "
                f"and they took effect at {before.zxid:#x} and {reply.zxid:#x}",
                before,
                exchange.sent,
                reply,
            )
        elif reply.zxid <= exchange.acknowledged:
            self.broken(
                f"request {reply.number} of {reply.client} took effect at {reply.zxid:#x}; when it "
                f"was sent, the write of {exchange.acknowledged:#x} had been acknowledged",
                exchange.by,
                exchange.sent,
                reply,
            )
        self._last[exchange.connection] = reply


class NeverBack(Judge):
    """Single system image: a session is never shown an older state than before, whatever server it
    goes to.

    Checked: the zxids of a session's replies never fall, nor are its events older than they; those
    of one connection do not fall, events among them; nor are they lower than what its client said,
    when it connected, that it had seen. Over a reconnect events do not count: clients
    do not tell the next server of them. A session's end is the end of all that: the next one of the
    same client may be older.
    """

    name = "never back"
    error = SingleSystemImageBroken

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[ConnectionSeen, Exchange] = {}
        """The handshakes."""

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        if session_id and exchange.record is not None:
            self._said[connection] = exchange

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._said.pop(connection, None)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        self._look(exchange.connection, reply)

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        self._look(connection, event)

    def _look(self, connection: ConnectionSeen, event: Reply | WatchEvent) -> None:
        session = connection.session
        if event.zxid <= 0 or session is None:
            return  # authentication, and what a server refuses to carry out, have no state
        self.times += 1
        before: ConnectionSeen | SessionSeen = (
            session if session.seen > connection.seen else connection
        )
        if event.zxid < before.seen:
            self.broken(
                f"{event.client} was shown the state of {event.zxid:#x} after that of "
                f"{before.seen:#x}",
                before.seen_by,
                connection.opened,
                event,
            )
            return
        said = self._said.get(connection)
        if said is not None and event.zxid < said.record.last_zxid_seen:
            self.broken(
                f"{event.client} was shown the state of {event.zxid:#x}; when it connected, it had "
                f"said that it had seen that of {said.record.last_zxid_seen:#x}",
                said.sent,
                event,
            )
