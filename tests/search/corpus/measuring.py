"""How soon the search finds the mistake of an application, and what it says of it.

Rules that live here: what is shrunk and explained is the first failure that a swarm from seed 0
finds; see `rates` for the numbers of runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kazoo.exceptions import KazooException

from zkfake._search.causes import cause_of
from zkfake.simulation import explore

from .rates import SEARCHES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zkfake.simulation import Exploration, Failure, Simulation

    from . import Application
    from .rates import Searched, Seen
    from .recipes import RecipeUse

__all__ = [
    "PYTHONS",
    "Row",
    "Sound",
    "fail_alike_on",
    "fails_alike",
    "false_alarms",
    "look",
    "measured",
    "names_the_cause",
    "needed",
    "pasted",
    "read_rows",
    "reason",
    "shrunk_anew",
    "write_rows",
]

_ROOT = Path(__file__).parents[3]
PAGE = _ROOT / "docs" / "search.md"
PYTHONS = [each for each in os.environ.get("ZKFAKE_PYTHONS", "").split(os.pathsep) if each]
"""Other interpreters that have kazoo and greenlet: `make pythons` prints them."""

_HEAD = ["", "mistake", *SEARCHES, "parts", "fails alike", "says why"]


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


def look(searched: Searched, seeds: int | Iterable[int], *, shrink: bool = True) -> Exploration:
    """Searches for the mistake until it is found."""
    return explore(
        searched.wrong,
        searched.check,
        seeds=seeds,
        stop_after=1,
        jobs=1,
        allow=KazooException,
        shrink=shrink,
        **searched.arguments,
    )


class Sound(Protocol):
    """An application without a mistake."""

    @property
    def name(self) -> str: ...
    @property
    def mended(self) -> Callable[[Simulation], None]: ...
    @property
    def check(self) -> Callable[[Simulation], None]: ...


def false_alarms(application: Sound, seeds: int, stop_after: int | None = None) -> Exploration:
    """Searches an application that has no mistake. ZooKeeper has none either, so the
    judges of histories find nothing.
    """

    def check(sim: Simulation) -> None:
        application.check(sim)
        sim.history.check().raise_if_broken()

    return explore(
        application.mended,
        check,
        seeds=seeds,
        stop_after=stop_after,
        jobs=1,
        allow=KazooException,
        shrink=False,
    )


def fails_alike(searched: Searched, failure: Failure) -> bool:
    """Whether the program to paste fails for the same cause."""
    return pasted(searched, failure.program) == str(failure.cause)


def pasted(searched: Searched, program: str) -> str:
    """The cause for which the program to paste fails; empty, if it does not."""
    names = {each.__name__: each for each in (searched.wrong, searched.check)}
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
    whole = explanation.replace("\n  ", " ")  # one line each
    parts = re.findall(r"^- (.*?)(?:\. Without it, .*)?\.$", whole, re.MULTILINE)
    request = re.compile(r"(.*?)(?: to| at|)(?: |^)request \d+, the \w+ of \w+ \((.*?)\)(.*)")
    found = [request.fullmatch(part) for part in parts]
    return [
        (part, "") if place is None else (f"{place[1]}{place[3]}".strip(), place[2])
        for part, place in zip(parts, found, strict=True)
    ]


def reason(explanation: str) -> str:
    """Why it fails, as the explanation says first; empty, if it says nothing of that."""
    found = re.match(r"Why: (.*?)\n(?=\S)", explanation, re.DOTALL)
    return "" if found is None else found[1].replace("\n  ", " ")


def names_the_cause(application: Application | RecipeUse, explanation: str) -> bool:
    """Whether the explanation names the cause, and nothing else."""
    parts = needed(explanation)
    if application.says and not re.search(application.says, reason(explanation)):
        return False
    return bool(parts) and all(
        any(
            re.fullmatch(what, part) and re.fullmatch(where, request)
            for what, where in application.cause
        )
        for part, request in parts
    )


def measured(searched: Application | RecipeUse, seen: Seen, seeds: int, starts: int) -> Row:
    """The row of an application or a recipe."""
    runs = []
    for search in SEARCHES:
        middle = seen.runs(searched, search, seeds, starts)
        runs.append(f"{middle:g}" if middle <= seeds else f"more than {seeds}")
    row = Row(searched.name, searched.mistake, tuple(runs), "-", "-", "-")
    return shrunk_anew(searched, seen, seeds, row)


def shrunk_anew(searched: Application | RecipeUse, seen: Seen, seeds: int, row: Row) -> Row:
    """The row with what is told of the shrunk world anew."""
    parts = alike = why = "-"
    seed = seen.first(searched, "swarm", 0, seeds)
    if seed is not None:
        (described,) = look(searched, [seed]).failures
        parts = str(len(described.faults))
        alike = "yes" if fails_alike(searched, described) else "no"
        why = "yes" if names_the_cause(searched, described.explanation) else "no"
    return row._replace(parts=parts, fails_alike=alike, says_why=why)


def read_rows(table: str = "corpus") -> list[Row]:
    """The rows that a table of the page has."""
    found = []
    text = PAGE.read_text("utf-8").split(_begin(table))[1].split(_end(table))[0]
    for line in re.findall(r"^\| (\w+ \|.*) \|$", text, re.MULTILINE):
        name, mistake, *runs, parts, alike, why = line.split(" | ")
        found.append(Row(name, mistake, tuple(runs), parts, alike, why))
    return found


def write_rows(rows: list[Row], table: str = "corpus") -> None:
    """Writes a table anew."""
    lines = [f"| {' | '.join(_HEAD)} |", "|" + " --- |" * len(_HEAD), *(row.text for row in rows)]
    text = PAGE.read_text("utf-8")
    before, after = text.split(_begin(table))[0], text.split(_end(table))[1]
    PAGE.write_text(before + _begin(table) + "\n".join(lines) + "\n" + _end(table) + after, "utf-8")


def _begin(table: str) -> str:
    return f"<!-- {table}: begin -->\n"


def _end(table: str) -> str:
    return f"<!-- {table}: end -->\n"
