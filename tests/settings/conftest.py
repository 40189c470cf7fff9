"""Servers with settings of a test's own, and raw clients of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..support.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_zkdict.clients import ServerFactory

    Connect = Callable[..., Client]
    Serve = Callable[..., Connect]


@pytest.fixture
def serve(zk_server_factory: ServerFactory) -> Iterator[Serve]:
    """``serve({"skipACL": "yes"})`` starts a server and returns what makes clients of it."""
    made: list[Client] = []

    def start(settings: dict[str, object] | None = None) -> Connect:
        server = zk_server_factory(settings)
        port = int(server.hosts.rpartition(":")[2])

        def connect(**arguments: int | bytes | None) -> Client:
            made.append(Client(port, **arguments))
            return made[-1]

        return connect

    yield start
    for client in made:
        client.close()
