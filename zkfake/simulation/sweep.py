"""Every fault at every request of a program: `sweep`.

Rules that live here:

- The program runs once undisturbed to count its requests (pings do not count), then once for each
  request and fault. The same seed makes every run the same up to the fault.
- A fault strikes once, at its request, and what it begins is over after two session timeouts.
- A program passes a run when it returns, and when ``check``, called once everything has settled,
  returns as well. It fails when either raises; it *hangs* when the simulation had to stop it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zkfake.simulation.errors import (
    SimulationBlocked,
    SimulationDeadlock,
    SimulationLimit,
    SimulationTimeout,
)
from zkfake.simulation.history import Sent
from zkfake.simulation.simulation import Simulation

if TYPE_CHECKING:
    from zkfake.simulation.faults import Faults

__all__ = ["ALL", "FaultPoint", "SweepFailure", "SweepReport", "replay", "sweep"]

Program = Callable[[Simulation], Any]

_HANGS = (SimulationDeadlock, SimulationLimit, SimulationTimeout, SimulationBlocked)


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """A fault that can strike at any request. ``arm`` sets it for the request with that number, of
    that client, in a world whose sessions last ``timeout`` virtual seconds at most.
    """

    name: str
    arm: Callable[[Faults, str, int, float], object]

    def __repr__(self) -> str:
        return self.name


def _partition(faults: Faults, client: str, number: int, timeout: float) -> object:
    return faults.upon(
        lambda: faults.partition(client, duration=2 * timeout), client, number=number
    )


def _pause(faults: Faults, client: str, number: int, timeout: float) -> object:
    def pause() -> None:
        faults.pause(client, duration=2 * timeout)

    return faults.upon(pause, client, point="after_reply", number=number)


def _expire(faults: Faults, client: str, number: int, _timeout: float) -> object:
    return faults.upon(lambda: faults.expire(client), client, number=number)


def _hold_watches(faults: Faults, client: str, number: int, timeout: float) -> object:
    return faults.upon(lambda: faults.hold_watches(client, duration=timeout), client, number=number)


DROP_BEFORE_REQUEST = FaultPoint(
    "drop_before_request",
    lambda faults, client, number, _: faults.drop_before_request(client, number=number),
)
DROP_BEFORE_REPLY = FaultPoint(
    "drop_before_reply",
    lambda faults, client, number, _: faults.drop_before_reply(client, number=number),
)
DROP_AFTER_REPLY = FaultPoint(
    "drop_after_reply",
    lambda faults, client, number, _: faults.drop_after_reply(client, number=number),
)
PARTITION = FaultPoint("partition", _partition)
PAUSE = FaultPoint("pause", _pause)
EXPIRE = FaultPoint("expire", _expire)
HOLD_WATCHES = FaultPoint("hold_watches", _hold_watches)

ALL = (
    DROP_BEFORE_REQUEST,
    DROP_BEFORE_REPLY,
    DROP_AFTER_REPLY,
    PARTITION,
    PAUSE,
    EXPIRE,
    HOLD_WATCHES,
)
"""Every fault that a sweep knows."""

_BY_NAME = {fault.name: fault for fault in ALL}


@dataclass(frozen=True, slots=True)
class SweepFailure:
    """A run that went wrong. ``request`` is the request's number in the undisturbed run."""

    request: int
    text: str
    fault: FaultPoint
    error: BaseException
    hung: bool
    seed: int

    @property
    def replay(self) -> str:
        """The call that runs this combination again."""
        return (
            f"replay(program, request={self.request}, fault={self.fault.name!r}, seed={self.seed})"
        )

    def __str__(self) -> str:
        what = "hangs" if self.hung else "fails"
        first = (str(self.error).splitlines() or [""])[0]
        return (
            f"{what} under {self.fault} at {self.text}: {type(self.error).__name__}: {first}\n"
            f"    {self.replay}"
        )


@dataclass(slots=True)
class SweepReport:
    """What a sweep found: true when it found nothing."""

    requests: int
    runs: int = 0
    failures: list[SweepFailure] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        head = (
            f"{self.requests} requests, {self.runs} runs, {len(self.failures)} of them went wrong"
        )
        return "\n".join([head, *map(str, self.failures)])

    def raise_if_failed(self) -> None:
        """Raise an ``AssertionError`` with the whole report where something was found."""
        if self.failures:
            raise AssertionError(str(self))


def sweep(
    program: Program,
    faults: Iterable[FaultPoint | str] = ALL,
    *,
    check: Program | None = None,
    seed: int = 0,
    requests: Iterable[int] | None = None,
    **simulation: Any,
) -> SweepReport:
    """Run ``program`` once for every request and fault, and report the combinations that fail it.

    ``check`` is called with the simulation after the program, when every fault is healed and
    everything is delivered. ``requests``: the numbers of the requests to strike at, all by default.
    ``simulation``: arguments for `Simulation`. Costs requests x faults runs of the program.

    Raises whatever the undisturbed run raises, and ``ValueError`` for an unknown fault.
    """
    points = [_point(fault) for fault in faults]
    sent = _requests_of(program, check, seed, simulation)
    wanted = sorted(sent) if requests is None else [number for number in requests if number in sent]
    report = SweepReport(len(sent))
    for number in wanted:
        event = sent[number]
        text = f"request {number} of {event.client}: {event.operation} {' '.join(event.paths)}"
        for fault in points:
            report.runs += 1
            try:
                _run(program, check, event.client, number, fault, seed, simulation)
            except BaseException as error:
                if not isinstance(error, Exception):
                    raise
                hung = isinstance(error, _HANGS)
                report.failures.append(
                    SweepFailure(number, text.rstrip(), fault, error, hung, seed)
                )
    return report


def replay(
    program: Program,
    *,
    request: int,
    fault: FaultPoint | str,
    check: Program | None = None,
    seed: int = 0,
    **simulation: Any,
) -> Any:
    """Run one combination of a sweep again and return what the program returns, or raise what it
    raises.
    """
    sent = _requests_of(program, check, seed, simulation)
    if request not in sent:
        raise ValueError(f"the program has no request {request}")
    return _run(program, check, sent[request].client, request, _point(fault), seed, simulation)


def _requests_of(
    program: Program, check: Program | None, seed: int, arguments: dict[str, Any]
) -> dict[int, Sent]:
    """The program's own requests, without those of ``check``, in an undisturbed run."""
    simulation = Simulation(seed=seed, **arguments)
    last: list[int] = []

    def run(sim: Simulation) -> None:
        program(sim)
        last.append(sim.network.requests)

    simulation.run(_with_check(run, check))
    return {event.number: event for event in simulation.history.of(Sent) if event.number <= last[0]}


def _run(
    program: Program,
    check: Program | None,
    client: str,
    number: int,
    fault: FaultPoint,
    seed: int,
    arguments: dict[str, Any],
) -> Any:
    simulation = Simulation(seed=seed, **arguments)
    simulation.quiet = True

    def arm(sim: Simulation) -> None:
        fault.arm(sim.faults, client, number, sim.longest_session)

    simulation.before = arm
    with _quiet_kazoo():
        return simulation.run(_with_check(program, check))


def _with_check(program: Program, check: Program | None) -> Program:
    def run(sim: Simulation) -> Any:
        result = program(sim)
        if check is not None:
            sim.settle()
            check(sim)
        return result

    return run


def _point(fault: FaultPoint | str) -> FaultPoint:
    if isinstance(fault, FaultPoint):
        return fault
    if fault not in _BY_NAME:
        raise ValueError(f"there is no fault {fault!r}, only {', '.join(_BY_NAME)}")
    return _BY_NAME[fault]


class _quiet_kazoo:  # noqa: N801  # used like a function
    """kazoo logs a warning for every connection that a fault breaks; a sweep breaks thousands."""

    def __enter__(self) -> None:
        self._loggers = [logging.getLogger("kazoo"), logging.getLogger("zkfake.simulation")]
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *_exc: object) -> None:
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)
