"""Where the product's code can be changed, and how: cosmic-ray's operators, drawn by a seed.

Rules that live here:

- Places are drawn, each as likely as any other, and then one of the changes that a place allows:
  a `+`, which eleven operators can replace, is not drawn eleven times as often as a `not`.
- A place that does nothing while the code runs is none: annotations, what only type checkers read,
  `__all__` and the like. Nor is a change that does not compile, or that swaps equality for
  identity, which tells apart what the interpreter happens to keep once.
"""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from .silent import silent_places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = ("zkdict", "zkfake", "pytest_zkdict")
_UNUSED = re.compile(r"(Eq|NotEq)_Is(Not)?$|_(Is|IsNot)_(?!IsNot$|Is$)|/Variable|/NoOp")
_SILENT = {"name", "newline", "string", "endmarker", "indent", "dedent"}
"""Leaves that no operator changes."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: str
    line: int
    column: int
    operator: str
    occurrence: int
    """Which of the operator's places in the file this is, as cosmic-ray counts them."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.operator} {self.occurrence}"

    @classmethod
    def parse(cls, text: str) -> Mutant:
        place, operator, occurrence = text.split()
        path, line, column = place.rsplit(":", 2)
        return cls(path, int(line), int(column), operator, int(occurrence))

    @cache  # noqa: B019 - there are few
    def code(self, root: Path) -> str | None:
        """The file's text with the change; None where it does not compile."""
        operator = get_operator(f"core/{self.operator}")()
        code: str | None = mutate_code(_text(root / self.path), operator, self.occurrence)
        if code is None:
            return None
        try:
            compile(code, self.path, "exec")
        except SyntaxError:
            return None
        return code


def drawn(root: Path, seed: int) -> Iterator[Mutant]:
    """Mutants of all places, in the order in which they are drawn."""
    places: dict[tuple[str, int, int], list[Mutant]] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            for mutant in _of_file(root, path.relative_to(root)):
                places.setdefault((mutant.path, mutant.line, mutant.column), []).append(mutant)
    dice = random.Random(seed)
    for place in dice.sample(sorted(places), len(places)):
        mutant = dice.choice(places[place])
        if mutant.code(root) is not None:
            yield mutant


def _of_file(root: Path, path: Path) -> Iterator[Mutant]:
    text = _text(root / path)
    silent = list(silent_places(ast.parse(text)))
    counts: dict[str, int] = {}
    for node in _nodes(get_ast(text)):
        for name, operator in _operators(node.type, hasattr(node, "children")):
            for (line, column), _end in operator.mutation_positions(node):
                occurrence = counts.get(name, 0)
                counts[name] = occurrence + 1
                if not any(first <= (line, column) < last for first, last in silent):
                    yield Mutant(path.as_posix(), line, column, name, occurrence)


def _nodes(node: Any) -> Iterator[Any]:
    """Every node that may be changed, in cosmic-ray's order."""
    if node.type not in _SILENT:
        yield node
    for child in getattr(node, "children", ()):
        yield from _nodes(child)


class _Named(NamedTuple):
    name: str
    operator: Any


@cache
def _operators(kind: str, inner: bool) -> list[_Named]:
    """Those that may change a node of this kind: there are 180, and far more nodes."""
    found = []
    for name in operator_names():
        fits = (
            ("BinaryOperator" not in name or kind == "operator")
            and ("ComparisonOperator" not in name or kind == "comparison")
            and ("UnaryOperator" not in name or inner)
        )
        if fits and not _UNUSED.search(name):
            found.append(_Named(name.removeprefix("core/"), get_operator(name)()))
    return found


@cache
def _text(path: Path) -> str:
    return path.read_text("utf-8")
