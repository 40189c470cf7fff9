"""Recorded runs that the tests of histories share."""

from __future__ import annotations

import pytest

from .runs import hostile


@pytest.fixture(scope="session")
def recorded() -> object:
    """The history of a world with every fault; nobody changes it."""
    return hostile(3, servers=3).history
