"""Callbacks that keep others waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.detector import Detector

if TYPE_CHECKING:
    from zkfake._history.events import CallbackBegan, CallbackEnded, Event, Fault, Reply, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange

__all__ = ["BLOCKED", "BlockingCallback"]

BLOCKED = 1.0
"""Seconds that a callback may wait for something else than a reply: a round trip takes less, and
whoever looks at the clock in a callback means more.
"""


class _Call:
    """One callback that has not returned."""

    __slots__ = ("began", "by", "idle", "since", "waits")

    def __init__(self, began: CallbackBegan) -> None:
        self.began = began
        self.idle = 0.0
        """Seconds in which the client waited for no reply."""
        self.since: float | None = None
        """Since when it waits for none."""
        self.by: Event | None = None
        """The last reply before it began to wait."""
        self.waits: WatchEvent | None = None
        """An event that waits for the end of this callback."""


class BlockingCallback(Detector):
    """A function that watches waits, and all the other watches of its client wait for it.

    Matched: a callback takes a second or more in which its client is connected and none of its
    requests waits for a reply. So it sleeps, or waits for a lock, or for another callback, which
    never comes. A callback that has not returned when the history ends counts to that time.

    Not matched: the time that requests take, since kazoo answers them beside the callbacks, and its
    own DataWatch and ChildrenWatch read in theirs; a callback in whose time the client lost a
    connection, or a fault began or ended.
    """

    name = "a blocking callback"
    advice = (
        "Let the callback hand its work to a thread or a queue and return: kazoo calls all "
        "watches of a client on one thread, one after the other."
    )
    without_client = "it was not looked for: only simulations record callbacks"

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, _Call] = {}
        self._connections: dict[str, ConnectionSeen] = {}

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        if session_id:
            self._connections[connection.client] = connection

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        if self._connections.get(connection.client) is connection:
            del self._connections[connection.client]
        self._calls.pop(connection.client, None)

    def on_fault(self, event: Fault) -> None:
        self._calls.clear()

    def on_callback_began(self, event: CallbackBegan) -> None:
        call = self._calls[event.client] = _Call(event)
        connection = self._connections.get(event.client)
        if connection is None:
            del self._calls[event.client]
        elif not connection.pending:
            call.since = event.time

    def on_callback_ended(self, event: CallbackEnded) -> None:
        call = self._calls.pop(event.client, None)
        if call is not None:
            self._judge(call, event.time, event)

    def on_sent(self, exchange: Exchange) -> None:
        call = self._calls.get(exchange.sent.client)
        if call is not None and call.since is not None:
            call.idle += exchange.sent.time - call.since
            call.since = None

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        call = self._calls.get(reply.client)
        if call is not None and not exchange.connection.pending:
            call.since = reply.time
            call.by = reply

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        call = self._calls.get(event.client)
        if call is not None and call.waits is None:
            call.waits = event

    def on_end(self) -> None:
        for call in self._calls.values():
            self._judge(call, self.reading.time, None)

    def _judge(self, call: _Call, now: float, ended: CallbackEnded | None) -> None:
        idle = call.idle + (now - call.since if call.since is not None else 0.0)
        if idle < BLOCKED:
            return
        began = call.began
        returned = "" if ended is not None else ", and had not returned when the history ended"
        self.detected(
            (began.client, began.function),
            f"{began.function}, called by {began.client} for {began.type} {began.path}".rstrip()
            + f", waited {idle:.1f} s{returned}",
            began,
            call.by,
            call.waits,
            ended,
        )
