"""One server of a `FakeZooKeeper`: its ports, starting and stopping it, and its lag.

A server keeps its ports while it is stopped: bound but not listening, so that connections are
refused and no other program gets them.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from zkfake._realtime.listener import PortListener, address

if TYPE_CHECKING:
    import selectors
    import socket
    import ssl
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from zkfake._ensemble.replica import Replica
    from zkfake._ensemble.stats import Mode


logger = logging.getLogger("zkfake")


class MemberOwner(Protocol):
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
    """One server of a `FakeZooKeeper`, an item of its ``members``.

    Methods may be called from any thread, and raise `RuntimeError` in a forked child.
    """

    def __init__(
        self, owner: MemberOwner, server_id: int, host: str, port: int, secure_port: int
    ) -> None:
        self._owner = owner
        self._server_id = server_id
        self._host = host
        self._closed = False
        self._plain: PortListener | None = PortListener(host, port)
        """For connections without TLS; ``None`` if another program has the port."""
        self._secure: PortListener | None = None
        self.port = self._plain.port
        if owner.tls is not None:
            try:
                self._secure = PortListener(host, secure_port)
            except OSError:
                self.abandon()
                raise
        self.secure_port = None if self._secure is None else self._secure.port
        self._replica.on_move = self._move
        self._replica.host = host
        self._replica.ports = (self.port, self.secure_port or -1)

    @property
    def hosts(self) -> str:
        """``host:port``, for a client's connect string."""
        return address(self._host, self.port)

    @property
    def secure_hosts(self) -> str:
        """The same for the TLS port. Raises `ValueError` if there is none."""
        if self.secure_port is None:
            raise ValueError("this server has no TLS port; give FakeZooKeeper a tls= context")
        return address(self._host, self.secure_port)

    @property
    def id(self) -> int:
        """Its number in the ensemble, from 1."""
        return self._server_id

    @property
    def running(self) -> bool:
        """Whether it serves, or looks for a leader."""
        return self._replica.running

    @property
    def mode(self) -> Mode | None:
        """Its role, as ``srvr`` prints it; ``None`` while it serves no clients."""
        return self._replica.mode

    def specification(self, role: Literal["participant", "observer"] = "participant") -> str:
        """The text for a reconfiguration that makes it a member in this role: ``server.<id>=...``.
        A server that is a member keeps its addresses.
        """
        with self._owner.at_work():
            return self._replica.specification(role)

    @property
    def removed(self) -> bool:
        """Whether it knows that it is not a member of the ensemble: once stopped, it cannot start.
        A server that has joined is in this state until a reconfiguration makes it a member.
        """
        return self._replica.expelled

    @property
    def _replica(self) -> Replica:
        return self._owner.replicas[self._server_id - 1]

    @property
    def lag(self) -> float:
        """Seconds from the commit of a transaction until this server applies it; 0 by default. May
        be set at any time. Has no effect on a standalone server. Raises `ValueError` below 0.
        """
        return self._replica.lag[1] / 1000

    @lag.setter
    def lag(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"lag = {seconds}: expected seconds, 0 or more")
        with self._owner.at_work():
            self._replica.lag = (round(seconds * 1000),) * 2

    def freeze(self) -> None:
        """Stops applying committed transactions. The server goes on to serve reads. Each freeze
        needs an `unfreeze`. A server that joins a leader catches up even if frozen.
        """
        with self._owner.at_work():
            self._replica.freeze()

    @property
    def frozen(self) -> bool:
        """Whether it was frozen more often than unfrozen."""
        return self._replica.applying.frozen

    def unfreeze(self) -> None:
        """Takes one `freeze` back."""
        with self._owner.at_work():
            self._replica.unfreeze()

    def start(self) -> None:
        """Starts the server with its log, and it joins the ensemble. Does nothing if it runs.

        Raises `OSError` if another program has its port, and `RuntimeError` once the
        `FakeZooKeeper` has stopped, and for a server that knows that it is not a member of the
        ensemble: a real one ends when it reads that in its configuration.
        """
        with self._owner.at_work():
            if self.running:
                return
            if self._closed:
                raise RuntimeError(
                    "this server's FakeZooKeeper is stopped; start() the FakeZooKeeper"
                )
            if self.removed:
                raise RuntimeError(
                    f"server {self.id} cannot start: it is not a member of the ensemble"
                )
            if self._plain is None:
                self._plain = PortListener(self._host, self.port)
            self._listen(self._plain, secure=False)
            if self._secure is not None:
                self._listen(self._secure, secure=True)
            self._replica.start()  # may change the port at once, by a newer configuration

    def _listen(self, listener: PortListener, *, secure: bool) -> None:
        take = partial(self._serve, secure)
        call_later = self._replica.call_later
        listener.listen(self._owner.selector, self._server_id, take, call_later)

    def stop(self) -> None:
        """Drops every connection and refuses new ones. Does nothing if it is stopped."""
        with self._owner.at_work():
            if not self.running:
                return
            self.close()
            # Bound but not listening: connections are refused, and no other program gets the ports.
            self._closed = False
            self._plain = self._listener_if_free(self.port)
            if self.secure_port is not None:
                self._secure = PortListener(self._host, self.secure_port)

    def close(self) -> None:
        """Drops every connection and closes the ports."""
        if self.running:
            self._replica.stop()
        for listener in filter(None, (self._plain, self._secure)):
            listener.close()
        self._plain = self._secure = None
        self._closed = True

    def abandon(self) -> None:
        """Closes this process's copies of the ports, which may belong to another one."""
        for listener in filter(None, (self._plain, self._secure)):
            listener.abandon()
        self._plain = self._secure = None
        self._closed = True

    def _move(self, port: int) -> None:
        """A configuration has given it another port for clients. Present connections stay. If
        another program has the new port, no client can connect.
        """
        self.port = port
        if self._closed:
            return
        if self._plain is not None:
            self._plain.close()
        self._plain = self._listener_if_free(port)
        if self._plain is not None and self.running:
            self._listen(self._plain, secure=False)

    def _listener_if_free(self, port: int) -> PortListener | None:
        try:
            return PortListener(self._host, port)
        except OSError as error:
            logger.error("server %d accepts no new clients: %s", self._server_id, error)
            return None

    def _serve(self, secure: bool, accepted: socket.socket, peer: tuple[str, int]) -> None:
        self._owner.serve(self._server_id - 1, accepted, peer, secure)
