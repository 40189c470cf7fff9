"""The ports of one server, for plain connections and for TLS.

Rules that live here: a server keeps its ports while it is stopped: bound but not listening, so that
connections are refused and no other program gets them.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from zkfake._realtime.listener import PortListener

if TYPE_CHECKING:
    import selectors
    import socket
    from collections.abc import Callable

    from zkfake._timers import Timer

__all__ = ["ServerPorts"]

logger = logging.getLogger("zkfake")


class ServerPorts:
    """The ports of one server. They are bound when this is created."""

    def __init__(
        self,
        server: int,
        host: str,
        port: int,
        secure_port: int | None,
        take: Callable[[bool, socket.socket, tuple[str, int]], object],
    ) -> None:
        """``server``: its number. Port 0: any free one; ``secure_port``: ``None`` without TLS.
        ``take`` gets each connection: whether it is for TLS, its socket and the peer's address.
        Raises `OSError` that names the address.
        """
        self.host = host
        self.closed = False
        self._server = server
        self._take = take
        self._plain: PortListener | None = PortListener(host, port)
        """For connections without TLS; ``None`` if another program has the port."""
        self._secure: PortListener | None = None
        self.port = self._plain.port
        if secure_port is not None:
            try:
                self._secure = PortListener(host, secure_port)
            except OSError:
                self.abandon()
                raise
        self.secure_port = None if self._secure is None else self._secure.port

    def listen(
        self,
        selector: selectors.BaseSelector,
        call_later: Callable[[int, Callable[[], None]], Timer],
    ) -> None:
        """Accepts connections from now on. ``call_later`` calls after milliseconds. Raises
        `OSError` if another program has the port.
        """
        if self._plain is None:
            self._plain = PortListener(self.host, self.port)
        self._selector = selector
        self._call_later = call_later
        self._listen(self._plain, secure=False)
        if self._secure is not None:
            self._listen(self._secure, secure=True)

    def _listen(self, listener: PortListener, *, secure: bool) -> None:
        take = partial(self._take, secure)
        listener.listen(self._selector, self._server, take, self._call_later)

    def refuse(self) -> None:
        """Accepts no more connections, and keeps the ports."""
        self.close()
        self.closed = False
        self._plain = self._if_free(self.port)
        if self.secure_port is not None:
            self._secure = PortListener(self.host, self.secure_port)

    def move(self, port: int, *, listen: bool) -> None:
        """Has another port for connections without TLS from now on. Present connections stay. If
        another program has the new port, no client can connect.
        """
        self.port = port
        if self.closed:
            return
        if self._plain is not None:
            self._plain.close()
        self._plain = self._if_free(port)
        if self._plain is not None and listen:
            self._listen(self._plain, secure=False)

    def _if_free(self, port: int) -> PortListener | None:
        try:
            return PortListener(self.host, port)
        except OSError as error:
            logger.error("server %d accepts no new clients: %s", self._server, error)
            return None

    def close(self) -> None:
        """Closes the ports."""
        for listener in filter(None, (self._plain, self._secure)):
            listener.close()
        self._plain = self._secure = None
        self.closed = True

    def abandon(self) -> None:
        """Closes this process's copies of the ports, which may belong to another one."""
        for listener in filter(None, (self._plain, self._secure)):
            listener.abandon()
        self._plain = self._secure = None
        self.closed = True
