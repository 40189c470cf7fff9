"""A port that accepts connections.

Rules that live here: a port that is bound and not listening refuses connections, and nobody else
can have it. When no file descriptor is left for a connection, accepting pauses: the selector would
find the port ready again and again.
"""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._timers import Timer

__all__ = ["PortListener", "address", "one_each"]

logger = logging.getLogger("zkfake")

_BACKLOG = 512
"""The most connections that may wait to be accepted."""

_AT_ONCE = 64
"""The most connections that are accepted before other sockets have a turn."""

_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""The errors of accept() when the process or the system has no file descriptor or memory left."""

_PAUSE = 100
"""Milliseconds until accept() is tried again after such an error."""


class PortListener:
    """A port. It is bound when this is created, and listens after `listen`."""

    def __init__(self, host: str, port: int) -> None:
        """``port``: 0 for any free one. Raises `OSError` that names the address."""
        self._socket = bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._selector: selectors.BaseSelector | None = None
        self._paused: Timer | None = None

    def listen(
        self,
        selector: selectors.BaseSelector,
        server: int,
        take: Callable[[socket.socket, tuple[str, int]], object],
        call_later: Callable[[int, Callable[[], None]], Timer],
    ) -> None:
        """Accepts connections from now on: each goes to ``take`` with the peer's address.
        ``server``: the number that a warning names. ``call_later`` calls after milliseconds.
        """
        self._socket.listen(_BACKLOG)
        self._selector = selector
        self._server = server
        self._take = take
        self._call_later = call_later
        self._register()

    def _register(self) -> None:
        self._paused = None
        if self._selector is not None:
            self._selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def _accept(self, _mask: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, peer = self._socket.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                return  # or nobody is left, or somebody has gone before the turn came
            self._take(accepted, (peer[0], peer[1]))

    def _pause(self, error: OSError) -> None:
        logger.warning("server %d cannot accept connections: %s", self._server, error.strerror)
        if self._selector is not None:
            self._selector.unregister(self._socket)
        self._paused = self._call_later(_PAUSE, self._register)

    def close(self) -> None:
        """Closes the port."""
        if self._paused is not None:
            self._paused.cancel()
        elif self._selector is not None:
            self._selector.unregister(self._socket)
        self._selector = None
        self._socket.close()

    def abandon(self) -> None:
        """Closes this process's copy of a port that belongs to another process."""
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
        raise OSError(
            f"cannot listen on {host}, port {port}: expected a port from 0 to 65535"
        ) from None
    return listener


def address(host: str, port: int) -> str:
    """``host:port``, for a client's connect string."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def one_each(name: str, ports: int | Sequence[int], count: int) -> list[int]:
    """A port for each of ``count`` servers: ``ports`` is the first one's, or has all of them.
    Raises `ValueError` that names the argument.
    """
    if isinstance(ports, int):
        return [ports] + [0] * (count - 1)
    if not all(isinstance(port, int) for port in ports):  # a text has its digits
        raise ValueError(f"{name} = {ports!r}: expected an integer, or a list of integers")
    if len(ports) != count:
        raise ValueError(f"{name} = {ports}: expected one port, or {count}, one for each")
    return list(ports)
