"""What there is at present between clients and servers, as every channel asks it.

Rules that live here:

- What a fault covers is asked at every delivery, not once: a client that goes from session to
  session stays covered, and so does a connection that is made while the fault lasts.
- Of several latencies the newest one counts.
- Requests have numbers in the order in which they are sent, from 1. Pings have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from zkfake._channel.outages import Driver, ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.outages import ChannelHold
    from zkfake._channel.rules import ArmedRule, ChannelRequest, Point, Rule

__all__ = ["Clock", "Conditions", "ConnectionDriver", "Stop", "Way"]

C = TypeVar("C")
"""A driver's channel."""

Way = Literal["to_server", "to_client"]
"""A direction of a channel."""

Range = tuple[int, int]
"""Of ticks: the shortest and the longest."""


class Clock(Protocol):
    """What tells the time, in ticks: microseconds in virtual time, else milliseconds."""

    @property
    def now(self) -> int: ...


class Stop(NamedTuple):
    """What stands still."""

    covers: Callable[[Any], bool]
    """Whether it concerns a channel, or an attempt to have one."""
    ways: tuple[Way, ...]
    events: bool = False
    """Whether only watch events do, and what is behind them."""
    network: bool = False
    """Whether the network does, not an end: connections cannot be made either."""
    since: dict[Any, None] | None = None
    """Those of the channels that have been made since, where it concerns no others."""


class Conditions(Generic[C]):
    """What there is at present. The faults change it; every channel of a driver has the same."""

    def __init__(
        self,
        clock: Clock,
        second: int,
        draw: Callable[[int, int], int],
        latency: tuple[float, float] = (0, 0),
    ) -> None:
        """``second``: ticks of a second. ``draw``: a number of ticks between two. ``latency``: a
        range of seconds for one way, while nothing slows it.
        """
        self.clock = clock
        self.second = second
        self.channels: dict[C, None] = {}
        """Those that are not closed at both ends, oldest first."""
        self.connections = 0
        """How many channels there have been."""
        self.requests = 0
        """How many requests there have been, without pings."""
        self.rules: dict[Rule, ArmedRule] = {}
        """Those that wait for their requests."""
        self.considers_all = False
        """Whether every request is considered, also where no rule waits."""
        self.stops: dict[ChannelHold, Stop] = {}
        self.slow: dict[ChannelHold, tuple[Callable[[Any], bool], Range]] = {}
        self.lost_pings: dict[ChannelHold, Callable[[Any], bool]] = {}
        self._latency = low, high = ticks(latency, second)
        self.latency = low if low == high else None
        """Ticks, where they need no drawing while nothing slows the network."""
        self._draw = draw

    def add(self, channel: C) -> None:
        """A connection has been made."""
        self.channels[channel] = None
        for stop in self.stops.values():
            if stop.since is not None and stop.covers(channel):
                stop.since[channel] = None

    def forget(self, channel: C) -> None:
        """The channel is closed at both ends."""
        self.channels.pop(channel, None)

    def consider(self, point: Point, request: ChannelRequest) -> bool:
        """Whether the request's connection is lost at this point. Asked where there are rules, or
        all requests are considered.
        """
        lost = False
        for rule in list(self.rules.values()):
            if rule.point == point and rule in self.rules and rule.consider(request):
                lost = True
        return lost

    def delay(self, place: Any) -> int:
        """How many ticks what is sent now takes."""
        if self.slow:
            for hold, (covers, between) in reversed(self.slow.items()):
                if covers(place):
                    hold.strike()
                    return self._draw(*between)
        return self._draw(*self._latency)

    def stands_still(self, channel: C, way: Way, event: bool) -> bool:
        """Whether something has to wait; the holds that make it so have struck. ``event``: whether
        it is a watch event.
        """
        stopped = False
        for hold, stop in self.stops.items():
            if (
                way in stop.ways
                and (event or not stop.events)
                and (stop.covers(channel) if stop.since is None else channel in stop.since)
            ):
                stopped = True
                hold.strike()
        return stopped

    def keeps_apart(self, place: Any) -> bool:
        """Whether a connection cannot be made; the holds that make it so have struck."""
        apart = False
        for hold, stop in self.stops.items():
            if stop.network and stop.covers(place):
                apart = True
                hold.strike()
        return apart

    def loses_ping(self, channel: C) -> bool:
        """Whether the answer to a ping does not get to the client."""
        losing = [hold for hold, covers in self.lost_pings.items() if covers(channel)]
        for hold in losing:
            hold.strike()
        return bool(losing)


class ConnectionDriver(Driver, Protocol):
    """A driver that has clients' connections."""

    @property
    def conditions(self) -> Conditions[Any]:
        """What there is at present between clients and servers."""
