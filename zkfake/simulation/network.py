"""The simulated network: what a client's socket, its link to a server and an outage do.

Rules that live here:

- A link is a TCP connection: two byte streams, each in order, each with a latency. Nothing is lost
  or repeated inside a stream; a stream can only be late, stand still, or end.
- A partition makes streams stand still and connection attempts wait, as lost packets do under TCP.
  When it heals, everything that was on the way arrives, in order. Who closed its end meanwhile is
  seen to have done so only then.
- A lost connection discards what had not arrived yet in the direction in which it was lost.
- Requests are handed to the server frame by frame, at which point faults may strike.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from zkfake.simulation import history
from zkfake.simulation.frames import (
    EVENT_XID,
    PING_XID,
    FrameSplitter,
    RequestHead,
    event_of,
    read_reply,
    read_request,
)
from zkfake.simulation.scheduler import MICROSECONDS, Scheduler, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from zkfake.simulation.history import History
    from zkfake.simulation.profiles import Profile
    from zkfake.simulation.servers import ServerConnection, Servers

__all__ = ["Gate", "Link", "Network", "Request", "SimulatedSocket", "select", "socket_pair"]

_WINDOW = 1 << 20
"""How many bytes a client may have on the way before its socket is no longer writable."""

_END = b""
"""The end of a stream, as `recv` shows it."""


class Request:
    """One request on its way through a link."""

    __slots__ = ("head", "link", "number")

    def __init__(self, link: Link, number: int, head: RequestHead) -> None:
        self.link = link
        self.number = number
        """Its place among all requests of the run, from 1; 0 for pings."""
        self.head = head

    def __str__(self) -> str:
        paths = " ".join(self.head.paths)
        return (
            f"request {self.number} of {self.link.client}: {self.head.operation} {paths}".rstrip()
        )


class Gate(Protocol):
    """What may interfere with a request: `zkfake.simulation.faults`."""

    active: bool

    def at_request(self, request: Request) -> bool:
        """Called before the server has it; True: the connection is lost now."""

    def at_reply(self, request: Request) -> tuple[bool, bool]:
        """Called when the reply leaves: is the connection lost before it, is it lost behind it?"""


class _Stream:
    """One direction of a link."""

    __slots__ = (
        "_deliver",
        "_draw",
        "_holds_events",
        "_items",
        "_last",
        "_scheduler",
        "blocked",
        "size",
    )

    def __init__(
        self,
        scheduler: Scheduler,
        draw_latency: Callable[[], int],
        deliver: Callable[[bytes], None],
    ) -> None:
        self._scheduler = scheduler
        self._draw = draw_latency
        self._deliver = deliver
        self._items: deque[tuple[int, bytes]] = deque()
        self._last = 0
        self._holds_events = 0
        self.blocked = 0
        """How many partitions make it stand still."""
        self.size = 0
        """Bytes on the way."""

    @property
    def idle(self) -> bool:
        return not self._items

    def send(self, item: bytes) -> None:
        due = self._scheduler.now + self._draw()
        if due < self._last:
            due = self._last
        self._last = due
        self._items.append((due, item))
        self.size += len(item)
        self._scheduler.call_at(due, self._arrive)

    def _arrive(self) -> None:
        items = self._items
        now = self._scheduler.now
        while items and not self.blocked and items[0][0] <= now:
            item = items[0][1]
            if self._holds_events and item and read_reply(item)[0] == EVENT_XID:
                return
            items.popleft()
            self.size -= len(item)
            self._deliver(item)

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

    def discard(self) -> None:
        self._items.clear()
        self.size = 0


class Link:
    """One connection between a client and a server."""

    def __init__(self, network: Network, number: int, client: str, server: int) -> None:
        self.network = network
        self.number = number
        self.client = client
        self.server = server
        self.open = True
        """False once either end has closed it or it was lost."""
        scheduler = network.scheduler

        def draw() -> int:
            return network.draw_latency(client)

        self.upstream = _Stream(scheduler, draw, self._at_server)
        self.downstream = _Stream(scheduler, draw, self._at_client)
        self.socket = SimulatedSocket(scheduler, self)
        self._numbers: deque[int] = deque()
        self._sent_first = False
        self._requests = FrameSplitter()
        self._replies = FrameSplitter()
        self._outbound = FrameSplitter()
        self._pending: deque[Request] = deque()
        self._answered: deque[Request] = deque()
        self._core: ServerConnection | None = None
        self._first_request = True
        self._first_answer = True
        self._first_reply = True
        self.ip = network.address_of(client)
        self._flushing = False
        self._heard_end = False
        self._core = network.servers.accept(server, self.ip, self._has_output)
        network.servers.flush()

    # -- the client's end

    def send(self, data: bytes) -> None:
        """The client writes: note each request it completes, and put the bytes on their way."""
        network = self.network
        for frame in self._outbound.feed(data):
            if self._outbound.raw:
                break
            head = read_request(frame, not self._sent_first)
            self._sent_first = True
            number = 0
            if head.xid != PING_XID:
                number = network.count_request()
                network.history.append(
                    history.Sent(
                        network.time,
                        self.client,
                        self.number,
                        number,
                        head.xid,
                        head.operation,
                        head.paths,
                        frame,
                    )
                )
            self._numbers.append(number)
        self.upstream.send(data)

    def _at_client(self, data: bytes) -> None:
        if data:
            for frame in self._replies.feed(data):
                self._note_reply(frame)
        elif not self.socket.closed:
            self._note_end("server")
        self.socket.deliver(data)

    def _note_reply(self, frame: bytes) -> None:
        network = self.network
        if self._replies.raw:
            return
        xid, zxid, error = read_reply(frame)
        if self._first_reply:
            self._first_reply = False
            xid, zxid, error = 0, 0, 0
        elif xid == EVENT_XID:
            kind, path = event_of(frame)
            network.history.append(
                history.WatchEvent(network.time, self.client, self.number, kind, path, zxid)
            )
            return
        if not self._answered:
            return
        request = self._answered.popleft()
        if request.number:
            head = request.head
            network.history.append(
                history.Reply(
                    network.time,
                    self.client,
                    self.number,
                    request.number,
                    head.xid,
                    head.operation,
                    head.paths,
                    zxid,
                    error,
                    frame,
                )
            )

    def client_closes(self) -> None:
        if not self._heard_end:
            self._note_end("client")
        self.upstream.send(_END)

    def _note_end(self, by: str) -> None:
        self._heard_end = True
        self._forget_if_over()
        network = self.network
        network.history.append(history.Disconnected(network.time, self.client, self.number, by))

    # -- the server's end

    def _at_server(self, data: bytes) -> None:
        core = self._core
        if core is None:
            return
        network = self.network
        if not data:
            self._server_end()
            network.servers.lost(core)
            return
        gate = network.gate
        for frame in self._requests.feed(data):
            if not self._requests.raw:
                head = read_request(frame, self._first_request)
                self._first_request = False
                number = self._numbers.popleft() if self._numbers else 0
                request = Request(self, number, head)
                if number and gate is not None and gate.active and gate.at_request(request):
                    self.lose()
                    return
                self._pending.append(request)
            network.servers.receive(core, frame)
            if self._core is None:
                return

    def _has_output(self, _connection: object) -> None:
        """The server has something to say or wants the connection closed."""
        if not self._flushing:
            self._flushing = True
            self.network.servers.after_call(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        core = self._core
        if core is None:
            return
        data = core.take_output()
        if data and self._requests.raw:
            self.downstream.send(data)
        elif data:
            self._send_replies(data)
        if core.closing and self._core is not None:
            self._server_end()
            self.network.servers.lost(core)
            self.downstream.send(_END)

    def _send_replies(self, data: bytes) -> None:
        gate = self.network.gate
        start = 0
        while start < len(data):
            # The server writes whole frames.
            end = start + 4 + int.from_bytes(data[start : start + 4], "big")
            frame = data[start:end]
            start = end
            if self._first_answer:
                self._first_answer = False
                session_id = int.from_bytes(frame[12:20], "big", signed=True)
                if session_id:
                    self.network.sessions[self.client] = session_id
            if self._pending and (len(frame) < 20 or frame[4:8] != _EVENT_MARK):
                request = self._pending.popleft()
                if request.number and gate is not None and gate.active:
                    before, behind = gate.at_reply(request)
                    if before:
                        self.lose()
                        return
                    self._answered.append(request)
                    self.downstream.send(frame)
                    if behind:
                        self.lose()
                        return
                    continue
                self._answered.append(request)
            self.downstream.send(frame)

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
        self.upstream.discard()
        self._server_end()
        self.network.servers.lost(core)
        self.downstream.send(_END)

    @property
    def quiet(self) -> bool:
        """Nothing is on the way and no request waits for its reply."""
        return self.upstream.idle and self.downstream.idle and not self._pending


_EVENT_MARK = b"\xff\xff\xff\xff"


class _Socket:
    """The parts of `socket.socket` that kazoo uses, over bytes that somebody delivers."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._inbox = bytearray()
        self._ended = False
        self._timeout: float | None = None
        self.closed = False
        self.selecting: list[Task] = []
        """The tasks that wait in `select` for this socket."""

    def __str__(self) -> str:
        return "data on a socket"

    def deliver(self, data: bytes) -> None:
        """Bytes arrive; none means the end."""
        if data:
            self._inbox += data
        else:
            self._ended = True
        self.wake()

    def wake(self) -> None:
        for task in self.selecting:
            self._scheduler.wake(task)

    @property
    def readable(self) -> bool:
        return bool(self._inbox) or self._ended

    @property
    def writable(self) -> bool:
        return True

    def recv(self, size: int, _flags: int = 0) -> bytes:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if not self._inbox and not self._ended:
            if self._timeout == 0:
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            if not select(self._scheduler, [self], [], [], self._timeout)[0]:
                raise TimeoutError("timed out")
        inbox = self._inbox
        if size >= len(inbox):
            data = bytes(inbox)
            inbox.clear()
        else:
            data = bytes(inbox[:size])
            del inbox[:size]
        return data

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data)
        while left:
            if not select(self._scheduler, [], [self], [], self._timeout)[1]:
                raise TimeoutError("timed out")
            left = left[self.send(left) :]

    def send(self, data: bytes | bytearray | memoryview, _flags: int = 0) -> int:
        raise NotImplementedError

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_option: Any) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True
        self.wake()


class SimulatedSocket(_Socket):
    """The client's end of a link."""

    def __init__(self, scheduler: Scheduler, link: Link) -> None:
        super().__init__(scheduler)
        self.link = link

    def __str__(self) -> str:
        return f"data on connection {self.link.number} to server {self.link.server}"

    @property
    def writable(self) -> bool:
        return self.link.upstream.size < _WINDOW

    def send(self, data: bytes | bytearray | memoryview, _flags: int = 0) -> int:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._ended:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        if not self.writable:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        sent = bytes(data)
        self.link.send(sent)
        return len(sent)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.link.client_closes()

    def getpeername(self) -> tuple[str, int]:
        return self.link.network.servers.addresses[self.link.server - 1]

    def getsockname(self) -> tuple[str, int]:
        return self.link.ip, 40_000 + self.link.number


class _PipeEnd(_Socket):
    """One end of a socket pair, with which kazoo wakes its connection loop."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.peer: _PipeEnd

    def __str__(self) -> str:
        return "a wake-up call"

    def send(self, data: bytes | bytearray | memoryview, _flags: int = 0) -> int:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self.peer.closed:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.peer.deliver(bytes(data))
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            if not self.peer.closed:
                self.peer.deliver(_END)


def socket_pair(scheduler: Scheduler) -> tuple[_PipeEnd, _PipeEnd]:
    """`socket.socketpair`."""
    left, right = _PipeEnd(scheduler), _PipeEnd(scheduler)
    left.peer, right.peer = right, left
    return left, right


def select(
    scheduler: Scheduler,
    readers: Sequence[Any],
    writers: Sequence[Any],
    _errors: Sequence[Any],
    timeout: float | None = None,
) -> tuple[list[Any], list[Any], list[Any]]:
    """`select.select` for simulated sockets."""
    deadline = scheduler.deadline_after(timeout)
    while True:
        for each in (*readers, *writers):
            if each.closed:
                raise ValueError("a closed socket cannot be selected")
        readable = [each for each in readers if each.readable]
        writable = [each for each in writers if each.writable]
        if readable or writable or (deadline is not None and scheduler.now >= deadline):
            return readable, writable, []
        task = scheduler.current
        for each in (*readers, *writers):
            each.selecting.append(task)
        try:
            scheduler.block(readers[0] if readers else writers[0], deadline)
        finally:
            for each in (*readers, *writers):
                each.selecting.remove(task)


class Network:
    """Every link of a simulation, and who cannot hear whom at present."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        profile: Profile,
        record: History,
        servers: Servers,
    ) -> None:
        self.scheduler = scheduler
        self.history = record
        self.servers = servers
        self.gate: Gate | None = None
        self.links: dict[Link, None] = {}
        """The links that are not closed at both ends, oldest first."""
        self.clients: dict[str, None] = {}
        """The names of the simulation's clients, oldest first."""
        self.sessions: dict[str, int] = {}
        """The session that each client was given last."""
        self.requests = 0
        """How many requests were sent in the whole run, without pings."""
        self._random = random
        self._latency = _microseconds(profile.latency)
        self._slow: dict[str, list[tuple[int, int]]] = {}
        self._cuts: dict[tuple[str, int, str], int] = {}
        self._holds: dict[str, int] = {}
        self._waiting: list[Task] = []
        self._connections = 0
        self._ips: dict[str, str] = {}

    @property
    def time(self) -> float:
        return self.scheduler.now / MICROSECONDS

    def count_request(self) -> int:
        self.requests += 1
        return self.requests

    def address_of(self, client: str) -> str:
        """The client's own address; no two clients share one."""
        if client not in self._ips:
            number = len(self._ips) + 1
            self._ips[client] = f"10.1.{number >> 8}.{number & 255}"
        return self._ips[client]

    def draw_latency(self, client: str) -> int:
        low, high = self._slow[client][-1] if client in self._slow else self._latency
        return low if low == high else low + int(self._random.random() * (high - low + 1))

    def forget(self, link: Link) -> None:
        self.links.pop(link, None)

    # -- connecting

    def connect(
        self, client: str, address: tuple[str, int], timeout: float | None
    ) -> SimulatedSocket:
        """`socket.create_connection` for a client. Raises what that raises."""
        scheduler = self.scheduler
        server = self.servers.find(address)
        deadline = scheduler.deadline_after(timeout)
        while self._cut(client, server, "to_server") or self._cut(client, server, "to_client"):
            task = scheduler.current
            self._waiting.append(task)
            woken = scheduler.block(f"a connection to server {server}", deadline)
            if task in self._waiting:
                self._waiting.remove(task)
            if not woken:
                raise TimeoutError("timed out")
        arrival = scheduler.now + self.draw_latency(client) + self.draw_latency(client)
        if deadline is not None and arrival > deadline:
            scheduler.block(f"a connection to server {server}", deadline)
            raise TimeoutError("timed out")
        scheduler.block(f"a connection to server {server}", arrival)
        if not self.servers.accepts(server):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self._connections += 1
        link = Link(self, self._connections, client, server)
        self.links[link] = None
        for stream, direction in ((link.upstream, "to_server"), (link.downstream, "to_client")):
            stream.blocked = self._cut(client, server, direction)
        for _ in range(self._holds.get(client, 0)):
            link.downstream.hold_events()
        self.history.append(history.Connected(self.time, client, link.number, server))
        return link.socket

    def _cut(self, client: str, server: int, direction: str) -> int:
        return self._cuts.get((client, server, direction), 0)

    # -- outages

    def links_of(self, client: str) -> list[Link]:
        return [link for link in self.links if link.client == client]

    def cut(self, client: str, server: int, direction: str) -> None:
        """Make one direction between a client and a server stand still; counted, each needs its own
        `mend`.
        """
        key = (client, server, direction)
        self._cuts[key] = self._cuts.get(key, 0) + 1
        for stream in self._streams(client, server, direction):
            stream.block()

    def mend(self, client: str, server: int, direction: str) -> None:
        self._cuts[client, server, direction] -= 1
        for stream in self._streams(client, server, direction):
            stream.unblock()
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self.scheduler.wake(task)

    def _streams(self, client: str, server: int, direction: str) -> list[_Stream]:
        return [
            link.upstream if direction == "to_server" else link.downstream
            for link in self.links
            if link.client == client and link.server == server
        ]

    def slow(self, client: str, latency: tuple[float, float]) -> None:
        self._slow.setdefault(client, []).append(_microseconds(latency))

    def unslow(self, client: str, latency: tuple[float, float]) -> None:
        self._slow[client].remove(_microseconds(latency))
        if not self._slow[client]:
            del self._slow[client]

    def hold_events(self, client: str) -> None:
        self._holds[client] = self._holds.get(client, 0) + 1
        for link in self.links_of(client):
            link.downstream.hold_events()

    def release_events(self, client: str) -> None:
        self._holds[client] -= 1
        for link in self.links_of(client):
            link.downstream.release_events()


def _microseconds(seconds: tuple[float, float]) -> tuple[int, int]:
    low, high = seconds
    return round(low * MICROSECONDS), round(high * MICROSECONDS)
