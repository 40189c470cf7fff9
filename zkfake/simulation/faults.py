"""Faults: what can be done to a simulated world, by name, and when.

Rules that live here:

- A fault does only what a network, a slow machine or a crash may do to a correct ensemble and its
  clients.
- *Outages* (`Faults.partition`, `Faults.pause`, ...) begin when they are called and end with
  ``heal()``, at the end of their ``with`` block, after ``duration`` virtual seconds, or with
  `Faults.heal`.
- *Rules* (`Faults.drop_before_reply`, `Faults.upon`, ...) wait for requests that match: by client,
  operation, path (with ``*`` as in `fnmatch`) and place in the run (``number``). ``nth`` skips the
  matches before it, ``times`` says how many from there on are hit. A rule ends with ``cancel()``,
  with its ``with`` block, or with `Faults.heal`.
- A client is named by its `KazooClient` or its name; ``None`` is every client.
- Every fault that begins, strikes or ends is in the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from zkfake.simulation import history
from zkfake.simulation.errors import SimulationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from typing_extensions import Self

    from zkfake.simulation.links import Request
    from zkfake.simulation.network import Network
    from zkfake.simulation.profiles import Profile
    from zkfake.simulation.scheduler import Scheduler, Task

__all__ = ["Faults", "Outage", "Rule"]

Direction = Literal["both", "to_server", "to_client"]
Point = Literal["before_request", "before_reply", "after_reply"]

_DIRECTIONS: dict[str, tuple[str, ...]] = {
    "both": ("to_server", "to_client"),
    "to_server": ("to_server",),
    "to_client": ("to_client",),
}


class Outage:
    """A fault that lasts until it is healed. Healing twice does nothing."""

    def __init__(self, faults: Faults, name: str, text: str, end: Callable[[], None]) -> None:
        self._faults = faults
        self._end = end
        self.name = name
        self.text = text
        self.over = False

    def heal(self) -> None:
        if not self.over:
            self.over = True
            self._end()
            self._faults.outage_ended(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<{self.name} of {self.text}{', over' if self.over else ''}>"


@dataclass(frozen=True, slots=True)
class _Match:
    client: str | None
    operation: str | None
    path: str | None
    number: int | None

    def __call__(self, request: Request) -> bool:
        head = request.head
        return (
            (self.client is None or request.link.client == self.client)
            and (self.operation is None or head.operation == self.operation)
            and (self.number is None or request.number == self.number)
            and (self.path is None or any(fnmatchcase(path, self.path) for path in head.paths))
        )


class Rule:
    """A fault that waits for its requests. ``hits`` lists those that it struck."""

    def __init__(
        self,
        faults: Faults,
        name: str,
        point: Point,
        match: _Match,
        nth: int,
        times: int | None,
        action: Callable[[Request], bool],
    ) -> None:
        if nth < 1 or (times is not None and times < 1):
            raise ValueError(f"nth={nth} and times={times} count from 1")
        self._faults = faults
        self._match = match
        self._skip = nth - 1
        self._left = times
        self._action = action
        self.name = name
        self.point = point
        self.hits: list[str] = []

    def consider(self, request: Request) -> bool:
        """Whether the connection is to be lost."""
        if not self._match(request):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.cancel()
        self.hits.append(str(request))
        self._faults.note(self.name, str(request))
        return self._action(request)

    def cancel(self) -> None:
        self._faults.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.cancel()


class _Freeze:
    """Tasks that stand still, those that are to start included."""

    def __init__(self, scheduler: Scheduler, includes: Callable[[Task], bool]) -> None:
        self._scheduler = scheduler
        self._includes = includes
        self._stopped: list[Task] = []
        for task in list(scheduler.tasks):
            self.consider(task)

    def consider(self, task: Task) -> None:
        if self._includes(task):
            self._scheduler.freeze([task])
            self._stopped.append(task)

    def end(self) -> None:
        self._scheduler.thaw(self._stopped)


class Faults:
    """The faults of one simulation: ``sim.faults``."""

    def __init__(
        self, scheduler: Scheduler, network: Network, profile: Profile, random: Random
    ) -> None:
        self._scheduler = scheduler
        self._network = network
        self._profile = profile
        self._random = random
        self._rules: dict[Rule, None] = {}
        self._outages: dict[Outage, None] = {}
        self._freezes: dict[_Freeze, None] = {}
        self._afflicted: dict[tuple[str, str], Outage] = {}
        self._by_chance = profile.has_faults
        self.active = self._by_chance

    # -- connections

    def drop(self, client: Any) -> int:
        """Break the client's connection now. Returns how many connections that were."""
        name = _required(client)
        links = [link for link in self._network.links_of(name) if link.open]
        for link in links:
            self.note("drop", f"connection {link.number} of {name}")
            link.lose()
        return len(links)

    def drop_before_request(
        self,
        client: Any = None,
        *,
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Break the connection when a matching request is about to reach the server."""
        match = _Match(_name(client), operation, path, number)
        return self._add("drop before request", "before_request", match, nth, times, _lose)

    def drop_before_reply(
        self,
        client: Any = None,
        *,
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Break the connection when a matching request was carried out: its reply is lost."""
        match = _Match(_name(client), operation, path, number)
        return self._add("drop before reply", "before_reply", match, nth, times, _lose)

    def drop_after_reply(
        self,
        client: Any = None,
        *,
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Break the connection right behind the reply to a matching request."""
        match = _Match(_name(client), operation, path, number)
        return self._add("drop after reply", "after_reply", match, nth, times, _lose)

    def upon(
        self,
        action: Callable[[], object],
        client: Any = None,
        *,
        point: Point = "before_request",
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Call ``action`` when a matching request is at ``point``, most usefully another method of
        this object.

        ``action`` runs between two tasks and must not block. The request goes on its way
        afterwards.
        """
        match = _Match(_name(client), operation, path, number)

        def act(_request: Request) -> bool:
            action()
            return False

        name = getattr(action, "__name__", "action")
        return self._add(f"upon: {name}", point, match, nth, times, act)

    def _add(
        self,
        name: str,
        point: Point,
        match: _Match,
        nth: int,
        times: int | None,
        action: Callable[[Request], bool],
    ) -> Rule:
        rule = Rule(self, name, point, match, nth, times, action)
        self._rules[rule] = None
        self.active = True
        return rule

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
        if direction not in _DIRECTIONS:
            raise ValueError(f"direction={direction!r}; there are {', '.join(_DIRECTIONS)}")
        network = self._network
        cuts = [
            (each, number, way)
            for each in self._clients(client)
            for number in self._servers(server)
            for way in _DIRECTIONS[direction]
        ]
        for cut in cuts:
            network.cut(*cut)

        def mend() -> None:
            for cut in cuts:
                network.mend(*cut)

        where = "every server" if server is None else f"server {server}"
        return self._outage(
            "partition", f"{self._title(client)} and {where}, {direction}", mend, duration
        )

    def slow(
        self,
        client: Any = None,
        latency: tuple[float, float] = (1.0, 1.0),
        *,
        duration: float | None = None,
    ) -> Outage:
        """Give a client's links another latency: a range of virtual seconds for one way."""
        names = self._clients(client)
        for each in names:
            self._network.slow(each, latency)

        def mend() -> None:
            for each in names:
                self._network.unslow(each, latency)

        text = f"{self._title(client)}, {latency[0]} to {latency[1]} s"
        return self._outage("slow link", text, mend, duration)

    def pause(self, client: Any, *tasks: Task, duration: float | None = None) -> Outage:
        """Stop a client's process: its tasks stand still, and those given in ``tasks``.

        Tasks spawned with ``sim.spawn(..., process=client)`` belong to the client. The network and
        the servers go on: past its timeout the client's session expires, which it learns when it
        runs again.
        """
        name = _required(client)
        freeze = _Freeze(self._scheduler, lambda task: task.owner == name or task in tasks)
        return self._freeze("pause", name, freeze, duration)

    def hold_watches(self, client: Any, *, duration: float | None = None) -> Outage:
        """Hold back a client's watch callbacks, as a slow callback before them would. Replies go
        on.
        """
        name = _required(client)
        worker = f"{name}/watches"
        freeze = _Freeze(
            self._scheduler,
            lambda task: task.owner == name and task.name.partition("#")[0] == worker,
        )
        return self._freeze("hold watches", name, freeze, duration)

    def _freeze(self, name: str, client: str, freeze: _Freeze, duration: float | None) -> Outage:
        self._freezes[freeze] = None

        def end() -> None:
            del self._freezes[freeze]
            freeze.end()

        return self._outage(name, client, end, duration)

    def hold_events(self, client: Any, *, duration: float | None = None) -> Outage:
        """Hold back what servers send to a client from the next watch event on: replies behind it
        wait too.
        """
        name = _required(client)
        self._network.hold_events(name)
        return self._outage(
            "hold events", name, lambda: self._network.release_events(name), duration
        )

    def stop_server(self, server: int = 1, *, duration: float | None = None) -> Outage:
        """Stop a server: its connections break and new ones are refused. Its state stays."""
        servers = self._network.servers
        servers.stop(server)
        return self._outage("stop server", str(server), lambda: servers.start(server), duration)

    def _outage(
        self, name: str, text: str, end: Callable[[], None], duration: float | None
    ) -> Outage:
        outage = Outage(self, name, text, end)
        self._outages[outage] = None
        self.note(name, text)
        if duration is not None:
            when = self._scheduler.deadline_after(duration)
            if when is not None:
                self._scheduler.call_at(when, outage.heal)
        return outage

    # -- sessions

    def expire(self, client: Any) -> bool:
        """Close the client's present session on the servers. False where it has none any more."""
        name = _required(client)
        session_id = self._network.sessions.get(name, 0)
        self.note("expire", name)
        return self._network.servers.expire(session_id)

    # -- all of them

    def heal(self) -> None:
        """End every outage and every rule."""
        for rule in list(self._rules):
            rule.cancel()
        for outage in list(self._outages):
            outage.heal()

    def stop_chance(self) -> None:
        """No more faults by the profile's rates."""
        self._by_chance = False
        self.active = bool(self._rules)

    def resume_chance(self) -> None:
        """Faults by the profile's rates again, after `stop_chance` or `Simulation.settle`."""
        self._by_chance = self._profile.has_faults
        self.active = self._by_chance or bool(self._rules)

    # -- called by the simulation

    def note(self, name: str, text: str) -> None:
        self._network.history.append(history.Fault(self._network.time, name, text))

    def outage_ended(self, outage: Outage) -> None:
        self._outages.pop(outage, None)
        self.note(f"{outage.name} healed", outage.text)

    def forget(self, rule: Rule) -> None:
        self._rules.pop(rule, None)
        self.active = self._by_chance or bool(self._rules)

    def task_started(self, task: Task) -> None:
        """A task of a client that stands still does not get to start either."""
        for freeze in self._freezes:
            freeze.consider(task)

    def at_request(self, request: Request) -> bool:
        """`zkfake.simulation.network.Gate`."""
        lost = self._consider("before_request", request)
        if self._by_chance:
            self._strike_by_chance(request)
            lost = self._chance("drop_before_request", request) or lost
        return lost

    def at_reply(self, request: Request) -> tuple[bool, bool]:
        """`zkfake.simulation.network.Gate`."""
        before = self._consider("before_reply", request)
        if self._by_chance and not before:
            before = self._chance("drop_before_reply", request)
        if before:
            return True, False
        behind = self._consider("after_reply", request)
        if self._by_chance and not behind:
            behind = self._chance("drop_after_reply", request)
        return False, behind

    def _consider(self, point: Point, request: Request) -> bool:
        lost = False
        for rule in list(self._rules):
            if rule.point == point and rule.consider(request):
                lost = True
        return lost

    def _chance(self, knob: str, request: Request) -> bool:
        rate = getattr(self._profile, knob)
        if not rate or self._random.random() >= rate:
            return False
        self.note(knob.replace("_", " "), str(request))
        return True

    def _strike_by_chance(self, request: Request) -> None:
        """Begin outages at the profile's rates; never two of a kind for one client."""
        client = request.link.client
        for knob, strike in _CHANCES:
            rate = getattr(self._profile, knob)
            if not rate or self._random.random() >= rate:
                continue
            before = self._afflicted.get((knob, client))
            if before is not None and not before.over:
                continue
            low, high = self._profile.outage
            duration = round(low + self._random.random() * (high - low), 6)
            outage = strike(self, client, duration)
            if outage is not None:
                self._afflicted[knob, client] = outage

    def partition_by_chance(self, client: str, duration: float) -> Outage:
        directions: tuple[Direction, ...] = ("both", "to_server", "to_client")
        direction = directions[int(self._random.random() * 3)]
        return self.partition(client, direction=direction, duration=duration)

    def _clients(self, client: Any) -> list[str]:
        return list(self._network.clients) if client is None else [_required(client)]

    def _servers(self, server: int | None) -> list[int]:
        count = len(self._network.servers.addresses)
        if server is None:
            return list(range(1, count + 1))
        if not 1 <= server <= count:
            raise ValueError(f"there is no server {server}, only 1 to {count}")
        return [server]

    def _title(self, client: Any) -> str:
        return "every client" if client is None else _required(client)


def _expire_by_chance(faults: Faults, client: str, _duration: float) -> None:
    faults.expire(client)


_CHANCES: tuple[tuple[str, Callable[[Faults, str, float], Outage | None]], ...] = (
    ("partition", lambda faults, client, duration: faults.partition_by_chance(client, duration)),
    ("pause", lambda faults, client, duration: faults.pause(client, duration=duration)),
    (
        "hold_watches",
        lambda faults, client, duration: faults.hold_watches(client, duration=duration),
    ),
    ("expire", _expire_by_chance),
)


def _lose(_request: Request) -> bool:
    return True


def _name(client: Any) -> str | None:
    return None if client is None else _required(client)


def _required(client: Any) -> str:
    """The name that a client goes by."""
    if isinstance(client, str):
        return client
    name = getattr(getattr(client, "handler", None), "client_name", None)
    if not isinstance(name, str):
        raise SimulationError(f"{client!r} is no client of this simulation, nor a client's name")
    return name
