"""A pytest plugin: tells coverage.py which test runs, here and in the processes that it starts, and
keeps how long those took that passed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "MUTATION_TEST"
"""coverage.toml has it: what a test starts belongs to the test."""
SECONDS = "MUTATION_SECONDS"
"""The file for the times."""

_times: dict[str, float] = {}
_failed: set[str] = set()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    os.environ[NAME] = item.nodeid
    measured = coverage.Coverage.current()
    assert measured is not None
    measured.switch_context(item.nodeid)
    yield
    measured.switch_context("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if not report.passed:  # skipped, too: it finds nothing
        _failed.add(report.nodeid)
    _times[report.nodeid] = _times.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish() -> None:
    passed = {name: seconds for name, seconds in _times.items() if name not in _failed}
    Path(os.environ[SECONDS]).write_text(json.dumps(passed), "utf-8")
