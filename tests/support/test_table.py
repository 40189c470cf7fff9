"""The tables in CONTRIBUTING.md have every module of the product and every folder of tests, and
nothing that is not there.
"""

from __future__ import annotations

import re

import pytest

from .table import ROOT, covered_by, rows

PACKAGES = ("zkdict", "zkfake", "pytest_zkdict")
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)


def test_every_folder_of_tests_is_told_of() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    where = text.partition("## Where things are")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `(tests/\w+)` \|", where, re.MULTILINE))
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*/*.py")}
    assert told >= folders
    assert [name for name in told if not (ROOT / name).is_dir()] == []


def test_every_module_has_tests() -> None:
    assert [module for module in MODULES if not covered_by(module)] == []


@pytest.mark.parametrize("row", rows())
def test_what_a_row_names_is_there(row: str) -> None:
    named = [row, *rows()[row]]
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert any(module.startswith(row) and rows()[row] == covered_by(module) for module in MODULES)
