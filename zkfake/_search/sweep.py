"""Every fault at every request of a program, and every other order: `sweep`.

Rules that live here: a failure prints the call of `replay` that repeats it, with every argument
that matters. Which combinations there are is for `zkfake._search.sweeping`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zkfake._search.causes import HANGS, told
from zkfake._search.progress import ProgressLine
from zkfake._search.sweeping import Sweeping, SweepPoint
from zkfake._search.trials import Exceptions, Program, Trial, exceptions, name_of
from zkfake._search.worlds import Choice
from zkfake._simulation.faults.points import CLIENT_FAULTS, FaultPoint, fault_point
from zkfake._simulation.simulation import in_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["SweepFailure", "SweepReport", "replay", "sweep"]


@dataclass(frozen=True, slots=True)
class SweepFailure:
    """A run that went wrong.

    ``request`` is the request's number in the undisturbed run, ``then`` a second request, by its
    number in the run with the first fault alone, and the fault there. ``request`` and ``fault`` are
    ``None`` where another order was enough. ``str`` of it is for people.
    """

    request: int | None
    text: str
    """The faults and the requests that they struck, and what came in another order, in words."""
    fault: FaultPoint | None
    error: BaseException
    """What the run raised."""
    hung: bool
    """Whether the program came to no end: a deadlock, or a limit of the simulation."""
    seed: int
    replay: str
    """The call that runs this combination again."""
    then: tuple[int, FaultPoint] | None = None
    schedule: dict[int, int] = field(default_factory=dict)
    """The choices other than first come, first served: see ``schedule`` of a `Simulation`."""

    def __str__(self) -> str:
        what = "hangs" if self.hung else "fails"
        return f"{what} under {self.text}: {told(self.error, place=True)}\n    {self.replay}"


@dataclass(slots=True, repr=False)
class SweepReport:
    """What a sweep found: true when it found nothing. ``str`` of it is for people."""

    requests: int
    """How many requests the undisturbed run has sent."""
    runs: int = 0
    """How many runs there were, without the undisturbed one."""
    failures: list[SweepFailure] = field(default_factory=list)
    """The runs that went wrong, in their order."""
    stopped: str = ""
    """Why the sweep ended early: a budget, a limit or Ctrl-C. Empty if it was complete."""
    choices: int = 0
    """How many choices the schedule has made in the undisturbed run; 0 without ``deviations``."""

    def __bool__(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        return "\n".join([self._head(), *map(str, self.failures)])

    def __repr__(self) -> str:
        # What pytest shows of `assert sweep(program)`; it cuts a repr after 240 characters.
        first = f"; the first again by {self.failures[0].replay}" if self.failures else ""
        return f"<{type(self).__name__}: {self._head()}{first}>"

    @property
    def progress(self) -> str:
        """How far the sweep is, in a few words."""
        return f"sweep: {self.runs} runs, {len(self.failures)} failures"

    def _head(self) -> str:
        choices = f"{self.choices} choices, " if self.choices else ""
        head = (
            f"{self.requests} requests, {choices}{self.runs} runs, {len(self.failures)} of them "
            "went wrong"
        )
        return f"{head}; stopped early: {self.stopped}" if self.stopped else head

    def raise_if_failed(self) -> None:
        """Raise an `AssertionError` with the whole report if a run went wrong."""
        if self.failures:
            raise AssertionError(str(self))


def sweep(
    program: Program,
    faults: Iterable[FaultPoint | str] = CLIENT_FAULTS,
    *,
    check: Program | None = None,
    seed: int = 0,
    requests: Iterable[int] | None = None,
    pairs: bool = False,
    deviations: int = 0,
    allow: Exceptions = (),
    budget: float | None = None,
    max_runs: int | None = None,
    progress: Callable[[SweepReport], object] | None = None,
    **simulation: Any,
) -> SweepReport:
    """Run ``program`` once for every request and fault, and with ``deviations`` in every other
    order, and report the combinations that fail it.

    Args:
        program: is called with the `Simulation`.
        faults: names or `FaultPoint` objects; those of clients by default, ``ALL`` for those of
            servers as well, ``()`` for none.
        check: called with the simulation after the program, when every fault is healed and
            everything is delivered.
        seed: of every run.
        requests: the numbers of the requests to strike at first; all by default. A number that the
            undisturbed run does not send is left out.
        pairs: strike a second time, at each later request, if the program survives the first
            fault. That takes a program of n requests about n * n / 2 * faults * faults runs.
        deviations: 1 or 2: how many choices of the schedule are made in another way. Of the run
            without a fault, and of each run with faults that the program survives, each other task
            that could run and each other message that could arrive is taken once, at each choice;
            with 2, also at each later choice of such a run. A program of c choices with two options
            each takes c runs more, or c + c * c / 2, without faults, and (c + 1) * n * faults with
            one deviation and each fault at each of n requests.
            Two clients with 10 requests each make about 93 choices: without faults 105 runs
            in 0.7 s with 1 deviation, some 5,000 with 2.
        allow: exceptions that the program may raise; the check then decides.
        budget: real seconds after which no run is begun.
        max_runs: as many runs at most.
        progress: called with the report so far after each run. By default a line on standard error
            counts the runs, where that is a terminal.
        **simulation: arguments for `Simulation`.

    Ctrl-C ends the sweep, which returns its report so far; see `SweepReport.stopped`.

    Raises whatever the undisturbed run raises, and ``ValueError`` for an unknown fault, for other
    ``deviations``, and for a ``schedule`` from which they cannot be counted; ``TypeError`` for
    ``faults`` that are a single name, and for arguments that `Simulation` does not take.
    """
    if isinstance(faults, str):
        raise TypeError(f"faults={faults!r}; expected several, such as [{faults!r}]")
    points = [fault_point(fault) for fault in faults]
    if deviations not in (0, 1, 2):
        raise ValueError(f"deviations={deviations!r}; expected 1 or 2, or 0 for none")
    if deviations and simulation.pop("schedule", "fifo") not in (None, "fifo"):
        raise ValueError(
            "deviations are those from first come, first served: leave schedule= out, or give "
            "'fifo'"
        )
    trial = Trial(program, check, exceptions(allow), simulation)
    sweeping = Sweeping(trial, seed, points, pairs=pairs, deviations=deviations)
    undisturbed = sweeping.undisturbed()
    report = SweepReport(len(undisturbed.sent), choices=len(undisturbed.widths))
    tell = progress or ProgressLine()
    end = None if budget is None else time.monotonic() + budget
    try:
        for point in sweeping.points(undisturbed, requests):
            if end is not None and time.monotonic() >= end:
                report.stopped = f"its budget of {budget:g} s was spent"
            elif max_runs is not None and report.runs >= max_runs:
                report.stopped = f"it had made {max_runs} runs (max_runs)"
            if report.stopped:
                break
            report.runs += 1
            error = sweeping.run(point).outcome.error
            if error is not None:
                report.failures.append(_failure(sweeping, point, error))
            tell(report)
    except KeyboardInterrupt:
        report.stopped = "Ctrl-C"
    if isinstance(tell, ProgressLine):
        tell.end(report)
    return report


def replay(
    program: Program,
    *,
    request: int | None = None,
    fault: FaultPoint | str | None = None,
    then: tuple[int, FaultPoint | str] | None = None,
    check: Program | None = None,
    seed: int = 0,
    allow: Exceptions = (),
    pause_at: int | str | None = None,
    **simulation: Any,
) -> Any:
    """Run one combination of a sweep again. Returns what the program returns; raises what the
    program or the check raises.

    ``then``: a second request and the fault there. ``schedule``, among the arguments of
    `Simulation`: the choices that deviate. ``pause_at``: an event at which a debugger starts, as
    `Simulation.pause_at` takes it; not in the runs before, which find the requests. The rest is as
    for `sweep`. Raises ``ValueError`` for an unknown fault, for a request that the program does not
    send, for a request without a fault or a fault without one, and for what names no event.
    """
    if (request is None) is not (fault is None) or (request is None and then is not None):
        raise ValueError(
            f"request={request!r}, fault={fault!r}, then={then!r}: expected a request and its "
            "fault, or neither; then= takes both"
        )
    schedule = simulation.get("schedule")
    choices: tuple[Choice, ...] = ()
    if isinstance(schedule, dict):
        del simulation["schedule"]
        choices = tuple(Choice(*each) for each in schedule.items())
    trial = Trial(program, check, exceptions(allow), simulation)
    sweeping = Sweeping(trial, seed, deviations=isinstance(schedule, dict))
    point = SweepPoint((), choices)
    for struck, by in ((request, fault), then or (None, None)):
        if struck is not None and by is not None:
            # Up to the request the run is the same without the fault, and without later choices.
            sent = sweeping.run(point).sent
            point = point.strike(sent, struck, fault_point(by))
    outcome = sweeping.run(point, pause_at=pause_at).outcome
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def _failure(sweeping: Sweeping, point: SweepPoint, error: BaseException) -> SweepFailure:
    """The last run has failed."""
    first, second = (*point.strikes, None, None)[:2]
    orders = sweeping.last.orders
    what = [*map(str, point.strikes)]
    what += [f"another order: at choice {n} {orders[n]}" for n in point.schedule if n in orders]
    return SweepFailure(
        first.number if first else None,
        " and ".join(what),
        first.fault if first else None,
        error,
        isinstance(error, HANGS),
        sweeping.seed,
        _replay(sweeping, point),
        (second.number, second.fault) if second else None,
        point.schedule,
    )


def _replay(sweeping: Sweeping, point: SweepPoint) -> str:
    trial = sweeping.trial
    given: list[str] = []
    for strike in point.strikes[:1]:
        given += [f"request={strike.number}", f"fault={strike.fault.name!r}"]
    given += [f"then=({each.number}, {each.fault.name!r})" for each in point.strikes[1:]]
    if sweeping.deviations:
        given.append(f"schedule={point.schedule!r}")
    if trial.check is not None:
        given.append(f"check={name_of(trial.check)}")
    given.append(f"seed={sweeping.seed}")
    if trial.allow:
        names = ", ".join(each.__name__ for each in trial.allow)
        given.append(f"allow={names}" if len(trial.allow) == 1 else f"allow=({names})")
    if trial.arguments:
        given.append(in_code(trial.arguments))
    return f"replay({name_of(trial.program)}, {', '.join(given)})"
