"""SECURITY.md: each protection that it promises is held by tests that there are."""

from __future__ import annotations

import ast
import re

from .layers import ROOT

HEADING = "## What protects you, and the tests that hold it"


def test_each_protection_names_tests_that_there_are() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8").partition(HEADING)[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert len(rows[2:]) > 10
    for protection, tests in rows[2:]:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", tests)
        assert named, protection
        for file, test in named:
            body = ast.parse((ROOT / file).read_text("utf-8")).body
            functions = {each.name for each in body if isinstance(each, ast.FunctionDef)}
            assert test in functions, f"{file} has no {test}"
