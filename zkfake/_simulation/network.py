"""The simulated network: every link, who can reach whom at present, and how fast.

Rules that live here: a partition makes streams stand still and connection attempts wait, as lost
packets do under TCP. When it heals, everything that was on the way arrives, in order; who closed
its end meanwhile is seen to have done so only then.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from zkfake._history.events import Connected
from zkfake._simulation.links import Link
from zkfake._simulation.tasks import MICROSECONDS, Task

if TYPE_CHECKING:
    from random import Random

    from zkfake._history.recorder import History
    from zkfake._simulation.links import Gate, Stream
    from zkfake._simulation.profiles import Profile
    from zkfake._simulation.scheduler import Scheduler
    from zkfake._simulation.servers import Servers
    from zkfake._simulation.sockets import LinkSocket

__all__ = ["Network"]


class Network:
    """Every link of a simulation, and who cannot hear whom at present."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        profile: Profile,
        record: History,
        servers: Servers,
    ) -> None:
        self.scheduler = scheduler
        self.history = record
        self.servers = servers
        self.gate: Gate | None = None
        self.links: dict[Link, None] = {}
        """The links that are not closed at both ends, oldest first."""
        self.clients: dict[str, None] = {}
        """The names of the simulation's clients, oldest first."""
        self.sessions: dict[str, int] = {}
        """The session that each client was given last."""
        self.requests = 0
        """How many requests were sent in the whole run, without pings."""
        self._random = random
        self._latency = _microseconds(profile.latency)
        self._slow: dict[str, list[tuple[int, int]]] = {}
        self._cuts: dict[tuple[str, int, str], int] = {}
        self._holds: dict[str, int] = {}
        self._paused: dict[int, int] = {}
        self._muted: dict[int, list[list[Link]]] = {}
        self._pings_lost: dict[tuple[str, int], int] = {}
        self._waiting: list[Task] = []
        self._connections = 0
        self._ips: dict[str, str] = {}

    @property
    def time(self) -> float:
        return self.scheduler.now / MICROSECONDS

    def address_of(self, client: str) -> str:
        """The client's own address; no two clients share one."""
        if client not in self._ips:
            number = len(self._ips) + 1
            self._ips[client] = f"10.1.{number >> 8}.{number & 255}"
        return self._ips[client]

    def draw_latency(self, client: str) -> int:
        low, high = self._slow[client][-1] if client in self._slow else self._latency
        return low if low == high else low + int(self._random.random() * (high - low + 1))

    def fixed_latency(self, client: str) -> int | None:
        """The latency of a client's links where it needs no drawing."""
        low, high = self._slow[client][-1] if client in self._slow else self._latency
        return low if low == high else None

    def _latency_changed(self, client: str) -> None:
        for link in self.links_of(client):
            link.set_latency(self.fixed_latency(client))

    def forget(self, link: Link) -> None:
        self.links.pop(link, None)

    # -- connecting

    def connect(self, client: str, address: tuple[str, int], timeout: float | None) -> LinkSocket:
        """`socket.create_connection` for a client. Raises what that raises."""
        scheduler = self.scheduler
        server = self.servers.find(address)
        deadline = scheduler.deadline_after(timeout)
        while self._cut(client, server, "to_server") or self._cut(client, server, "to_client"):
            task = scheduler.current
            self._waiting.append(task)
            woken = scheduler.block(f"a connection to server {server}", deadline)
            if task in self._waiting:
                self._waiting.remove(task)
            if not woken:
                raise TimeoutError("timed out")
        arrival = scheduler.now + self.draw_latency(client) + self.draw_latency(client)
        if deadline is not None and arrival > deadline:
            scheduler.block(f"a connection to server {server}", deadline)
            raise TimeoutError("timed out")
        scheduler.block(f"a connection to server {server}", arrival)
        if not self.servers.accepts(server):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self._connections += 1
        link = Link(self, self._connections, client, server)
        self.links[link] = None
        for stream, direction in ((link.upstream, "to_server"), (link.downstream, "to_client")):
            stream.blocked = self._cut(client, server, direction)
        link.upstream.blocked += self._paused.get(server, 0)
        for unread in self._muted.get(server, ()):
            unread.append(link)
            link.upstream.block()
        link.pings_lost = self._pings_lost.get((client, server), 0)
        for _ in range(self._holds.get(client, 0)):
            link.downstream.hold_events()
        self.history.append(Connected(self.time, client, link.number, server))
        return link.socket

    def _cut(self, client: str, server: int, direction: str) -> int:
        return self._cuts.get((client, server, direction), 0)

    # -- outages

    def links_of(self, client: str) -> list[Link]:
        return [link for link in self.links if link.client == client]

    def cut(self, client: str, server: int, direction: str) -> None:
        """Make one direction between a client and a server stand still; counted, each needs its own
        `mend`.
        """
        key = (client, server, direction)
        self._cuts[key] = self._cuts.get(key, 0) + 1
        for stream in self._streams(client, server, direction):
            stream.block()

    def mend(self, client: str, server: int, direction: str) -> None:
        self._cuts[client, server, direction] -= 1
        for stream in self._streams(client, server, direction):
            stream.unblock()
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self.scheduler.wake(task)

    def _streams(self, client: str, server: int, direction: str) -> list[Stream]:
        return [
            link.upstream if direction == "to_server" else link.downstream
            for link in self.links
            if link.client == client and link.server == server
        ]

    def pause_server(self, server: int) -> None:
        """A server stands still: connections are made, and what is sent to it waits; counted."""
        self._paused[server] = self._paused.get(server, 0) + 1
        self.servers.call(self.servers.replicas[server - 1].pause)
        for link in self.links:
            if link.server == server:
                link.upstream.block()

    def resume_server(self, server: int) -> None:
        """Takes one `pause_server` back."""
        self._paused[server] -= 1
        self.servers.call(self.servers.replicas[server - 1].resume)
        for link in self.links:
            if link.server == server:
                link.upstream.unblock()

    def mute_server(self, server: int) -> list[Link]:
        """A server reads nothing from connections that are made from now on; what `unmute_server`
        is to be given.
        """
        unread: list[Link] = []
        self._muted.setdefault(server, []).append(unread)
        return unread

    def unmute_server(self, server: int, unread: list[Link]) -> None:
        """Takes one `mute_server` back."""
        # By identity: two lists without a link are equal.
        self._muted[server] = [each for each in self._muted[server] if each is not unread]
        for link in unread:
            link.upstream.unblock()

    def lose_pings(self, client: str, server: int) -> None:
        """Answers to pings do not reach the client; counted."""
        self._count_lost_pings(client, server, 1)

    def bring_pings(self, client: str, server: int) -> None:
        """Takes one `lose_pings` back."""
        self._count_lost_pings(client, server, -1)

    def _count_lost_pings(self, client: str, server: int, change: int) -> None:
        key = (client, server)
        self._pings_lost[key] = self._pings_lost.get(key, 0) + change
        for link in self.links:
            if (link.client, link.server) == key:
                link.pings_lost += change

    def slow(self, client: str, latency: tuple[float, float]) -> None:
        self._slow.setdefault(client, []).append(_microseconds(latency))
        self._latency_changed(client)

    def unslow(self, client: str, latency: tuple[float, float]) -> None:
        self._slow[client].remove(_microseconds(latency))
        if not self._slow[client]:
            del self._slow[client]
        self._latency_changed(client)

    def hold_events(self, client: str) -> None:
        self._holds[client] = self._holds.get(client, 0) + 1
        for link in self.links_of(client):
            link.downstream.hold_events()

    def release_events(self, client: str) -> None:
        self._holds[client] -= 1
        for link in self.links_of(client):
            link.downstream.release_events()


def _microseconds(seconds: tuple[float, float]) -> tuple[int, int]:
    low, high = seconds
    return round(low * MICROSECONDS), round(high * MICROSECONDS)
