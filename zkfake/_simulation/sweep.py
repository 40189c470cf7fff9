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

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import kazoo

from zkfake._history.events import Sent
from zkfake._simulation.errors import (
    SimulationBlocked,
    SimulationDeadlock,
    SimulationLimit,
    SimulationTimeout,
)
from zkfake._simulation.faults.points import CLIENT_FAULTS, FaultPoint, fault_point
from zkfake._simulation.simulation import Simulation

__all__ = ["SweepFailure", "SweepReport", "replay", "sweep"]

Program = Callable[[Simulation], Any]
Exceptions = type[BaseException] | tuple[type[BaseException], ...]

_HANGS = (SimulationDeadlock, SimulationLimit, SimulationTimeout, SimulationBlocked)
_LIBRARIES = tuple(
    os.path.join(os.path.dirname(file), "")
    for file in (str(kazoo.__file__), os.path.dirname(__file__))
)
"""The folders of kazoo and of zkfake."""
_STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""The exceptions that end the sweep. Any other one is the outcome of its run."""


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
        return f"{what} under {self.text}: {_told(self.error)}\n    {self.replay}"


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
    trial = _Trial(program, check, seed, _tuple(allow), simulation)
    sent = trial.undisturbed()
    report = SweepReport(len(sent))
    tell = progress or _Counter(report)
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
    if isinstance(tell, _Counter):
        tell.end()
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
    trial = _Trial(program, check, seed, _tuple(allow), simulation)
    strikes = [trial.strike(trial.undisturbed(), request, fault_point(fault))]
    if then is not None:
        number, second = then
        strikes.append(trial.strike(trial.run(strikes).sent, number, fault_point(second)))
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
class _Outcome:
    """What became of a run. ``sent``: the program's own requests, without those of the check."""

    value: Any = None
    error: BaseException | None = None
    sent: dict[int, Sent] = field(default_factory=dict)


@dataclass(slots=True)
class _Trial:
    """What every run of a sweep has in common."""

    program: Program
    check: Program | None
    seed: int
    allow: tuple[type[BaseException], ...]
    arguments: dict[str, Any]
    _last: _Outcome | None = None

    def undisturbed(self) -> dict[int, Sent]:
        outcome = self.run(())
        if outcome.error is not None:
            raise outcome.error
        return outcome.sent

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
                if pairs and self._last is not None and self._last.error is None:
                    harmless.append((strike, self._last.sent))
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

    def run(self, strikes: Sequence[_Strike]) -> _Outcome:
        """Run the program with these faults, and say what became of it."""
        simulation = Simulation(seed=self.seed, **self.arguments)
        simulation.quiet = bool(strikes)
        outcome = self._last = _Outcome()
        own: list[int] = []

        def whole(sim: Simulation) -> Any:
            for strike in strikes:
                strike.fault.arm(sim.faults, strike.client, strike.number, sim.longest_session)
            value = None
            try:
                value = self.program(sim)
            except self.allow:
                pass
            finally:
                own.append(max((event.number for event in sim.history.of(Sent)), default=0))
            if self.check is not None:
                sim.settle()
                self.check(sim)
            return value

        try:
            with _quiet_kazoo(bool(strikes)):
                outcome.value = simulation.run(whole)
        except _STOPS:
            raise
        except BaseException as error:
            outcome.error = error
        outcome.sent = {
            event.number: event
            for event in simulation.history.of(Sent)
            if event.number <= (own or [0])[0]
        }
        return outcome

    def failure(self, strikes: Sequence[_Strike], error: BaseException) -> SweepFailure:
        first, *rest = strikes
        return SweepFailure(
            first.number,
            " and ".join(map(str, strikes)),
            first.fault,
            error,
            isinstance(error, _HANGS),
            self.seed,
            self._replay(first, rest),
            (rest[0].number, rest[0].fault) if rest else None,
        )

    def _replay(self, first: _Strike, rest: list[_Strike]) -> str:
        given = [f"request={first.number}", f"fault={first.fault.name!r}"]
        given += [f"then=({second.number}, {second.fault.name!r})" for second in rest]
        if self.check is not None:
            given.append(f"check={_name(self.check)}")
        given.append(f"seed={self.seed}")
        if self.allow:
            names = ", ".join(each.__name__ for each in self.allow)
            given.append(f"allow={names}" if len(self.allow) == 1 else f"allow=({names})")
        given += [f"{name}={value!r}" for name, value in self.arguments.items()]
        return f"replay({_name(self.program)}, {', '.join(given)})"


def _told(error: BaseException) -> str:
    """One line. The program's line stands for an exception without a text, such as that of a plain
    ``assert``.
    """
    first = (str(error).splitlines() or [""])[0]
    frames = [] if first else traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
    if own:
        first = f"{own[-1].line} ({os.path.basename(own[-1].filename)}:{own[-1].lineno})"
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _name(function: Program) -> str:
    return getattr(function, "__name__", repr(function))


def _tuple(allow: Exceptions) -> tuple[type[BaseException], ...]:
    return (allow,) if isinstance(allow, type) else tuple(allow)


class _Counter:
    """A line on standard error, where that is a terminal, that counts the runs."""

    def __init__(self, report: SweepReport) -> None:
        self._shown = sys.stderr.isatty()
        self._report = report
        self._next = 0.0

    def __call__(self, report: SweepReport) -> None:
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            self._write(report)

    def end(self) -> None:
        """Write the last count, and end the line."""
        if self._shown:
            self._write(self._report)
            sys.stderr.write("\n")

    @staticmethod
    def _write(report: SweepReport) -> None:
        sys.stderr.write(f"\rsweep: {report.runs} runs, {len(report.failures)} failures")
        sys.stderr.flush()


class _quiet_kazoo:  # noqa: N801  # used like a function
    """kazoo logs a warning for every connection that a fault breaks; a sweep breaks thousands."""

    def __init__(self, quiet: bool) -> None:
        self._loggers = [
            logging.getLogger(name) for name in ("kazoo", "zkfake.simulation") if quiet
        ]

    def __enter__(self) -> None:
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *_exc: object) -> None:
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)
