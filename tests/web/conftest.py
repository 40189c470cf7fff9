"""A fake with a control endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake.web import ControlEndpoint

from ..support.programs import interruptible
from .asking import TIMEOUT, Asking

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["interruptible"]


@pytest.fixture
def server() -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper() as server:
        yield server


@pytest.fixture
def asking(server: FakeZooKeeper) -> Iterator[Asking]:
    with ControlEndpoint(server) as endpoint:
        yield Asking(endpoint)


@pytest.fixture
def client(server: FakeZooKeeper) -> Iterator[KazooClient]:
    client = KazooClient(server.hosts)
    client.start(TIMEOUT)
    yield client
    client.stop()
    client.close()
