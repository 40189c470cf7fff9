"""One server of a `FakeZooKeeper`: starting and stopping it, and its lag."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

from zkfake._channel.outages import check_choice
from zkfake._realtime.listener import address

if TYPE_CHECKING:
    from zkfake._ensemble.replica import Replica
    from zkfake._ensemble.stats import Mode
    from zkfake._realtime.loop import Loop
    from zkfake._realtime.ports import ServerPorts

__all__ = ["Member"]


class Member:
    """One server of a `FakeZooKeeper`, an item of its ``members``.

    Methods may be called from any thread, and raise `RuntimeError` in a forked child. With a data
    directory they raise `OSError` once that cannot be written to.
    """

    def __init__(self, loop: Loop, replica: Replica, ports: ServerPorts) -> None:
        self._loop = loop
        self._replica = replica
        self._ports = ports
        replica.on_move = self._move
        replica.host = ports.host
        replica.ports = (ports.port, ports.secure_port or -1)

    @property
    def port(self) -> int:
        """Its port for clients. A reconfiguration can change it."""
        return self._ports.port

    @property
    def secure_port(self) -> int | None:
        """Its port for TLS; ``None`` if there is none."""
        return self._ports.secure_port

    @property
    def hosts(self) -> str:
        """``host:port``, for a client's connect string."""
        return address(self._ports.host, self.port)

    @property
    def secure_hosts(self) -> str:
        """The same for the TLS port. Raises `ValueError` if there is none."""
        if self.secure_port is None:
            raise ValueError("this server has no TLS port; give FakeZooKeeper a tls= context")
        return address(self._ports.host, self.secure_port)

    @property
    def id(self) -> int:
        """Its number in the ensemble, from 1."""
        return self._replica.id

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
        A server that is a member keeps its addresses. Raises `ValueError` for another role.
        """
        check_choice("role", role, ("participant", "observer"))
        with self._loop.at_work():
            return self._replica.specification(role)

    @property
    def removed(self) -> bool:
        """Whether it knows that it is not a member of the ensemble: once stopped, it cannot start.
        A server that has joined is in this state until a reconfiguration makes it a member.
        """
        return self._replica.expelled

    @property
    def lag(self) -> float:
        """Seconds from the commit of a transaction until this server applies it; 0 by default. May
        be set at any time. Has no effect on a standalone server. Raises `ValueError` below 0, and
        for what is not finite.
        """
        return self._replica.lag[1] / 1000

    @lag.setter
    def lag(self, seconds: float) -> None:
        if not 0 <= seconds < inf:
            raise ValueError(f"lag = {seconds}: expected seconds, 0 or more, and finite")
        with self._loop.at_work():
            self._replica.lag = (round(seconds * 1000),) * 2

    def freeze(self) -> None:
        """Stops applying committed transactions. The server goes on to serve reads. Each freeze
        needs an `unfreeze`. A server that joins a leader catches up even if frozen.
        """
        with self._loop.at_work():
            self._replica.freeze()

    @property
    def frozen(self) -> bool:
        """Whether it was frozen more often than unfrozen."""
        return self._replica.applying.frozen

    def unfreeze(self) -> None:
        """Takes one `freeze` back. Does nothing if there is none."""
        with self._loop.at_work():
            self._replica.unfreeze()

    def start(self) -> None:
        """Starts the server with its log, and it joins the ensemble. Does nothing if it runs.

        Raises `OSError` if another program has its port, and `RuntimeError` once the
        `FakeZooKeeper` has stopped, and for a server that knows that it is not a member of the
        ensemble: a real one ends when it reads that in its configuration.
        """
        with self._loop.at_work():
            if self.running:
                return
            if self._ports.closed:
                raise RuntimeError(
                    "this server's FakeZooKeeper is stopped; start() the FakeZooKeeper"
                )
            if self.removed:
                raise RuntimeError(
                    f"server {self.id} cannot start: it is not a member of the ensemble"
                )
            self._ports.listen(self._loop.selector, self._replica.call_later)
            self._replica.start()  # may change the port at once, by a newer configuration

    def stop(self) -> None:
        """Drops every connection and refuses new ones. Does nothing if it is stopped."""
        with self._loop.at_work():
            if self.running:
                self._replica.stop()
                self._ports.refuse()

    def _move(self, port: int) -> None:
        """A configuration has given it another port for clients."""
        self._ports.move(port, listen=self.running)
