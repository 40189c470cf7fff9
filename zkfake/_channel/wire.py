"""One client's connection on a real socket, with what may happen to it on the way.

Rules that live here:

- Between the socket and the core there are two streams, each in order. Nothing is lost or repeated
  inside a stream; it can only be late, stand still, or end. What stands still holds what is behind
  it.
- A server that lost a connection hears nothing of what was still on its way through it.
- A request is handed to the server when its frame is whole; that is where faults may strike, and
  where its reply leaves the server.
- Whose connection it is, its session tells: the one that the connect request asks for, then the one
  that it is given.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from zkfake._connection.connection import MOST_QUEUED
from zkfake._protocol.frames import EVENT_XID, PING_XID, FrameSplitter, RequestHead, read_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._timers import Timer, Timers

__all__ = ["EVENT", "Conditions", "Request", "Wire"]

_END = b""
"""The end of a stream."""

EVENT = object()
"""Goes with a watch event through the stream to the client."""

_CONNECT = RequestHead(0, "connect", ())
_CONNECT_REQUEST = slice(20, 28)
_CONNECT_RESPONSE = slice(12, 20)
"""Where in the frames of the handshake the session's id is."""


class Conditions(Protocol):
    """What there is at present, as a wire sees it: `ConnectionFaults`."""

    timers: Timers

    @property
    def now(self) -> int:
        """Milliseconds since the epoch."""

    def count_request(self) -> int:
        """The place of the next request among all of them."""

    def at_request(self, request: Request) -> bool:
        """Before the server has it; True: the connection is lost now."""

    def at_reply(self, request: Request) -> tuple[bool, bool]:
        """The reply leaves: is the connection lost before it, is it lost behind it?"""

    def delay(self, wire: Wire) -> int:
        """How long what is sent now takes, milliseconds."""

    def stops(self, wire: Wire, direction: str, tag: object) -> bool:
        """Whether something has to stand still."""

    def loses_ping(self, wire: Wire) -> bool:
        """Whether the answer to a ping does not get to the client."""

    def forget(self, wire: Wire) -> None:
        """The wire is over at both ends."""


class Served(Protocol):
    """The server's end: a fake's `Connection`, or the proxy's connection to a server."""

    session_id: int
    closing: bool
    """Whether nothing comes after what `take_output` gives."""

    @property
    def interest(self) -> int:
        """Above 0 once it has the handshake behind it."""

    @property
    def queued(self) -> int:
        """Bytes that wait in it."""

    def take_input(self) -> bytes:
        """What it has received and not carried out; it is the caller's from now on."""

    def receive(self, data: bytes) -> object: ...
    def take_output(self) -> bytes:
        """Whole frames, or bytes that hold none."""

    def lost(self) -> None:
        """The client has gone."""


class Request:
    """One request on its way through a wire."""

    __slots__ = ("head", "number", "wire")

    def __init__(self, wire: Wire, number: int, head: RequestHead) -> None:
        self.wire = wire
        self.number = number
        """Its place among all requests, from 1; 0 for pings."""
        self.head = head

    def __str__(self) -> str:
        operation, paths = self.head.operation, " ".join(self.head.paths)
        return f"request {self.number} of {self.wire}: {operation} {paths}".rstrip()


class _Stream:
    """One direction of a wire."""

    def __init__(
        self,
        conditions: Conditions,
        wire: Wire,
        direction: str,
        deliver: Callable[[bytes, object], None],
    ) -> None:
        self._conditions = conditions
        self._wire = wire
        self._direction = direction
        self._deliver = deliver
        self._items: deque[tuple[int, bytes, object]] = deque()
        self._timer: Timer | None = None
        self._arriving = False

    def send(self, data: bytes, tag: object = None) -> None:
        """Puts ``data`` on its way; ``tag`` goes with it."""
        conditions = self._conditions
        self._items.append((conditions.now + conditions.delay(self._wire), data, tag))
        self.arrive()

    def arrive(self) -> None:
        """Delivers what is due, up to what stands still."""
        if self._arriving:
            return  # a rule's action is at work, in the middle of a delivery
        self._arriving = True
        conditions, items = self._conditions, self._items
        try:
            while items:
                due, data, tag = items[0]
                if due > conditions.now:
                    self._arm(due)
                    break
                if conditions.stops(self._wire, self._direction, tag):
                    break
                items.popleft()
                self._deliver(data, tag)
        finally:
            self._arriving = False

    def _arm(self, due: int) -> None:
        if self._timer is None:
            self._timer = self._conditions.timers.at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.arrive()

    def clear(self) -> None:
        """Forgets what is on its way."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Wire:
    """What a socket has in the place of its `Connection` once faults are in use."""

    def __init__(
        self,
        conditions: Conditions,
        connection: Served,
        server: int,
        longest: int,
        on_output: Callable[[], None],
    ) -> None:
        """``server``: its number. ``longest``: frame that the server takes, bytes. ``on_output`` is
        called when there is something to send or the socket is to be closed.
        """
        self.server = server
        self.session_id = connection.session_id
        self.closing = False
        self.dropped = False
        self._conditions = conditions
        self._core: Served | None = connection
        self._on_output = on_output
        self._upstream = _Stream(conditions, self, "to_server", self._at_server)
        self._downstream = _Stream(conditions, self, "to_client", self._at_client)
        self._frames = FrameSplitter(longest)
        self._received: deque[bytes] = deque(self._frames.feed(connection.take_input()))
        """Whole requests that wait for their turn."""
        self._shaken = connection.interest > 0  # it waits for requests now, not for a handshake
        self._pending: deque[Request] = deque()
        if self._shaken and not self.session_id:
            self._pending.append(Request(self, 0, _CONNECT))
        self._output: list[bytes] = []
        self._taking = False
        self._gone = False

    @property
    def open(self) -> bool:
        """Whether the server has it for open."""
        return self._core is not None and not self._core.closing

    def __str__(self) -> str:
        return f"session {self.session_id & 0xFFFFFFFFFFFFFFFF:#x}"

    # -- the socket's end

    def receive(self, data: bytes, may_go_on: Callable[[], bool] | None = None) -> bool:
        """Bytes from the peer: each request that they complete goes on its way, until
        ``may_go_on()`` says no or the output is long: then it is true, and the rest waits for the
        next call, which may bring no bytes.
        """
        frames, received = self._frames, self._received
        if data:
            received += frames.feed(data)
        while received:
            self._send_request(received.popleft())
            queued = 0 if self._core is None else self._core.queued
            if may_go_on is not None and (queued > MOST_QUEUED or not may_go_on()):
                break
        return bool(received)

    def _send_request(self, frame: bytes) -> None:
        if self._frames.raw:
            self._upstream.send(frame)
            return
        head = read_request(frame, not self._shaken)
        if not self._shaken:
            self._shaken = True
            self.session_id = int.from_bytes(frame[_CONNECT_REQUEST], "big", signed=True)
        number = 0 if head.xid == PING_XID else self._conditions.count_request()
        self._upstream.send(frame, Request(self, number, head))

    def take_packets(self) -> list[bytes]:
        """Everything that has arrived at the socket, packet by packet; it is the caller's from now
        on.
        """
        core = self._core
        self._taking = True
        try:
            if core is not None:
                data = core.take_output()
                if not self._frames.raw:
                    self._send_replies(data)
                elif data:
                    self._downstream.send(data)
                if core.closing and self._core is core:
                    self._server_end()
                    self._downstream.send(_END)
        finally:
            self._taking = False
        output, self._output = self._output, []
        return output

    def lost(self) -> None:
        """The peer went away: the server hears of it behind what is on its way."""
        self._gone = True
        self._downstream.clear()
        if self._core is not None:
            self._upstream.send(_END)
        self._forget_if_over()

    def _at_client(self, data: bytes, _tag: object) -> None:
        if data:
            self._output.append(data)
        else:
            self.closing = True
            self._gone = True
            self._forget_if_over()
        if not self._taking:
            self._on_output()

    # -- the server's end

    def _at_server(self, data: bytes, request: object) -> None:
        if not data:
            self._lose()
            return
        if isinstance(request, Request):
            if request.number and self._conditions.at_request(request):
                self.lose()
                return
            self._pending.append(request)
        core = self._core
        if core is not None:
            core.receive(data)

    def _send_replies(self, data: bytes) -> None:
        """The server writes whole frames: replies, each to a request, and watch events."""
        start, size = 0, len(data)
        while start < size:
            end = start + 4 + int.from_bytes(data[start : start + 4], "big")
            frame = data[start:end]
            start = end
            request, tag = self._answered(frame)
            before = behind = False
            if request is not None and request.head.xid == PING_XID:
                if self._conditions.loses_ping(self):
                    continue
            elif request is not None and request.number:
                before, behind = self._conditions.at_reply(request)
                if self._core is None:
                    return  # lost by an action of a rule
            if not before:
                self._downstream.send(frame, tag)
            if before or behind:
                self.lose()
                return

    def _answered(self, frame: bytes) -> tuple[Request | None, object]:
        """Which request a reply belongs to, if it is known, and what goes with it."""
        pending = self._pending
        if pending and pending[0].head.operation == "connect":
            if len(frame) > 24:  # else an error
                session_id = int.from_bytes(frame[_CONNECT_RESPONSE], "big", signed=True)
                self.session_id = session_id or self.session_id
            return pending.popleft(), None
        xid = int.from_bytes(frame[4:8], "big", signed=True)
        if xid == EVENT_XID:
            return None, EVENT
        # In order, but that auth may be answered ahead of a write that is not committed yet.
        for request in pending:
            if request.head.xid == xid:
                pending.remove(request)
                return request, None
        return None, None  # it was under way before faults were in use

    def _server_end(self) -> None:
        """The server is done with this connection."""
        self._core = None
        self._pending.clear()
        self._upstream.clear()
        self._forget_if_over()

    def _forget_if_over(self) -> None:
        if self._core is None and self._gone:
            self._conditions.forget(self)

    def lose(self) -> None:
        """The connection breaks: the server learns it now, the client behind what is already on its
        way to it.
        """
        if self._lose():
            self._downstream.send(_END)

    def _lose(self) -> bool:
        core = self._core
        if core is None:
            return False
        self._server_end()
        core.lost()
        return True

    def resume(self) -> None:
        """Something may stand still no longer."""
        self._upstream.arrive()
        self._downstream.arrive()

    def clear(self) -> None:
        """Nothing that is on its way will ever arrive."""
        self._upstream.clear()
        self._downstream.clear()
