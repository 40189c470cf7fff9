"""The messages of a history: which request a reply answers, what was committed for it, what got
lost, and which commit a watch event tells of.

Rules that live here:

- A history has the times at which a client sends and receives, and that of each commit. When a
  server got a request is not recorded: the page draws it halfway.
- A request without a reply is lost once its connection is over. Where a fault says what got lost,
  it is believed; a request whose write was committed has lost its reply; of others it is unknown.
- The reply to a write has the zxid of its commit. Of a write without a reply it is assumed that it
  was committed for the oldest request of its session that asks for the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zkfake._history.events import Committed, Connected, Disconnected, Fault, Reply, Sent
from zkfake._history.reading import WRITES
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkfake._database.log import Transaction

__all__ = ["ARRIVED", "OPEN", "REPLY_LOST", "REQUEST_LOST", "UNKNOWN", "Messages", "RoundTrip"]

OPEN, ARRIVED, REQUEST_LOST, REPLY_LOST, UNKNOWN = range(5)
"""How a request ended: not yet; with a reply; lost before the server had it; its reply was lost;
lost, and nobody knows which of the two.
"""

_STRUCK = re.compile(r"request (\d{1,18}) of ")


class RoundTrip:
    """A request and what came of it, by the places of the events among the marks."""

    __slots__ = ("commit", "connection", "end", "event", "outcome", "sent")

    def __init__(self, sent: int, event: Sent) -> None:
        self.sent = sent
        self.event = event
        self.connection = event.connection
        self.commit = -1
        """The commit of its write, or -1."""
        self.end = -1
        """The reply, or the end of the connection; -1 if there is none."""
        self.outcome = OPEN


class Messages:
    """The messages, put together from events that are read in order."""

    def __init__(self, clients: Mapping[int, str]) -> None:
        """``clients``: the client of each session."""
        self._clients = clients
        self._pending: dict[int, dict[int, RoundTrip]] = {}
        self._unmatched: dict[str, list[RoundTrip]] = {}
        self._struck: dict[int, int] = {}
        self._sessions: dict[int, int] = {}
        self._created: dict[int, int] = {}
        self._commits: dict[int, tuple[int, RoundTrip | None]] = {}
        self.exchanges: list[RoundTrip] = []
        self.connected: dict[int, Connected] = {}
        """Every connection, by its number."""

    def read(self, place: int, event: Any) -> None:
        """The next event."""
        if type(event) is Sent:
            self._sent(place, event)
        elif type(event) is Reply:
            self._reply(place, event)
        elif type(event) is Committed:
            self._committed(place, event.transaction)
        elif type(event) is Connected:
            self.connected[event.connection] = event
        elif type(event) is Disconnected:
            for exchange in self._pending.pop(event.connection, {}).values():
                self._lost(exchange, place)
        elif type(event) is Fault:
            self._fault(event)

    def _sent(self, place: int, event: Sent) -> None:
        exchange = RoundTrip(place, event)
        self.exchanges.append(exchange)
        self._pending.setdefault(event.connection, {})[event.number] = exchange
        if event.operation in WRITES or event.operation == "closeSession":
            self._unmatched.setdefault(event.client, []).append(exchange)

    def _reply(self, place: int, event: Reply) -> None:
        exchange = self._pending.get(event.connection, {}).pop(event.number, None)
        if exchange is None:
            return
        exchange.end, exchange.outcome = place, ARRIVED
        waiting = self._unmatched.get(event.client, [])
        if exchange in waiting:
            waiting.remove(exchange)
        if event.operation == "connect":
            session = int.from_bytes(event.frame[12:20], "big", signed=True)
            self._sessions[event.connection] = session
            exchange.commit = self._created.pop(session, -1)  # -1 where it was only resumed
        elif event.operation in WRITES and not event.error and event.zxid in self._commits:
            exchange.commit, other = self._commits[event.zxid]
            self._commits[event.zxid] = exchange.commit, exchange
            if other is not None and other is not exchange:
                other.commit = -1
                self._decide(other)

    def _committed(self, place: int, done: Transaction) -> None:
        if done.op is Op.CREATE_SESSION:
            self._created[done.session_id] = place
            return
        self._commits[done.zxid] = place, None
        waiting = self._unmatched.get(self._clients.get(done.session_id, ""), [])
        for exchange in waiting:
            session = self._sessions.get(exchange.connection, done.session_id)
            if session == done.session_id and _asks_for(exchange.event, done):
                self._commits[done.zxid] = place, exchange
                exchange.commit = place
                self._decide(exchange)
                waiting.remove(exchange)
                return

    def _decide(self, exchange: RoundTrip) -> None:
        """What got lost of a request whose connection is over."""
        if exchange.outcome in (REQUEST_LOST, REPLY_LOST, UNKNOWN):
            committed = REPLY_LOST if exchange.commit >= 0 else UNKNOWN
            exchange.outcome = self._struck.get(exchange.event.number, committed)

    def _lost(self, exchange: RoundTrip, place: int) -> None:
        exchange.end, exchange.outcome = place, UNKNOWN
        self._decide(exchange)

    def _fault(self, event: Fault) -> None:
        found = _STRUCK.match(event.text)
        if found is not None and event.name in _LOSES:
            number = int(found[1])
            self._struck[number] = _LOSES[event.name]
            if _LOSES[event.name] == REQUEST_LOST:
                for waiting in self._unmatched.values():
                    waiting[:] = [each for each in waiting if each.event.number != number]


_LOSES = {"drop before request": REQUEST_LOST, "drop before reply": REPLY_LOST}


def _asks_for(request: Sent, done: Transaction) -> bool:
    if OPERATIONS[done.op].name != request.operation:
        return False
    if not done.operations or not request.paths:
        return True
    return done.operations[0].path.startswith(request.paths[0])
