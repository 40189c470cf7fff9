"""Faults: what can be done to a simulated world, by name, and when.

Rules that live here:

- A fault does only what a network, a slow machine or a crash may do to a correct ensemble and its
  clients.
- *Outages* (`Faults.partition`, `Faults.pause`, ...) begin when they are called and end with
  ``heal()``, at the end of their ``with`` block, after ``duration`` virtual seconds, or with
  `Faults.heal`.
- *Rules* (`Faults.drop_before_reply`, `Faults.upon`, ...) wait for requests that match; see
  `zkfake._channel.requests`.
- A client is named by its `KazooClient` or its name; ``None`` is every client there is.
- Every fault that begins, strikes or ends is in the history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._channel.outages import Outage, check_choice
from zkfake._channel.requests import RequestFaults
from zkfake._control.server_faults import ServerFaults
from zkfake._simulation.chance import Chance
from zkfake._simulation.errors import SimulationError
from zkfake._simulation.links import Link, Request
from zkfake._simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake._channel.outages import Direction
    from zkfake._channel.rules import Point
    from zkfake._simulation.network import Network
    from zkfake._simulation.profiles import Profile
    from zkfake._simulation.scheduler import Scheduler
    from zkfake._simulation.tasks import Task

__all__ = ["Faults"]

_DIRECTIONS: dict[str, tuple[str, ...]] = {
    "both": ("to_server", "to_client"),
    "to_server": ("to_server",),
    "to_client": ("to_client",),
}


class _Freeze:
    """Tasks that stand still, those that are to start included."""

    def __init__(self, scheduler: Scheduler, includes: Callable[[Task], bool]) -> None:
        self._scheduler = scheduler
        self._includes = includes
        self._stopped: list[Task] = []

    def begin(self) -> None:
        for task in list(self._scheduler.tasks):
            self.consider(task)

    def consider(self, task: Task) -> None:
        if self._includes(task):
            self._scheduler.freeze([task])
            self._stopped.append(task)

    def end(self) -> None:
        self._scheduler.thaw(self._stopped)


class Faults(RequestFaults[Request], ServerFaults):
    """The faults of one simulation: ``sim.faults``."""

    def __init__(
        self,
        scheduler: Scheduler,
        network: Network,
        profile: Profile,
        stream: Callable[[str], Random],
    ) -> None:
        """``stream``: the random source of that name."""
        super().__init__(World(scheduler, network))
        self._scheduler = scheduler
        self._network = network
        self._freezes: dict[_Freeze, None] = {}
        self._chance = Chance(
            self, profile, stream, self._world.later, lambda: list(network.clients)
        )

    @property
    def active(self) -> bool:
        """Whether anything may happen to a request."""
        return bool(self._rules) or self._chance.on

    # -- connections

    def drop(self, client: Any) -> int:
        """Break the client's connection now. Returns how many connections that were."""
        name = _required(client)
        links = [link for link in self._network.links_of(name) if link.open]
        for link in links:
            self.note("drop", f"connection {link.number} of {name}")
            link.lose()
        return len(links)

    # -- outages

    def partition(
        self,
        client: Any = None,
        server: int | None = None,
        *,
        direction: Direction = "both",
        duration: float | None = None,
    ) -> Outage:
        """Cut the network between a client and a server (``None``: all of them), both ways or one.

        Nothing is told of it: bytes on the way stand still until it heals, connection attempts
        wait.
        """
        check_choice("direction", direction, tuple(_DIRECTIONS))
        network = self._network
        cuts = [
            (each, number, way)
            for each in self._clients(client)
            for number in self._numbers(server)
            for way in _DIRECTIONS[direction]
        ]

        def begin() -> None:
            for cut in cuts:
                network.cut(*cut)

        def mend() -> None:
            for cut in cuts:
                network.mend(*cut)

        where = "every server" if server is None else f"server {server}"
        text = f"{self._title(client)} and {where}, {direction}"
        return self._begin(Outage(self._world, "partition", text, mend), begin, duration)

    def slow(
        self,
        client: Any = None,
        latency: tuple[float, float] = (1.0, 1.0),
        *,
        duration: float | None = None,
    ) -> Outage:
        """Give a client's links another latency: a range of virtual seconds for one way."""
        names = self._clients(client)

        def begin() -> None:
            for each in names:
                self._network.slow(each, latency)

        def mend() -> None:
            for each in names:
                self._network.unslow(each, latency)

        text = f"{self._title(client)}, {latency[0]} to {latency[1]} s"
        return self._begin(Outage(self._world, "slow link", text, mend), begin, duration)

    def pause(self, client: Any, *tasks: Task, duration: float | None = None) -> Outage:
        """Stop a client's process: its tasks stand still, and those given in ``tasks``.

        Tasks spawned with ``sim.spawn(..., process=client)`` belong to the client. The network and
        the servers go on: past its timeout the client's session expires, which it learns when it
        runs again.
        """
        name = _required(client)
        return self._freeze(
            "pause", name, lambda task: task.owner == name or task in tasks, duration
        )

    def hold_watches(self, client: Any, *, duration: float | None = None) -> Outage:
        """Hold back a client's watch callbacks, as a slow callback before them would. Replies go
        on.
        """
        name = _required(client)
        worker = f"{name}/watches"
        return self._freeze(
            "hold watches",
            name,
            lambda task: task.owner == name and task.name.partition("#")[0] == worker,
            duration,
        )

    def _freeze(
        self, name: str, client: str, includes: Callable[[Task], bool], duration: float | None
    ) -> Outage:
        freeze = _Freeze(self._scheduler, includes)

        def begin() -> None:
            freeze.begin()
            self._freezes[freeze] = None

        def end() -> None:
            del self._freezes[freeze]
            freeze.end()

        return self._begin(Outage(self._world, name, client, end), begin, duration)

    def hold_events(self, client: Any, *, duration: float | None = None) -> Outage:
        """Hold back what servers send to a client from the next watch event on: replies behind it
        wait too.
        """
        name = _required(client)
        network = self._network
        outage = Outage(self._world, "hold events", name, lambda: network.release_events(name))
        return self._begin(outage, lambda: network.hold_events(name), duration)

    def lose_pings(
        self, client: Any = None, server: int | None = None, *, duration: float | None = None
    ) -> Outage:
        """Lose the answers to pings on the way to a client, and no other: a middlebox that is half
        broken. Who asks for something is answered; who only listens takes the connection for dead.
        """
        network = self._network
        pairs = [
            (each, number) for each in self._clients(client) for number in self._numbers(server)
        ]

        def begin() -> None:
            for pair in pairs:
                network.lose_pings(*pair)

        def end() -> None:
            for pair in pairs:
                network.bring_pings(*pair)

        where = "every server" if server is None else f"server {server}"
        text = f"{self._title(client)} and {where}"
        return self._begin(Outage(self._world, "lose pings", text, end), begin, duration)

    # -- servers

    def pause_server(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Stop a server's process where it stands, ``None``: the leader's. Its connections stay
        open, and what is sent to it waits.

        The others give it up after ``syncLimit`` ticks of silence, and elect a new leader. When it
        goes on it serves what it had, syncs included, until it notices.
        """
        number = self._number(server)
        network = self._network
        outage = Outage(
            self._world, "pause server", str(number), lambda: network.resume_server(number)
        )
        return self._begin(outage, lambda: network.pause_server(number), duration)

    def mute_server(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Let a server take connections and never answer on them; ``None``: the leader. Those that
        it has go on.

        As with a server whose system takes connections while its own thread for that is stuck. What
        clients have sent is read when it heals.
        """
        number = self._number(server)
        network = self._network
        unread: list[Link] = []

        def begin() -> None:
            nonlocal unread
            unread = network.mute_server(number)

        def end() -> None:
            network.unmute_server(number, unread)

        return self._begin(Outage(self._world, "mute server", str(number), end), begin, duration)

    # -- sessions

    def expire(self, client: Any) -> bool:
        """Close the client's present session on the servers. False where it has none any more."""
        name = _required(client)
        session_id = self._network.sessions.get(name, 0)
        self.note("expire", name)
        return self._network.servers.expire(session_id)

    # -- all of them

    def stop_chance(self) -> None:
        """No more faults by chance."""
        self._chance.stop()

    def resume_chance(self) -> None:
        """Faults by chance again, after `stop_chance` or `Simulation.settle`."""
        self._chance.resume()

    # -- called by the simulation

    def note(self, name: str, text: str) -> None:
        """Put a fault into the history."""
        self._world.note(name, text)

    def task_started(self, task: Task) -> None:
        """A task of a client that stands still does not get to start either."""
        for freeze in self._freezes:
            freeze.consider(task)

    def at_request(self, request: Request) -> bool:
        """`zkfake._simulation.links.Gate`."""
        lost = self._rules.consider("before_request", request)
        if self._chance.on:
            self._chance.strike(request)
            lost = self._chance.drops("drop_before_request", request) or lost
        return lost

    def at_reply(self, request: Request) -> tuple[bool, bool]:
        """`zkfake._simulation.links.Gate`."""
        if self._point("before_reply", request):
            return True, False
        return False, self._point("after_reply", request)

    def _point(self, point: Point, request: Request) -> bool:
        lost = self._rules.consider(point, request)
        return lost or (self._chance.on and self._chance.drops(f"drop_{point}", request))

    def _clients(self, client: Any) -> list[str]:
        return list(self._network.clients) if client is None else [_required(client)]

    def _numbers(self, server: int | None) -> list[int]:
        if server is None:
            return list(range(1, self.server_count + 1))
        return [self._number(server)]

    def _title(self, client: Any) -> str:
        return "every client" if client is None else _required(client)

    def _owner(self, client: Any) -> Callable[[Request], bool] | None:
        if client is None:
            return None
        name = _required(client)
        return lambda request: request.link.client == name


def _required(client: Any) -> str:
    """The name that a client goes by."""
    if isinstance(client, str):
        return client
    name = getattr(getattr(client, "handler", None), "client_name", None)
    if not isinstance(name, str):
        raise SimulationError(f"{client!r} is no client of this simulation, nor a client's name")
    return name
