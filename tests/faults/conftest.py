"""The drivers of the faults of connections: virtual time, the fake, and a proxy in front of a fake
and of a live server.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveZooKeeper
from zkfake import FakeZooKeeper
from zkfake.simulation import Simulation

from ..support.faulty import Clients, Faulty, Proxied, Virtual
from ..support.settings import QUICK
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def live(live_home: str | None) -> Iterator[LiveZooKeeper]:
    with LiveZooKeeper(live_home) as server:
        yield server


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """kazoo warns about every connection that a fault breaks."""
    caplog.set_level(logging.CRITICAL, "kazoo")


ON_SOCKETS = ["fake", "proxied fake", pytest.param("live", marks=pytest.mark.needs_java)]


@pytest.fixture(params=["simulation", *ON_SOCKETS])
def faulty(request: pytest.FixtureRequest, quiet: None) -> Iterator[Clients]:
    """A simulation and a fake, each with its own faults; a fake, and a live server, each behind a
    proxy.
    """
    with driver(request.param, request) as faulty:
        yield faulty


@pytest.fixture(params=ON_SOCKETS)
def on_sockets(request: pytest.FixtureRequest, quiet: None) -> Iterator[Clients]:
    """Those of real time, for what needs threads that the system runs."""
    with driver(request.param, request) as faulty:
        yield faulty


@pytest.fixture(params=["simulation", "fake"])
def ours(request: pytest.FixtureRequest, quiet: None) -> Iterator[Clients]:
    """Those that have faults of servers."""
    with driver(request.param, request) as faulty:
        yield faulty


@contextmanager
def driver(name: str, request: pytest.FixtureRequest) -> Iterator[Clients]:
    with ExitStack() as exits:
        faulty: Clients
        if name == "simulation":
            modules = (request.module.__name__, Clients.__module__, SocketChannel.__module__)
            simulation = Simulation(patch=modules, settings={"tickTime": 200})
            faulty = Virtual(exits.enter_context(simulation))
        elif name == "fake":
            faulty = Faulty()
        elif name == "proxied fake":
            settings = {**QUICK, "4lw.commands.whitelist": "*"}
            faulty = Proxied(exits.enter_context(FakeZooKeeper(settings=settings)).hosts)
        else:
            faulty = Proxied(request.getfixturevalue("live").hosts)
        yield faulty
        faulty.close()
