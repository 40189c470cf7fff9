"""Faults by chance: a profile's rates, drawn for each request that reaches a server, and kinds that
have a rate, drawn at instants of virtual time.

Rules that live here: outages last as long as the profile's ``outage`` range says; there are never
two of a kind for one client, nor two of a group (`zkfake._simulation.chance.kinds`) among the
servers. What was drawn is kept: the same faults, begun at the same requests and times, make the
same run without any chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkfake._simulation.chance.kinds import (
    CLIENTS,
    SERVERS,
    ClientKind,
    Dice,
    DrawnFault,
    ServerKind,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake._channel.outages import Outage
    from zkfake._channel.rules import ChannelRequest, Point
    from zkfake._simulation.chance.profiles import Profile

__all__ = ["Chance", "FaultMoment", "Struck"]


@dataclass(frozen=True, slots=True)
class FaultMoment:
    """When a fault began: at a request, the ``nth`` of its client to come to that point. Or, with
    ``by_time``, at ``time``, in virtual seconds: the request is the last one before it then.
    Without either, at the start.
    """

    time: float
    client: str = ""
    nth: int = 0
    point: Point = "before_request"
    by_time: bool = False

    @property
    def is_start(self) -> bool:
        """Whether it began before the program did."""
        return not self.client and not self.by_time


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was drawn, and when."""

    moment: FaultMoment
    fault: DrawnFault


class Chance:
    """Draws the faults of one simulation."""

    def __init__(
        self,
        faults: Any,
        profile: Profile,
        stream: Callable[[str], Random],
        later: Callable[[float, Callable[[], None]], object],
        note: Callable[[str, str], object],
        clients: Callable[[], list[str]],
        now: Callable[[], float],
    ) -> None:
        """``faults``: the `Faults`. ``stream``: the random source of that name. ``later``: calls an
        action after so many virtual seconds. ``note``: puts a fault into the history, its name and
        what it strikes. ``clients``: the names of those there are by now. ``now``: virtual
        seconds since the start.
        """
        self._faults = faults
        self._profile = profile
        self._later = later
        self._note = note
        self._names = clients
        self._now = now
        self.struck: list[Struck] = []
        """The faults so far, in their order."""
        self._passed: dict[Point, dict[str, int]] = {
            "before_request": {},
            "before_reply": {},
            "after_reply": {},
        }
        """How many requests have come to a point, by client."""
        self._last: tuple[str, Point] = ("", "before_request")
        """The client of the last request that has come to a point, and the point."""
        servers = faults.server_count

        def dice(name: str) -> Dice:
            return Dice(stream(name), servers, profile.outage, profile.slowness)

        self._early = dice("faults")
        self._present: dict[tuple[str, str], Outage] = {}
        # The rates are looked up once: every request draws for each kind that has one.
        self._clients = [
            (rate, kind, self._early if kind.early else dice(f"faults/{kind.rate}"))
            for kind in CLIENTS
            if (rate := getattr(profile, kind.rate))
        ]
        self._servers = [
            (rate, kind, self._early if kind.early else dice(f"faults/{kind.rate}"))
            for kind in SERVERS
            if (rate := getattr(profile, kind.rate)) and servers > 1
        ]
        self._by_time = dice("faults/by time")
        self._at_clients = [kind for _, kind, _ in self._clients]
        self._at_servers = [
            kind for kind in SERVERS if getattr(profile, kind.rate) and (servers > 1 or kind.alone)
        ]
        self._drop_rates: dict[Point, float] = {
            "before_request": profile.drop_before_request,
            "before_reply": profile.drop_before_reply,
            "after_reply": profile.drop_after_reply,
        }
        self._drops = any(self._drop_rates.values())
        self.on = False
        """Whether faults are drawn at present."""
        self.counts = profile.has_faults
        """Whether requests are counted: also while no faults are drawn."""
        self._turn = 0
        self.resume()

    def stop(self) -> None:
        """Stop drawing faults."""
        self.on = False
        self._turn += 1

    def resume(self) -> None:
        """The profile's rates count, and the next instant is drawn."""
        if not self.on and self._profile.has_faults:
            self.on = True
            if self._profile.fault_interval != (0, 0):
                self._wait()

    # -- by request

    def consider(self, point: Point, request: ChannelRequest, lost: bool) -> bool:
        """Whether the request's connection is lost at this point; ``lost``: it is already."""
        client = request.channel.client
        passed = self._passed[point]
        nth = passed[client] = passed.get(client, 0) + 1
        self._last = client, point
        if not self.on:
            return lost
        if point == "before_request":
            self._strike(client, nth)
            return self._loses(point, request, nth) or lost
        return lost or self._loses(point, request, nth)

    def _loses(self, point: Point, request: ChannelRequest, nth: int) -> bool:
        rate = self._drop_rates[point]
        if not rate or self._early.random.random() >= rate:
            return False
        self._note(f"drop {point.replace('_', ' ')}", str(request))
        client = request.channel.client
        drop = DrawnFault(f"drop_{point}", (client,), (("nth", nth),))
        self.struck.append(Struck(FaultMoment(self._now(), client, nth, point), drop))
        return True

    def _strike(self, client: str, nth: int) -> None:
        """Begin the faults that are drawn for the request."""
        moment: FaultMoment | None = None
        for rate, kind, dice in self._clients:
            if dice.random.random() < rate:
                moment = moment or FaultMoment(self._now(), client, nth)
                self._strike_client(kind, dice, client, moment)
        for rate, server_kind, dice in self._servers:
            if dice.random.random() < rate:
                moment = moment or FaultMoment(self._now(), client, nth)
                self._strike_servers(server_kind, dice, moment)

    def _strike_client(
        self, kind: ClientKind, dice: Dice, client: str, moment: FaultMoment
    ) -> None:
        self._begin((kind.rate, client), lambda: kind.draw(dice, client), moment)

    def _strike_servers(self, kind: ServerKind, dice: Dice, moment: FaultMoment) -> None:
        self._begin((kind.group, ""), lambda: kind.draw(dice), moment)

    def _begin(
        self, what: tuple[str, str], draw: Callable[[], DrawnFault], moment: FaultMoment
    ) -> None:
        before = self._present.get(what)
        if before is None or before.over:
            fault = draw()
            self.struck.append(Struck(moment, fault))
            outage = fault.begin(self._faults)
            if outage is not None:
                self._present[what] = outage

    # -- by time

    def _wait(self) -> None:
        turn = self._turn

        def strike() -> None:
            if self._turn == turn:  # else it was stopped meanwhile
                self._strike_now()
                self._wait()

        self._later(self._by_time.between(*self._profile.fault_interval), strike)

    def _strike_now(self) -> None:
        """A fault of a kind that has a rate, at a client or among the servers."""
        dice, names = self._by_time, self._names()
        last, point = self._last
        nth = self._passed[point].get(last, 0)
        moment = FaultMoment(self._now(), last, nth, point, by_time=True)
        at_servers = dice.random.random() < 0.5
        if self._at_servers and (at_servers or not names):
            self._strike_servers(dice.choice(self._at_servers), dice, moment)
        elif names and (self._at_clients or self._drops):
            client = dice.choice(names)
            place = int(dice.random.random() * (len(self._at_clients) + self._drops))
            if place == len(self._at_clients):
                self.struck.append(Struck(moment, DrawnFault("drop", (client,))))
                self._faults.drop(client)
            else:
                self._strike_client(self._at_clients[place], dice, client, moment)
