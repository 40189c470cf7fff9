"""One server of a `FakeZooKeeper`: its ports, its switch, and how far it is behind the others.

A server keeps its ports while it is stopped: bound but not listening, so that connections are
refused and nobody else gets them.
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
    """One server of a `FakeZooKeeper`."""

    def __init__(
        self, owner: MemberOwner, server_id: int, host: str, port: int, secure_port: int
    ) -> None:
        self._owner = owner
        self._server_id = server_id
        self._host = host
        self._closed = False
        self._plain: PortListener | None = PortListener(host, port)
        """For connections without TLS; ``None`` where somebody else has the port."""
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
        """``host:port``, as a client's connect string wants it."""
        return address(self._host, self.port)

    @property
    def secure_hosts(self) -> str:
        """The same for the TLS port. Raises `ValueError` where there is none."""
        if self.secure_port is None:
            raise ValueError("this server has no TLS port; give FakeZooKeeper a tls= context")
        return address(self._host, self.secure_port)

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

    def specification(self, role: Literal["participant", "observer"] = "participant") -> str:
        """What a reconfiguration says that makes it a member in this role: ``server.<id>=...``. A
        member keeps the addresses that it has.
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

        Raises `OSError` where somebody else has the port that a configuration gave it, and
        `RuntimeError` once the whole `FakeZooKeeper` has stopped, and for a server that is no
        member of the ensemble any more: a real one reads that in its configuration, and ends.
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
            self._replica.start()  # it may hear at once of another port

    def _listen(self, listener: PortListener, *, secure: bool) -> None:
        take = partial(self._serve, secure)
        call_later = self._replica.call_later
        listener.listen(self._owner.selector, self._server_id, take, call_later)

    def stop(self) -> None:
        """Drops every connection and refuses new ones. Does nothing to a stopped server."""
        with self._owner.at_work():
            if not self.running:
                return
            self.close()
            # Bound but not listening: connections are refused, and nobody else gets the ports.
            self._closed = False
            self._plain = self._listener_if_free(self.port)
            if self.secure_port is not None:
                self._secure = PortListener(self._host, self.secure_port)

    def close(self) -> None:
        """Drops every connection and gives up the ports."""
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
        """A configuration has another port for its clients. Those of the old one are kept; if
        somebody else has the new one, there are no new clients.
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
