"""One accepted socket: how bytes get from it to a connection of the core and back, plain or through
TLS.

Nothing here blocks: a socket that cannot go on waits in the selector. Rules that live here:

* What the selector finds is noted; the work is done when the transport has its turn (`turns`).
* A peer that does not read is not read from either: while a megabyte waits to be sent, nothing
  more is carried out for it. Watch events are queued all the same, until its session expires for
  want of pings.
* A TLS socket gets its connection once the handshake is over, with the identity of the client's
  certificate, if it showed one.
* Under TLS every packet is a record of its own, as the real server sends it. A client that waits
  for its socket, and does not ask its TLS library for what that has decrypted already, would find
  the second packet of a record only when a third one arrives.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from zkfake._realtime.tls import Tls, certificate_ids

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from zkfake._protocol.records import Id
    from zkfake._realtime.turns import TurnQueue
    from zkfake._timers import Timer

_RECEIVE = 1 << 16
"""Bytes read at a time."""

_UNSENT = 1 << 20
"""Bytes that may wait to be sent; with more, nothing is read. `MOST_QUEUED` of a connection is the
same for what a turn brings.
"""

_WOULD_BLOCK = (BlockingIOError, InterruptedError)


class Carried(Protocol):
    """What a socket carries: a `Connection`, or a channel to one."""

    @property
    def closing(self) -> bool: ...
    @property
    def dropped(self) -> bool:
        """Whether nothing may be sent any more, not even output that waits."""

    def receive(self, data: bytes, may_go_on: Callable[[], bool]) -> bool: ...
    def take_packets(self) -> list[bytes]: ...
    def lost(self) -> None: ...


class Transport:
    """A socket and the connection it carries."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        turns: TurnQueue[Transport],
        accepted: socket.socket,
        connect: Callable[[Transport, tuple[Id, ...]], Carried],
        on_close: Callable[[Transport], object],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``connect`` makes the connection, given the identities that the socket proves. Raises
        `OSError` where the socket is gone already.
        """
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.used = turns.joined()
        self.queued = False
        self._selector = selector
        self._turns = turns
        self._socket = accepted
        self._connect = connect
        self._on_close = on_close
        self._unsent = bytearray()
        self._readable = False
        self._ended = False
        """Whether the peer has ended its TLS connection."""
        self._more = False
        """Whether whole requests were left when the last turn ended."""
        self._awaited = selectors.EVENT_READ
        self._tls = None if tls is None else Tls(tls)
        self.handshake: Timer | None = None
        """The timer that closes the socket if the TLS handshake takes too long."""
        self.connection: Carried | None = None
        selector.register(accepted, self._awaited, self.ready)
        if tls is None:
            self.connection = connect(self, ())

    def give_up_handshake(self) -> None:
        """Closes the socket unless its handshake is over."""
        if self.connection is None:
            self.close()

    def ready(self, mask: int) -> None:
        """The selector found the socket readable or writable."""
        if mask & selectors.EVENT_WRITE:
            self.send()
        if mask & selectors.EVENT_READ:
            self._readable = True
            self._turns.add(self)

    def take_turn(self, may_go_on: Callable[[], bool]) -> bool:
        """Reads, and carries out requests while ``may_go_on()``. Returns whether there is more."""
        data = b""
        if not self._more:
            if self._ended:
                self._lose()
                return False
            if self._readable:
                self._readable = False
                received = self._receive()
                if received is None:
                    return False
                data = received
        connection = self.connection
        if connection is None or self._socket.fileno() < 0:
            return False
        try:
            self._more = connection.receive(data, may_go_on)
        except BaseException:
            self._lose()
            raise
        return self._more or self._readable or self._ended

    @property
    def is_full(self) -> bool:
        """Whether so much output waits that no more requests of the peer are carried out."""
        return len(self._unsent) > _UNSENT

    def _receive(self) -> bytes | None:
        """What the peer sent, decrypted; ``None`` if there is nothing or the peer has closed."""
        try:
            data = self._socket.recv(_RECEIVE)
        except _WOULD_BLOCK:
            return None
        except OSError:
            data = b""
        if not data:
            self._lose()
            return None
        if self._tls is None:
            return data
        try:
            data, self._ended = self._tls.decrypt(data)
        except (OSError, ValueError):  # no TLS client, or one we do not trust
            self._send_out(self._tls.encrypt(()))  # the alert that says so
            self._lose()
            return None
        if self.connection is None:
            if not self._tls.shaken:
                self._send_out(self._tls.encrypt(()))
                return None
            self._end_handshake()
            self.connection = self._connect(self, certificate_ids(self._tls.object))
        return data

    def _end_handshake(self) -> None:
        if self.handshake is not None:
            self.handshake.cancel()
            self.handshake = None

    def _lose(self) -> None:
        """The peer has closed its connection."""
        if self.connection is not None:
            self.connection.lost()
        self.close()

    def send(self) -> None:
        """Sends as much output as the socket takes. Closes after the last output."""
        connection = self.connection
        if self._socket.fileno() < 0:
            return  # closed meanwhile
        if connection is not None and connection.dropped:
            self.close()
            return
        packets = [] if connection is None else connection.take_packets()
        try:
            data = b"".join(packets) if self._tls is None else self._tls.encrypt(packets)
        except (OSError, ValueError):
            self._lose()
            return
        if not self._send_out(data):
            return
        if not self._unsent and connection is not None and connection.closing:
            self.close()
            return
        if (self._more or self._ended) and not self.is_full:
            self._turns.add(self)

    def _send_out(self, data: bytes) -> bool:
        """Sends bytes without encryption; False if the peer has closed."""
        unsent = self._unsent
        if unsent:
            unsent += data
        out = unsent or data
        try:
            sent = self._socket.send(out) if out else 0
        except _WOULD_BLOCK:
            sent = 0
        except OSError:
            self._lose()
            return False
        if unsent:
            del unsent[:sent]
        elif sent < len(data):
            unsent += memoryview(data)[sent:]
        if unsent:
            read = 0 if len(unsent) > _UNSENT else selectors.EVENT_READ
            self._await(read | selectors.EVENT_WRITE)
        else:
            self._await(selectors.EVENT_READ)
        return True

    def _await(self, events: int) -> None:
        if events != self._awaited:
            self._awaited = events
            self._selector.modify(self._socket, events, self.ready)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._selector.unregister(self._socket)
        self._end_handshake()
        self._on_close(self)
        with suppress(OSError, ValueError):
            if self._tls is not None and not self._unsent:
                # Says goodbye; nobody waits for the answer.
                self._socket.send(self._tls.goodbye())
        with suppress(OSError):
            # Data left unread would reset the connection, and the client would lose our last words.
            # One that sends without end is not waited for.
            for _ in range(32):
                if not self._socket.recv(_RECEIVE):
                    break
        self._socket.close()
        # The connection knows the transport: without this it would all stay until the garbage
        # collector comes along.
        self.connection = None
        self._unsent = bytearray()
        self._tls = None

    def abandon(self) -> None:
        """Closes this process's copy of a socket that belongs to another process. Sends nothing."""
        self._socket.close()
