"""The table in CONTRIBUTING.md that says which tests cover which module."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADING = "## Which tests cover what"


def rows() -> dict[str, list[str]]:
    """Files and folders of the tests, by the file or folder of the product."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition(HEADING)[2].partition("\n## ")[0]
    table: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            modules, tests = (re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:3])
            for module in modules:
                assert module not in table, f"{module} stands there twice"
                table[module] = tests
    return table


def covered_by(path: str) -> list[str]:
    """The tests of a module, by its path: those of the most exact row."""
    table = rows()
    fitting = [row for row in table if path == row or (row.endswith("/") and path.startswith(row))]
    return table[max(fitting, key=len)] if fitting else []
