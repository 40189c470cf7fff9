"""Fixtures of the fake's tests."""

import pytest

from .harness import World


@pytest.fixture
def world() -> World:
    """A 3.9 server of the core with the settings it has by itself."""
    return World()
