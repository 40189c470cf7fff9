"""A server of a test's own has faults where it is the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.zk_backend("fake")
def test_a_lost_reply(
    zk_server_factory: Callable[[], Any], zk_client_factory: Callable[..., Any]
) -> None:
    server = zk_server_factory()
    client = zk_client_factory(hosts=server.hosts)
    fault = server.faults.drop_before_reply(client, operation="create", path="/a")
    with fault, pytest.raises(ConnectionLoss):
        client.create("/a")
    assert fault.hits
    assert client.retry(client.exists, "/a")
