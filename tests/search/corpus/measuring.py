"""How soon the search finds the mistake of an application, and what it says of it.

Rules that live here: a row of the table is measured from several starting seeds, whose searches
share no seed. Numbers of runs are medians; what is shrunk is the first failure of the first start.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from kazoo.exceptions import KazooException

from zkfake._search.causes import cause_of
from zkfake.simulation import explore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkfake.simulation import Exploration, Failure, Simulation

    from . import Application

__all__ = [
    "PYTHONS",
    "SEARCHES",
    "Row",
    "fail_alike_on",
    "fails_alike",
    "false_alarms",
    "look",
    "measured",
    "names_the_cause",
    "needed",
    "pasted",
    "read_rows",
    "write_rows",
]

_ROOT = Path(__file__).parents[3]
PAGE = _ROOT / "docs" / "search.md"
PYTHONS = [each for each in os.environ.get("ZKFAKE_PYTHONS", "").split(os.pathsep) if each]
"""Other interpreters that have kazoo and greenlet: `make pythons` prints them."""
_BEGIN, _END = "<!-- corpus: begin -->\n", "<!-- corpus: end -->\n"
_APART = 1_000_000
"""Between the seeds of two searches."""

SEARCHES: dict[str, dict[str, Any]] = {
    "hostile": {"profile": "hostile"},
    "swarm": {},
    "swarm, pct": {"schedule": "pct"},
}
_HEAD = ["application", "mistake", *SEARCHES, "parts", "fails alike", "says why"]


class Row(NamedTuple):
    """What was measured of an application, as it stands in the table."""

    name: str
    mistake: str
    runs: tuple[str, ...]
    """To the first find, one for each of `SEARCHES`."""
    parts: str
    """How many faults, delays and choices the shrunk world has."""
    fails_alike: str
    says_why: str

    @property
    def text(self) -> str:
        cells = [self.name, self.mistake, *self.runs, self.parts, self.fails_alike, self.says_why]
        return f"| {' | '.join(cells)} |"


def look(
    application: Application, seeds: int, start: int = 0, *, shrink: bool = True, **search: Any
) -> Exploration:
    """Searches for the mistake until it is found."""
    first = start * _APART
    return explore(
        application.wrong,
        application.check,
        seeds=range(first, first + seeds),
        stop_after=1,
        jobs=1,
        allow=KazooException,
        shrink=shrink,
        **search,
    )


def false_alarms(application: Application, seeds: int) -> Exploration:
    """Searches the mended application, which has no mistake. ZooKeeper has none either, so the
    judges of histories find nothing.
    """

    def check(sim: Simulation) -> None:
        application.check(sim)
        sim.history.check().raise_if_broken()

    return explore(
        application.mended,
        check,
        seeds=seeds,
        jobs=1,
        allow=KazooException,
        shrink=False,
    )


def fails_alike(application: Application, failure: Failure) -> bool:
    """Whether the program to paste fails for the same cause."""
    return pasted(application, failure.program) == str(failure.cause)


def pasted(application: Application, program: str) -> str:
    """The cause for which the program to paste fails; empty, if it does not."""
    names = {"wrong": application.wrong, "check": application.check}
    try:
        exec(program, {"KazooException": KazooException, **names})
    except BaseException as error:  # any, also of pytest
        return str(cause_of(error))
    return ""


def fail_alike_on(python: str, failures: Mapping[str, Failure]) -> list[str]:
    """The applications whose programs to paste fail for the same cause on another Python."""
    programs = {name: failure.program for name, failure in failures.items()}
    run = subprocess.run(
        [python, "-W", "ignore", "-m", f"{__package__}.pasted"],
        input=json.dumps(programs),
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # every simulation that fails says so
        text=True,
        timeout=600,
        check=True,
    )
    causes = json.loads(run.stdout)
    return [name for name, failure in failures.items() if causes[name] == str(failure.cause)]


def needed(explanation: str) -> list[tuple[str, str]]:
    """What the failure needs, as its explanation tells it: what goes wrong, and at which request,
    if it is at one.
    """
    parts = re.findall(r"^- (.*?)(?:\. Without it, .*)?\.$", explanation, re.MULTILINE)
    found = [re.fullmatch(r"(.*?) at request \d+ of \w+ \((.*?)\).*", part) for part in parts]
    return [
        (part, "") if place is None else (place[1], place[2])
        for part, place in zip(parts, found, strict=True)
    ]


def names_the_cause(application: Application, explanation: str) -> bool:
    """Whether the explanation names the cause, and nothing else."""
    parts = needed(explanation)
    return bool(parts) and all(
        any(
            re.fullmatch(what, part) and re.fullmatch(where, request)
            for what, where in application.cause
        )
        for part, request in parts
    )


def measured(application: Application, seeds: int, starts: int) -> Row:
    """The row of an application."""
    runs = []
    for search in SEARCHES.values():
        found = [look(application, seeds, start, shrink=False, **search) for start in range(starts)]
        middle = median(each.runs if each.failures else seeds + 1 for each in found)
        runs.append(f"{middle:g}" if middle <= seeds else f"more than {seeds}")
    described = look(application, seeds).failures
    parts = alike = why = "-"
    if described:
        parts = str(len(described[0].faults))
        alike = "yes" if fails_alike(application, described[0]) else "no"
        why = "yes" if names_the_cause(application, described[0].explanation) else "no"
    return Row(application.name, application.mistake, tuple(runs), parts, alike, why)


def read_rows() -> list[Row]:
    """The rows that the page has."""
    found = []
    for line in re.findall(r"^\| (\w+ \|.*) \|$", _table(), re.MULTILINE)[1:]:
        name, mistake, *runs, parts, alike, why = line.split(" | ")
        found.append(Row(name, mistake, tuple(runs), parts, alike, why))
    return found


def write_rows(rows: list[Row]) -> None:
    """Writes the table anew."""
    lines = [f"| {' | '.join(_HEAD)} |", "|" + " --- |" * len(_HEAD), *(row.text for row in rows)]
    text = PAGE.read_text("utf-8")
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    PAGE.write_text(before + _BEGIN + "\n".join(lines) + "\n" + _END + after, "utf-8")


def _table() -> str:
    return PAGE.read_text("utf-8").split(_BEGIN)[1].split(_END)[0]
