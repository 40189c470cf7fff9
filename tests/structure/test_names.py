"""The glossary of `docs/design.md` names classes that there are."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from .layers import ROOT
from .test_layers import PAGE, PRODUCT

if TYPE_CHECKING:
    from collections.abc import Iterator


def _classes() -> Iterator[tuple[str, str]]:
    """(name without a leading underscore, module) of every class."""
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    yield node.name.lstrip("_"), module


def test_the_glossary_names_classes_that_there_are() -> None:
    text = PAGE.read_text("utf-8").partition("\n## Words\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")][2:]
    assert {len(row) for row in rows} == {6}
    words = [word.strip() for _, word, *_ in rows]
    assert words == sorted(words)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[3])}
    assert named
    assert named - {name for name, _ in _classes()} == set()
