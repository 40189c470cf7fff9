"""The table in CONTRIBUTING.md has every module of the product, and nothing that is not there."""

from __future__ import annotations

import pytest

from .table import ROOT, covered_by, rows

PACKAGES = ("zkdict", "zkfake", "pytest_zkdict")
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)


def test_every_module_has_tests() -> None:
    assert [module for module in MODULES if not covered_by(module)] == []


@pytest.mark.parametrize("row", rows())
def test_what_a_row_names_is_there(row: str) -> None:
    named = [row, *rows()[row]]
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert any(module.startswith(row) and rows()[row] == covered_by(module) for module in MODULES)
