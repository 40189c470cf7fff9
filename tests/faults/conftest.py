"""The three drivers of the faults of connections."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveZooKeeper
from zkfake import FakeZooKeeper

from ..support.faulty import Faulty, Proxied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..support.faulty import Clients


@pytest.fixture(scope="module")
def live(live_home: str | None) -> Iterator[LiveZooKeeper]:
    with LiveZooKeeper(live_home) as server:
        yield server


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """kazoo warns about every connection that a fault breaks."""
    caplog.set_level(logging.CRITICAL, "kazoo")


@pytest.fixture(params=["fake", "proxied fake", pytest.param("live", marks=pytest.mark.needs_java)])
def faulty(request: pytest.FixtureRequest, quiet: None) -> Iterator[Clients]:
    """A fake with its own faults; a fake, and a live server, each behind a proxy."""
    if request.param == "fake":
        faulty = Faulty()
        yield faulty
        faulty.close()
    elif request.param == "proxied fake":
        settings = {"tickTime": 200, "4lw.commands.whitelist": "*"}
        with FakeZooKeeper(settings=settings) as server:
            proxied = Proxied(server.hosts)
            yield proxied
            proxied.close()
    else:
        proxied = Proxied(request.getfixturevalue("live").hosts)
        yield proxied
        proxied.close()
