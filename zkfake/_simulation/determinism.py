"""Whether a program is deterministic: it runs twice, and the two runs are compared.

Rules that live here: a run is its steps, the time and the task of each, and its history; the first
step that differs is named, with the first event that does. A program that fails the same way twice
is deterministic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._simulation.errors import NondeterministicProgram
from zkfake._simulation.scheduling.tasks import MICROSECONDS

if TYPE_CHECKING:
    from zkfake._history.recorder import History

__all__ = ["RecordedRun", "same_outcome"]


class RecordedRun(NamedTuple):
    """What one run did."""

    steps: list[tuple[int, str]]
    """The time of each, in microseconds, and the name of its task."""
    history: History
    result: Any
    error: Exception | None
    """What it raised."""


def same_outcome(first: RecordedRun, second: RecordedRun) -> Any:
    """Return what the second run returned, or raise what it raised.

    Raises `NondeterministicProgram` where the two differ.
    """
    difference = _difference(first, second)
    if difference is not None:
        raise NondeterministicProgram(difference) from (first.error or second.error)
    if second.error is not None:
        raise second.error
    return second.result


def _difference(first: RecordedRun, second: RecordedRun) -> str | None:
    """Where two runs differ, or ``None``."""
    steps, others = first.steps, second.steps
    for number, (one, other) in enumerate(zip(steps, others, strict=False), 1):
        if one != other:
            return (
                f"step {number} differs: {_step(one)} in the first run, {_step(other)} in the "
                "second\n" + _last_common_event(first, second)
            )
    if len(steps) != len(others):
        longer = steps if len(steps) > len(others) else others
        number = min(len(steps), len(others)) + 1
        which = "first" if longer is steps else "second"
        return (
            f"step {number} ({_step(longer[number - 1])}) was made in the {which} run only\n"
            + _last_common_event(first, second)
        )
    if first.history.digest() != second.history.digest():
        return "the steps are the same, the histories differ\n" + _last_common_event(first, second)
    return None


def _step(step: tuple[int, str]) -> str:
    return f"{step[1]} at {step[0] / MICROSECONDS:.6f} s"


def _last_common_event(first: RecordedRun, second: RecordedRun) -> str:
    ones, others = list(map(repr, first.history)), list(map(repr, second.history))
    for number, (one, other) in enumerate(zip(ones, others, strict=False), 1):
        if one != other:
            return f"first event that differs, number {number}:\n  {one}\n  {other}"
    if len(ones) != len(others):
        number = min(len(ones), len(others))
        return (
            f"the history of one run ends after event {number}, the other goes on with\n  "
            + (ones if len(ones) > len(others) else others)[number]
        )
    return "the events of both runs are the same"
