"""What every judge is: a subscriber that says what it found."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from zkfake._history.subscriber import Subscriber
from zkfake._history.verdict import Checked, Finding, shown_evidence

if TYPE_CHECKING:
    from zkfake._history.errors import GuaranteeBroken
    from zkfake._history.events import Event, Logged
    from zkfake._history.reading import Reading

__all__ = ["Judge"]

_MOST_FINDINGS = 10

NO_LOG = "there is no log of what was committed"


class Judge(Subscriber):
    """One named check."""

    name: ClassVar[str]
    error: ClassVar[type[GuaranteeBroken]]
    needs_log: ClassVar[bool] = False
    """Whether nothing can be decided without the log of what was committed."""
    why_log: ClassVar[str] = NO_LOG
    """Why not, for people."""
    needs_no_log: ClassVar[bool] = False
    """Whether nothing is left to be decided where there is one."""

    def __init__(self) -> None:
        self.title = self.name
        self.times = 0
        """What was checked so far."""
        self.found: list[Finding] = []
        self.remarks: list[Finding] = []
        self._undecided: Counter[str] = Counter()

    def begin(self, reading: Reading) -> None:
        """As every subscriber; but a judge that can decide nothing hears of nothing."""
        if self.needs_log and not reading.has_log:
            self.reading = reading
            self.undecided(self.why_log)
        else:
            super().begin(reading)

    @property
    def promise(self) -> str:
        """What the judge holds the history to: the first sentence of its docstring."""
        text = inspect.getdoc(type(self)) or ""
        return " ".join(text.split("\n\n")[0].split())

    @property
    def checked(self) -> Checked:
        return Checked(self.title, self.times, tuple((+self._undecided).items()))

    def broken(
        self,
        text: str,
        *evidence: Event | Logged | None,
        error: type[GuaranteeBroken] | None = None,
        unfinished: bool = False,
    ) -> None:
        """A guarantee is broken, ``error`` where it is not the judge's own. ``evidence``: what
        shows it; what is ``None`` is left out. ``unfinished``: something never came.
        """
        if len(self.found) < _MOST_FINDINGS:
            self.found.append(self._finding(text, evidence, error or self.error, unfinished))

    def remark(self, text: str, *evidence: Event | Logged | None) -> None:
        """Something is worth to be known."""
        if len(self.remarks) < _MOST_FINDINGS:
            self.remarks.append(self._finding(text, evidence, self.error))

    def _finding(
        self,
        text: str,
        evidence: tuple[Event | Logged | None, ...],
        error: type[GuaranteeBroken],
        unfinished: bool = False,
    ) -> Finding:
        shown = shown_evidence(evidence)
        return Finding(self.title, self.promise, text, shown, error, unfinished)

    def undecided(self, why: str, count: int = 1) -> None:
        """Something could not be decided."""
        self._undecided[why] += count
