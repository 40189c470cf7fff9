"""A channel on a real socket. The socket carries it instead of its connection.

Rules that live here:

- What is due arrives at once, and a client that writes faster than the server may answer waits:
  whole requests are kept, and the socket is read no further.
- Whose connection it is, its session tells: the one that the connect request asks for, then the one
  that it is given.
- It may come into use in the middle of a connection: a reply to what was sent before belongs to no
  request that is known.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from zkfake._channel.channel import CONNECT, END, Channel, Served, Stream, session_text
from zkfake._channel.rules import ChannelRequest
from zkfake._connection.connection import MOST_QUEUED
from zkfake._protocol.frames import FrameSplitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.channel import Listener
    from zkfake._channel.conditions import Conditions, Way
    from zkfake._timers import Timer, Timers

__all__ = ["RealTimeChannel", "SocketServed"]


class SocketServed(Served, Protocol):
    """What a socket would have without faults: `zkfake._connection.connection.Connection`, or the
    proxy's connection to a server.
    """

    session_id: int

    @property
    def interest(self) -> int:
        """Above 0 once the handshake is over."""

    @property
    def queued(self) -> int:
        """Bytes of output that wait."""

    def take_input(self) -> bytes:
        """Takes what it has received and not carried out."""


class _TimedStream(Stream):
    """A stream whose frames arrive as soon as they are due. It has at most one timer."""

    __slots__ = ("_arriving", "_timer", "_timers")

    def __init__(
        self,
        conditions: Conditions[Any],
        channel: Channel,
        way: Way,
        deliver: Callable[[bytes, Any], None],
        timers: Timers,
    ) -> None:
        super().__init__(conditions, channel, way, deliver, self._see_to)
        self._timers = timers
        self._timer: Timer | None = None
        self._arriving = False

    def _see_to(self, _due: int, arrive: Callable[[], None]) -> None:
        arrive()

    def arrive(self) -> None:
        if self._arriving:
            return  # a rule's action is at work, in the middle of a delivery
        self._arriving = True
        try:
            super().arrive()
        finally:
            self._arriving = False
        items = self._items
        if items and items[0][0] > self._clock.now and self._timer is None:
            self._timer = self._timers.at(items[0][0], self._timer_is_up)

    def _timer_is_up(self) -> None:
        self._timer = None
        self.arrive()

    def resume(self) -> None:
        self.arrive()

    def clear(self) -> None:
        super().clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class RealTimeChannel(Channel):
    """What a socket carries instead of its connection once faults or a history are in use."""

    upstream: _TimedStream
    downstream: _TimedStream

    def __init__(
        self,
        conditions: Conditions[Any],
        timers: Timers,
        connection: SocketServed,
        server: int,
        longest: int,
        on_output: Callable[[], None],
        listener: Listener | None = None,
    ) -> None:
        """``server``: its number. ``longest``: frame that the server takes, bytes. ``on_output`` is
        called when there is something to send or the socket is to be closed.
        """
        self._timers = timers
        session_id = connection.session_id
        super().__init__(
            conditions, session_text(session_id), server, FrameSplitter(longest), listener
        )
        self.session_id = session_id
        self.closing = False
        self.dropped = False
        self._core: SocketServed | None = connection
        self._on_output = on_output
        self._received: deque[bytes] = deque(self._frames.feed(connection.take_input()))
        """Whole requests that wait for their turn."""
        self._shaken = connection.interest > 0  # it waits for requests now, not for a handshake
        if self._shaken and not session_id:
            self._pending.append(ChannelRequest(self, 0, CONNECT))
        self._output: list[bytes] = []
        self._taking = False

    def _stream(self, way: Way, deliver: Callable[[bytes, Any], None]) -> _TimedStream:
        return _TimedStream(self._conditions, self, way, deliver, self._timers)

    def __str__(self) -> str:
        return self.client

    def _identify(self, session_id: int) -> None:
        super()._identify(session_id)
        self.client = session_text(session_id)

    # -- the socket's end

    def receive(self, data: bytes, may_go_on: Callable[[], bool] | None = None) -> bool:
        """Bytes from the peer: each request that they complete goes on its way, until
        ``may_go_on()`` says no or the output is long: then it is true, and the rest waits for the
        next call, which may bring no bytes.
        """
        received = self._received
        if data:
            received += self._frames.feed(data)
        while received:
            self._send_frame(received.popleft())
            queued = 0 if self._core is None else self._core.queued
            if may_go_on is not None and (queued > MOST_QUEUED or not may_go_on()):
                break
        return bool(received)

    def take_packets(self) -> list[bytes]:
        """Everything that has arrived at the socket, packet by packet; it is the caller's from now
        on.
        """
        core = self._core
        self._taking = True
        try:
            if core is not None:
                self._take_output(core)
        finally:
            self._taking = False
        output, self._output = self._output, []
        return output

    def lost(self) -> None:
        """The peer has closed: the server finds out after it has received what is on its way."""
        self.downstream.clear()
        if not self._client_gone:
            self._end_of_client("client")
        if self._core is not None:
            self.upstream.send(END)

    def _to_client(self, data: bytes) -> None:
        if data:
            self._output.append(data)
        else:
            self.closing = True
        if not self._taking:
            self._on_output()

    # -- the server's end

    def _end_of_server(self) -> None:
        self.upstream.clear()
        super()._end_of_server()
