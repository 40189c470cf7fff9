"""Every fault at every request of a program: `sweep`.

Rules that live here:

- The program runs once undisturbed to count its requests (pings do not count), then once for each
  request and fault (`fault_points`). The same seed makes every run the same up to the fault. With
  ``pairs`` it runs again for each second fault at a later request of such a run.
- A program passes a run when it returns, or raises what it is allowed to, and when ``check``, which
  is called once everything has settled, returns as well. It fails when either raises anything else,
  pytest's outcomes included; it *hangs* when the simulation had to stop it.
- A failure prints the call of `replay` that repeats it, with every argument that matters.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zkfake._history.events import Sent
from zkfake._search.causes import HANGS, told
from zkfake._search.progress import ProgressLine
from zkfake._search.trials import Exceptions, Program, Trial, TrialRun, exceptions, name_of
from zkfake._simulation.faults.points import CLIENT_FAULTS, FaultPoint, fault_point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from zkfake._simulation.simulation import Simulation

__all__ = ["SweepFailure", "SweepReport", "replay", "sweep"]


@dataclass(frozen=True, slots=True)
class SweepFailure:
    """A run that went wrong.

    ``request`` is the request's number in the undisturbed run, ``then`` a second request, by its
    number in the run with the first fault alone, and the fault there.
    """

    request: int
    text: str
    fault: FaultPoint
    error: BaseException
    hung: bool
    seed: int
    replay: str
    """The call that runs this combination again."""
    then: tuple[int, FaultPoint] | None = None

    def __str__(self) -> str:
        what = "hangs" if self.hung else "fails"
        return f"{what} under {self.text}: {told(self.error, place=True)}\n    {self.replay}"


@dataclass(slots=True, repr=False)
class SweepReport:
    """What a sweep found: true when it found nothing."""

    requests: int
    runs: int = 0
    failures: list[SweepFailure] = field(default_factory=list)
    stopped: str = ""
    """Why the sweep ended early: a budget, a limit or Ctrl-C. Empty if it was complete."""

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
        head = (
            f"{self.requests} requests, {self.runs} runs, {len(self.failures)} of them went wrong"
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
    allow: Exceptions = (),
    budget: float | None = None,
    max_runs: int | None = None,
    progress: Callable[[SweepReport], object] | None = None,
    **simulation: Any,
) -> SweepReport:
    """Run ``program`` once for every request and fault, and report the combinations that fail it.

    Args:
        program: is called with the `Simulation`.
        faults: names or `FaultPoint` objects; those of clients by default, ``ALL`` for those of
            servers as well.
        check: called with the simulation after the program, when every fault is healed and
            everything is delivered.
        seed: of every run.
        requests: the numbers of the requests to strike at; all by default.
        pairs: strike a second time, at each later request, if the program survives the first
            fault. That takes a program of n requests about n * n / 2 * faults * faults runs.
        allow: exceptions that the program may raise; the check then decides.
        budget: real seconds after which no run is begun.
        max_runs: as many runs at most.
        progress: called with the report so far after each run. By default a line on standard error
            counts the runs, where that is a terminal.
        **simulation: arguments for `Simulation`.

    Ctrl-C ends the sweep, which returns its report so far; see `SweepReport.stopped`.

    Raises whatever the undisturbed run raises, and ``ValueError`` for an unknown fault.
    """
    points = [fault_point(fault) for fault in faults]
    trial = _Sweeping(Trial(program, check, exceptions(allow), simulation), seed)
    sent = trial.undisturbed()
    report = SweepReport(len(sent))
    tell = progress or ProgressLine()
    end = None if budget is None else time.monotonic() + budget
    wanted = set(sent) if requests is None else set(requests)
    try:
        for strikes in trial.combinations(sent, points, wanted, pairs=pairs):
            if end is not None and time.monotonic() >= end:
                report.stopped = f"its budget of {budget} s was spent"
            elif max_runs is not None and report.runs >= max_runs:
                report.stopped = f"it had made {max_runs} runs (max_runs)"
            if report.stopped:
                break
            report.runs += 1
            error = trial.run(strikes).error
            if error is not None:
                report.failures.append(trial.failure(strikes, error))
            tell(report)
    except KeyboardInterrupt:
        report.stopped = "Ctrl-C"
    if isinstance(tell, ProgressLine):
        tell.end(report)
    return report


def replay(
    program: Program,
    *,
    request: int,
    fault: FaultPoint | str,
    then: tuple[int, FaultPoint | str] | None = None,
    check: Program | None = None,
    seed: int = 0,
    allow: Exceptions = (),
    **simulation: Any,
) -> Any:
    """Run one combination of a sweep again. Returns what the program returns; raises what the
    program or the check raises.

    ``then``: a second request and the fault there. The rest is as for `sweep`. Raises
    ``ValueError`` for an unknown fault, and for a request that the program does not send.
    """
    trial = _Sweeping(Trial(program, check, exceptions(allow), simulation), seed)
    strikes = [trial.strike(trial.undisturbed(), request, fault_point(fault))]
    if then is not None:
        number, second = then
        strikes.append(trial.strike(_sent(trial.run(strikes)), number, fault_point(second)))
    outcome = trial.run(strikes)
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


@dataclass(frozen=True, slots=True)
class _Strike:
    """A fault at a request."""

    number: int
    client: str
    fault: FaultPoint
    text: str

    def __str__(self) -> str:
        return f"{self.fault} at {self.text}"


@dataclass(slots=True)
class _Sweeping:
    """What every run of a sweep has in common."""

    trial: Trial
    seed: int
    last: TrialRun | None = None

    def undisturbed(self) -> dict[int, Sent]:
        run = self.run(())
        if run.error is not None:
            raise run.error
        return _sent(run)

    def combinations(
        self,
        sent: dict[int, Sent],
        faults: list[FaultPoint],
        wanted: set[int],
        *,
        pairs: bool,
    ) -> Iterator[Sequence[_Strike]]:
        """What to strike at in each run; each combination is run before the next one is asked for,
        as the requests of one run are those at which a second fault can strike.
        """
        harmless: list[tuple[_Strike, dict[int, Sent]]] = []
        for number in sorted(wanted & sent.keys()):
            for fault in faults:
                strike = self.strike(sent, number, fault)
                yield (strike,)
                if pairs and self.last is not None and self.last.error is None:
                    harmless.append((strike, _sent(self.last)))
        for first, later in harmless:
            for number in sorted(later):
                if number > first.number:
                    for fault in faults:
                        yield first, self.strike(later, number, fault)

    def strike(self, sent: dict[int, Sent], number: int, fault: FaultPoint) -> _Strike:
        if number not in sent:
            raise ValueError(f"the program sends no request {number}")
        event = sent[number]
        text = f"request {number} of {event.client}: {event.operation} {' '.join(event.paths)}"
        return _Strike(number, event.client, fault, text.rstrip())

    def run(self, strikes: Sequence[_Strike]) -> TrialRun:
        """Run the program with these faults, and say what became of it."""

        def arm(sim: Simulation) -> None:
            for strike in strikes:
                strike.fault.arm(sim.faults, strike.client, strike.number, sim.longest_session)

        self.last = self.trial.run(arm, quiet=bool(strikes), seed=self.seed)
        return self.last

    def failure(self, strikes: Sequence[_Strike], error: BaseException) -> SweepFailure:
        first, *rest = strikes
        return SweepFailure(
            first.number,
            " and ".join(map(str, strikes)),
            first.fault,
            error,
            isinstance(error, HANGS),
            self.seed,
            self._replay(first, rest),
            (rest[0].number, rest[0].fault) if rest else None,
        )

    def _replay(self, first: _Strike, rest: list[_Strike]) -> str:
        given = [f"request={first.number}", f"fault={first.fault.name!r}"]
        given += [f"then=({second.number}, {second.fault.name!r})" for second in rest]
        if self.trial.check is not None:
            given.append(f"check={name_of(self.trial.check)}")
        given.append(f"seed={self.seed}")
        if self.trial.allow:
            names = ", ".join(each.__name__ for each in self.trial.allow)
            given.append(f"allow={names}" if len(self.trial.allow) == 1 else f"allow=({names})")
        given += [f"{name}={value!r}" for name, value in self.trial.arguments.items()]
        return f"replay({name_of(self.trial.program)}, {', '.join(given)})"


def _sent(run: TrialRun) -> dict[int, Sent]:
    """The program's own requests, by their numbers."""
    events = run.simulation.history[: run.events]
    return {event.number: event for event in events if isinstance(event, Sent)}
