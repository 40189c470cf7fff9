"""The knobs of an ensemble on real sockets. Nothing here waits for a time to pass."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper

from ..support import wire
from ..support.replies import Reply, take_apart
from ..support.settings import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake import Member


# As nobody pings, the sessions have to be long.
SETTINGS = {**QUICK, "tickTime": 100}


@pytest.fixture
def ensemble() -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper(servers=3, observers=1, settings=SETTINGS) as server:
        yield server


class Client:
    """A blocking client with a session."""

    def __init__(self, member: Member) -> None:
        self._socket = socket.create_connection(("127.0.0.1", member.port), timeout=30)
        self._socket.sendall(wire.frame(wire.connect(timeout=30_000)))
        assert struct.unpack_from(">i", self._frame(), 4)[0] > 0

    def _frame(self) -> bytes:
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def call(self, op: str, body: bytes) -> Reply:
        self._socket.sendall(wire.request(1, wire.OPS[op], body))
        reply = take_apart(self._frame())
        assert isinstance(reply, Reply)
        return reply

    def get(self, path: str) -> bytes | None:
        reply = self.call("getData", wire.path_watch(path))
        return None if reply.error else reply.data

    def wait_for_the_end(self) -> None:
        with pytest.raises((EOFError, ConnectionError)):
            self._frame()

    def close(self) -> None:
        self._socket.close()


def find(ensemble: FakeZooKeeper, mode: str) -> Member:
    return next(member for member in ensemble.members if member.mode == mode)


def test_a_frozen_server_serves_what_it_had(ensemble: FakeZooKeeper) -> None:
    follower, leader = find(ensemble, "follower"), find(ensemble, "leader")
    reader, writer = Client(follower), Client(leader)
    assert writer.call("create", wire.create("/a", b"1")).error == 0
    assert reader.call("sync", wire.string("/")).error == 0
    follower.freeze()
    assert writer.call("setData", wire.set_data("/a", b"2")).error == 0
    assert reader.get("/a") == b"1"
    follower.unfreeze()
    assert reader.call("sync", wire.string("/")).error == 0
    assert reader.get("/a") == b"2"
    reader.close()
    writer.close()


def test_a_server_lags(ensemble: FakeZooKeeper) -> None:
    follower, leader = find(ensemble, "observer"), find(ensemble, "leader")
    reader, writer = Client(follower), Client(leader)
    follower.lag = 3600
    assert follower.lag == 3600
    assert writer.call("create", wire.create("/a", b"1")).error == 0
    assert reader.get("/a") is None
    with pytest.raises(ValueError, match="lag"):
        follower.lag = -1
    follower.lag = 0
    assert reader.call("sync", wire.string("/")).error == 0
    assert reader.get("/a") == b"1"
    reader.close()
    writer.close()


def test_an_isolated_leader_is_replaced(ensemble: FakeZooKeeper) -> None:
    leader = find(ensemble, "leader")
    client = Client(leader)
    with ensemble.faults.isolate():
        client.wait_for_the_end()
        assert leader.mode is None
        successor = find(ensemble, "leader")
        assert successor is not leader
        writer = Client(successor)
        assert writer.call("create", wire.create("/a", b"1")).error == 0
    client.close()
    back = Client(leader)
    assert back.call("sync", wire.string("/")).error == 0
    assert back.get("/a") == b"1"
    assert leader.mode == "follower"
    back.close()
    writer.close()


def test_a_follower_that_does_not_hear_the_leader_lets_its_clients_go(
    ensemble: FakeZooKeeper,
) -> None:
    leader, follower = find(ensemble, "leader"), find(ensemble, "follower")
    client = Client(follower)
    with ensemble.faults.partition_servers(leader.id, follower.id, way="out"):
        client.wait_for_the_end()
        assert find(ensemble, "leader") is leader
    client.close()


def test_what_is_no_server(ensemble: FakeZooKeeper) -> None:
    with pytest.raises(ValueError, match="no server 9"):
        ensemble.faults.partition_servers(1, 9)
    with pytest.raises(ValueError, match="no server 0"):
        ensemble.faults.isolate(0)
    with pytest.raises(ValueError, match="way"):
        ensemble.faults.isolate(1, way="up")  # type: ignore[arg-type]
