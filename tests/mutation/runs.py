"""Which tests run which line of the product: measured once, before the first mutant.

Rules that live here:

- A mutant is tried by every test that runs its statement, and by no other: none of those can find
  it. Tests on live servers are not measured.
- What runs at the import (a constant, a default, a decorator) belongs to no test: all that run a
  line of the function, or else of the class or the module, try it.
- Those of the nearest files come first, and those that take long come last.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from coverage import CoverageData

from .contexts import SECONDS
from .nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .sites import Mutant

DATA = "MUTATION_DATA"
"""coverage.toml has it: where the parts of what is measured go."""
FEW = 5
"""Files of tests with which to begin: collecting all of them takes longer than most tests."""
QUICK = 2.0
"""Seconds of a test that is tried early."""
_LEFT_OUT = ("tests/mutation/", "tests/structure/", "tests/hunt/", "tests/test_coverage.py")
"""They look at the source's text, or run others of the tests."""


class Runs:
    """What was measured of a copy. It is kept in ``work``, which belongs to the product's code:
    tests that have changed since are measured anew.
    """

    def __init__(self, copy: Path, work: Path) -> None:
        self._copy = copy
        known, data = work / "known.json", work / "data"
        files, self._seconds = _read(known)
        present = {
            test: hashlib.sha256((copy / test).read_bytes()).hexdigest() for test in _files(copy)
        }
        changed = [test for test, digest in present.items() if files.get(test) != digest]
        if changed:
            work.mkdir(exist_ok=True)
            found = _measure(copy, changed, data)
            kept = present.keys() - changed
            old = {test: each for test, each in self._seconds.items() if _file(test) in kept}
            self._seconds = old | found
            known.write_text(json.dumps([present, self._seconds]), "utf-8")
        self._data = CoverageData(str(data))
        self._data.read()

    def tests(self, mutant: Mutant) -> tuple[list[str], list[str]]:
        """The ids of the tests for a mutant: those with which to begin, and the others."""
        files = {file: place for place, file in enumerate(nearest(self._copy, mutant))}
        last = len(files)

        def far(test: str) -> tuple[bool, int, float]:
            seconds = self._seconds[test]
            return seconds > QUICK, files.get(_file(test), last), seconds

        order = sorted(self._running(mutant), key=far)
        near = list(dict.fromkeys(map(_file, order)))[:FEW]
        first = [test for test in order if _file(test) in near and self._seconds[test] <= QUICK]
        early = set(first)
        return first, [test for test in order if test not in early]

    def _running(self, mutant: Mutant) -> set[str]:
        path = self._copy / mutant.path
        measured = self._data.contexts_by_lineno(str(path))
        lines = runs_with(ast.parse(path.read_text("utf-8")), mutant.line)
        found = {test for line in lines for test in measured.get(line, ())}
        return found & self._seconds.keys()


def runs_with(tree: ast.Module, line: int) -> Iterable[int]:
    """The lines whose tests try a mutant of this line: those of its statement, or of its scope."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and line in _lines(node)]
    inmost, *outer = sorted(nodes, key=lambda node: len(_lines(node)))
    if isinstance(inmost, (ast.FunctionDef, ast.ClassDef)):
        return _lines(inmost)  # a decorator, a default
    if not any(isinstance(node, ast.FunctionDef) for node in outer):
        scope = [node for node in outer if isinstance(node, ast.ClassDef)]
        return _lines(scope[0]) if scope else range(1, (tree.body[-1].end_lineno or 0) + 1)
    if body := getattr(inmost, "body", None):
        head = range(inmost.lineno, body[0].lineno)
        return head if line in head else [line]  # of `except` and `case`: the line alone
    return _lines(inmost)


def _lines(node: ast.stmt) -> range:
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    return range(first, (node.end_lineno or 0) + 1)


def _files(copy: Path) -> list[str]:
    found = (path.relative_to(copy).as_posix() for path in (copy / "tests").rglob("test_*.py"))
    ours = [test for test in sorted(found) if not test.startswith(_LEFT_OUT)]
    return [test for test in ours if "/downstream/" not in test]


def _file(test: str) -> str:
    return test.partition("::")[0]


def _read(known: Path) -> tuple[dict[str, str], dict[str, float]]:
    """The digests of the files that were measured; the seconds of the tests that passed."""
    if not known.exists():
        return {}, {}
    files, seconds = json.loads(known.read_text("utf-8"))
    return files, seconds


def _measure(copy: Path, tests: list[str], data: Path) -> dict[str, float]:
    """How long each took, of those that pass. Adds which lines they ran to what is in ``data``."""
    parts, seconds = data.with_name("parts"), data.with_name("seconds.json")
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    rules = f"--rcfile={copy / 'tests/mutation/coverage.toml'}"
    environment = os.environ | {
        "CI": "true",
        "PYTHONPATH": str(copy),
        DATA: str(parts / data.name),  # `combine` looks for this name
        SECONDS: str(seconds),
    }
    pytest = ["-m", "pytest", "-q", "--tb=short", "-p", "tests.mutation.contexts"]
    combine = ["combine", rules, "-q", "--append", f"--data-file={data}", str(parts)]
    # A test that fails is left out, and no reason to stop.
    run = ["run", rules, *pytest, "--zk-backend", "fake", *tests]
    for arguments, check in ((run, False), (combine, True)):
        command = [sys.executable, "-m", "coverage", *arguments]
        subprocess.run(command, cwd=copy, env=environment, check=check)
    found: dict[str, float] = json.loads(seconds.read_text("utf-8"))
    return found
