"""The same program in many worlds, one for each seed: `explore`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkfake._search import shrinking
from zkfake._search.explaining import explain
from zkfake._search.exploration import Exploration, Failure
from zkfake._search.happenings import happenings
from zkfake._search.pool import default_jobs, ordered
from zkfake._search.progress import ProgressLine
from zkfake._search.trials import Exceptions, Program, Trial, exceptions
from zkfake._search.worlds import program_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkfake._search.causes import FailureCause
    from zkfake._simulation.chance.profiles import Profile

__all__ = ["explore"]


@dataclass(frozen=True, slots=True)
class _SeedOutcome:
    """What a process tells of a run."""

    seed: int
    cause: FailureCause | None
    events: int
    probes: dict[str, bool]
    """Whether each probe fired."""


@dataclass(frozen=True)
class _Runs:
    """Runs a seed, in whatever process."""

    trial: Trial

    def __call__(self, seed: int) -> _SeedOutcome:
        run = self.trial.run(seed=seed)
        sim = run.simulation
        fired = {name: times > 0 for name, times in sim.probes.items()}
        fired |= dict.fromkeys(happenings(sim.history), True)
        return _SeedOutcome(seed, run.cause, len(sim.history), fired)


@dataclass(slots=True)
class _FailingRuns:
    """The runs with one cause."""

    failure: Failure
    smallest: _SeedOutcome


def explore(
    program: Program,
    check: Program | None = None,
    *,
    seeds: int | Iterable[int] = 1000,
    profile: str | Profile = "swarm",
    schedule: str | None = None,
    budget: float | None = None,
    jobs: int | None = None,
    shrink: bool = True,
    stop_after: int | None = None,
    demand: Iterable[str] = (),
    allow: Exceptions = (),
    progress: Callable[[Exploration], object] | None = None,
    **simulation: Any,
) -> Exploration:
    """Runs ``program`` in a world for each seed, and reports in which ways it fails.

    Args:
        program: is called with the `Simulation`, and raises where something is wrong.
        check: is called with the simulation after the program, when every fault is healed and
            everything is delivered.
        seeds: how many, from 0, or which. One seed alone is ``seeds=[7]``.
        profile: of every simulation. ``"swarm"`` draws another kind of world for each seed.
        schedule: of every simulation, as for `Simulation`.
        budget: real seconds after which no run is begun. Shrinking comes on top.
        jobs: how many processes; by default one for each core. The report is the same for any
            number, unless a budget ends it. They are forked; where that is not safe, on Windows and
            macOS and beside other threads, all runs are made in this process.
        shrink: whether the world of each failure is shrunk to what the failure needs.
        stop_after: how many ways of failing are enough; no further run is begun then.
        demand: names of probes, of the program (`Simulation.sometimes`) or built in (`PROBES`).
            The exploration fails where one of them fired in no run.
        allow: exceptions that the program may raise; the check then decides.
        progress: called with the report so far after each run. By default a line on standard error
            counts the runs, where that is a terminal.
        **simulation: arguments for `Simulation`.

    Runs count as failing in the same way where the class of the error, the broken promise and the
    line of the program are the same. Ctrl-C ends the exploration, which returns its report so far;
    see `Exploration.stopped`. Cost: the runs, and for each way of failing at most 1,000 runs for
    shrinking. Raises `ValueError` and `TypeError` for invalid arguments, before the first run.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs={jobs}; expected at least one process")
    if isinstance(seeds, int):
        if seeds < 1:
            raise ValueError(f"seeds={seeds}; expected at least one")
        seeds = range(seeds)
    if "seed" in simulation:
        raise TypeError(f"seed={simulation['seed']!r}; expected seeds=, how many or which")
    arguments = {"profile": profile, "schedule": schedule, **simulation}
    trial = Trial(program, check, exceptions(allow), arguments)
    trial.simulation(seed=0)  # invalid arguments are refused here
    begin = time.monotonic()
    demand = _names(demand)
    report = Exploration(profile if isinstance(profile, str) else "a profile of its own")
    tell = progress or ProgressLine()
    found: dict[FailureCause, _FailingRuns] = {}
    runs = ordered(_Runs(trial), seeds, jobs or default_jobs())
    try:
        for outcome in runs:
            _count(report, found, outcome)
            tell(report)
            if stop_after is not None and len(found) >= stop_after:
                report.stopped = f"it had found {stop_after} (stop_after)"
                break
            if budget is not None and time.monotonic() - begin >= budget:
                report.stopped = f"its budget of {budget:g} s was spent"
                break
    except KeyboardInterrupt:
        report.stopped = "Ctrl-C"
    finally:
        runs.close()
    if isinstance(tell, ProgressLine):
        tell.end(report)
    try:
        for each in found.values():
            _describe(each.failure, trial, each.smallest.seed, shrink)
    except KeyboardInterrupt:
        report.stopped = "Ctrl-C"
    report.missing = tuple(name for name in demand if not report.probes.get(name))
    report.seconds = time.monotonic() - begin
    return report


def _names(demand: Iterable[str]) -> tuple[str, ...]:
    if isinstance(demand, str):
        raise TypeError(f"demand={demand!r}; expected the names of probes, such as [{demand!r}]")
    return tuple(demand)


def _count(
    report: Exploration, found: dict[FailureCause, _FailingRuns], outcome: _SeedOutcome
) -> None:
    report.runs += 1
    for name, fired in outcome.probes.items():
        report.probes[name] = report.probes.get(name, 0) + fired
    if outcome.cause is None:
        return
    report.failed += 1
    known = found.get(outcome.cause)
    if known is None:
        error = AssertionError(str(outcome.cause))
        failure = Failure(outcome.cause, outcome.seed, report.runs, error)
        found[outcome.cause] = _FailingRuns(failure, outcome)
        report.failures.append(failure)
        return
    known.failure.count += 1
    if outcome.events < known.smallest.events:
        known.smallest = outcome


def _describe(failure: Failure, trial: Trial, seed: int, shrinks: bool) -> None:
    """Tells of a failure what the runs of other processes cannot: its error, and its world."""
    found = shrinking.shrink(trial, {"seed": seed}) if shrinks else None
    if found is None:
        run = trial.run(seed=seed)
        given = {"seed": seed, **trial.arguments}
        if given["schedule"] is None:
            del given["schedule"]
        failure.world = str(seed)
        failure.program = program_text(trial, given, [])
    else:
        run = found.run
        failure.faults = found.world.parts_as_text
        failure.world = found.world.statements
        failure.program = found.world.text(trial)
        failure.shrunk = found.complete
        failure.explanation = explain(trial, found)
    if run.error is not None:
        failure.error = run.error
