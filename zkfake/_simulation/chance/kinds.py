"""The kinds of fault that happen by chance: each has a rate of its name in `Profile`.

Rules that live here:

- The earliest kinds draw from one random source, in the order of the tables. Every other kind draws
  from one of its own, so a rate that is 0 moves nothing else in a seed's world.
- What a server lives through one at a time is a `Group`: at most one outage of a group is in force,
  so that an ensemble can heal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake._channel.outages import Direction, Outage
    from zkfake._control.server_faults import Way

__all__ = ["CLIENTS", "SERVERS", "ClientKind", "Dice", "ServerKind", "Strikes"]

Range = tuple[float, float]
"""Virtual seconds."""

Group = Literal["silence", "pace"]
"""Outages that take a server away from others, and those that make it slow or wrong."""

_SKEW = 60.0
"""The largest error of a skewed clock, in seconds."""


class Strikes(Protocol):
    """`zkfake._simulation.faults.faults.Faults`: what chance may do."""

    @property
    def server_count(self) -> int: ...
    def drop(self, client: Any) -> int: ...
    def expire(self, client: Any) -> bool: ...
    def pause(self, client: Any, *, duration: float | None = None) -> Outage: ...
    def hold_watches(self, client: Any, *, duration: float | None = None) -> Outage: ...
    def hold_events(self, client: Any, *, duration: float | None = None) -> Outage: ...
    def lose_pings(self, client: Any, *, duration: float | None = None) -> Outage: ...
    def slow(
        self, client: Any, latency: tuple[float, float], *, duration: float | None = None
    ) -> Outage: ...
    def partition(
        self, client: Any, *, direction: Direction, duration: float | None = None
    ) -> Outage: ...
    def stop_server(self, server: int, *, duration: float | None = None) -> Outage: ...
    def cut_power(self, server: int, *, duration: float | None = None) -> Outage: ...
    def lose_quorum(self, *, duration: float | None = None) -> Outage: ...
    def isolate(
        self, server: int, *, way: Way = "both", duration: float | None = None
    ) -> Outage: ...
    def partition_servers(
        self, one: int, other: int, *, way: Way, duration: float | None = None
    ) -> Outage: ...
    def freeze(self, server: int, *, duration: float | None = None) -> Outage: ...
    def pause_server(self, server: int, *, duration: float | None = None) -> Outage: ...
    def mute_server(self, server: int, *, duration: float | None = None) -> Outage: ...
    def lag(
        self, server: int, lag: tuple[float, float], *, duration: float | None = None
    ) -> Outage: ...
    def slow_disk(
        self, server: int, sync_time: tuple[float, float], *, duration: float | None = None
    ) -> Outage: ...
    def slow_servers(
        self, one: int, other: int, latency: tuple[float, float], *, duration: float | None = None
    ) -> Outage: ...
    def skew_clock(
        self, server: int, seconds: float, *, duration: float | None = None
    ) -> Outage: ...


class Dice:
    """The random values of a fault."""

    def __init__(self, random: Random, servers: int, outage: Range, slowness: Range) -> None:
        """The ranges are those of the profile."""
        self.random = random
        self._servers = servers
        self._outage = outage
        self._slowness = slowness

    def between(self, low: float, high: float) -> float:
        return round(low + self.random.random() * (high - low), 6)

    def duration(self) -> float:
        return self.between(*self._outage)

    def slowness(self) -> tuple[float, float]:
        """A range of seconds within the profile's."""
        low, high = self._slowness
        return low, self.between(low, high)

    def choice(self, choices: Any) -> Any:
        return choices[int(self.random.random() * len(choices))]

    def server(self) -> int:
        return 1 + int(self.random.random() * self._servers)

    def two_servers(self) -> tuple[int, int]:
        one = self.server()
        other = 1 + int(self.random.random() * (self._servers - 1))
        return one, other + (other >= one)


@dataclass(frozen=True, slots=True)
class ClientKind:
    """A fault of one client. ``strike`` returns the outage that it begins, if it is one."""

    rate: str
    strike: Callable[[Strikes, Dice, str], Outage | None]
    early: bool = False
    """Whether it draws from the source of the earliest kinds."""


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A fault of servers. ``alone``: also possible with one server, at a virtual time."""

    rate: str
    strike: Callable[[Strikes, Dice], Outage]
    group: Group
    early: bool = False
    alone: bool = False


def _partition(faults: Strikes, dice: Dice, client: str) -> Outage:
    direction: Direction = dice.choice(("both", "to_server", "to_client"))
    return faults.partition(client, direction=direction, duration=dice.duration())


def _expire(faults: Strikes, _dice: Dice, client: str) -> None:
    faults.expire(client)


CLIENTS = (
    ClientKind("partition", _partition, early=True),
    ClientKind("pause", lambda f, d, c: f.pause(c, duration=d.duration()), early=True),
    ClientKind(
        "hold_watches", lambda f, d, c: f.hold_watches(c, duration=d.duration()), early=True
    ),
    ClientKind("expire", _expire, early=True),
    ClientKind("hold_events", lambda f, d, c: f.hold_events(c, duration=d.duration())),
    ClientKind("slow", lambda f, d, c: f.slow(c, d.slowness(), duration=d.duration())),
    ClientKind("lose_pings", lambda f, d, c: f.lose_pings(c, duration=d.duration())),
)


def _isolate_one_way(faults: Strikes, dice: Dice) -> Outage:
    way: Way = dice.choice(("out", "in"))
    return faults.isolate(dice.server(), way=way, duration=dice.duration())


def _partition_servers(faults: Strikes, dice: Dice) -> Outage:
    way: Way = dice.choice(("both", "out", "in"))
    return faults.partition_servers(*dice.two_servers(), way=way, duration=dice.duration())


def _slow_servers(faults: Strikes, dice: Dice) -> Outage:
    return faults.slow_servers(*dice.two_servers(), dice.slowness(), duration=dice.duration())


def _skew_clock(faults: Strikes, dice: Dice) -> Outage:
    return faults.skew_clock(dice.server(), dice.between(-_SKEW, _SKEW), duration=dice.duration())


SERVERS = (
    ServerKind(
        "stop_server",
        lambda f, d: f.stop_server(d.server(), duration=d.duration()),
        "silence",
        early=True,
        alone=True,
    ),
    ServerKind(
        "isolate_server",
        lambda f, d: f.isolate(d.server(), duration=d.duration()),
        "silence",
        early=True,
    ),
    ServerKind(
        "freeze_server",
        lambda f, d: f.freeze(d.server(), duration=d.duration()),
        "silence",
        early=True,
    ),
    ServerKind(
        "pause_server",
        lambda f, d: f.pause_server(d.server(), duration=d.duration()),
        "silence",
        early=True,
        alone=True,
    ),
    ServerKind("isolate_one_way", _isolate_one_way, "silence"),
    ServerKind("partition_servers", _partition_servers, "silence"),
    ServerKind("lose_quorum", lambda f, d: f.lose_quorum(duration=d.duration()), "silence"),
    ServerKind("cut_power", lambda f, d: f.cut_power(d.server(), duration=d.duration()), "silence"),
    ServerKind(
        "mute_server",
        lambda f, d: f.mute_server(d.server(), duration=d.duration()),
        "silence",
        alone=True,
    ),
    ServerKind(
        "lag_server", lambda f, d: f.lag(d.server(), d.slowness(), duration=d.duration()), "pace"
    ),
    ServerKind("slow_servers", _slow_servers, "pace"),
    ServerKind(
        "slow_disk",
        lambda f, d: f.slow_disk(d.server(), d.slowness(), duration=d.duration()),
        "pace",
        alone=True,
    ),
    ServerKind("skew_clock", _skew_clock, "pace", alone=True),
)
