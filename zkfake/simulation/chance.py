"""Faults by chance: a profile's rates, drawn for each request that reaches a server.

Rules that live here: outages last as long as the profile's ``outage`` range says; there are never
two of a kind for one client, nor two among the servers at a time, so that the ensemble can heal.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake.faults.outages import Direction, Outage
    from zkfake.simulation.links import Request
    from zkfake.simulation.profiles import Profile

__all__ = ["Chance"]


class Strikes(Protocol):
    """`zkfake.simulation.faults.Faults`: what chance may do."""

    @property
    def server_count(self) -> int: ...
    def note(self, name: str, text: str) -> None: ...
    def expire(self, client: Any) -> bool: ...
    def pause(self, client: Any, *, duration: float | None = None) -> Outage: ...
    def hold_watches(self, client: Any, *, duration: float | None = None) -> Outage: ...
    def partition(
        self, client: Any, *, direction: Direction, duration: float | None = None
    ) -> Outage: ...
    def stop_server(self, server: int, *, duration: float | None = None) -> Outage: ...
    def isolate(self, server: int, *, duration: float | None = None) -> Outage: ...
    def freeze(self, server: int, *, duration: float | None = None) -> Outage: ...
    def pause_server(self, server: int, *, duration: float | None = None) -> Outage: ...


class Chance:
    """Draws the faults of one simulation."""

    def __init__(self, faults: Strikes, profile: Profile, random: Random) -> None:
        self._faults = faults
        self._profile = profile
        self._random = random
        self._present: dict[tuple[str, str], Outage] = {}
        self.has_rates = profile.has_faults
        self.on = self.has_rates
        """Whether anything is drawn at all."""
        self._clients = [(knob, strike) for knob, strike in _CLIENTS if getattr(profile, knob)]
        self._servers = [
            (knob, strike)
            for knob, strike in _SERVERS
            if getattr(profile, knob) and faults.server_count > 1
        ]

    def drops(self, knob: str, request: Request) -> bool:
        """Whether the request's connection is lost at this point."""
        if not self._happens(knob):
            return False
        self._faults.note(knob.replace("_", " "), str(request))
        return True

    def strike(self, request: Request) -> None:
        """Begin what the rates say."""
        client = request.link.client
        for knob, strike in self._clients:
            if self._happens(knob):
                self._begin((knob, client), partial(strike, self, client))
        for knob, strike_servers in self._servers:
            if self._happens(knob):
                self._begin(("servers", ""), partial(strike_servers, self))

    def _happens(self, knob: str) -> bool:
        rate: float = getattr(self._profile, knob)
        return rate > 0 and self._random.random() < rate

    def _begin(self, what: tuple[str, str], begin: Callable[[], Outage | None]) -> None:
        before = self._present.get(what)
        if before is None or before.over:
            outage = begin()
            if outage is not None:
                self._present[what] = outage

    def _duration(self) -> float:
        low, high = self._profile.outage
        return round(low + self._random.random() * (high - low), 6)

    def _server(self) -> int:
        return 1 + int(self._random.random() * self._faults.server_count)

    def partition(self, client: str) -> Outage:
        directions: tuple[Direction, ...] = ("both", "to_server", "to_client")
        direction = directions[int(self._random.random() * 3)]
        return self._faults.partition(client, direction=direction, duration=self._duration())

    def pause(self, client: str) -> Outage:
        return self._faults.pause(client, duration=self._duration())

    def hold_watches(self, client: str) -> Outage:
        return self._faults.hold_watches(client, duration=self._duration())

    def expire(self, client: str) -> None:
        self._faults.expire(client)

    def stop_server(self) -> Outage:
        return self._faults.stop_server(self._server(), duration=self._duration())

    def isolate(self) -> Outage:
        return self._faults.isolate(self._server(), duration=self._duration())

    def freeze(self) -> Outage:
        return self._faults.freeze(self._server(), duration=self._duration())

    def pause_server(self) -> Outage:
        return self._faults.pause_server(self._server(), duration=self._duration())


_CLIENTS: tuple[tuple[str, Callable[[Chance, str], Outage | None]], ...] = (
    ("partition", Chance.partition),
    ("pause", Chance.pause),
    ("hold_watches", Chance.hold_watches),
    ("expire", Chance.expire),
)
_SERVERS: tuple[tuple[str, Callable[[Chance], Outage]], ...] = (
    ("stop_server", Chance.stop_server),
    ("isolate_server", Chance.isolate),
    ("freeze_server", Chance.freeze),
    ("pause_server", Chance.pause_server),
)
