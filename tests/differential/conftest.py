"""What the differential tests share: the live server to compare with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveUnavailableError, find_installation

from .driver import Pair
from .servers import FakeServer, LiveServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def live_home(request: pytest.FixtureRequest) -> str | None:
    """Where the live server is (`--zk-home`; None: wherever it is found); skips without one."""
    home: str | None = request.config.getoption("--zk-home")
    try:
        find_installation(home)
    except LiveUnavailableError as reason:
        wanted = request.config.getoption("--zk-require-live") or os.environ.get("ZK_REQUIRE_LIVE")
        if wanted:
            pytest.fail(f"the live server is required: {reason}", pytrace=False)
        pytest.skip(str(reason))
    return home


@pytest.fixture(scope="session")
def live_version(live_home: str | None) -> str:
    """ "3.8" or "3.9": the version that the fake has to have."""
    server = LiveServer(live_home)
    try:
        return server.version
    finally:
        server.stop()


@pytest.fixture
def fake_and_live(live_home: str | None, live_version: str) -> Iterator[Pair]:
    """The fake beside the live server."""
    pair = Pair(lambda: FakeServer(live_version), lambda: LiveServer(live_home))
    yield pair
    pair.discard()
