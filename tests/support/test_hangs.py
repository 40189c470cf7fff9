"""A test that hangs, in any phase of its own, ends the run."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = """
import threading
import pytest

never = threading.Event()

@pytest.fixture
def begins():
    never.wait()

@pytest.fixture
def ends():
    yield
    never.wait()

def test_begins(begins): pass
def test_runs(): never.wait()
def test_ends(ends): assert False
"""


@pytest.mark.parametrize("phase", ["begins", "runs", "ends"])
def test_a_test_that_hangs_ends_the_run(
    phase: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that has failed before."""
    monkeypatch.setenv("TEST_LIMIT", "5")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(test_it=PROJECT)
    result = pytester.runpytest_subprocess(
        *("-p", "tests.support.hangs", "-p", "no:cacheprovider", f"test_it.py::test_{phase}"),
        timeout=120,
    )
    assert result.ret == 1
    result.stderr.fnmatch_lines(["Timeout *!", f"*in *{phase}"])
