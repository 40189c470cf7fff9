"""The simulated network: every connection, which links are cut at present, and latencies.

Rules that live here: a partition makes streams stand still and connection attempts wait, as lost
packets do under TCP. When it heals, everything that was on the way arrives, in order; who closed
its end meanwhile is seen to have done so only then.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from zkfake._channel.conditions import Conditions
from zkfake._history.channels import ChannelRecorder
from zkfake._simulation.network.channels import VirtualChannel
from zkfake._simulation.scheduling.tasks import MICROSECONDS, ScheduledTask

if TYPE_CHECKING:
    from random import Random
    from traceback import FrameSummary

    from zkfake._channel.conditions import Stop
    from zkfake._channel.rules import ChannelRequest, Point
    from zkfake._history.recorder import History
    from zkfake._simulation.chance.chance import Chance
    from zkfake._simulation.chance.profiles import Profile
    from zkfake._simulation.network.servers import Servers
    from zkfake._simulation.network.sockets import SimulatedSocket
    from zkfake._simulation.scheduling.scheduler import Scheduler

__all__ = ["MessageDelay", "Network"]


class _Attempt(NamedTuple):
    """A connection that a client tries to make, for faults to match."""

    client: str
    server: int
    session_id: int = 0
    """Not known yet."""


class MessageDelay(NamedTuple):
    """How long a message between a client and a server took."""

    client: str
    nth: int
    """Its place among the messages from and to the client, in the order of sending, from 1."""
    seconds: float


class Network(Conditions[VirtualChannel]):
    """Every connection of a simulation, and which links are cut at present."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        profile: Profile,
        record: History,
        servers: Servers,
    ) -> None:
        super().__init__(scheduler, MICROSECONDS, self._draw_between, profile.latency)
        self.scheduler = scheduler
        self.history = record
        self.recorder = ChannelRecorder(record, scheduler, MICROSECONDS)
        self.servers = servers
        self.chance: Chance | None = None
        """The faults by chance."""
        self.clients: dict[str, None] = {}
        """The names of the simulation's clients, oldest first."""
        self.sessions: dict[str, int] = {}
        """The session that each client has asked for or was given last."""
        self.lines: dict[int, FrameSummary] | None = None
        """The line of the program that has asked for each request, by its number, where that is
        kept.
        """
        self.delays: list[MessageDelay] | None = None
        """Of every message so far, where messages are counted."""
        self._given_delays: dict[tuple[str, int], int] = {}
        self._messages: dict[str, int] = {}
        self._sent_at: dict[tuple[str, int], int] = {}
        self._random = random
        self._waiting: list[ScheduledTask] = []
        self._ips: dict[str, str] = {}

    @property
    def time(self) -> float:
        """Virtual seconds since the start."""
        return self.scheduler.now / MICROSECONDS

    def address_of(self, client: str) -> str:
        """The client's own address; no two clients share one."""
        if client not in self._ips:
            number = len(self._ips) + 1
            self._ips[client] = f"10.1.{number >> 8}.{number & 255}"
        return self._ips[client]

    def channels_of(self, client: str) -> list[VirtualChannel]:
        """A client's channels, oldest first."""
        return [channel for channel in self.channels if channel.client == client]

    def _draw_between(self, low: int, high: int) -> int:
        return low if low == high else low + int(self._random.random() * (high - low + 1))

    # -- how long messages take

    def count_messages(self) -> list[MessageDelay]:
        """Count messages from now on, and keep how long each takes."""
        if self.delays is None:
            self.delays = []
            self.latency = None  # every channel has to ask
            self.delay = self._counted_delay  # type: ignore[method-assign]  # costs nothing before
        return self.delays

    def delay_message(self, delay: MessageDelay) -> None:
        """Let a message that has yet to be sent take so long."""
        self.count_messages()
        self._given_delays[delay.client, delay.nth] = round(delay.seconds * MICROSECONDS)

    def _counted_delay(self, place: VirtualChannel | _Attempt) -> int:
        client = place.client
        nth = self._messages[client] = self._messages.get(client, 0) + 1
        given = self._given_delays.pop((client, nth), None)
        ticks = super().delay(place) if given is None else given
        self.count_messages().append(MessageDelay(client, nth, ticks / MICROSECONDS))
        self._sent_at[client, nth] = self.scheduler.now
        return ticks

    def way_of(self, message: MessageDelay) -> tuple[float, float] | None:
        """When a message was sent, and when it was due, in virtual seconds; ``None`` for one that
        was not counted.
        """
        sent = self._sent_at.get((message.client, message.nth))
        if sent is None:
            return None
        due = sent + round(message.seconds * MICROSECONDS)
        return sent / MICROSECONDS, due / MICROSECONDS

    # -- what strikes requests

    def consider(self, point: Point, request: ChannelRequest) -> bool:
        """Whether the request's connection is lost at this point, by a rule or by chance."""
        lost = bool(self.rules) and super().consider(point, request)
        chance = self.chance
        return lost if chance is None else chance.consider(point, request, lost)

    # -- connecting

    def connect(
        self, client: str, address: tuple[str, int], timeout: float | None
    ) -> SimulatedSocket:
        """`socket.create_connection` for a client. Raises what that raises."""
        scheduler = self.scheduler
        attempt = _Attempt(client, self.servers.find(address))
        reason = f"a connection to server {attempt.server}"
        deadline = scheduler.deadline_after(timeout)
        while self.keeps_apart(attempt):
            task = scheduler.current
            self._waiting.append(task)
            woken = scheduler.block(reason, deadline)
            if task in self._waiting:
                self._waiting.remove(task)
            if not woken:
                raise TimeoutError("timed out")
        arrival = scheduler.now + self.delay(attempt) + self.delay(attempt)
        if deadline is not None and arrival > deadline:
            scheduler.block(reason, deadline)
            raise TimeoutError("timed out")
        scheduler.block(reason, arrival)
        if not self.servers.accepts(attempt.server):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        channel = VirtualChannel(
            self,
            scheduler,
            self.servers,
            self.recorder,
            self.sessions,
            client=client,
            ip=self.address_of(client),
            server=attempt.server,
        )
        self.add(channel)
        self.recorder.connected(channel)
        return channel.socket

    def resume(self, stop: Stop) -> None:
        """What was held by ``stop`` goes on."""
        if stop.since is None:
            covered = [each for each in self.channels if stop.covers(each)]
        else:
            covered = list(stop.since)
        covered.sort(key=lambda channel: channel.server)
        for channel in covered:
            for way in stop.ways:
                (channel.upstream if way == "to_server" else channel.downstream).resume()
        if stop.network:
            waiting, self._waiting = self._waiting, []
            for task in waiting:
                self.scheduler.wake(task)
