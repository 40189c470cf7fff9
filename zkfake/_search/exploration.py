"""What an exploration has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from textwrap import indent
from typing import TYPE_CHECKING

from zkfake._search.causes import told
from zkfake._search.probes import PROBES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkfake._search.causes import FailureCause

__all__ = ["Exploration", "Failure", "missed"]


@dataclass(slots=True)
class Failure:
    """A way in which the program fails. ``str`` of it is for people."""

    cause: FailureCause
    """What runs have in common that count as this failure."""
    seed: int
    """The first one that shows it."""
    run: int
    """The number of the run that first showed it, from 1."""
    error: BaseException
    """What the run raised that `program` makes again."""
    count: int = 1
    """In how many runs it was seen."""
    faults: list[str] = field(default_factory=list)
    """What has to happen in the shrunk world: faults, delays and choices, as lines of `program`."""
    world: str = ""
    """The shrunk world in one line, or the seed where it was not shrunk, as the pytest option
    ``--zk-replay`` takes it.
    """
    program: str = ""
    """A program that fails so, to paste; see `zkfake.simulation.explore`."""
    explanation: str = ""
    """What the failure needs, and where the run parts from one that passes."""
    shrunk: bool = False
    """Whether nothing can be left out of ``faults``, as far as was tried."""

    def __str__(self) -> str:
        runs = "1 run" if self.count == 1 else f"{self.count} runs"
        lines = [
            f"{told(self.error)}",
            f"    at {self.cause.place}; in {runs}, first in run {self.run} (seed {self.seed})",
        ]
        if self.explanation:
            lines.append(indent(self.explanation, "    "))
        if self.program:
            lines += ["    It fails so by:", "", indent(self.program, "        "), ""]
        return "\n".join(lines).rstrip()


@dataclass(slots=True, repr=False)
class Exploration:
    """What `zkfake.simulation.explore` found: true when it found nothing. ``str`` of it is for
    people.
    """

    profile: str
    """The name of the runs' profile."""
    runs: int = 0
    """How many there were, without those for shrinking."""
    failed: int = 0
    """How many of them failed."""
    failures: list[Failure] = field(default_factory=list)
    """One for each cause, in the order in which they were found."""
    probes: dict[str, int] = field(default_factory=dict)
    """In how many runs each probe fired, by its name. Built-in ones that never fired are not there:
    see `PROBES`.
    """
    missing: tuple[str, ...] = ()
    """The probes that were demanded and never fired."""
    seconds: float = 0.0
    """Real seconds, with those for shrinking."""
    stopped: str = ""
    """Why it ended early: ``stop_after``, a budget or Ctrl-C. Empty if all seeds were run."""

    def __bool__(self) -> bool:
        return not self.failures and not self.missing

    def __str__(self) -> str:
        parts = [self._head()]
        parts += [f"{number}. {each}" for number, each in enumerate(self.failures, 1)]
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        # What pytest shows of `assert explore(program)`; it cuts a repr after 240 characters.
        first = f"; the first: {self.failures[0].cause}" if self.failures else ""
        return f"<{type(self).__name__}: {self._head()}{first}>"

    @property
    def progress(self) -> str:
        """How far the search is, in a few words."""
        ways = len(self.failures)
        return f"explore: {self.runs} runs, {self.failed} failed in {ways} way(s)"

    def _head(self) -> str:
        causes = {0: "", 1: ", all in one way"}.get(
            len(self.failures), f", in {len(self.failures)} ways"
        )
        head = f"{self.runs} runs ({self.profile}), {self.failed} failed{causes}"
        if self.missing:
            names = ", ".join(missed(name, self.probes) for name in self.missing)
            head += f"; demanded and never seen: {names}"
        return f"{head}; stopped early: {self.stopped}" if self.stopped else head

    def raise_if_failed(self) -> None:
        """Raises an `AssertionError` with the whole report if a run failed, or if a probe that was
        demanded never fired.
        """
        if not self:
            raise AssertionError(str(self))


def missed(name: str, probes: Mapping[str, int]) -> str:
    """A probe that never fired, in words. ``probes``: those that some run had."""
    if name in PROBES:
        text, servers = PROBES[name]
        return f"{name!r} ({text}{f'; it takes {servers} servers' if servers > 1 else ''})"
    if name in probes:
        return f"{name!r} (it was looked at, and never true)"
    near = get_close_matches(name, [*probes, *PROBES], 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"{name!r} (no run had a probe of this name{meant})"
