"""What `make flakes` makes of pytest's output; and no test draws what nobody can draw again."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from .flakes import failures
from .pauses import Pauses, processes

TESTS = Path(__file__).parents[1]
UNSEEDED = {"Random", "seed", "SystemRandom"}
DRAWN_BY_THE_MODULE = {"choice", "choices", "randint", "random", "randrange", "sample", "shuffle"}


def test_each_failure_is_named() -> None:
    said = """=== short test summary info ===
FAILED tests/a/test_b.py::test_c[x - y] - AssertionError: assert 1 == 2
ERROR tests/a/test_b.py::test_d[fake]
SKIPPED [1] tests/a/test_b.py:3: no
1 failed, 1 error in 3.00s"""
    assert failures(said) == ["tests/a/test_b.py::test_c[x", "tests/a/test_b.py::test_d[fake]"]


CONTROLLER = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(worker.pid, flush=True)
sys.stdin.read()
worker.communicate(b"")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_stands_still_for_a_while_and_goes_on_at_the_end() -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert tests.stdout
    worker = int(tests.stdout.readline())
    with Pauses(tests.pid, seed=1, chance=1.0) as pauses:
        while processes()[worker].state != "T":
            pass
        assert processes()[tests.pid].state != "T"
    assert pauses.count > 0
    assert processes()[worker].state != "T"
    tests.communicate("")
    assert tests.returncode == 0


def unseeded(source: str) -> list[int]:
    """The lines that draw from a generator whose seed nobody knows."""
    if "import random\n" not in source:
        return []  # a generator may have this name
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (
            (node.func.value.id == "random" and node.func.attr in UNSEEDED and not node.args)
            or (node.func.value.id == "random" and node.func.attr in DRAWN_BY_THE_MODULE)
        )
    ]


def test_an_unseeded_generator_is_seen() -> None:
    program = "import random\nrandom.Random()\nrandom.Random(7).random()\nrandom.choice(x)"
    assert unseeded(program) == [2, 4]


def test_what_tests_draw_can_be_drawn_again() -> None:
    """Hypothesis draws the same in CI each time, and everything else by a seed. In a simulation the
    module's own functions draw by the seed of the simulation. Campaigns, which CI does not run,
    draw anew and name the seed.
    """
    found = {
        path.relative_to(TESTS).as_posix(): lines
        for path in sorted(TESTS.rglob("*.py"))
        if path.relative_to(TESTS).parts[0] not in IN_SIMULATIONS
        and path.name != "__main__.py"
        and (lines := unseeded(path.read_text("utf-8")))
    }
    assert found == {}


IN_SIMULATIONS = {"simulation", "search", "plugin", "history", "downstream"}
