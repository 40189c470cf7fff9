"""A test that hangs ends the run, and shows what every thread was doing.

pytest's own ``faulthandler_timeout`` is given up as soon as a test has failed, and a fixture that
waits for what the failed test should have done is the most likely hang of all. So each phase of a
test, its fixtures' end included, has a limit of its own.
"""

from __future__ import annotations

import faulthandler
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "pytest_configure",
    "pytest_runtest_call",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "pytest_unconfigure",
]

LIMIT = float(os.environ.get("TEST_LIMIT", "300"))
"""Seconds for each phase of a test; 0 is no limit."""

_STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_STDERR] = os.dup(2)  # pytest puts a file in its place while a test runs


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_STDERR])


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def _limited(item: pytest.Item) -> Iterator[None]:
    if LIMIT:
        faulthandler.dump_traceback_later(LIMIT, exit=True, file=item.config.stash[_STDERR])
    yield
    faulthandler.cancel_dump_traceback_later()


pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = _limited
