"""The page of the search: its example runs as it stands there, and prints what the page says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from zkfake.simulation import explore

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
TEXT = PAGE.read_text("utf-8")


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    program = tmp_path / "jobs.py"
    program.write_text(example, "utf-8")
    assert str(runpy.run_path(str(program))["found"]) + "\n" == shown


def test_every_argument_is_on_the_page() -> None:
    parameters = set(explore.__annotations__) - {"program", "check", "return", "simulation"}
    assert {name for name in parameters if f"`{name}=" not in TEXT} == set()
