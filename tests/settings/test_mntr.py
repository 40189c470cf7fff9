"""What ``mntr`` prints: the lines of the real server, name by name, and figures that are true."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import PATIENCE, Client
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from pytest_zkdict.plugin import ServerFactory
    from pytest_zkdict.servers import ZooKeeperServer


WORDS = {"4lw.commands.whitelist": "*"}


def mntr(port: int) -> dict[str, str]:
    text = four_letter_word("127.0.0.1", port, "mntr")
    return dict(line.split("\t", 1) for line in text.splitlines())


def names(port: int) -> set[str]:
    """Of the lines, any learner's alike; those of znodes that somebody wrote to are left out."""
    return {re.sub(r"_\d_", "_N_", name) for name in mntr(port) if "per_namespace" not in name}


@pytest.mark.zk_backend("live")
def test_every_line_has_its_name(zk_server: ZooKeeperServer, live_version: str) -> None:
    with FakeZooKeeper(version=live_version, settings=WORDS) as fake:
        port = int(zk_server.hosts.rpartition(":")[2])
        assert names(fake.members[0].port) == names(port)


def test_every_line_of_an_ensemble_has_its_name(live_home: str | None, live_version: str) -> None:
    with (
        LiveZooKeeper(live_home, servers=2, observers=1) as live,
        FakeZooKeeper(servers=2, observers=1, version=live_version, settings=WORDS) as fake,
    ):
        ports = {member.mode: member.port for member in live.members}
        assert set(ports) == {"leader", "follower", "observer"}
        for member in fake.members:
            assert names(member.port) == names(ports[member.mode]), member.mode


def test_what_is_counted(zk_server_factory: ServerFactory) -> None:
    # Not shorter: a 3.8 server that is slow to start would close such a connection before it has a
    # database. The thread that closes them dies of that.
    server = zk_server_factory({"maxClientCnxns": 3, "nio.sessionlessCnxnTimeout": 3000})
    port = int(server.hosts.rpartition(":")[2])
    first = mntr(port)
    silent = SocketChannel(("127.0.0.1", port), PATIENCE)
    assert silent.read_frame() == ([], True)
    clients = [Client(port) for _ in range(3)]
    for client in clients:
        assert client.response is not None
    clients[0].call("ping")
    refused = Client(port)
    assert refused.response is None
    for client in (*clients, refused):
        client.close()
    deadline = time.monotonic() + PATIENCE
    last: dict[str, str] = {}
    while not last:  # until the server has noticed that somebody has gone
        assert time.monotonic() < deadline
        with contextlib.suppress(OSError):
            last = mntr(port)

    def counted(name: str) -> int:
        return int(last[f"zk_{name}"]) - int(first[f"zk_{name}"])

    assert counted("connection_request_count") == 3
    assert counted("connection_rejected") >= 1
    assert counted("sessionless_connections_expired") == 1
    connect = wire.frame(wire.connect())
    assert counted("bytes_received_count") == 3 * len(connect) + len(wire.PING_FRAME) + 4
