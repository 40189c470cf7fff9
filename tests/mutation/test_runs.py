"""A mutant is tried by the tests that run its statement."""

from __future__ import annotations

import ast
import hashlib
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from coverage import CoverageData

from .runs import Runs, runs_with

if TYPE_CHECKING:
    from pathlib import Path

CODE = """\
LIMIT = 2 * 3


class Shop:
    size = 5

    @property
    def full(self, most=LIMIT + 1):
        if (
            self.size
            > most
        ):
            return True
        try:
            return self.sold > 1
        except AttributeError:
            return False

    def close(self):
        return -1
"""
RAN = {
    "": {1, 4, 5, 7, 8, 19},
    "tests/test_one.py::test_open": {9, 10, 11, 14, 15, 16, 17},
    "tests/test_one.py::test_full": {9, 10, 11, 13},
    "tests/test_two.py::test_slow": {9, 10, 11, 14, 15},
    "tests/test_two.py::test_failed": {20},
}
SECONDS = {name: 3.0 if "slow" in name else 0.1 for name in RAN if name[:1] and "fail" not in name}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    copy, work = tmp_path / "copy", tmp_path / "work"
    (copy / "zkdict").mkdir(parents=True)
    (copy / "tests").mkdir()
    work.mkdir()
    (copy / "zkdict/shop.py").write_text(CODE)
    digests = {}
    for name in ("tests/test_one.py", "tests/test_two.py"):
        (copy / name).write_text("")
        digests[name] = hashlib.sha256(b"").hexdigest()
    (work / "known.json").write_text(json.dumps([digests, SECONDS]))
    data = CoverageData(str(work / "data"))
    for name, lines in RAN.items():
        data.set_context(name)
        data.add_lines({str(copy / "zkdict/shop.py"): lines})
    data.write()
    data.close()
    return Runs(copy, work)


def _tests(runs: Runs, text: str) -> Any:
    line = CODE[: CODE.index(text)].count("\n") + 1
    mutant: Any = SimpleNamespace(path="zkdict/shop.py", line=line)
    first, rest = runs.tests(mutant)
    return [test.rpartition("_")[2] for test in first], [test.rpartition("_")[2] for test in rest]


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("> most", {"open", "full", "slow"}),
        ("return True", {"full"}),
        ("self.sold", {"open", "slow"}),
        ("except", {"open"}),
        ("return False", {"open"}),
        ("return -1", set()),  # by what failed alone
        ("@property", {"open", "full", "slow"}),
        ("LIMIT + 1", {"open", "full", "slow"}),
        ("5", {"open", "full", "slow"}),
        ("2 * 3", {"open", "full", "slow"}),
    ],
)
def test_who_runs_the_statement_tries_it(runs: Runs, text: str, tests: set[str]) -> None:
    first, rest = _tests(runs, text)
    assert {*first, *rest} == tests
    assert rest == (["slow"] if "slow" in tests else [])


def test_the_lines_for_a_line_contain_it() -> None:
    tree = ast.parse(CODE)
    for line, text in enumerate(CODE.splitlines(), 1):
        assert not text or line in runs_with(tree, line)
