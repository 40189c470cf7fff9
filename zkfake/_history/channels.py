"""What a history keeps of channels: requests, replies, watch events and the ends of connections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from zkfake._history.events import Connected, Disconnected, Reply, Sent, WatchEvent
from zkfake._protocol.frames import event_of, read_reply

if TYPE_CHECKING:
    from zkfake._channel.conditions import Clock
    from zkfake._channel.rules import ChannelRequest
    from zkfake._history.recorder import History
    from zkfake._protocol.frames import RequestHead

__all__ = ["ChannelRecorder"]

# What a named tuple's own constructor ends with: every request makes one of each.
_sent = partial(tuple.__new__, Sent)
_reply = partial(tuple.__new__, Reply)


class ChannelRecorder:
    """Puts what happens on channels into a history: `zkfake._channel.channel.Listener`."""

    def __init__(self, history: History, clock: Clock, second: int) -> None:
        """``second``: ticks of the clock in a second."""
        self._history = history
        self._clock = clock
        self._second = second

    def connected(self, channel: Any) -> None:
        """A server has accepted the connection."""
        time = self._clock.now / self._second
        self._history.append(Connected(time, channel.client, channel.number, channel.server))

    def sent(self, channel: Any, number: int, head: RequestHead, frame: bytes) -> None:
        """The client sends a request, the ``number``-th of all."""
        xid, operation, paths = head
        time = self._clock.now / self._second
        event = time, channel.client, channel.number, number, xid, operation, paths, frame
        append = self._history.append
        append(_sent(event))

    def replied(self, channel: Any, request: ChannelRequest, frame: bytes) -> None:
        """A reply reaches the client."""
        xid, operation, paths = request.head
        zxid = error = 0
        if operation != "connect":
            _, zxid, error = read_reply(frame)
        event = (
            self._clock.now / self._second,
            channel.client,
            channel.number,
            request.number,
            xid,
            operation,
            paths,
            zxid,
            error,
            frame,
        )
        append = self._history.append
        append(_reply(event))

    def told(self, channel: Any, frame: bytes) -> None:
        """A watch event reaches the client."""
        kind, path = event_of(frame)
        _, zxid, _ = read_reply(frame)
        time = self._clock.now / self._second
        self._history.append(WatchEvent(time, channel.client, channel.number, kind, path, zxid))

    def ended(self, channel: Any, by: str) -> None:
        """The client learns that the connection is closed, or (``by``: "client") closes it."""
        time = self._clock.now / self._second
        self._history.append(Disconnected(time, channel.client, channel.number, by))
