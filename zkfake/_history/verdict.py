"""What the judges found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkfake._history.errors import GuaranteeBroken
    from zkfake._history.events import Event, Logged

__all__ = ["MOST_EVIDENCE", "Checked", "Finding", "Verdict", "shown_evidence"]

MOST_EVIDENCE = 6
"""The most events that a finding shows."""


def shown_evidence(events: Iterable[Event | Logged | None]) -> tuple[Event | Logged, ...]:
    """The first few of them, each once, in the order of their times; without what is ``None``."""
    found = {id(each): each for each in events if each is not None}
    return tuple(sorted(found.values(), key=lambda event: event.time)[:MOST_EVIDENCE])


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a judge found, with the events that show it, in their order."""

    judge: str
    """Its name."""
    promise: str
    """The broken promise, in a sentence."""
    text: str
    """What was found."""
    evidence: tuple[Event | Logged, ...]
    """The events that show it, oldest first."""
    error: type[GuaranteeBroken]
    """What `Verdict.raise_if_broken` raises for it."""
    unfinished: bool = False
    """Whether something never came: then all up to the end of the history has to do with it."""

    def __str__(self) -> str:
        lines = [f"{self.judge}: {self.text}", *(f"    {event!r}" for event in self.evidence)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Checked:
    """What one judge did. ``times``: how often it decided. ``undecided``: how often it could not,
    by reason.
    """

    judge: str
    times: int
    undecided: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all the judges found in one history.

    ``str`` of it is for people. A verdict without a broken guarantee is true.
    """

    events: int
    """How many events were judged."""
    transactions: int | None
    """How many were committed; ``None`` if the history has no committed log."""
    checked: tuple[Checked, ...]
    """What each judge did."""
    broken: tuple[Finding, ...]
    """The broken guarantees, in the order of the last events that show them; at most ten of each
    judge.
    """
    remarks: tuple[Finding, ...] = ()
    """Findings that break nothing, such as a lost claim; at most ten of each judge."""

    def __bool__(self) -> bool:
        return not self.broken

    @property
    def undecided(self) -> dict[str, dict[str, int]]:
        """How often nothing could be decided, by judge and reason."""
        return {each.judge: dict(each.undecided) for each in self.checked if each.undecided}

    def raise_if_broken(self) -> None:
        """Raises the error of the first broken guarantee, a `zkfake.history.GuaranteeBroken`, which
        is an `AssertionError`. Its text has all that is broken, its ``findings`` are `broken`, its
        ``verdict`` is this one.
        """
        __tracebackhide__ = True  # of interest is the test that calls it
        if self.broken:
            error = self.broken[0].error("\n".join(self._findings()))
            error.findings, error.verdict = self.broken, self
            raise error

    def _findings(self) -> list[str]:
        log = (
            "without the log of what was committed"
            if self.transactions is None
            else f"{self.transactions} transactions"
        )
        total = f"{self.events} events, {log}"
        if self.broken:
            judges = dict.fromkeys(each.judge for each in self.broken)
            lines = [f"broken: {', '.join(judges)} ({total})"]
            lines += [str(each) for each in self.broken]
        else:
            lines = [f"nothing is broken ({total})"]
        return [*lines, *(f"remark: {each}" for each in self.remarks)]

    def __str__(self) -> str:
        lines = self._findings()
        for each in self.checked:
            lines.append(f"  {each.judge}: checked {each.times} times")
            lines += [f"      not decided, {count} times: {why}" for why, count in each.undecided]
        return "\n".join(lines)
