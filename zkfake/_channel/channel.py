"""One connection between a client and a server, as two streams of frames, with what may happen to
it on the way. The simulation, the real-time fake and the proxy all use it; a driver brings the two
ends, and a clock.

Rules that live here:

- Each stream is in order. Nothing is lost or repeated inside a stream but answers to pings, by a
  fault; it can only be late, stand still, or end. What stands still holds what is behind it.
- A server that lost a connection hears nothing of what was still on its way through it.
- A request is handed to the server when its frame is whole; that is where faults may strike, and
  where its reply leaves the server.
- Replies come in the order of their requests, but that ``auth`` may be answered before a write
  that is not committed yet: a reply is matched by its xid. A ``check`` outside a multi that
  succeeds has none, from the versions that take it.
- Everything that a history tells of a connection is told here, to a `Listener`, when it happens.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from zkfake._channel.rules import ChannelRequest
from zkfake._protocol.frames import (
    EVENT_XID,
    FrameSplitter,
    RequestHead,
    is_event,
    read_length_and_xid,
    read_reply,
    read_request,
    session_asked_for,
    session_given,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.conditions import Conditions, Way

__all__ = ["CONNECT", "END", "EVENT", "Channel", "Listener", "Stream", "session_text"]

END = b""
"""The end of a stream, as ``recv`` shows it."""

EVENT = object()
"""Goes with a watch event through the stream to the client."""

_HEADER = 8
"""Bytes of a frame up to the end of its xid."""

CONNECT = RequestHead(0, "connect", ())

_AHEAD = ("auth", "sasl")
"""What may be answered ahead of what was sent before, and is answered without a zxid."""
_NO_ZXID = bytes(8)


class Served(Protocol):
    """The server's end: `zkfake._connection.connection.Connection`, or the proxy's connection to a
    server.
    """

    closing: bool
    """Whether nothing comes after what `take_output` gives."""

    def receive(self, data: bytes) -> object: ...
    def take_output(self) -> bytes:
        """Whole frames, or bytes that hold none."""

    def lost(self) -> None:
        """The client has gone."""


class Listener(Protocol):
    """Who is told what happens on channels: a history."""

    def sent(self, channel: Any, number: int, head: RequestHead, frame: bytes) -> None:
        """The client sends a request, the ``number``-th of all."""

    def replied(self, channel: Any, request: ChannelRequest, frame: bytes) -> None:
        """A reply reaches the client."""

    def told(self, channel: Any, frame: bytes) -> None:
        """A watch event reaches the client."""

    def ended(self, channel: Any, by: str) -> None:
        """The client learns that the connection is closed, or (``by``: "client") closes it."""


class Stream:
    """One direction of a channel. What is sent arrives in order, each at its time or later."""

    __slots__ = (
        "_call_at",
        "_channel",
        "_clock",
        "_conditions",
        "_deliver",
        "_items",
        "_on_time",
        "_slow",
        "_stops",
        "_way",
        "size",
    )

    def __init__(
        self,
        conditions: Conditions[Any],
        channel: Channel,
        way: Way,
        deliver: Callable[[bytes, Any], None],
        call_at: Callable[[int, Callable[[], None]], object],
    ) -> None:
        """``call_at`` calls at a time, in ticks of the conditions' clock."""
        self._conditions = conditions
        self._clock = conditions.clock
        self._stops, self._slow = conditions.stops, conditions.slow  # looked at with every frame
        self._channel = channel
        self._way = way
        self._deliver = deliver
        self._call_at = call_at
        self._on_time = self.arrive
        self._items: deque[tuple[int, bytes, Any]] = deque()
        self.size = 0
        """Bytes on the way."""

    @property
    def idle(self) -> bool:
        """Whether nothing is on the way."""
        return not self._items

    def send(self, data: bytes, tag: Any = None) -> None:
        """Put ``data`` on its way; ``tag`` arrives with it, and not before what was sent before."""
        conditions = self._conditions
        latency = conditions.latency
        if latency is None or self._slow:
            latency = conditions.delay(self._channel)
        due = self._clock.now + latency
        self._items.append((due, data, tag))
        self.size += len(data)
        call_at = self._call_at
        call_at(due, self._on_time)

    def arrive(self) -> None:
        """Deliver what is due, up to what stands still."""
        items, stops, deliver = self._items, self._stops, self._deliver
        now = self._clock.now
        while items:
            due, data, tag = items[0]
            if due > now:
                return
            if stops and self._conditions.stands_still(self._channel, self._way, tag is EVENT):
                return
            items.popleft()
            self.size -= len(data)
            deliver(data, tag)

    def resume(self) -> None:
        """Something may stand still no longer: it takes the way's latency to arrive."""
        if self._items:
            conditions = self._conditions
            self._call_at(self._clock.now + conditions.delay(self._channel), self._on_time)

    def clear(self) -> None:
        """Forget what is on its way."""
        self._items.clear()
        self.size = 0


class Channel:
    """One connection between a client and a server. A driver makes the two ends."""

    upstream: Stream
    downstream: Stream
    _to_client: Callable[[bytes], None]
    """The client's end gets this; nothing is the end. A driver brings it."""

    def __init__(
        self,
        conditions: Conditions[Any],
        client: str,
        server: int,
        frames: FrameSplitter,
        listener: Listener | None = None,
    ) -> None:
        """``client``: who it is, as hits and histories tell it. ``server``: its number."""
        conditions.connections += 1
        self.number = conditions.connections
        """Its place among all channels, from 1."""
        self.client = client
        self.server = server
        self.session_id = 0
        """The session that the client has asked for, then the one that it was given."""
        self._conditions = conditions
        self.listener = listener
        """Who is told what happens here."""
        self._frames = frames
        self._core: Served | None = None
        self._shaken = False
        """Whether the connect request has been sent."""
        self._client_gone = False
        self._pending: deque[ChannelRequest] = deque()
        self.upstream = self._stream("to_server", self._at_server)
        self.downstream = self._stream("to_client", self._at_client)

    # -- what a driver brings

    def _stream(self, way: Way, deliver: Callable[[bytes, Any], None]) -> Stream:
        raise NotImplementedError

    def _to_core(self, core: Any, data: bytes) -> None:
        """The server's end gets this."""
        core.receive(data)

    def _tell_core(self, core: Any) -> None:
        """The server learns that the client has gone."""
        core.lost()

    def _unasked(self, xid: int) -> None:
        """The server has answered what nobody asked."""

    def _identify(self, session_id: int) -> None:
        """The client has asked for a session, or the server has given it one."""
        self.session_id = session_id

    # -- the client's end

    def _send_frame(self, frame: bytes) -> None:
        """The client has sent a whole frame, or something in a stream that holds none."""
        if self._frames.raw:
            self.upstream.send(frame)
            return
        head = read_request(frame, not self._shaken)
        if not self._shaken:
            self._shaken = True
            self._identify(session_asked_for(frame))
        number = 0
        if head.operation != "ping":
            conditions, listener = self._conditions, self.listener
            conditions.requests = number = conditions.requests + 1
            if listener is not None:
                listener.sent(self, number, head, frame)
        self.upstream.send(frame, ChannelRequest(self, number, head))

    def _at_client(self, data: bytes, tag: Any) -> None:
        listener = self.listener
        if listener is not None:
            if tag is EVENT:
                listener.told(self, data)
            elif tag is not None:
                listener.replied(self, tag, data)
        if not data and not self._client_gone:
            self._end_of_client("server")
        self._to_client(data)

    def _end_of_client(self, by: str) -> None:
        """The client knows that it is over."""
        self._client_gone = True
        self._forget_if_over()
        if self.listener is not None:
            self.listener.ended(self, by)

    # -- the server's end

    def _at_server(self, data: bytes, request: ChannelRequest | None) -> None:
        core = self._core
        if core is None:
            return
        if not data:
            self._lose()
            return
        if request is not None:
            conditions = self._conditions
            if request.number and (conditions.rules or conditions.considers_all):
                if conditions.consider("before_request", request):
                    self.lose()
                    return
                if self._core is None:
                    return  # a fault that struck has broken it
            self._pending.append(request)
        self._to_core(core, data)

    def _take_output(self, core: Served) -> None:
        """What the server has said goes on its way."""
        data = core.take_output()
        if data and self._frames.raw:
            self.downstream.send(data)
        elif data:
            self._send_replies(data)
        if core.closing and self._lose():
            self.downstream.send(END)

    def _send_replies(self, data: bytes) -> None:
        """The server writes whole frames: replies, each to a request, and watch events."""
        conditions, downstream = self._conditions, self.downstream
        start, size = 0, len(data)
        while start < size:
            if size - start < _HEADER:
                downstream.send(data[start:])  # a server that broke off in the middle
                return
            length, xid = read_length_and_xid(data, start)
            end = start + 4 + length
            frame = data if end - start == size else data[start:end]
            start = end
            request = self._answered(frame, xid)
            if request is None:
                is_told = xid == EVENT_XID and is_event(frame)
                downstream.send(frame, EVENT if is_told else None)
                continue
            if not request.number:
                lost_pings = conditions.lost_pings and request.head.operation == "ping"
                if not lost_pings or not conditions.loses_ping(self):
                    downstream.send(frame)
                continue
            if not (conditions.rules or conditions.considers_all):
                downstream.send(frame, request)
                continue
            before = conditions.consider("before_reply", request)
            behind = not before and conditions.consider("after_reply", request)
            if self._core is None:
                return  # a fault that struck has broken it
            if not before:
                downstream.send(frame, request)
            if before or behind:
                self.lose()
                return

    def _answered(self, frame: bytes, xid: int) -> ChannelRequest | None:
        """The request that a reply belongs to; ``None`` for a watch event, and if none is known."""
        pending = self._pending
        if pending:
            head = pending[0].head
            if head.operation == "connect":
                session_id = session_given(frame)
                if session_id:
                    self._identify(session_id)
                return pending.popleft()
            plain = head.operation != "check" and frame[8:16] != _NO_ZXID
            if plain and head.xid == xid != EVENT_XID:
                return pending.popleft()
        if xid == EVENT_XID and is_event(frame):
            return None
        place = self._place(frame, xid)
        if place is None:
            self._unasked(xid)
            return None
        before = [pending.popleft() for _ in range(place)]
        request = pending.popleft()
        if request.head.operation not in _AHEAD:
            before = [each for each in before if each.head.operation != "check"]
        pending.extendleft(reversed(before))
        return request

    def _place(self, frame: bytes, xid: int) -> int | None:
        """Where among those that are pending the request stands that a reply belongs to. Several
        may have one xid: then the first, but what has no zxid answers an authentication.
        """
        _, zxid, error = read_reply(frame)
        first = None
        for place, request in enumerate(self._pending):
            operation = request.head.operation
            if request.head.xid != xid or (operation == "check" and not error):
                continue
            if zxid or operation in _AHEAD:
                return place
            if first is None:
                first = place
        return first

    @property
    def open(self) -> bool:
        """Whether the server has it for open."""
        return self._core is not None and not self._core.closing

    def resume(self) -> None:
        """Something may stand still no longer."""
        self.upstream.resume()
        self.downstream.resume()

    def clear(self) -> None:
        """Nothing that is on its way will ever arrive."""
        self.upstream.clear()
        self.downstream.clear()

    def lose(self) -> None:
        """The connection breaks: the server learns it now, the client after what is already on its
        way to it.
        """
        if self._lose():
            self.downstream.send(END)

    def _lose(self) -> bool:
        """The server is done with it. False where it was already."""
        core = self._core
        if core is None:
            return False
        self._end_of_server()
        self._tell_core(core)
        return True

    def _end_of_server(self) -> None:
        self._core = None
        self._pending.clear()
        self._forget_if_over()

    def _forget_if_over(self) -> None:
        if self._core is None and self._client_gone:
            self._conditions.forget(self)


def session_text(session_id: int) -> str:
    """A session, as hits and notes say it."""
    return f"session {session_id & 0xFFFFFFFFFFFFFFFF:#x}"
