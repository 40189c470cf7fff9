"""One accepted socket: how bytes get from it to a connection of the core and back, plain or through
TLS.

Nothing here blocks: a socket that cannot go on waits in the selector. A TLS socket gets its
connection once the handshake is over, with the identity of the client's certificate, if it showed
one.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from zkfake.protocol import Id

if TYPE_CHECKING:
    from collections.abc import Callable

_RECEIVE = 1 << 18
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Carried(Protocol):
    """What a socket carries: `zkfake.connection.Connection`, or one that faults may strike."""

    @property
    def closing(self) -> bool: ...
    def receive(self, data: bytes) -> None: ...
    def take_output(self) -> bytes: ...
    def lost(self) -> None: ...


class Link:
    """A socket and the connection it carries."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        accepted: socket.socket,
        connect: Callable[[Link, tuple[Id, ...]], Carried],
        on_close: Callable[[Link], object],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``connect`` makes the connection, given the identities that the socket proves."""
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector = selector
        self._connect = connect
        self._on_close = on_close
        self._unsent = bytearray()
        self.connection: Carried | None = None
        if tls is None:
            self._socket: socket.socket = accepted
            self._register(self.ready)
            self.connection = connect(self, ())
        else:
            self._socket = tls.wrap_socket(
                accepted, server_side=True, do_handshake_on_connect=False
            )
            self._register(self._shake_hands)

    def _register(self, ready: Callable[[int], None]) -> None:
        self._awaited = (selectors.EVENT_READ, ready)
        self._selector.register(self._socket, *self._awaited)

    def _shake_hands(self, _mask: int) -> None:
        assert isinstance(self._socket, ssl.SSLSocket)
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._await(selectors.EVENT_READ, self._shake_hands)
        except ssl.SSLWantWriteError:
            self._await(selectors.EVENT_WRITE, self._shake_hands)
        except (OSError, ValueError):
            self.close()  # no TLS client, or one we do not trust
        else:
            self._await(selectors.EVENT_READ, self.ready)
            self.connection = self._connect(self, _certificate_ids(self._socket))

    def give_up_handshake(self) -> None:
        """Closes the socket unless its handshake is over."""
        if self.connection is None:
            self.close()

    def ready(self, mask: int) -> None:
        """The selector found the socket readable or writable."""
        if mask & selectors.EVENT_WRITE:
            self.send()
        if mask & selectors.EVENT_READ:
            self._receive()

    def _receive(self) -> None:
        assert self.connection is not None
        # TLS may hold decrypted bytes that the selector does not know of.
        more = True
        while more and self._socket.fileno() >= 0:
            try:
                data = self._socket.recv(_RECEIVE)
            except _WOULD_BLOCK:
                return
            except OSError:
                data = b""
            if not data:
                self.connection.lost()
                self.close()
                return
            try:
                self.connection.receive(data)
            except BaseException:
                self.connection.lost()
                self.close()
                raise
            more = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def send(self) -> None:
        """Sends what there is, as far as the socket takes it; closes when that was the last."""
        assert self.connection is not None
        data: bytes | bytearray = self.connection.take_output()
        if self._unsent:
            self._unsent += data
            data = self._unsent
        try:
            sent = self._socket.send(data) if data else 0
        except _WOULD_BLOCK:
            sent = 0
        except OSError:
            self.connection.lost()
            self.close()
            return
        if self._unsent:
            del self._unsent[:sent]
        elif sent < len(data):
            self._unsent += data[sent:]
        if not self._unsent and self.connection.closing:
            self.close()
            return
        write = selectors.EVENT_WRITE if self._unsent else 0
        self._await(selectors.EVENT_READ | write, self.ready)

    def _await(self, events: int, ready: Callable[[int], None]) -> None:
        if (events, ready) != self._awaited:
            self._awaited = (events, ready)
            self._selector.modify(self._socket, events, ready)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._selector.unregister(self._socket)
        self._on_close(self)
        with suppress(OSError, ValueError):
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.unwrap()  # says goodbye; nobody waits for the answer
        with suppress(OSError):
            # Data left unread would reset the connection, and the client would lose our last words.
            # One that sends without end is not waited for. Under TLS too it is the plain bytes.
            for _ in range(8):
                if not socket.socket.recv(self._socket, _RECEIVE):
                    break
        self._socket.close()


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the address but does not listen yet. Raises `OSError` that names it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = f"cannot listen on {host}, port {port}: {error.strerror or error}"
        raise type(error)(error.errno, reason) from None
    except OverflowError:
        listener.close()
        raise OSError(f"cannot listen on {host}, port {port}: no such port") from None
    return listener


_SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}


def _certificate_ids(secured: ssl.SSLSocket) -> tuple[Id, ...]:
    """The client certificate's subject as Java's ``X500Principal.getName()`` writes it: RFC 2253,
    the most specific part first, and more characters escaped than that asks for.

    Attributes without a short name there stay as Python names them; Java prints their number.
    """
    certificate: dict[str, Any] = secured.getpeercert() or {}
    parts = [
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in part)
        for part in certificate.get("subject", ())
    ]
    return (Id("x509", ",".join(reversed(parts))),) if parts else ()


def _escape(value: str) -> str:
    start, end = len(value) - len(value.lstrip(" ")), len(value.rstrip(" "))
    return "".join(
        f"\\{character}" if character in ',=+<>#;"\\' or not start <= place < end else character
        for place, character in enumerate(value)
    )
