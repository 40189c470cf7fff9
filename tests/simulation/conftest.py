"""Shared by the tests of the simulation: quiet kazoo, and a check that nothing is left behind."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from zkfake._simulation.patching import patches

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Every test ends without a simulation, or a thread of its own."""
    threads = set(threading.enumerate())
    yield
    assert patches.current() is None
    assert set(threading.enumerate()) <= threads


@pytest.fixture(autouse=True)
def _quiet_kazoo() -> Iterator[None]:
    """kazoo warns about every connection that a fault breaks."""
    logger = logging.getLogger("kazoo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)
