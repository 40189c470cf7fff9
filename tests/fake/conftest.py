"""Fixtures of the fake's tests."""

import logging
from collections.abc import Iterator

import pytest

from ..support.core import World
from ..support.faulty import Faulty
from ..support.programs import interruptible

__all__ = ["interruptible"]


@pytest.fixture
def world() -> World:
    """A 3.9 server of the core with the settings it has by itself."""
    return World()


@pytest.fixture
def quiet_kazoo() -> Iterator[None]:
    """kazoo warns about every connection that a fault breaks."""
    logger = logging.getLogger("kazoo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture
def faulty(quiet_kazoo: None) -> Iterator[Faulty]:
    faulty = Faulty()
    yield faulty
    faulty.close()


@pytest.fixture
def ensemble(quiet_kazoo: None) -> Iterator[Faulty]:
    faulty = Faulty(servers=3, observers=1)
    yield faulty
    faulty.close()
