"""Faults by chance: a profile's rates, drawn for each request that reaches a server, and kinds that
have a rate, drawn at instants of virtual time.

Rules that live here: outages last as long as the profile's ``outage`` range says; there are never
two of a kind for one client, nor two of a group (`zkfake._simulation.chance.kinds`) among the
servers. What was drawn is kept: the same faults, begun at the same requests and times, make the
same run without any chance.
"""

from __future__ import annotations

import sys
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

_EXPIRES = 0.5
"""How often a session ends while a task stands still: what a slow thread notices last."""
_BESIDE = 0.1
"""How long a task stands still at most, in seconds, before the fault beside that."""
_SHAKY = 8
"""Requests of a client after a fault at which `Profile.relapse` counts."""


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
        kinds = len(self._clients) + sum(map(bool, self._drop_rates.values()))
        self._relapse = profile.relapse / max(1, kinds)
        self._shaky: dict[str, int] = {}
        """How many requests of a client are still in danger of a relapse."""
        self._operations = frozenset(profile.struck_operations)
        self._point = profile.struck_point
        self._most = profile.most_faults or sys.maxsize
        self._drawn = 0
        """How many faults were drawn so far: those included that are still to begin."""
        self._delays = dice("faults/delay") if profile.fault_delay != (0, 0) else None
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
        if not self.on or self._drawn >= self._most:
            return lost
        shaky = self._shaky.get(client, 0)
        if shaky:
            self._shaky[client] = shaky - (point == "before_request")
        elif self._operations and request.head.operation not in self._operations:
            return lost
        if point == self._point:
            self._strike(client, nth)
        if point == "before_request":
            return self._loses(point, request, nth) or lost
        return lost or self._loses(point, request, nth)

    def _loses(self, point: Point, request: ChannelRequest, nth: int) -> bool:
        rate = self._drop_rates[point]
        if not rate:
            return False
        client = request.channel.client
        if self._shaky.get(client):
            rate = max(rate, self._relapse)
        if self._early.random.random() >= rate:
            return False
        self._drawn += 1
        self._has_struck(client)
        self._note(f"drop {point.replace('_', ' ')}", str(request))
        drop = DrawnFault(f"drop_{point}", (client,), (("nth", nth),))
        self.struck.append(Struck(FaultMoment(self._now(), client, nth, point), drop))
        return True

    def _strike(self, client: str, nth: int) -> None:
        """Begin the faults that are drawn for the request."""
        moment = None if self._delays else FaultMoment(self._now(), client, nth, self._point)
        least = self._relapse if self._shaky.get(client) else 0.0
        for rate, kind, dice in self._clients:
            if dice.random.random() < max(rate, least):
                self._strike_client(kind, dice, client, moment)
        for rate, server_kind, dice in self._servers:
            if dice.random.random() < rate:
                self._strike_servers(server_kind, dice, moment)

    def _strike_client(
        self, kind: ClientKind, dice: Dice, client: str, moment: FaultMoment | None
    ) -> None:
        self._begin((kind.rate, client), lambda: kind.draw(dice, client), moment)

    def _strike_servers(self, kind: ServerKind, dice: Dice, moment: FaultMoment | None) -> None:
        self._begin((kind.group, ""), lambda: kind.draw(dice), moment)

    def _begin(
        self, what: tuple[str, str], draw: Callable[[], DrawnFault], moment: FaultMoment | None
    ) -> None:
        """Begin a fault. ``moment``: now, if it is that of a request; ``None``: a while later."""
        if self._drawn >= self._most:
            return
        if moment is None:
            assert self._delays is not None
            self._drawn += 1
            self._after(
                self._delays.between(*self._profile.fault_delay),
                lambda: self._begin_now(what, draw, self._at_present()),
            )
        elif self._begin_now(what, draw, moment):
            self._drawn += 1

    def _after(self, seconds: float, action: Callable[[], object]) -> None:
        """Call an action later, unless faults by chance are stopped meanwhile."""
        turn = self._turn

        def act() -> None:
            if self._turn == turn:
                action()

        self._later(seconds, act)

    def _at_present(self) -> FaultMoment:
        last, point = self._last
        return FaultMoment(self._now(), last, self._passed[point].get(last, 0), point, by_time=True)

    def _begin_now(
        self, what: tuple[str, str], draw: Callable[[], DrawnFault], moment: FaultMoment
    ) -> bool:
        """Whether it begins: there are never two of a kind."""
        before = self._present.get(what)
        free = before is None or before.over
        if free:
            fault = draw()
            self.struck.append(Struck(moment, fault))
            self._has_struck(what[1])
            outage = fault.begin(self._faults)
            if outage is not None:
                self._present[what] = outage
        return free

    def _has_struck(self, client: str) -> None:
        """The client's next requests are in danger: a program that recovers is struck again."""
        if self._relapse and client:
            self._shaky[client] = _SHAKY

    # -- by time

    def _wait(self) -> None:
        def strike() -> None:
            self._strike_now()
            self._wait()

        self._after(self._by_time.between(*self._profile.fault_interval), strike)

    def strike_beside(self, client: str) -> None:
        """A fault while a task stands still that uses this client; ``""``: it uses none."""
        client = client or self._last[0]
        if not self.on or not client or self._drawn >= self._most:
            return
        dice = self._by_time
        expire = next((kind for kind in self._at_clients if kind.rate == "expire"), None)
        if dice.random.random() >= _EXPIRES:
            expire = None

        def strike() -> None:
            if expire is None:
                self._strike_one(client)
            else:
                self._strike_client(expire, dice, client, self._at_present())

        # Not at once: what begins between two events of one instant cannot be told by its time.
        self._after(dice.between(0.0, _BESIDE), strike)

    def _strike_now(self) -> None:
        """A fault of a kind that has a rate, at a client or among the servers."""
        if self._drawn >= self._most:
            return
        dice, names = self._by_time, self._names()
        moment = self._at_present()
        at_servers = dice.random.random() < 0.5
        if self._at_servers and (at_servers or not names):
            self._strike_servers(dice.choice(self._at_servers), dice, moment)
        elif names and (self._at_clients or self._drops):
            self._strike_one(dice.choice(names))

    def _strike_one(self, client: str) -> None:
        """A fault of a kind that has a rate, at that client."""
        dice, moment = self._by_time, self._at_present()
        kinds = len(self._at_clients) + self._drops
        place = int(dice.random.random() * kinds)
        if place < len(self._at_clients):
            self._strike_client(self._at_clients[place], dice, client, moment)
        elif kinds:
            self._drawn += 1
            self.struck.append(Struck(moment, DrawnFault("drop", (client,))))
            self._has_struck(client)
            self._faults.drop(client)
