"""Links: one TCP connection each between a client and a server, and the requests that travel on it.

Rules that live here:

- A link is two streams, each in order, each with a latency. Nothing is lost or repeated inside a
  stream but answers to pings, by a fault; a stream can only be late, stand still, or end.
- A server that lost a connection hears nothing of what was still on its way through it.
- A request is handed to the server when its frame is whole; that is where faults may strike, and
  where its reply leaves the server.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any, Protocol

from zkfake._history.events import Disconnected, Reply, Sent, WatchEvent
from zkfake._protocol.frames import (
    EVENT_XID,
    PING_XID,
    FrameSplitter,
    RequestHead,
    event_of,
    read_reply,
    read_request,
)
from zkfake._simulation.sockets import LinkSocket
from zkfake._simulation.tasks import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._history.recorder import History
    from zkfake._simulation.scheduler import Scheduler
    from zkfake._simulation.servers import ServerConnection, Servers

__all__ = ["Gate", "Link", "Request", "Stream"]

_LENGTH_AND_XID = Struct(">ii")

_END = b""
"""The end of a stream, as `recv` shows it."""

# What a named tuple's own constructor ends with: every request makes one of each.
_sent = partial(tuple.__new__, Sent)
_reply = partial(tuple.__new__, Reply)

_IS_EVENT = object()
"""Goes with a watch event through the stream to the client."""


class Request:
    """One request on its way through a link."""

    __slots__ = ("head", "link", "number")

    def __init__(self, link: Link, number: int, head: RequestHead) -> None:
        self.link = link
        self.number = number
        """Its place among all requests of the run, from 1; 0 for pings."""
        self.head = head

    def __str__(self) -> str:
        operation, paths = self.head.operation, " ".join(self.head.paths)
        return f"request {self.number} of {self.link.client}: {operation} {paths}".rstrip()


class Gate(Protocol):
    """What may interfere with a request: `zkfake._simulation.faults`."""

    @property
    def active(self) -> bool:
        """Whether anything may happen to a request at all."""

    def at_request(self, request: Request) -> bool:
        """Called before the server has it; True: the connection is lost now."""

    def at_reply(self, request: Request) -> tuple[bool, bool]:
        """Called when the reply leaves: is the connection lost before it, is it lost behind it?"""


class Wires(Protocol):
    """The network, as its links see it."""

    scheduler: Scheduler
    history: History
    servers: Servers
    gate: Gate | None
    sessions: dict[str, int]
    requests: int

    @property
    def time(self) -> float: ...
    def address_of(self, client: str) -> str: ...
    def draw_latency(self, client: str) -> int: ...
    def fixed_latency(self, client: str) -> int | None: ...
    def forget(self, link: Link) -> None: ...


class Stream:
    """One direction of a link."""

    __slots__ = (
        "_call_at",
        "_deliver",
        "_draw",
        "_holds_events",
        "_items",
        "_on_time",
        "_scheduler",
        "blocked",
        "latency",
        "size",
    )

    def __init__(
        self,
        scheduler: Scheduler,
        draw_latency: Callable[[], int],
        deliver: Callable[[bytes, Any], None],
    ) -> None:
        self._scheduler = scheduler
        self._draw = draw_latency
        self._deliver = deliver
        self._call_at = scheduler.call_at
        self._items: deque[tuple[int, bytes, Any]] = deque()
        self._holds_events = 0
        self._on_time = self._arrive
        self.latency: int | None = None
        """Microseconds, where they are always the same; ``None`` where they are to be drawn."""
        self.blocked = 0
        """How many partitions make it stand still."""
        self.size = 0
        """Bytes on the way."""

    @property
    def idle(self) -> bool:
        return not self._items

    def send(self, data: bytes, tag: Any = None) -> None:
        """Put ``data`` on its way; ``tag`` arrives with it, and not before what was sent before."""
        latency = self.latency
        due = self._scheduler.now + (self._draw() if latency is None else latency)
        self._items.append((due, data, tag))
        self.size += len(data)
        self._call_at(due, self._on_time)

    def _arrive(self) -> None:
        items = self._items
        now = self._scheduler.now
        while items and not self.blocked:
            due, data, tag = items[0]
            if due > now or (tag is _IS_EVENT and self._holds_events):
                return
            items.popleft()
            self.size -= len(data)
            self._deliver(data, tag)

    def block(self) -> None:
        self.blocked += 1

    def unblock(self) -> None:
        self.blocked -= 1
        self._resume()

    def hold_events(self) -> None:
        self._holds_events += 1

    def release_events(self) -> None:
        self._holds_events -= 1
        self._resume()

    def _resume(self) -> None:
        if self._items:
            self._scheduler.call_at(self._scheduler.now + self._draw(), self._arrive)


class Link:
    """One connection between a client and a server. Made by `Network.connect`."""

    def __init__(self, network: Wires, number: int, client: str, server: int) -> None:
        self.network = network
        self.number = number
        self.client = client
        self.server = server
        self.ip = network.address_of(client)
        self.open = True
        """False once the server has closed it or knows that it was lost."""
        self.pings_lost = 0
        """How many faults take the answers to pings out of the stream to the client."""

        def draw() -> int:
            return network.draw_latency(client)

        self.upstream = Stream(network.scheduler, draw, self._at_server)
        self.downstream = Stream(network.scheduler, draw, self._at_client)
        self.set_latency(network.fixed_latency(client))
        self.socket = LinkSocket(network.scheduler, self)
        self._outbound = FrameSplitter()
        self._sent_first = False
        self._heard_end = False
        self._pending: deque[Request] = deque()
        self._flushing = False
        self._after_call = network.servers.after_call
        self._core: ServerConnection | None = None
        self._core = network.servers.accept(server, self.ip, self._has_output)
        network.servers.flush()

    @property
    def peer_address(self) -> tuple[str, int]:
        return self.network.servers.addresses[self.server - 1]

    def set_latency(self, latency: int | None) -> None:
        self.upstream.latency = self.downstream.latency = latency

    # -- the client's end

    def send(self, data: bytes) -> None:
        """The client writes: note each request it completes, and put it on its way."""
        outbound, network = self._outbound, self.network
        for frame in outbound.feed(data):
            if outbound.raw:
                self.upstream.send(frame)
                continue
            head = read_request(frame, not self._sent_first)
            self._sent_first = True
            number = 0
            xid, operation, paths = head
            if xid != PING_XID:
                network.requests = number = network.requests + 1
                time = network.scheduler.now / MICROSECONDS
                sent = (time, self.client, self.number, number, xid, operation, paths, frame)
                network.history.append(_sent(sent))
            self.upstream.send(frame, Request(self, number, head))

    def _at_client(self, data: bytes, tag: Any) -> None:
        if tag is _IS_EVENT:
            kind, path = event_of(data)
            _, zxid, _ = read_reply(data)
            network = self.network
            network.history.append(
                WatchEvent(network.time, self.client, self.number, kind, path, zxid)
            )
        elif tag is not None:
            self._note_reply(tag, data)
        elif not data and not self.socket.closed:
            self._note_end("server")
        self.socket.deliver(data)

    def _note_reply(self, request: Request, frame: bytes) -> None:
        network = self.network
        xid, operation, paths = request.head
        zxid = error = 0
        if operation != "connect":
            _, zxid, error = read_reply(frame)
        reply = (
            network.scheduler.now / MICROSECONDS,
            self.client,
            self.number,
            request.number,
            xid,
            operation,
            paths,
            zxid,
            error,
            frame,
        )
        network.history.append(_reply(reply))

    def client_closes(self) -> None:
        if not self._heard_end:
            self._note_end("client")
        self.upstream.send(_END)

    def _note_end(self, by: str) -> None:
        self._heard_end = True
        self._forget_if_over()
        network = self.network
        network.history.append(Disconnected(network.time, self.client, self.number, by))

    # -- the server's end

    def _at_server(self, data: bytes, request: Request | None) -> None:
        core = self._core
        if core is None:
            return
        network = self.network
        if not data:
            self._server_end()
            network.servers.lost(core)
            return
        if request is not None:
            gate = network.gate
            if gate is not None and gate.active and request.number and gate.at_request(request):
                self.lose()
                return
            self._pending.append(request)
        network.servers.receive(core, data)

    def _has_output(self, _connection: object) -> None:
        """The server has something to say or wants the connection closed."""
        if not self._flushing:
            self._flushing = True
            self._after_call(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        core = self._core
        if core is None:
            return
        data = core.take_output()
        if data and self._outbound.raw:
            self.downstream.send(data)
        elif data:
            self._send_replies(data)
        if core.closing and self._core is not None:
            self._server_end()
            self.network.servers.lost(core)
            self.downstream.send(_END)

    def _send_replies(self, data: bytes) -> None:
        """The server writes whole frames: replies, each to a request, and watch events."""
        gate = self.network.gate
        start, size = 0, len(data)
        while start < size:
            length, xid = _LENGTH_AND_XID.unpack_from(data, start)
            end = start + 4 + length
            frame = data if end - start == size else data[start:end]
            start = end
            request = self._answered(frame, xid)
            if request is None:
                self.downstream.send(frame, _IS_EVENT)
                continue
            if not request.number:
                if not self.pings_lost:
                    self.downstream.send(frame)
                continue
            before = behind = False
            if gate is not None and gate.active:
                before, behind = gate.at_reply(request)
            if not before:
                self.downstream.send(frame, request)
            if before or behind:
                self.lose()
                return

    def _answered(self, frame: bytes, xid: int) -> Request | None:
        """Which request a reply belongs to; ``None`` for a watch event."""
        pending = self._pending
        if pending:
            head = pending[0].head
            if head.operation == "connect":
                session_id = int.from_bytes(frame[12:20], "big", signed=True)
                if session_id:
                    self.network.sessions[self.client] = session_id
                return pending.popleft()
            if head.xid == xid != EVENT_XID:
                return pending.popleft()
        if xid == EVENT_XID:
            return None
        # In order, but that auth may be answered ahead of a write that is not committed yet.
        for request in pending:
            if request.head.xid == xid:
                pending.remove(request)
                return request
        raise AssertionError(f"a reply to no request: xid {xid}")

    def _server_end(self) -> None:
        """The server is done with this connection."""
        self._core = None
        self.open = False
        self._pending.clear()
        self._forget_if_over()

    def _forget_if_over(self) -> None:
        if self._core is None and self._heard_end:
            self.network.forget(self)

    def lose(self) -> None:
        """The connection breaks: the server learns it now, the client behind what is already on its
        way to it.
        """
        core = self._core
        if core is None:
            return
        self._server_end()
        self.network.servers.lost(core)
        self.downstream.send(_END)

    @property
    def quiet(self) -> bool:
        """Nothing is on the way and no request waits for its reply."""
        return self.upstream.idle and self.downstream.idle and not self._pending
