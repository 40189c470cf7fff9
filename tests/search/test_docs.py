"""The page of the search: its example runs as it stands there, and prints what the page says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from zkfake.simulation import explore

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
TEXT = PAGE.read_text("utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_first_example_prints_what_the_page_says(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    program = tmp_path / "jobs.py"
    program.write_text(EXAMPLES[0], "utf-8")
    assert str(runpy.run_path(str(program))["found"]) + "\n" == shown


@pytest.mark.parametrize("example", EXAMPLES[1:])
def test_the_other_examples_run(example: str) -> None:
    exec(compile(example, str(PAGE), "exec"), {"__name__": "example"})


def test_every_argument_is_on_the_page() -> None:
    parameters = set(explore.__annotations__) - {"program", "check", "return", "simulation"}
    assert {name for name in parameters if f"`{name}=" not in TEXT} == set()


def test_the_page_on_seeds_counts_what_these_tables_say() -> None:
    """A geometric search with the median m has found it within n worlds with 1 - 2 ** (-n / m)."""
    page = PAGE.with_name("how_many_seeds.md").read_text("utf-8")
    medians = [
        [float(row.split("|")[4]) for row in re.findall(r"^\| \w+ \|.*", table, re.MULTILINE)]
        for table in (
            TEXT.partition(f"<!-- {name}: begin -->")[2].partition(f"<!-- {name}: end -->")[0]
            for name in ("corpus", "recipes")
        )
    ]
    assert all(f" of {len(each)} " in page for each in medians)
    for worlds in (30, 100, 300, 1_000, 3_000):
        found = (sum(1 - 2 ** (-worlds / m) >= 0.95 for m in each) for each in medians)
        assert f"\n| {worlds:,} | {' | '.join(map(str, found))} |\n" in page
