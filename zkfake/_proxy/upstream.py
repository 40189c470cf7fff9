"""A proxy's own connection to a server, one for each client's connection.

Rules that live here:

- It stands in the place of a fake's `Connection`: what a client's stream brings is sent to the
  server, and what the server says goes to the client in whole frames.
- A client that has gone takes its connection to the server with it, after what the client had sent.
- Nothing here blocks. What waits to be sent is kept in memory, without a bound.
"""

from __future__ import annotations

import errno
import selectors
import socket
from typing import TYPE_CHECKING

from zkfake._protocol.frames import FrameSplitter, handshake_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from zkfake._protocol.frames import Handshake
    from zkfake._realtime.tls import Tls

__all__ = ["Upstream"]

_RECEIVE = 1 << 16
"""Bytes read at a time."""

_WOULD_BLOCK = (BlockingIOError, InterruptedError)
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0))
"""What `connect_ex` says of a connection that comes about."""


class Upstream:
    """One connection to a server: `zkfake._realtime.channel.SocketServed`."""

    interest = 0
    queued = 0
    """It never has the client wait: what the server does not read waits here."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        family: socket.AddressFamily,
        address: Any,
        tls: Tls | None,
        on_output: Callable[[], None],
        on_handshake: Callable[[Handshake], object],
        on_close: Callable[[Upstream], object],
    ) -> None:
        """``on_output`` is called when there is something for the client, or the server has closed.
        Raises `OSError` where no socket can be had.
        """
        self.session_id = 0
        self.closing = False
        self._selector = selector
        self._tls = tls
        self._on_output = on_output
        self._on_handshake = on_handshake
        self._on_close = on_close
        self._splitter = FrameSplitter()
        self._frames: list[bytes] = []
        self._first = True
        self._unsent = bytearray()
        """As it goes through the socket."""
        self._unsaid: list[bytes] = []
        """What waits for the end of the TLS handshake."""
        self._connected = False
        self._ending = False
        """Whether it closes once everything is sent."""
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._awaited = selectors.EVENT_READ | selectors.EVENT_WRITE
        selector.register(self._socket, self._awaited, self._ready)
        if self._socket.connect_ex(address) not in _UNDER_WAY:
            self._over()

    # -- as the client's stream sees it

    def take_input(self) -> bytes:
        """It keeps nothing back."""
        return b""

    def receive(self, data: bytes) -> None:
        """The client has sent this: it goes to the server."""
        if not self.closing:
            self._say([data])

    def take_output(self) -> bytes:
        """What the server has said, in whole frames; it is the caller's from now on."""
        frames, self._frames = self._frames, []
        return b"".join(frames)

    def lost(self) -> None:
        """The client has gone: the server is told after what is still to be sent."""
        self._ending = True
        if not self._unsent and not self._unsaid:
            self.close()

    # -- the socket

    def _ready(self, mask: int) -> None:
        if not self._connected and mask:
            if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._over()
                return
            self._connected = True
            if self._tls is not None:
                self._shake(b"")
        if mask & selectors.EVENT_READ:
            self._read()
        if not self.closing:
            self._send()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except _WOULD_BLOCK:
            return
        except OSError:
            data = b""
        if not data:
            self._over()
            return
        if self._tls is not None:
            clear = self._shake(data)
            if clear is None:
                return
            data = clear
        self._take(data)
        if self._frames:
            self._on_output()

    def _take(self, data: bytes) -> None:
        frames = self._splitter.feed(data)
        if self._first and frames:
            self._first = False
            handshake = None if self._splitter.raw else handshake_of(frames[0])
            if handshake is not None:
                self._on_handshake(handshake)
        self._frames += frames

    def _shake(self, data: bytes) -> bytes | None:
        """What TLS bytes say. ``None`` where the connection ends with them."""
        tls = self._tls
        assert tls is not None
        try:
            clear, ended = tls.decrypt(data)
            waiting, self._unsaid = (self._unsaid, []) if tls.shaken else ([], self._unsaid)
            self._unsent += tls.encrypt(waiting)
        except (OSError, ValueError):
            self._over()
            return None
        if ended:
            self._take(clear)
            self._over()
            return None
        return clear

    def _say(self, packets: list[bytes]) -> None:
        if self._tls is None:
            for packet in packets:
                self._unsent += packet
        elif self._tls.shaken:
            try:
                self._unsent += self._tls.encrypt(packets)
            except (OSError, ValueError):
                self._over()
                return
        else:
            self._unsaid += packets
        if self._connected:
            self._send()

    def _send(self) -> None:
        try:
            sent = self._socket.send(self._unsent) if self._unsent else 0
        except _WOULD_BLOCK:
            sent = 0
        except OSError:
            self._over()
            return
        del self._unsent[:sent]
        if self._ending and not self._unsent and not self._unsaid:
            self.close()
            return
        write = selectors.EVENT_WRITE if self._unsent else 0
        if self._awaited != selectors.EVENT_READ | write:
            self._awaited = selectors.EVENT_READ | write
            self._selector.modify(self._socket, self._awaited, self._ready)

    def _over(self) -> None:
        """The server has closed, or cannot be reached."""
        self._frames.append(self._splitter.take_rest())
        self.close()
        self._on_output()

    def close(self) -> None:
        """Closes the socket at once."""
        self.closing = True
        if self._socket.fileno() >= 0:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._on_close(self)
            self._tls = None

    def abandon(self) -> None:
        """Closes this process's copy of a socket that belongs to another one, without a word."""
        self._socket.close()
