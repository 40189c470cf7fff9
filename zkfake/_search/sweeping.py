"""What is different in each run of a sweep: faults at requests, choices of the schedule.

Rules that live here:

- The program runs once undisturbed to count its requests (pings do not count), then once for each
  request and fault (`fault_points`). The same seed makes every run the same up to the fault.
- With ``pairs`` a run may have a second fault at a later request. With ``deviations`` the schedule
  is first come, first served, but for one or two choices (Musuvathi and Qadeer, "Iterative Context
  Bounding for Systematic Testing of Multithreaded Programs", 2007). The choices of the check do not
  count.
- A run that the program passes is gone on from: the next fault or choice comes later than all that
  is different in it. So requests and choices are counted in a run that is the same up to there, and
  nothing is tried twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from zkfake._history.events import Sent
from zkfake._search.worlds import Choice, decisions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zkfake._history.events import Event
    from zkfake._search.trials import Trial, TrialRun
    from zkfake._simulation.faults.points import FaultPoint
    from zkfake._simulation.scheduling.schedules import Schedule
    from zkfake._simulation.simulation import Simulation

__all__ = ["Strike", "SweepPoint", "SweepRun", "Sweeping"]


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at a request."""

    number: int
    client: str
    fault: FaultPoint
    text: str

    def __str__(self) -> str:
        return f"{self.fault} at {self.text}"


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What is different in one run, each in the order of the run."""

    strikes: tuple[Strike, ...] = ()
    choices: tuple[Choice, ...] = ()

    def strike(self, sent: dict[int, Sent], number: int, fault: FaultPoint) -> SweepPoint:
        """With one more fault. ``sent``: the requests of the run without it. Raises `ValueError`
        for a request that is not among them.
        """
        if number not in sent:
            raise ValueError(f"the program sends no request {number}")
        event = sent[number]
        text = f"request {number} of {event.client}: {event.operation} {' '.join(event.paths)}"
        strike = Strike(number, event.client, fault, text.rstrip())
        return replace(self, strikes=(*self.strikes, strike))

    @property
    def schedule(self) -> dict[int, int]:
        """That of a `Simulation`."""
        return {choice.number: choice.place for choice in self.choices}


@dataclass(slots=True)
class SweepRun:
    """What became of a run."""

    outcome: TrialRun
    sent: dict[int, Sent]
    """The program's own requests, by their numbers."""
    widths: list[int] = field(default_factory=list)
    """From how many was chosen, for each choice up to the check."""
    before: dict[int, int] = field(default_factory=dict)
    """How many choices were made before a request was sent, by its number."""
    orders: dict[int, str] = field(default_factory=dict)
    """What the choices that deviate have done, in words."""


class Sweeping:
    """What every run of a sweep has in common."""

    last: SweepRun
    """The last run."""

    def __init__(
        self,
        trial: Trial,
        seed: int,
        faults: Iterable[FaultPoint] = (),
        *,
        pairs: bool = False,
        deviations: int = 0,
    ) -> None:
        self.trial = trial
        self.seed = seed
        self.deviations = deviations
        self._faults = tuple(faults)
        self._most_strikes = 2 if pairs else 1

    def undisturbed(self) -> SweepRun:
        """The run in which nothing is different. Raises what it raises."""
        run = self.run(SweepPoint())
        if run.outcome.error is not None:
            raise run.outcome.error
        return run

    def points(self, undisturbed: SweepRun, requests: Iterable[int] | None) -> Iterator[SweepPoint]:
        """What is different in each run; each is made before the next one is asked for.
        ``requests``: those at which a first fault strikes.
        """
        wanted = None if requests is None else set(requests)
        passed = deque([(SweepPoint(), undisturbed)])
        while passed:
            point, run = passed.popleft()
            for further in self._further(point, run, wanted):
                yield further
                if self.last.outcome.error is None and self._goes_on(further):
                    passed.append((further, self.last))

    def _goes_on(self, point: SweepPoint) -> bool:
        struck, deviated = len(point.strikes), len(point.choices)
        return struck < self._most_strikes or deviated < self.deviations

    def _further(
        self, point: SweepPoint, run: SweepRun, wanted: set[int] | None
    ) -> Iterator[SweepPoint]:
        """All that can be different later in the run, one by one."""
        request = point.strikes[-1].number if point.strikes else 0
        choice = point.choices[-1].number if point.choices else 0
        if len(point.strikes) < self._most_strikes:
            for number in sorted(run.sent):
                later = number > request and run.before.get(number, 0) >= choice
                if later and (point.strikes or wanted is None or number in wanted):
                    for fault in self._faults:
                        yield point.strike(run.sent, number, fault)
        if len(point.choices) < self.deviations:
            for number in range(max(choice, run.before.get(request, 0)) + 1, len(run.widths) + 1):
                for place in range(1, run.widths[number - 1]):
                    yield replace(point, choices=(*point.choices, Choice(number, place)))

    def run(self, point: SweepPoint, *, pause_at: int | str | None = None) -> SweepRun:
        """Runs the program so. ``pause_at``: where a debugger starts."""
        schedules: list[Schedule] = []
        before: dict[int, int] = {}
        until: list[int] = []
        check = self.trial.check

        def arm(sim: Simulation) -> None:
            if pause_at is not None:
                sim.pause_at(pause_at)
            if self.deviations:
                schedule = decisions(sim).schedule
                schedules.append(schedule)
                _count(sim, schedule, before)
            for strike in point.strikes:
                strike.fault.arm(sim.faults, strike.client, strike.number, sim.longest_session)

        def counted(sim: Simulation) -> None:
            until.append(len(schedules[0].widths))
            assert check is not None
            check(sim)

        trial, arguments = self.trial, dict[str, Any]()
        if self.deviations:
            arguments["schedule"] = point.schedule
            if check is not None:
                trial = replace(trial, check=counted)
        quiet = point != SweepPoint()
        outcome = trial.run(arm, quiet=quiet, seed=self.seed, **arguments)
        events = outcome.simulation.history[: outcome.events]
        self.last = run = SweepRun(
            outcome, {event.number: event for event in events if isinstance(event, Sent)}
        )
        for schedule in schedules:
            run.widths = schedule.widths[: until[0] if until else None]
            run.before, run.orders = before, schedule.orders
        return run


def _count(sim: Simulation, schedule: Schedule, before: dict[int, int]) -> None:
    """Keeps how many choices are made before each request is sent."""
    append = sim.history.append

    def append_and_count(event: Event) -> None:
        append(event)
        if type(event) is Sent:
            before[event.number] = len(schedule.widths)

    sim.history.append = append_and_count
