"""What can happen to the servers of an ensemble and to the links between them.

Rules that live here: servers have the numbers 1, 2, ... of their addresses; ``None``, where it is
allowed, is the one that leads at the moment. Stopping a server keeps what is on its disk. Nothing
here loses a committed transaction: that the ensemble would not either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zkfake.simulation.errors import SimulationError
from zkfake.simulation.outages import Outages
from zkfake.simulation.servers import milliseconds

if TYPE_CHECKING:
    from zkfake.simulation.network import Network
    from zkfake.simulation.outages import Outage
    from zkfake.simulation.scheduler import Scheduler

__all__ = ["ServerFaults"]

_Way = Literal["both", "out", "in"]


class ServerFaults(Outages):
    """The part of ``sim.faults`` that concerns servers."""

    def __init__(self, scheduler: Scheduler, network: Network) -> None:
        super().__init__(scheduler, network)
        self._servers = network.servers

    @property
    def server_count(self) -> int:
        return len(self._servers.replicas)

    def stop_server(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Stop a server: its connections break, new ones are refused. It comes back with the log it
        had.
        """
        number, servers = self._number(server), self._servers
        servers.stop(number)
        return self.begin("stop server", str(number), lambda: servers.start(number), duration)

    def lose_quorum(self, *, duration: float | None = None) -> Outage:
        """Stop servers, those with the highest numbers first, until the rest is no quorum."""
        servers = self._servers
        running = [replica.id for replica in servers.replicas if replica.running]
        voters = [number for number in running if not servers.replicas[number - 1].observer]
        stopped: list[int] = []
        while voters and 2 * len(voters) > servers.ensemble.voters:
            stopped.append(voters.pop())
            servers.stop(stopped[-1])

        def start() -> None:
            for number in stopped:
                servers.start(number)

        return self.begin("lose quorum", f"servers {stopped}", start, duration)

    def isolate(
        self, server: int | None = None, *, way: _Way = "both", duration: float | None = None
    ) -> Outage:
        """Cut a server off from all others: both ways, or only what goes ``"out"`` or ``"in"``.

        Its clients still reach it, and read what it knew, until it notices.
        """
        number = self._number(server)
        others = [other for other in range(1, self.server_count + 1) if other != number]
        cuts = [(number, other) for other in others] if way != "in" else []
        cuts += [(other, number) for other in others] if way != "out" else []
        return self._cut("isolate server", f"{number}, {way}", cuts, duration)

    def partition_servers(
        self, one: int, other: int, *, way: _Way = "both", duration: float | None = None
    ) -> Outage:
        """Cut the link between two servers: both ways, or only what goes ``"out"`` of ``one`` or
        ``"in"``.
        """
        one, other = self._number(one), self._number(other)
        cuts = [(one, other)] if way != "in" else []
        cuts += [(other, one)] if way != "out" else []
        return self._cut("partition servers", f"{one} and {other}, {way}", cuts, duration)

    def _cut(
        self, name: str, text: str, cuts: list[tuple[int, int]], duration: float | None
    ) -> Outage:
        servers = self._servers

        def cut() -> None:
            for source, target in cuts:
                servers.ensemble.cut(source, target)

        def mend() -> None:
            for source, target in cuts:
                servers.ensemble.mend(source, target)

        servers.call(cut)
        return self.begin(name, text, lambda: servers.call(mend), duration)

    def freeze(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Let a server apply nothing more: it goes on to serve reads, of what it had applied."""
        number = self._number(server)
        applying = self._servers.replicas[number - 1].applying
        applying.freeze()
        return self.begin(
            "freeze server",
            str(number),
            lambda: self._servers.call(applying.unfreeze),
            duration,
        )

    def lag(
        self,
        server: int | None,
        lag: tuple[float, float],
        *,
        duration: float | None = None,
    ) -> Outage:
        """Let a server apply each transaction a range of virtual seconds after its commit."""
        number = self._number(server)
        applying = self._servers.replicas[number - 1].applying
        before, applying.lag = applying.lag, milliseconds(lag)

        def restore() -> None:
            applying.lag = before

        return self.begin("lag", f"server {number}, {lag[0]} to {lag[1]} s", restore, duration)

    def slow_servers(
        self, one: int, other: int, latency: tuple[float, float], *, duration: float | None = None
    ) -> Outage:
        """Give the link between two servers another latency, a range of virtual seconds one way."""
        one, other = self._number(one), self._number(other)
        links = self._servers.ensemble.links
        links.set_latency(one, other, milliseconds(latency))
        links.set_latency(other, one, milliseconds(latency))

        def restore() -> None:
            links.set_latency(one, other, None)
            links.set_latency(other, one, None)

        text = f"{one} and {other}, {latency[0]} to {latency[1]} s"
        return self.begin("slow servers", text, restore, duration)

    def _number(self, server: int | None) -> int:
        """A server's number; ``None`` is the leader."""
        if server is None:
            leader = self._servers.leader
            if leader is None:
                raise SimulationError("no server leads at the moment")
            return leader
        if not 1 <= server <= self.server_count:
            raise ValueError(f"there is no server {server}, only 1 to {self.server_count}")
        return server
