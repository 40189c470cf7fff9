"""A run on the fake alone starts no JVM; one on both does."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = """
import pytest
from tests.support.backend import deselect, has_live, refuse_java

def pytest_collection_modifyitems(config, items):
    deselect(config, items)

@pytest.fixture(autouse=True, scope="session")
def no_java(request, tmp_path_factory):
    if not has_live(request.config):
        refuse_java(tmp_path_factory.mktemp("no-java"))

@pytest.fixture
def live_home(): ...
"""
PROJECT = """
import os
import subprocess
import pytest

def test_on_the_fake(): ...
def test_with_a_home(live_home): ...

@pytest.mark.needs_java
def test_that_is_marked(): ...

@pytest.mark.parametrize("on", ["fake", pytest.param("live", marks=pytest.mark.needs_java)])
def test_on_either(on): ...

def test_that_is_not_marked():
    done = subprocess.run(["java"], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, "JAVA_HOME" in os.environ) == (1, False)
    assert "starts no JVM" in done.stderr
"""


@pytest.mark.parametrize(("backend", "deselected"), [("fake", 3), ("both", 0)])
def test_what_is_run(
    backend: str, deselected: int, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nmarkers = needs_java")
    pytester.makepyfile(test_it=PROJECT)
    only = () if deselected else ("--deselect", "test_it.py::test_that_is_not_marked")
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--zk-backend", backend, *only), timeout=120
    )
    result.assert_outcomes(passed=6 - (deselected or 1), deselected=deselected or 1)
