"""In which order the tests of a module are run, so that the first failure comes soon."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..support.table import covered_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .sites import Mutant


def nearest(copy: Path, mutant: Mutant) -> list[str]:
    """The files of tests for a mutant's module: those that its row names one by one; of the folders
    first what names the function or the class that it is in, or the module; planted mistakes last.
    """
    code = (copy / mutant.path).read_text("utf-8")
    names = {name.strip("_") for name in _around(ast.parse(code), mutant.line)}
    names.add(mutant.path.rpartition("/")[2].removesuffix(".py").strip("_"))
    wanted = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, names))})(?![A-Za-z0-9])")

    def far(path: Path) -> tuple[bool, int]:
        found = set(wanted.findall(path.read_text("utf-8") + path.stem))
        return "mistake" in path.name, -len(found)

    tests = covered_by(mutant.path)
    first = [test for test in tests if test.endswith(".py")]
    folders = (copy / test for test in tests if test not in first)
    found = [file for folder in folders for file in sorted(folder.rglob("test_*.py"))]
    rest = [str(file.relative_to(copy)) for file in sorted(found, key=far)]
    return list(dict.fromkeys([*first, *rest]))


def _around(tree: ast.Module, line: int) -> Iterator[str]:
    """The names of the classes and functions that a line is in."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                if node.lineno <= line <= (node.end_lineno or 0):
                    yield name
