"""Sockets as kazoo sees them: the client's end of a channel, socket pairs, and `select` over both.

Rules that live here: a read waits for bytes, the end or the time-out; a write waits while too many
bytes are on their way; an end that was closed cannot be used or selected any more.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["SimulatedSocket", "select", "socket_pair"]

_WINDOW = 1 << 20
"""The most bytes that a client may have on the way while its socket is writable."""

_END = b""


class Carrier(Protocol):
    """What brings what is written to a socket to the other end: a channel, or a pipe."""

    @property
    def awaited(self) -> str:
        """What a read of the socket waits for, in words."""

    @property
    def address(self) -> tuple[str, int]:
        """The socket's own."""

    @property
    def peer_address(self) -> tuple[str, int]: ...
    def send(self, data: bytes) -> None: ...
    def client_closes(self) -> None: ...


class Outgoing(Protocol):
    """What was written and is on its way."""

    @property
    def size(self) -> int:
        """Bytes."""


class SimulatedSocket:
    """The parts of `socket.socket` that kazoo uses, over bytes that a carrier delivers."""

    # One class for both ends of a pipe and a client's end of a channel: the interpreter reads
    # attributes fastest where all objects that it meets at a place have one class.

    def __init__(self, scheduler: Scheduler, carrier: Carrier, outgoing: Outgoing) -> None:
        self._scheduler = scheduler
        self._carrier = carrier
        self._outgoing = outgoing
        self._is_shut = False
        """Whether the peer is told that nothing more comes."""
        self._inbox: deque[bytes] = deque()
        self._ended = False
        self._timeout: float | None = None
        self.readable = False
        """Whether `recv` would return at once."""
        self.closed = False
        self.selecting: list[ScheduledTask] = []
        """The tasks that wait in `select` for this socket."""

    def __str__(self) -> str:
        return self._carrier.awaited

    def deliver(self, data: bytes) -> None:
        """Bytes arrive; empty ``data`` is the end of the stream."""
        if self.closed:
            return
        if data:
            self._inbox.append(data)
        else:
            self._ended = True
        self.readable = True
        for task in self.selecting:
            self._scheduler.wake(task)

    @property
    def writable(self) -> bool:
        return self._outgoing.size < _WINDOW and not self.closed

    def recv(self, size: int, _flags: int = 0) -> bytes:
        """As with a real socket, fewer bytes than there are: no more than came at once."""
        if not self.readable:
            self._wait()
        inbox = self._inbox
        if not inbox:
            return _END
        data = inbox.popleft()
        if len(data) > size:
            inbox.appendleft(data[size:])
            return data[:size]
        if not inbox:
            self.readable = self._ended
        return data

    def pending(self) -> int:
        """As with a TLS socket, bytes that are here already: kazoo reads them without `select`."""
        return len(self._inbox[0]) if self._inbox else 0

    def _wait(self) -> None:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._timeout == 0:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        if not select(self._scheduler, (self,), (), (), self._timeout)[0]:
            raise TimeoutError("timed out")

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data)
        while left:
            if not select(self._scheduler, (), (self,), (), self._timeout)[1]:
                raise TimeoutError("timed out")
            left = left[self.send(left) :]

    def send(self, data: bytes | bytearray | memoryview, _flags: int = 0) -> int:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._ended or self._is_shut:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        if self._outgoing.size >= _WINDOW:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        sent = bytes(data)
        self._carrier.send(sent)
        return len(sent)

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_option: Any) -> None:
        pass

    def shutdown(self, how: int) -> None:
        """End one way or both: what comes ends here, the peer learns that nothing more comes."""
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if how != socket.SHUT_WR:
            self.deliver(_END)
        if how != socket.SHUT_RD:
            self._tell_peer()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.readable = False
            for task in self.selecting:
                self._scheduler.wake(task)
            self._tell_peer()

    def _tell_peer(self) -> None:
        if not self._is_shut:
            self._is_shut = True
            self._carrier.client_closes()

    def getpeername(self) -> tuple[str, int]:
        return self._carrier.peer_address

    def getsockname(self) -> tuple[str, int]:
        return self._carrier.address


class _Pipe:
    """Brings what is written to one end of a socket pair to the other one at once."""

    awaited = "a wake-up call"
    size = 0
    address = peer_address = ("", 0)

    def __init__(self) -> None:
        self.peer: SimulatedSocket

    def send(self, data: bytes) -> None:
        self.peer.deliver(data)

    def client_closes(self) -> None:
        self.peer.deliver(_END)


def socket_pair(scheduler: Scheduler) -> tuple[SimulatedSocket, SimulatedSocket]:
    """`socket.socketpair`, with which kazoo wakes its connection loop."""
    ways = _Pipe(), _Pipe()
    left, right = (SimulatedSocket(scheduler, way, way) for way in ways)
    ways[0].peer, ways[1].peer = right, left
    return left, right


def select(
    scheduler: Scheduler,
    readers: Sequence[Any],
    writers: Sequence[Any],
    _errors: Sequence[Any] = (),
    timeout: float | None = None,
) -> tuple[list[Any], list[Any], list[Any]]:
    """`select.select` for simulated sockets; the third list, of errors, is always empty.

    Raises ``ValueError`` for a closed socket.
    """
    readable: list[Any] = []
    writable: list[Any] = []
    task: ScheduledTask | None = None
    while True:
        for each in readers:
            if each.readable:
                readable.append(each)  # noqa: PERF401  # a comprehension costs more here
        for each in writers:
            if each.writable:
                writable.append(each)  # noqa: PERF401
        if readable or writable:
            break
        if task is None:
            task = scheduler.current
            deadline = scheduler.deadline_after(timeout)
            sockets = (*readers, *writers) if writers else readers
        if deadline is not None and scheduler.now >= deadline:
            break
        for each in sockets:
            if each.closed:
                raise ValueError("a closed socket cannot be selected")
            each.selecting.append(task)
        try:
            scheduler.block(sockets[0], deadline)
        finally:
            for each in sockets:
                each.selecting.remove(task)
    return readable, writable, []
