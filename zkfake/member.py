"""One server of a `FakeZooKeeper`: its ports, its switch, and how far it is behind the others.

A server keeps its ports while it is stopped: bound but not listening, so that connections are
refused and nobody else gets them.
"""

from __future__ import annotations

import errno
import logging
import selectors
from functools import partial
from typing import TYPE_CHECKING, Protocol

from zkfake.link import bind

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from zkfake.figures import Mode
    from zkfake.replica import Replica
    from zkfake.timers import Timer

logger = logging.getLogger("zkfake")

_BACKLOG = 512
"""Connections that may wait to be accepted."""

_AT_ONCE = 64
"""Connections that are accepted before others have a turn."""

_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""What accept() says when nothing is left to make a socket of."""

_PAUSE = 100
"""Milliseconds until accept() is tried again then."""


class Owner(Protocol):
    """The fake that a server is one of."""

    tls: ssl.SSLContext | None

    @property
    def selector(self) -> selectors.BaseSelector: ...
    @property
    def replicas(self) -> Sequence[Replica]: ...
    def at_work(self) -> AbstractContextManager[None]: ...
    def serve(
        self, number: int, accepted: socket.socket, peer: tuple[str, int], secure: bool
    ) -> None: ...


class Member:
    """One server of a `FakeZooKeeper`."""

    def __init__(
        self, owner: Owner, server_id: int, host: str, port: int, secure_port: int
    ) -> None:
        self._owner = owner
        self._server_id = server_id
        self._host = host
        self._listeners = [bind(host, port)]
        if owner.tls is not None:
            try:
                self._listeners.append(bind(host, secure_port))
            except OSError:
                self.abandon()
                raise
        self._pauses: dict[socket.socket, Timer] = {}
        """The listeners that wait until there are file descriptors again."""
        self.port: int = self._listeners[0].getsockname()[1]
        self.secure_port: int | None = (
            self._listeners[1].getsockname()[1] if owner.tls is not None else None
        )
        self._replica.host = host
        self._replica.ports = (self.port, self.secure_port or -1)

    @property
    def hosts(self) -> str:
        """``host:port``, as a client's connect string wants it."""
        return _join(self._host, self.port)

    @property
    def secure_hosts(self) -> str:
        """The same for the TLS port. Raises `ValueError` where there is none."""
        if self.secure_port is None:
            raise ValueError("this server has no TLS port; give FakeZooKeeper a tls= context")
        return _join(self._host, self.secure_port)

    @property
    def id(self) -> int:
        """Its number in the ensemble, from 1."""
        return self._server_id

    @property
    def running(self) -> bool:
        return self._replica.running

    @property
    def mode(self) -> Mode | None:
        """What it is in its ensemble, as ``srvr`` prints it; ``None`` while it serves nobody."""
        return self._replica.mode

    @property
    def _replica(self) -> Replica:
        return self._owner.replicas[self._server_id - 1]

    @property
    def lag(self) -> float:
        """Seconds from the commit of a transaction until this server applies it, 0 at first. May be
        set at any time; does nothing to a server without others. Raises `ValueError` below 0.
        """
        return self._replica.lag[1] / 1000

    @lag.setter
    def lag(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"lag = {seconds}: expected seconds, 0 or more")
        with self._owner.at_work():
            self._replica.lag = (round(seconds * 1000),) * 2

    def freeze(self) -> None:
        """Applies nothing that is committed from now on, and goes on to serve reads. Each freeze
        needs an `unfreeze`; who joins a leader anew catches up all the same.
        """
        with self._owner.at_work():
            self._replica.freeze()

    @property
    def frozen(self) -> bool:
        """Whether a `freeze` was not taken back."""
        return self._replica.applying.frozen

    def unfreeze(self) -> None:
        """Takes one `freeze` back."""
        with self._owner.at_work():
            self._replica.unfreeze()

    def start(self) -> None:
        """Serves again, with the state of the ensemble. Does nothing to a running server.

        Raises `RuntimeError` once the whole `FakeZooKeeper` has stopped.
        """
        with self._owner.at_work():
            if self.running:
                return
            if not self._listeners:
                raise RuntimeError("this server's FakeZooKeeper has stopped; start() that one")
            for listener in self._listeners:
                listener.listen(_BACKLOG)
            self._replica.start()
            for listener in self._listeners:
                self._listen(listener)

    def stop(self) -> None:
        """Drops every connection and refuses new ones. Does nothing to a stopped server."""
        with self._owner.at_work():
            if not self.running:
                return
            self.close()
            # Bound but not listening: connections are refused, and nobody else gets the ports.
            ports = filter(None, (self.port, self.secure_port))
            self._listeners = [bind(self._host, port) for port in ports]

    def close(self) -> None:
        """Drops every connection and gives up the ports."""
        if self.running:
            for listener in self._listeners:
                pause = self._pauses.pop(listener, None)
                if pause is None:
                    self._owner.selector.unregister(listener)
                else:
                    pause.cancel()
            self._replica.stop()
        self.abandon()

    def abandon(self) -> None:
        """Closes this process's copies of the ports, which may belong to another one."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def _listen(self, listener: socket.socket) -> None:
        accept = partial(self._accept, listener)
        self._owner.selector.register(listener, selectors.EVENT_READ, accept)

    def _accept(self, listener: socket.socket, _mask: int) -> None:
        secure = listener is not self._listeners[0]
        for _ in range(_AT_ONCE):
            try:
                accepted, peer = listener.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(listener, error)
                return  # or nobody is left, or somebody has gone before the turn came
            self._owner.serve(self._server_id - 1, accepted, peer, secure)

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """The selector would find the listener ready again and again."""
        logger.warning("server %d cannot accept connections: %s", self._server_id, error.strerror)
        self._owner.selector.unregister(listener)

        def resume() -> None:
            del self._pauses[listener]
            self._listen(listener)

        self._pauses[listener] = self._replica.call_later(_PAUSE, resume)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
