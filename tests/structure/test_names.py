"""One word for one thing: no two classes of the product share a name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from .layers import ROOT
from .test_layers import PAGE, PRODUCT

if TYPE_CHECKING:
    from collections.abc import Iterator

ARGUED = {
    "Faults": "of either driver: the same methods, in real and in virtual time",
    "Snapshot": "public in both packages: a state of the fake, and a state of a dict",
    "Timer": "what runs when its time has come, and the stand-in for `threading.Timer`",
    "Transaction": "public in zkdict: a transaction of its user; in the core: an entry of the log",
}
"""Names that several classes have for a reason."""


def _classes() -> Iterator[tuple[str, str]]:
    """(name without a leading underscore, module) of every class."""
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    yield node.name.lstrip("_"), module


def test_no_two_classes_share_a_name() -> None:
    where = defaultdict(list)
    for name, module in _classes():
        where[name].append(module)
    shared = {name: modules for name, modules in where.items() if len(modules) > 1}
    assert {name: shared[name] for name in shared if name not in ARGUED} == {}
    assert set(ARGUED) <= set(shared), "an argument that is not needed any more"


def test_the_glossary_names_classes_that_there_are() -> None:
    text = PAGE.read_text("utf-8").partition("\n## Words\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")][2:]
    assert {len(row) for row in rows} == {6}
    words = [word.strip() for _, word, *_ in rows]
    assert words == sorted(words)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[3])}
    assert named
    assert named - {name for name, _ in _classes()} == set()
