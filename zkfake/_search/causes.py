"""What a run failed with: whether two runs failed for the same reason.

Rules that live here: a cause is the kind of the error, the promise that was broken, and the line of
the program that it came from. The values in an error's text differ from run to run and do not
count. Which lines are the program's is for `zkfake._simulation.lines`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from zkfake._history.errors import GuaranteeBroken
from zkfake._simulation.errors import (
    SimulationBlocked,
    SimulationDeadlock,
    SimulationLimit,
    SimulationTimeout,
    TaskFailed,
)
from zkfake._simulation.lines import program_line

__all__ = ["HANGS", "FailureCause", "cause_of", "told"]

HANGS = (SimulationDeadlock, SimulationLimit, SimulationTimeout, SimulationBlocked)
"""What is raised when the simulation had to stop the program."""


@dataclass(frozen=True, slots=True, order=True)
class FailureCause:
    """Why a run failed, as far as the error tells. Runs with equal causes count as one failure."""

    error: str
    """The name of the exception's class."""
    place: str
    """The line of the program that raised it, as ``file:line in function``."""
    promise: str = ""
    """The judges that found something broken, where a verdict was raised."""

    def __str__(self) -> str:
        what = f"{self.error} ({self.promise})" if self.promise else self.error
        return f"{what} at {self.place}" if self.place else what


def cause_of(error: BaseException) -> FailureCause:
    """The cause of an error. A failed task's is that of the task's own error."""
    error = _of_task(error)
    promise = ""
    if isinstance(error, GuaranteeBroken):
        promise = ", ".join(dict.fromkeys(each.judge for each in error.findings))
    return FailureCause(type(error).__name__, _place(error), promise)


def told(error: BaseException, *, place: bool = False) -> str:
    """The error in one line. The code of the program's line stands for an exception without a
    text, such as that of a plain ``assert``. ``place``: with the place of that line.
    """
    error = _of_task(error)
    text = (str(error).splitlines() or [""])[0]
    frame = None if text else program_line(error)
    if frame is not None:
        text = frame.line or ""
        if place:
            text += f" ({os.path.basename(frame.filename)}:{frame.lineno})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _of_task(error: BaseException) -> BaseException:
    """The task's own error where a task failed, else the error."""
    return error.__cause__ or error if isinstance(error, TaskFailed) else error


def _place(error: BaseException) -> str:
    frame = program_line(error)
    if frame is None:
        return ""
    return f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}"
