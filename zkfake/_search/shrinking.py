"""Shrinking a world: the fewest faults, delays and choices with which a program fails as before.

Rules that live here: only a run with the same cause counts. First whole kinds of things are left
out, then ever smaller parts of what is left (Zeller and Hildebrandt, "Simplifying and Isolating
Failure-Inducing Input", 2002), until nothing can be left out by itself. The program of every step
is run, so a world that is left is one that was seen to fail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

from zkfake._history.events import StateChange
from zkfake._search.simple import (
    LONG,
    SOON,
    is_left_out,
    late_clients,
    late_servers,
    late_sessions,
    moments_near,
    simple_parts,
    slow_tasks,
)
from zkfake._search.worlds import Choice, World, decisions, recorded, run_recorded
from zkfake._simulation.chance.chance import FaultMoment, Struck
from zkfake._simulation.chance.kinds import SERVERS, drawn, fits
from zkfake._simulation.chance.profiles import PROFILES
from zkfake._simulation.network.network import MessageDelay
from zkfake._simulation.scheduling.schedules import Delay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zkfake._channel.rules import Point
    from zkfake._search.causes import FailureCause
    from zkfake._search.trials import Trial, TrialRun
    from zkfake._simulation.scheduling.schedules import TaskStep

__all__ = ["MOST_RUNS", "Part", "Shrunk", "parts_of", "shrink", "uneven", "without"]

MOST_RUNS = 1000
"""How many runs shrinking one failure takes at most."""

Part = Struck | Delay | MessageDelay | Choice
"""What can be left out of a world by itself."""

_CALM = PROFILES["calm"]
_KNOBS = ("replica_lag", "server_latency", "election_time")


_SHARES = (1.0, 0.75, 0.5, 0.25)
"""What a latency may be that varied, from the shortest one on."""

_SIMPLE, _SLOW, _LEADING, _ANEW, _LATE, _SINGLE = 0.25, 0.15, 0.05, 0.1, 0.15, 0.1
"""Of all runs: how many may be of worlds with one fault, with one slow task, with one fault that
may lead to a place where a task was slow, with one slow task beside the faults, with a fault of
which somebody hears late (of each kind), and with one fault beside latencies.
"""
_SPREADS = frozenset({"replica_lag", "server_latency"})
_OF_SERVERS = frozenset({kind.method or kind.rate for kind in SERVERS})
_OF_LINKS = frozenset({"partition", "pause", "slow", "hold_events", "lose_pings"})
"""Faults by which a client hears late of what has happened."""

_SIMPLEST: tuple[tuple[Point, str], ...] = (
    ("before_reply", "drop_before_reply"),
    ("before_request", "drop_before_request"),
    ("after_reply", "drop_after_reply"),
    ("before_request", "expire"),
)
"""Faults of a single request, the simplest first."""


class _Spent(Exception):  # noqa: N818  # not an error
    """No more runs."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A world that fails, of which nothing can be left out by itself."""

    world: World
    run: TrialRun
    runs: int
    """How many runs that took."""
    complete: bool
    """Whether all was tried that could be left out."""


def shrink(trial: Trial, arguments: dict[str, Any], most: int = MOST_RUNS) -> Shrunk | None:
    """The smallest world in which the program fails as it does with these arguments of
    `Simulation`; ``None`` where it does not fail, or not without chance.

    ``most``: as many runs at most. Cost: about two runs for each doubling of what happens in the
    world, for each thing that is needed for the failure.
    """
    first = run_recorded(trial, **arguments)
    if first.cause is None:
        return None
    shrinker = _Shrinker(trial, first.cause, most)
    world = recorded(first)
    if not shrinker.fails(world):
        return None
    complete = True
    try:
        shrinker.shrink("servers" not in trial.arguments)
    except _Spent:
        complete = False
    return Shrunk(shrinker.best, shrinker.best_run, shrinker.runs, complete)


class _Shrinker:
    """Tries worlds, and keeps the last one that fails."""

    best: World
    best_run: TrialRun

    def __init__(self, trial: Trial, cause: FailureCause, most: int) -> None:
        self._trial = trial
        self._cause = cause
        self._most = most
        self.runs = 0

    def fails(self, world: World) -> bool:
        """Whether the program fails in it as before. Then it is the best one."""
        self._count()
        run = world.run(self._trial)
        if run.cause != self._cause:
            return False
        self.best, self.best_run = world, run
        return True

    def _count(self) -> None:
        """One more run."""
        if self.runs >= self._most:
            raise _Spent
        self.runs += 1

    def _share(self, share: float) -> int:
        """So many of all runs."""
        return int(self._most * share)

    def shrink(self, fewer_servers: bool) -> None:
        """Leaves out all that is not needed."""
        if fewer_servers:
            self._try_fewer_servers()
        if not self._try_simple_worlds():
            self._leave_out_kinds()
            if not self._try_slow_tasks() and not self._try_late_news():
                self._find_delays_anew()
                self._tie_to_requests()
                self._leave_out_kinds()
                self._leave_out_parts()
                self._make_steady()
                self._try_simpler_parts()
                self._leave_out_kinds()
                self._leave_out_parts()
                self._tie_to_near_requests()
                self._try_single_faults()
            self._leave_out_parts()
        if fewer_servers:
            self._try_fewer_servers()
        if self.best.seed:
            self.fails(replace(self.best, seed=0))

    def _try_simple_worlds(self) -> bool:
        """Whether it fails in a calm world with at most one fault."""
        empty = World(self.best.seed, self.best.servers, _CALM)
        if self.fails(empty):
            return True
        parts = [
            part
            for part in simple_parts(empty.run(self._trial).simulation)
            if not is_left_out(part.fault.method, self._trial.arguments)
        ]
        most = self._share(_SIMPLE)
        if len(parts) > most:
            kinds = self._kinds()
            parts.sort(key=lambda part: part.fault.method not in kinds)
        # Where there are too many, those that the world has come first.
        return any(self.fails(_only(empty, [part])) for part in parts[:most])

    def _kinds(self) -> set[str]:
        """The methods of the faults that the world has, and of those at requests that are alike."""
        kinds = {struck.fault.method for struck in self.best.faults}
        if "drop" in kinds:
            kinds |= {method for _, method in _SIMPLEST if method.startswith("drop_")}
        return kinds

    def _try_slow_tasks(self) -> bool:
        """Whether it fails in a calm world where one task stands still, as one did; or where one
        gave way to the others, which is the same but shorter.
        """
        delays: dict[str, list[float]] = {}
        for place, delay in self._delayed():
            delays.setdefault(place, []).append(delay.seconds)
        if not delays:
            return False
        session = self.best_run.simulation.longest_session
        unknown = [SOON * session, LONG * session]
        lengths = {
            place: _some(sorted(filter(None, seconds))) or unknown
            for place, seconds in delays.items()
        }
        empty = World(self.best.seed, self.best.servers, _CALM)
        return any(
            self.fails(_only(empty, [*leads, *parts]))
            for leads, run, steps in self._leading(empty, set(delays))
            for parts in islice(slow_tasks(run.simulation, steps, lengths), self._share(_SLOW))
        )

    def _leading(
        self, empty: World, places: set[str]
    ) -> Iterator[tuple[tuple[Struck, ...], TrialRun, Sequence[TaskStep]]]:
        """The calm world's run with all its steps. Then runs with one fault that leads to places
        where no task came before, each with that fault and with the steps at these places.
        """
        calm = empty.run(self._trial, steps=True)
        yield (), calm, _steps(calm)
        missing = places - {step.place for step in _steps(calm)}
        kinds = self._kinds()
        parts = (part for part in simple_parts(calm.simulation) if part.fault.method in kinds)
        for part in islice(parts, self._share(_LEADING)):
            if not missing:
                return
            self._count()
            run = _only(empty, [part]).run(self._trial, steps=True)
            steps = [step for step in _steps(run) if step.place in missing]
            if steps:
                missing.difference_update(step.place for step in steps)
                yield (part,), run, steps

    def _try_late_news(self) -> bool:
        """Whether it fails in a calm world with one fault of which somebody hears late, as in this
        world a server does, or a client.
        """
        methods = {struck.fault.method for struck in self.best.faults}
        spread = _SPREADS.intersection(uneven(self.best)) or methods & _OF_SERVERS
        slow = self.best.messages or "latency" in uneven(self.best) or methods & _OF_LINKS
        empty = World(self.best.seed, self.best.servers, _CALM)
        run = empty.run(self._trial).simulation
        several = spread and self.best.servers > 1
        late: list[Iterator[tuple[Struck, ...]]] = []
        if several and any(
            event.state == "LOST" for event in self.best_run.simulation.history.of(StateChange)
        ):
            late.append(late_sessions(run))
        if slow and "expire" in methods:
            late.append(late_clients(run))
        if several:
            late.append(late_servers(run))
        return any(
            self.fails(_only(empty, parts))
            for worlds in late
            for parts in islice(worlds, self._share(_LATE))
            if not any(is_left_out(part.fault.method, self._trial.arguments) for part in parts)
        )

    def _try_single_faults(self) -> None:
        """Replaces all faults by one of the same kind at another request, where several are left
        and latencies are not those of a calm world: there simple worlds were not tried.
        """
        parts, kinds = parts_of(self.best), self._kinds()
        if len(parts) < 2 or len(self.best.faults) < len(parts) or not uneven(self.best):
            return
        empty = _only(self.best, [])
        worlds = (
            part
            for part in simple_parts(empty.run(self._trial).simulation)
            if part.fault.method in kinds
        )
        any(self.fails(_only(empty, [each])) for each in islice(worlds, self._share(_SINGLE)))

    def _tie_to_near_requests(self) -> None:
        """Lets faults that still begin at a time begin at a request near it."""
        for place, struck in enumerate(self.best.faults):
            if struck.moment.by_time:
                for moment in moments_near(self.best_run.simulation, struck):
                    tied = replace(struck, moment=moment)
                    faults = (*self.best.faults[:place], tied, *self.best.faults[place + 1 :])
                    if self.fails(replace(self.best, faults=faults)):
                        break

    def _find_delays_anew(self) -> None:
        """Lets one task stand still at the place where one did, and all tasks take their turns:
        its steps have other numbers then.
        """
        delayed = [(place, delay) for place, delay in self._delayed() if delay.seconds]
        if not delayed or not self.best.choices:
            return
        bare = replace(self.best, delays=(), choices=())
        steps = _steps(bare.run(self._trial, steps=True))
        worlds = (
            replace(bare, delays=(Delay(step.task, step.number, delay.seconds),))
            for place, delay in delayed
            for step in steps
            if step.place == place
        )
        any(self.fails(world) for world in islice(worlds, self._share(_ANEW)))

    def _delayed(self) -> list[tuple[str, Delay]]:
        """The delays of the best world, and the places."""
        stood = decisions(self.best_run.simulation).schedule.stood
        return [
            (step.place, delay)
            for delay in self.best.delays
            if (step := stood.get((delay.task, delay.step)))
        ]

    def _tie_to_requests(self) -> None:
        """Lets faults that began at a time begin at a request: other things can move then."""
        faults = tuple(map(_tied, self.best.faults))
        if faults != self.best.faults and not self.fails(replace(self.best, faults=faults)):
            for place, struck in enumerate(self.best.faults):
                tied = (*self.best.faults[:place], _tied(struck), *self.best.faults[place + 1 :])
                if struck.moment.by_time:
                    self.fails(replace(self.best, faults=tied))

    def _try_simpler_parts(self) -> None:
        """Replaces faults by simpler ones at the same requests."""
        for place in range(len(self.best.faults)):
            moment = self.best.faults[place].moment
            for point, method in _SIMPLEST:
                if not moment.client or self.best.faults[place].fault.method == method:
                    break
                if is_left_out(method, self._trial.arguments):
                    continue
                at = replace(moment, point=point, by_time=False)
                options = {"nth": moment.nth} if method.startswith("drop_") else {}
                simpler = Struck(at, drawn(method, moment.client, **options))
                faults = (*self.best.faults[:place], simpler, *self.best.faults[place + 1 :])
                if self.fails(replace(self.best, faults=faults)):
                    break

    def _leave_out_kinds(self) -> None:
        for kind in (Struck, MessageDelay, Delay, Choice):
            parts = parts_of(self.best)
            others = [part for part in parts if not isinstance(part, kind)]
            if len(others) < len(parts):
                self.fails(_only(self.best, others))
        for knob in _KNOBS:
            self._try_knob(knob)
        self._try_one_latency()

    def _try_one_latency(self) -> None:
        """Lets every message take the same time."""
        messages = self.best.messages
        if messages:
            parts = [part for part in parts_of(self.best) if not isinstance(part, MessageDelay)]
            for latency in (0.001, 0.01, 0.1, max(each.seconds for each in messages)):
                profile = replace(self.best.profile, latency=(latency, latency))
                if self.fails(replace(_only(self.best, parts), profile=profile)):
                    break

    def _try_fewer_servers(self) -> None:
        for servers in (1, 3):
            if servers < self.best.servers:
                faults = tuple(each for each in self.best.faults if fits(each.fault, servers))
                if self.fails(replace(self.best, servers=servers, faults=faults)):
                    return

    def _try_knob(self, knob: str) -> None:
        calm: Any = getattr(_CALM, knob)
        if getattr(self.best.profile, knob) != calm:
            self.fails(replace(self.best, profile=replace(self.best.profile, **{knob: calm})))

    def _make_steady(self) -> None:
        """Lets no latency of servers vary: nothing is left to chance then."""
        for knob in _KNOBS:
            low, high = getattr(self.best.profile, knob)
            if low < high:
                values = [round(low + share * (high - low), 3) for share in _SHARES]
                if not any(self._is_steady(knob, value) for value in values):
                    any(self._is_spelled_out(knob, value) for value in values)

    def _is_steady(self, knob: str, value: float) -> bool:
        profile = replace(self.best.profile, **{knob: (value, value)})  # type: ignore[arg-type]
        return self.fails(replace(self.best, profile=profile))

    def _is_spelled_out(self, knob: str, value: float) -> bool:
        """Whether it fails where only some of the servers, or of their links, are late."""
        profile = replace(self.best.profile, **{knob: getattr(_CALM, knob)})
        steady = replace(self.best, profile=profile)
        return any(
            self.fails(replace(steady, faults=(*late, *steady.faults)))
            for late in _late(knob, value, self.best.servers)
        )

    def _leave_out_parts(self) -> None:
        """Delta debugging: leaves out ever smaller parts, down to single ones."""
        size = max(1, len(parts_of(self.best)) // 2)
        while True:
            found = False
            start = 0
            while start < len(parts := parts_of(self.best)):
                if self.fails(_only(self.best, parts[:start] + parts[start + size :])):
                    found = True  # what came after it is at its place now
                else:
                    start += size
            if size == 1 and not found:
                return
            if not found or size > len(parts_of(self.best)):
                size = max(1, size // 2)


def _late(knob: str, value: float, servers: int) -> Iterator[tuple[Struck, ...]]:
    """Which servers apply late, or which links are slow, from the start: first one alone, then ever
    more of them.
    """
    numbers = range(1, servers + 1)
    options: dict[str, tuple[str, list[tuple[int, ...]], int]] = {
        "replica_lag": ("lag", [(each,) for each in numbers], servers - 1),
        "server_latency": ("slow_servers", [*combinations(numbers, 2)], 2),
    }
    if knob in options:
        method, places, most = options[knob]
        for size in range(1, most + 1):
            for chosen in combinations(places, size):
                yield tuple(
                    Struck(FaultMoment(0.0), drawn(method, *place, (value, value)))
                    for place in chosen
                )


def _steps(run: TrialRun) -> Sequence[TaskStep]:
    """Those of all tasks, where they were kept."""
    return decisions(run.simulation).schedule.steps or ()


def _some(values: Sequence[float]) -> list[float]:
    """Three of them at most: the last one, the middle one and the first one."""
    places = (-1, len(values) // 2, 0) if values else ()
    return list(dict.fromkeys(values[place] for place in places))


def _tied(struck: Struck) -> Struck:
    """The fault at the last request before it."""
    moment = struck.moment
    if not moment.by_time or not moment.client:
        return struck
    return Struck(replace(moment, by_time=False), struck.fault)


def parts_of(world: World) -> list[Part]:
    """All that can be left out of it, by itself."""
    return list(_each(world))


def uneven(world: World) -> list[str]:
    """The latencies that are not those of a calm world, by their names in a `Profile`."""
    return [
        knob
        for knob in ("latency", *_KNOBS)
        if getattr(world.profile, knob) != getattr(_CALM, knob)
    ]


def without(world: World, part: Part) -> World:
    """The world without that part."""
    return _only(world, [each for each in parts_of(world) if each is not part])


def _each(world: World) -> Iterator[Part]:
    yield from world.faults
    yield from world.delays
    yield from world.messages
    yield from world.choices


def _only(world: World, parts: Sequence[Part]) -> World:
    """The world with these parts only."""
    return replace(
        world,
        faults=tuple(each for each in parts if isinstance(each, Struck)),
        delays=tuple(each for each in parts if isinstance(each, Delay)),
        messages=tuple(each for each in parts if isinstance(each, MessageDelay)),
        choices=tuple(each for each in parts if isinstance(each, Choice)),
    )
