"""Measures the search on the corpus, and writes the table of docs/search.md.

    python -m tests.search.corpus [--seeds 1000] [--starts 20] [--keep FILE] [NAME ...]

With names, the rows of these applications and recipes are measured anew, and the others stay. What
was seen of each seed is kept in a file with `--keep FILE`, so that measuring can go on after an
interruption.

With `--shrunk` only what the table tells of the shrunk worlds is measured anew.

    python -m tests.search.corpus --mended [--seeds 5000] [NAME ...]

looks for false alarms: it searches the mended applications, and those that do the work of a recipe,
and says what it finds.

    ZKFAKE_PYTHONS=$(make -s pythons) python -m tests.search.corpus --pasted [NAME ...]

runs the programs to paste on other Pythons, and says which of them fail alike.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import CORPUS, Application
from .measuring import (
    PYTHONS,
    Row,
    Sound,
    fail_alike_on,
    false_alarms,
    look,
    measured,
    read_rows,
    shrunk_anew,
    write_rows,
)
from .rates import Seen
from .recipes import RECIPES, RecipeUse
from .recipes.instead import INSTEAD

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mended", action="store_true", help="look for false alarms")
    parser.add_argument("--shrunk", action="store_true", help="keep the numbers of runs")
    parser.add_argument("--pasted", action="store_true", help="run what is to be pasted elsewhere")
    parser.add_argument("--seeds", type=int, help="runs of a search: 1000, or 5000 if mended")
    parser.add_argument("--starts", type=int, default=20, help="searches of which a median is told")
    parser.add_argument("--keep", type=Path, help="where to keep what was seen")
    parser.add_argument("names", nargs="*", help="applications, recipes; all, if there is none")
    given = parser.parse_args()
    sound: dict[str, Sound] = {each.name: each for each in (*CORPUS, *INSTEAD)}
    unknown = set(given.names) - {*sound, *(each.name for each in RECIPES)}
    if unknown:
        parser.error(f"no such application or recipe: {', '.join(sorted(unknown))}")
    applications = [each for each in CORPUS if each.name in (given.names or [each.name])]
    if given.mended:
        chosen = [each for each in sound.values() if each.name in (given.names or [each.name])]
        sys.exit(_search_mended(chosen, given.seeds or 5000))
    if given.pasted:
        sys.exit(_paste(applications, given.seeds or 1000))
    seen = Seen([*CORPUS, *RECIPES], given.keep)
    tables: dict[str, Sequence[Application | RecipeUse]] = {"corpus": CORPUS, "recipes": RECIPES}
    for table, all_of_it in tables.items():
        for each in all_of_it:
            if each.name in (given.names or [each.name]):
                rows: dict[str, Row] = {row.name: row for row in read_rows(table)}
                seeds = given.seeds or 1000
                if given.shrunk and each.name in rows:
                    row = shrunk_anew(each, seen, seeds, rows[each.name])
                else:
                    row = measured(each, seen, seeds, given.starts)
                print(row.text, flush=True)
                rows[row.name] = row
                write_rows([rows[one.name] for one in all_of_it if one.name in rows], table)


def _paste(applications: list[Application], seeds: int) -> int:
    """How many programs do not fail alike somewhere, or were not found."""
    failures = {}
    for application in applications:
        found = look(application, seeds)
        if found.failures:
            failures[application.name] = found.failures[0]
        print(f"{application.name}: {found.runs} runs, {found.seconds:.0f} s", flush=True)
    alike = {python: fail_alike_on(python, failures) for python in [sys.executable, *PYTHONS]}
    for python, names in alike.items():
        others = ", ".join(sorted(failures.keys() - set(names))) or "none"
        print(f"{python}: {len(names)} fail alike; not so: {others}", flush=True)
    return len(applications) - min(map(len, alike.values()))


def _search_mended(applications: Sequence[Sound], seeds: int) -> int:
    """How many of them are not as good as they should be."""
    bad = 0
    for application in applications:
        found = false_alarms(application, seeds)
        print(f"{application.name}: {found.seconds:.0f} s, {found}", flush=True)
        bad += not found
    return bad


if __name__ == "__main__":
    main()
