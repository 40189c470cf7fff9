"""The faults of clients' connections on real sockets, in real time: of a fake, or of a proxy.

Rules that live here:

- An action may be called from any thread; it is in force when it returns. What waits for a request
  happens on the thread that serves the sockets.
- A client is named by its session id, or by its `KazooClient` (anything with kazoo's
  ``client_id``), which goes from session to session; ``None`` is every client, those included that
  are to come.
- Requests are known from the moment at which faults are first used; their numbers count from there,
  or from the start of the server, whichever is later.
- What cannot be done to a real process from the outside is not here: `Faults` of the simulation can
  pause a client and hold its callbacks.
"""

from __future__ import annotations

import logging
import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from zkfake._channel.outages import Outage, check_choice, check_server, milliseconds
from zkfake._channel.requests import RequestFaults
from zkfake._channel.wire import EVENT, Request, Wire
from zkfake._timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from zkfake._channel.outages import Direction
    from zkfake._channel.wire import Served

__all__ = ["ConnectionFaults", "Hold", "RealTime"]

logger = logging.getLogger("zkfake")

_FOR_EVER = 10**9
"""Seconds: 30 years."""


class Owner(Protocol):
    """The fake or the proxy, as the faults of its connections see it."""

    def check_running(self) -> None:
        """Raises `RuntimeError` unless it runs."""

    def at_work(self) -> AbstractContextManager[None]: ...
    def failed(self, error: Exception, text: str) -> None:
        """Keeps what went wrong for ``stop()``."""


class RealTime:
    """Real time and one thread that serves: `zkfake._channel.outages.World`."""

    def __init__(self, owner: Owner, now: int) -> None:
        """``now``: milliseconds since the epoch."""
        self._owner = owner
        self._news = threading.Condition()
        self._actor = 0
        self.broken = False
        """Whether nothing that somebody waits for will happen any more."""
        self.now = now
        self.at_work = owner.at_work
        self.timers = Timers()

    @contextmanager
    def acting(self) -> Iterator[None]:
        with self.at_work():
            self._owner.check_running()
            yield

    def advance(self, now: int) -> None:
        """Time has passed: what ends by itself ends."""
        self.now = now
        self.timers.run_due(now)

    def later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        # `now` is rounded down: one more, so that no time is cut short.
        after = round(min(seconds, _FOR_EVER) * 1000) + 1
        return self.timers.at(self.now + after, action).cancel

    def note(self, name: str, text: str) -> None:
        logger.debug("fault: %s: %s", name, text)

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        if threading.get_ident() == self._actor:
            raise RuntimeError("an action of a rule cannot wait: nothing happens meanwhile")
        with self._news:
            met = self._news.wait_for(lambda: condition() or self.broken, timeout)
        if not self.broken:
            with self.at_work():
                pass  # what it was waited for is carried out by now
        return met

    def tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def act(self, action: Callable[[], object]) -> None:
        """What a rule calls; an error in it is kept for `FakeZooKeeper.stop`."""
        before, self._actor = self._actor, threading.get_ident()
        try:
            action()
        except Exception as error:
            self._owner.failed(error, "an action of server.faults.upon() failed")
        finally:
            self._actor = before


class Hold(Outage):
    """An outage that holds back what a client and a server send each other."""

    struck = False
    """Whether it has held anything back so far."""

    def strike(self) -> None:
        """It holds something back."""
        if not self.struck:
            self.struck = True
            self._world.tell()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has held something back, or is over, or until ``timeout`` seconds have
        passed. Whether it has.
        """
        self._world.wait_for(lambda: self.struck or self.over, timeout)
        return self.struck


class _Client:
    """Who is meant by a client."""

    def __init__(self, client: Any, known: WeakKeyDictionary[Any, int]) -> None:
        self._client = client
        self._known = known
        if isinstance(client, int) and not isinstance(client, bool):
            self._id = client
        elif hasattr(client, "client_id"):
            self._id = 0
            if not self.session_id:
                raise ValueError(
                    f"{client!r} has no session at present; it can be named by its session id"
                )
        else:
            raise TypeError(f"{client!r} is no client: expected a session id or a KazooClient")

    @property
    def session_id(self) -> int:
        """Its present session, or while it has none, the last one that was seen."""
        if self._id:
            return self._id
        present = self._client.client_id
        if present is not None and present[0]:
            self._known[self._client] = present[0]
        return self._known.get(self._client, 0)

    def __str__(self) -> str:
        return f"session {self.session_id & 0xFFFFFFFFFFFFFFFF:#x}"

    def owns(self, wire: Wire) -> bool:
        return wire.session_id != 0 and wire.session_id == self.session_id


class ConnectionFaults(RequestFaults[Request]):
    """The part of the faults that concerns clients' connections.

    Every action raises `RuntimeError` unless the server runs, `ValueError` or `TypeError` for an
    argument that is not valid.
    """

    _world: RealTime

    def __init__(self, world: RealTime) -> None:
        super().__init__(world)
        self.timers = world.timers
        self._wires: dict[Wire, None] = {}
        self._known: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._stops: dict[Hold, Callable[[Wire, str, object], bool]] = {}
        self._slow: dict[Hold, tuple[Callable[[Wire], bool], tuple[int, int]]] = {}
        self._lost_pings: dict[Hold, Callable[[Wire], bool]] = {}
        self._requests = 0

    @property
    def server_count(self) -> int:
        """How many servers there are, stopped ones and observers included."""
        raise NotImplementedError

    # -- connections

    def drop(self, client: Any) -> int:
        """Break the client's connection now. Returns how many connections that were."""
        with self._world.acting():
            owns = self._named(client).owns
            wires = [wire for wire in self._wires if wire.open and owns(wire)]
            for wire in wires:
                self._world.note("drop", str(wire))
                wire.lose()
        return len(wires)

    def partition(
        self,
        client: Any = None,
        server: int | None = None,
        *,
        direction: Direction = "both",
        duration: float | None = None,
    ) -> Hold:
        """Cut the network between a client and a server (``None``: all of them), both ways or one.

        Nothing is told of it: what is on the way stands still until it heals, and a connection that
        is made meanwhile gets no answer.
        """
        check_choice("direction", direction, ("both", "to_server", "to_client"))
        with self._world.acting():
            owns, who = self._covered(client)
            number = None if server is None else check_server(server, self.server_count)
            where = "every server" if number is None else f"server {number}"

            def stops(wire: Wire, way: str, _tag: object) -> bool:
                return direction in ("both", way) and number in (None, wire.server) and owns(wire)

            return self._hold("partition", f"{who} and {where}, {direction}", stops, duration)

    def slow(
        self,
        client: Any = None,
        latency: tuple[float, float] = (1.0, 1.0),
        *,
        duration: float | None = None,
    ) -> Hold:
        """Give a client's links another latency: a range of seconds for one way."""
        between = milliseconds(latency)
        with self._world.acting():
            owns, who = self._covered(client)
            text = f"{who}, {latency[0]} to {latency[1]} s"
            hold = Hold(self._world, "slow link", text, lambda: self._slow.pop(hold))

            def begin() -> None:
                self._slow[hold] = (owns, between)

            return self._begin(hold, begin, duration)

    def hold_events(self, client: Any, *, duration: float | None = None) -> Hold:
        """Hold back what servers send to a client from the next watch event on: replies behind it
        wait too.
        """
        with self._world.acting():
            one = self._named(client)

            def stops(wire: Wire, _way: str, tag: object) -> bool:
                return tag is EVENT and one.owns(wire)

            return self._hold("hold events", str(one), stops, duration)

    def lose_pings(
        self, client: Any = None, server: int | None = None, *, duration: float | None = None
    ) -> Hold:
        """Lose the answers to pings on the way to a client, and no other: a middlebox that is half
        broken. Who asks for something is answered; who only listens takes the connection for dead.
        """
        with self._world.acting():
            owns, who = self._covered(client)
            number = None if server is None else check_server(server, self.server_count)
            where = "every server" if number is None else f"server {number}"
            text = f"{who} and {where}"
            hold = Hold(self._world, "lose pings", text, lambda: self._lost_pings.pop(hold))

            def begin() -> None:
                self._lost_pings[hold] = lambda wire: number in (None, wire.server) and owns(wire)

            return self._begin(hold, begin, duration)

    def _hold(
        self,
        name: str,
        text: str,
        stops: Callable[[Wire, str, object], bool],
        duration: float | None,
    ) -> Hold:
        def begin() -> None:
            self._stops[hold] = stops

        hold = Hold(self._world, name, text, lambda: self._release(hold))
        return self._begin(hold, begin, duration)

    def _release(self, hold: Hold) -> None:
        """What a hold has held back may go on."""
        del self._stops[hold]
        for wire in list(self._wires):
            wire.resume()

    # -- who is meant

    def _named(self, client: Any) -> _Client:
        return _Client(client, self._known)

    def _covered(self, client: Any) -> tuple[Callable[[Wire], bool], str]:
        if client is None:
            return (lambda _wire: True), "every client"
        one = self._named(client)
        return one.owns, str(one)

    def _owner(self, client: Any) -> Callable[[Request], bool] | None:
        if client is None:
            return None
        with self._world.at_work():
            owns = self._named(client).owns
        return lambda request: owns(request.wire)

    def _act(self, action: Callable[[], object]) -> None:
        self._world.act(action)

    # -- called by the server

    def advance(self, now: int) -> None:
        """Time has passed: what is due arrives, and what ends by itself ends."""
        self._world.advance(now)

    def wire(
        self, connection: Served, server: int, longest: int, on_output: Callable[[], None]
    ) -> Wire:
        """What a socket of server ``server`` is to have in the place of its connection.
        ``longest``: frame that the server takes, bytes.
        """
        wire = Wire(self, connection, server, longest, on_output)
        self._wires[wire] = None
        return wire

    def stopped(self) -> None:
        """The server has stopped: nothing is left of any fault."""
        for wire in self._wires:
            wire.clear()
        self._wires.clear()
        self.heal()
        self._requests = 0
        self._world.broken = False

    def broken(self) -> None:
        """The server has failed: whoever waits goes on."""
        self._world.broken = True
        self._world.tell()

    # -- called by wires

    @property
    def now(self) -> int:
        return self._world.now

    def count_request(self) -> int:
        self._requests += 1
        return self._requests

    def at_request(self, request: Request) -> bool:
        return self._rules.consider("before_request", request)

    def at_reply(self, request: Request) -> tuple[bool, bool]:
        if self._rules.consider("before_reply", request):
            return True, False
        return False, self._rules.consider("after_reply", request)

    def delay(self, wire: Wire) -> int:
        for hold, (owns, (low, high)) in reversed(self._slow.items()):
            if owns(wire):
                hold.strike()
                return random.randint(low, high)
        return 0

    def stops(self, wire: Wire, direction: str, tag: object) -> bool:
        holding = [hold for hold, stops in self._stops.items() if stops(wire, direction, tag)]
        for hold in holding:
            hold.strike()
        return bool(holding)

    def loses_ping(self, wire: Wire) -> bool:
        losing = [hold for hold, loses in self._lost_pings.items() if loses(wire)]
        for hold in losing:
            hold.strike()
        return bool(losing)

    def forget(self, wire: Wire) -> None:
        self._wires.pop(wire, None)
