"""Sequential consistency, and that nobody is taken back in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zkfake._history.errors import SequentialConsistencyBroken, SingleSystemImageBroken
from zkfake._history.judge import Judge
from zkfake._history.reading import is_acknowledged
from zkfake._protocol.records import Code

if TYPE_CHECKING:
    from zkfake._history.events import Event, Reply, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange

__all__ = ["NeverBack", "RepliesInOrder", "WritesInOrder"]

SAID_LESS = "what a client is shown that says, when it connects, less than its session was shown"


class RepliesInOrder(Judge):
    """Sequential consistency: replies come in the order in which the requests were sent.

    Checked: of each connection. Not of authentication, and of what a server does not implement,
    which it answers ahead of what waits; nor of ``check`` outside a multi, which some versions
    leave unanswered; nor of connections that share a session: writes of one that has moved are not
    answered.
    """

    name = "replies in order"
    error = SequentialConsistencyBroken

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        self.times += 1

    def on_overtaken(self, first: Exchange, exchange: Exchange, reply: Reply) -> None:
        operation = reply.operation
        if operation in ("auth", "sasl", "malformed") or reply.error == Code.UNIMPLEMENTED:
            return
        if first.sent.operation in ("check", "createSession"):
            return
        if exchange.connection.shares:
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


class _Said(NamedTuple):
    """What a client said that it had seen, when it connected; ``seen`` and ``seen_by``: what its
    session had been shown by then.
    """

    zxid: int
    by: Exchange
    seen: int
    seen_by: Event | None


class NeverBack(Judge):
    """Single system image: a session is never shown an older state than before, whatever server it
    goes to.

    Checked: the zxids of one connection never fall, events among them; nor are they lower than
    what its client said, when it connected, that it had seen, which is what holds over a reconnect.
    Clients do not say what events have told them. A client that says less than its session was
    shown may be taken back that far; so may one whose session is over, and which begins another
    one.
    """

    name = "never back"
    error = SingleSystemImageBroken

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[ConnectionSeen, _Said] = {}

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        seen, by = connection.shown_before
        if session_id and exchange.record is not None:
            said = exchange.record.last_zxid_seen
            self._said[connection] = _Said(said, exchange, seen, by)
            if said < seen:
                self.undecided(SAID_LESS)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._said.pop(connection, None)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        self._look(exchange.connection, reply)

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        self._look(connection, event)

    def _look(self, connection: ConnectionSeen, event: Reply | WatchEvent) -> None:
        if event.zxid <= 0 or connection.session is None:
            return  # authentication, and what a server refuses to carry out, have no state
        self.times += 1
        said = self._said.get(connection)
        if event.zxid < connection.seen:
            self._went_back(connection, connection.seen, connection.seen_by, event)
        elif said is None or event.zxid >= said.zxid:
            pass
        elif event.zxid < said.seen <= said.zxid:
            self._went_back(connection, said.seen, said.seen_by, event)
        else:
            self.broken(
                f"{event.client} was shown the state of {event.zxid:#x}; when it connected, it had "
                f"said that it had seen that of {said.zxid:#x}",
                said.by.sent,
                event,
            )

    def _went_back(
        self, connection: ConnectionSeen, seen: int, by: Event | None, event: Reply | WatchEvent
    ) -> None:
        self.broken(
            f"{event.client} was shown the state of {event.zxid:#x} after that of {seen:#x}",
            by,
            connection.opened,
            event,
        )
