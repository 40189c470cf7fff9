"""One program, its check and its arguments, to be run in one world after the other.

Rules that live here: a program passes a run when it returns, or raises what it is allowed to, and
when its check, which is called once everything has settled, returns as well. What its tasks,
threads and callbacks raise fails it as well, unless it is allowed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zkfake._search.causes import FailureCause, cause_of
from zkfake._simulation.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Exceptions", "Program", "Trial", "TrialRun", "exceptions", "name_of"]

Program = Callable[[Simulation], Any]
Exceptions = type[BaseException] | tuple[type[BaseException], ...]

_STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""The exceptions that end a search. Any other one is the outcome of its run."""


@dataclass(slots=True)
class TrialRun:
    """What became of one run."""

    simulation: Simulation
    value: Any = None
    """What the program returned."""
    error: BaseException | None = None
    events: int = 0
    """How many events there were when the program ended: those of the check are not counted."""

    @property
    def cause(self) -> FailureCause | None:
        """Why it failed; ``None`` if it passed."""
        return None if self.error is None else cause_of(self.error)


@dataclass(frozen=True)
class Trial:
    """What every run of a search has in common."""

    program: Program
    check: Program | None = None
    allow: tuple[type[BaseException], ...] = ()
    """What the program may raise: its check then decides."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Those of `Simulation`."""

    def run(
        self,
        before: Callable[[Simulation], object] | None = None,
        *,
        quiet: bool = True,
        **arguments: Any,
    ) -> TrialRun:
        """Runs the program, with some arguments changed. ``before`` is called first, inside the
        simulation. ``quiet``: a failure and lost connections are not told of on standard error.
        """
        simulation = self.simulation(**arguments)
        simulation.quiet = quiet
        simulation._failures.allowed = self.allow  # noqa: SLF001  # not for users
        run = TrialRun(simulation)

        def whole(sim: Simulation) -> Any:
            if before is not None:
                before(sim)
            value = None
            try:
                with suppress(*self.allow):
                    value = self.program(sim)
            finally:
                run.events = len(sim.history)
            if self.check is not None:
                sim.settle()
                self.check(sim)
            return value

        try:
            with _quiet_kazoo(quiet):
                run.value = simulation.run(whole)
        except _STOPS:
            raise
        except BaseException as error:  # also pytest's outcomes
            run.error = error
        return run

    def simulation(self, **arguments: Any) -> Simulation:
        """A new simulation, with some arguments changed. Raises what `Simulation` raises."""
        return Simulation(**{**self.arguments, **arguments})


@contextmanager
def _quiet_kazoo(quiet: bool) -> Iterator[None]:
    """kazoo logs a warning for every connection that is lost; a search loses thousands."""
    loggers = [logging.getLogger(name) for name in ("kazoo", "zkfake.simulation") if quiet]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def name_of(function: Program) -> str:
    """How a program is called in text to paste."""
    return str(getattr(function, "__name__", "program"))


def exceptions(allow: Exceptions) -> tuple[type[BaseException], ...]:
    """``allow`` as a tuple. Raises `TypeError` for anything but classes of exceptions."""
    found = (allow,) if isinstance(allow, type) else tuple(allow)
    for each in found:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise TypeError(f"allow={allow!r}; expected classes of exceptions")
    return found
