"""After how many runs the search finds a mistake.

Rules that live here: a number is the median of many searches, each from another seed. The searches
begin `APART` seeds one after the other, so those for rare mistakes share runs, and a program is run
once for a seed, however many checks it has. What was seen is kept in a file, so that measuring can
be ended and goes on where it was; the file is of no use once the programs or the simulation change.
"""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from kazoo.exceptions import KazooException

from zkfake._search.causes import cause_of
from zkfake._search.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zkfake.simulation import Simulation

__all__ = ["APART", "SEARCHES", "Searched", "Seen"]

APART = 25
"""Seeds between the beginnings of two searches."""

SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "hostile": {"profile": "hostile"},
    "swarm": {"profile": "swarm"},
    "swarm, pct": {"profile": "swarm", "schedule": "pct"},
}


class Searched(Protocol):
    """A program, and the check that finds one mistake."""

    @property
    def name(self) -> str: ...

    @property
    def mistake(self) -> str: ...

    @property
    def wrong(self) -> Callable[[Simulation], None]: ...

    @property
    def check(self) -> Callable[[Simulation], None]: ...

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Of `Simulation`."""


class Seen:
    """Which seeds find which mistakes."""

    def __init__(self, searched: Sequence[Searched], file: Path | None = None) -> None:
        """``searched``: all of them; those with the same program are looked for in the same runs.
        ``file``: what was seen is read from it and written to it.
        """
        self._searched = searched
        self._file = file
        self._seen: dict[str, list[list[str]]] = {}
        """The mistakes that each seed has found, by search and program."""
        if file is not None and file.exists():
            self._seen = json.loads(file.read_text("utf-8"))

    def first(self, wanted: Searched, search: str, begin: int, seeds: int) -> int | None:
        """The first seed that finds it, of so many from ``begin`` on."""
        for seed in range(begin, begin + seeds):
            if wanted.name in self._at(wanted, search, seed):
                return seed
        return None

    def runs(self, wanted: Searched, search: str, seeds: int, starts: int) -> float:
        """The median of the runs to the first find. Those that find nothing count as one more than
        there are seeds.
        """
        found = []
        for begin in range(0, starts * APART, APART):
            first = self.first(wanted, search, begin, seeds)
            found.append(seeds + 1 if first is None else first - begin + 1)
        self.save()
        return median(found)

    def save(self) -> None:
        """Writes down what was seen."""
        if self._file is not None:
            self._file.write_text(json.dumps(self._seen), "utf-8")

    def _at(self, wanted: Searched, search: str, seed: int) -> list[str]:
        together = [
            each
            for each in self._searched
            if each.wrong is wanted.wrong and each.arguments == wanted.arguments
        ]
        key = f"{search}: {', '.join(each.name for each in together)}"
        seen = self._seen.setdefault(key, [])
        while len(seen) <= seed:  # every seed before it was asked for, or will be
            seen.append(_found(together, {**SEARCHES[search], "seed": len(seen)}))
        return seen[seed]


def _found(together: Sequence[Searched], arguments: Mapping[str, Any]) -> list[str]:
    """Whose mistakes a run shows."""
    found: list[str] = []

    def check(sim: Simulation) -> None:
        for each in together:
            try:
                each.check(sim)
            except AssertionError:  # noqa: PERF203
                found.append(each.name)

    trial = Trial(together[0].wrong, check, (KazooException,), dict(together[0].arguments))
    error = trial.run(**arguments).error
    if error is not None and len(together) == 1 and cause_of(error).error == "AssertionError":
        found.append(together[0].name)  # the program has noticed it itself
    return found
