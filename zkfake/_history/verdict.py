"""What the judges found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkfake._history.errors import GuaranteeBroken
    from zkfake._history.events import Event, Logged

__all__ = ["MOST_EVIDENCE", "Checked", "Finding", "Verdict"]

MOST_EVIDENCE = 6
"""Events that a finding shows at most."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a judge found, with the events that show it, in their order."""

    judge: str
    promise: str
    """What it found broken, in a sentence."""
    text: str
    evidence: tuple[Event | Logged, ...]
    error: type[GuaranteeBroken]

    def __str__(self) -> str:
        lines = [f"{self.judge}: {self.text}", *(f"    {event!r}" for event in self.evidence)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Checked:
    """What one judge did: ``times`` that it could decide, and what it could not, by the reason."""

    judge: str
    times: int
    undecided: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all the judges found in one history.

    ``str`` of it is for people. A verdict without a broken guarantee is true.
    """

    events: int
    transactions: int | None
    """``None`` where the history has no log of what was committed."""
    checked: tuple[Checked, ...]
    broken: tuple[Finding, ...]
    """In the order in which they were found; at most ten of each judge."""
    remarks: tuple[Finding, ...] = ()
    """What is worth to be known and breaks nothing, such as a claim that was lost."""

    def __bool__(self) -> bool:
        return not self.broken

    @property
    def undecided(self) -> dict[str, dict[str, int]]:
        """What could not be decided: how often, by the judge and the reason."""
        return {each.judge: dict(each.undecided) for each in self.checked if each.undecided}

    def raise_if_broken(self) -> None:
        """Raises the error of the first guarantee that is broken, with the whole verdict for its
        text: `zkfake.history.GuaranteeBroken`, an `AssertionError`.
        """
        if self.broken:
            raise self.broken[0].error(str(self))

    def __str__(self) -> str:
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
        lines += [f"remark: {each}" for each in self.remarks]
        for each in self.checked:
            line = f"  {each.judge}: checked {each.times} times"
            lines.append(line)
            lines += [f"      not decided, {count} times: {why}" for why, count in each.undecided]
        return "\n".join(lines)
