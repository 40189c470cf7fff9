"""The faults of clients' connections: what every driver can do to them, by name.

Rules that live here: ``None``, where a client is asked for, is every client, those included that
are to come. Every driver knows a client by its session id; what else names one is the driver's to
say. What stands still is kept; nothing of it
is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from zkfake._channel.channel import session_text
from zkfake._channel.conditions import Stop
from zkfake._channel.outages import ChannelHold, check_choice, check_server, ticks
from zkfake._channel.requests import RequestFaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.channel import Channel
    from zkfake._channel.conditions import ConnectionDriver, Way
    from zkfake._channel.outages import Direction, Hold
    from zkfake._channel.rules import ChannelRequest

__all__ = ["ConnectionFaults", "NamedClient"]

_WAYS: dict[str, tuple[Way, ...]] = {
    "both": ("to_server", "to_client"),
    "to_server": ("to_server",),
    "to_client": ("to_client",),
}


class NamedClient(Protocol):
    """Who is meant by a client. ``str()`` of it is what hits and notes say."""

    @property
    def session_id(self) -> int:
        """Its present session, or while it has none, the last one that was seen."""

    def owns(self, place: Any) -> bool:
        """Whether a channel, or an attempt to have one, is this client's."""


class _ClientBySession:
    """A client that is named by its session id."""

    def __init__(self, session_id: int) -> None:
        self.session_id = session_id

    def __str__(self) -> str:
        return session_text(self.session_id)

    def owns(self, place: Any) -> bool:
        return place.session_id != 0 and bool(place.session_id == self.session_id)


class ConnectionFaults(RequestFaults):
    """The part of the faults that concerns clients' connections."""

    def __init__(self, driver: ConnectionDriver) -> None:
        super().__init__(driver)
        self._conditions = driver.conditions

    @property
    def server_count(self) -> int:
        """How many servers there are, stopped ones and observers included."""
        raise NotImplementedError

    def drop(self, client: Any = None) -> int:
        """Break the client's connection now; ``None``: every connection. Returns how many these
        were.
        """
        with self._driver.acting():
            covers, _ = self._covered(client, None)
            channels = [each for each in self._conditions.channels if each.open and covers(each)]
            for channel in channels:
                self._driver.note("drop", str(channel))
                channel.lose()
        return len(channels)

    def partition(
        self,
        client: Any = None,
        server: int | None = None,
        *,
        direction: Direction = "both",
        duration: float | None = None,
    ) -> Hold:
        """Cut the network between a client and a server (``None``: all of them), both ways or one.

        Neither end is told: what is on the way stands still until the fault heals, and a connection
        that is made meanwhile gets no answer.
        """
        check_choice("direction", direction, tuple(_WAYS))
        with self._driver.acting():
            covers, text = self._covered(client, server)
            stop = Stop(covers, _WAYS[direction], network=True)
            return self._hold("partition", f"{text}, {direction}", stop, duration)

    def slow(
        self,
        client: Any = None,
        latency: tuple[float, float] = (1.0, 1.0),
        *,
        duration: float | None = None,
    ) -> Hold:
        """Give a client's connections another latency: a range of seconds for one way."""
        slow = self._conditions.slow
        between = ticks(latency, self._conditions.second)
        with self._driver.acting():
            covers, _ = self._covered(client, None)
            text = f"{self._title(client)}, {latency[0]} to {latency[1]} s"
            hold = ChannelHold(self._driver, "slow link", text, lambda: slow.pop(hold))

            def begin() -> None:
                slow[hold] = covers, between

            return self._begin(hold, begin, duration)

    def hold_events(self, client: Any, *, duration: float | None = None) -> Hold:
        """Hold back what servers send to a client from the next watch event on: replies after it
        wait too.
        """
        with self._driver.acting():
            one = self._named(client)
            stop = Stop(one.owns, ("to_client",), events=True)
            return self._hold("hold events", str(one), stop, duration)

    def lose_pings(
        self, client: Any = None, server: int | None = None, *, duration: float | None = None
    ) -> Hold:
        """Lose the answers to pings on the way to a client, and nothing else, as a half broken
        middlebox does. A client that sends requests is answered; one that only waits for events
        takes the connection for dead.
        """
        lost_pings = self._conditions.lost_pings
        with self._driver.acting():
            covers, text = self._covered(client, server)
            hold = ChannelHold(self._driver, "lose pings", text, lambda: lost_pings.pop(hold))

            def begin() -> None:
                lost_pings[hold] = covers

            return self._begin(hold, begin, duration)

    def _hold(self, name: str, text: str, stop: Stop, duration: float | None) -> Hold:
        """An outage that has something stand still."""
        hold = ChannelHold(self._driver, name, text, lambda: self._release(hold))
        return self._begin(hold, lambda: self._stop(hold, stop), duration)

    def _stop(self, hold: ChannelHold, stop: Stop) -> None:
        self._conditions.stops[hold] = stop

    def _release(self, hold: ChannelHold) -> None:
        """What a hold has held back may go on."""
        self._resume(self._conditions.stops.pop(hold))

    def _resume(self, _stop: Stop) -> None:
        """What stood still may go on."""
        for channel in list(self._conditions.channels):
            channel.resume()

    # -- who is meant

    def _named(self, client: Any) -> NamedClient:
        """The client of that name. Raises what `_client` raises."""
        if isinstance(client, int) and not isinstance(client, bool):
            return _ClientBySession(client)
        return self._client(client)

    def _client(self, client: Any) -> NamedClient:
        """A client that is not named by its session id. Raises `TypeError` for what names none."""
        raise NotImplementedError

    def _title(self, client: Any) -> str:
        return "every client" if client is None else str(self._named(client))

    def _covered(self, client: Any, server: int | None) -> tuple[Callable[[Any], bool], str]:
        """Whether a channel is between them, and how to say so."""
        owns = None if client is None else self._named(client).owns
        number = None if server is None else check_server(server, self.server_count)

        def covers(place: Channel) -> bool:
            return (number is None or place.server == number) and (owns is None or owns(place))

        where = "every server" if number is None else f"server {number}"
        return covers, f"{self._title(client)} and {where}"

    def _owner(self, client: Any) -> Callable[[ChannelRequest], bool] | None:
        if client is None:
            return None
        with self._driver.at_work():
            owns = self._named(client).owns
        return lambda request: owns(request.channel)
