"""The kinds of fault that happen by chance: each has a rate of its name in `Profile`.

Rules that live here:

- The earliest kinds draw from one random source, in the order of the tables. Every other kind draws
  from one of its own, so a rate that is 0 moves nothing else in a seed's world.
- What a server lives through one at a time is a `Group`: at most one outage of a group is in force,
  so that an ensemble can heal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zkfake._channel.outages import Outage

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake._channel.outages import Direction
    from zkfake._control.server_faults import Way

__all__ = ["CLIENTS", "SERVERS", "ClientKind", "Dice", "DrawnFault", "ServerKind", "drawn", "fits"]

Range = tuple[float, float]
"""Virtual seconds."""

Group = Literal["silence", "pace"]
"""Outages that take a server away from others, and those that make it slow or wrong."""

_SKEW = 60.0
"""The largest error of a skewed clock, in seconds."""


@dataclass(frozen=True, slots=True)
class DrawnFault:
    """A fault with all that chance has decided about it: a method of
    `zkfake._simulation.faults.Faults` and its arguments. ``str`` of it is the call.
    """

    method: str
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()

    def begin(self, faults: Any) -> Outage | None:
        """Makes the call. Returns the outage that begins, if it is one."""
        outage = getattr(faults, self.method)(*self.arguments, **dict(self.options))
        return outage if isinstance(outage, Outage) else None

    def __str__(self) -> str:
        given = [*map(repr, self.arguments), *(f"{name}={value!r}" for name, value in self.options)]
        return f"{self.method}({', '.join(given)})"


def drawn(method: str, *arguments: Any, **options: Any) -> DrawnFault:
    """The call of that method of `Faults`."""
    return DrawnFault(method, arguments, tuple(options.items()))


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
    """A fault of one client. ``early``: whether it draws from the source of the earliest kinds."""

    rate: str
    draw: Callable[[Dice, str], DrawnFault]
    early: bool = False


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A fault of servers."""

    rate: str
    draw: Callable[[Dice], DrawnFault]
    group: Group
    early: bool = False
    """Whether it draws from the source of the earliest kinds."""
    alone: bool = False
    """Whether a single server can have it. Then it is drawn for one at a virtual time."""
    method: str = ""
    """The method of `Faults`, where its name is not that of the rate."""


def _partition(dice: Dice, client: str) -> DrawnFault:
    direction: Direction = dice.choice(("both", "to_server", "to_client"))
    return drawn("partition", client, direction=direction, duration=dice.duration())


def _of_client(method: str) -> Callable[[Dice, str], DrawnFault]:
    return lambda dice, client: drawn(method, client, duration=dice.duration())


CLIENTS = (
    ClientKind("partition", _partition, early=True),
    ClientKind("pause", _of_client("pause"), early=True),
    ClientKind("hold_watches", _of_client("hold_watches"), early=True),
    ClientKind("expire", lambda _, client: drawn("expire", client), early=True),
    ClientKind("hold_events", _of_client("hold_events")),
    ClientKind("slow", lambda d, c: drawn("slow", c, d.slowness(), duration=d.duration())),
    ClientKind("lose_pings", _of_client("lose_pings")),
)


def _of_server(method: str) -> Callable[[Dice], DrawnFault]:
    return lambda dice: drawn(method, dice.server(), duration=dice.duration())


def _slow_server(method: str) -> Callable[[Dice], DrawnFault]:
    return lambda dice: drawn(method, dice.server(), dice.slowness(), duration=dice.duration())


def _isolate_one_way(dice: Dice) -> DrawnFault:
    way: Way = dice.choice(("out", "in"))
    return drawn("isolate", dice.server(), way=way, duration=dice.duration())


def _partition_servers(dice: Dice) -> DrawnFault:
    way: Way = dice.choice(("both", "out", "in"))
    return drawn("partition_servers", *dice.two_servers(), way=way, duration=dice.duration())


def _slow_servers(dice: Dice) -> DrawnFault:
    one, other = dice.two_servers()
    return drawn("slow_servers", one, other, dice.slowness(), duration=dice.duration())


def _skew_clock(dice: Dice) -> DrawnFault:
    server = dice.server()
    return drawn("skew_clock", server, dice.between(-_SKEW, _SKEW), duration=dice.duration())


SERVERS = (
    ServerKind("stop_server", _of_server("stop_server"), "silence", early=True, alone=True),
    ServerKind("isolate_server", _of_server("isolate"), "silence", early=True, method="isolate"),
    ServerKind("freeze_server", _of_server("freeze"), "silence", early=True, method="freeze"),
    ServerKind("pause_server", _of_server("pause_server"), "silence", early=True, alone=True),
    ServerKind("isolate_one_way", _isolate_one_way, "silence", method="isolate"),
    ServerKind("partition_servers", _partition_servers, "silence"),
    ServerKind(
        "lose_quorum", lambda dice: drawn("lose_quorum", duration=dice.duration()), "silence"
    ),
    ServerKind("cut_power", _of_server("cut_power"), "silence"),
    ServerKind("mute_server", _of_server("mute_server"), "silence", alone=True),
    ServerKind("lag_server", _slow_server("lag"), "pace", method="lag"),
    ServerKind("slow_servers", _slow_servers, "pace"),
    ServerKind("slow_disk", _slow_server("slow_disk"), "pace", alone=True),
    ServerKind("skew_clock", _skew_clock, "pace", alone=True),
)

_OF_SEVERAL = frozenset(kind.method or kind.rate for kind in SERVERS if not kind.alone)


def fits(fault: DrawnFault, servers: int) -> bool:
    """Whether an ensemble of so many servers can have the fault."""
    numbers = [each for each in fault.arguments if isinstance(each, int)]
    return all(each <= servers for each in numbers) and (
        servers > 1 or fault.method not in _OF_SEVERAL
    )
