"""Whose turn it is: no client keeps the others waiting, and none is owed more than it reads."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake import FakeZooKeeper
from zkfake._connection.connection import MOST_QUEUED
from zkfake._realtime.turns import ROUND, TURN, TurnQueue

from ..support import wire
from ..support.replies import NO_NODE, OK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..support.core import World


class Worker:
    """Somebody with requests that take a certain time each."""

    def __init__(self, queue: TurnQueue[Worker], now: list[float], cost: float) -> None:
        self.used = queue.joined()
        self.queued = False
        self.left = 0
        self.cost = cost
        self._now = now

    def take_turn(self, may_go_on: Callable[[], bool]) -> bool:
        while self.left:
            self.left -= 1
            self._now[0] += self.cost
            if not may_go_on():
                break
        return self.left > 0


class Shop:
    """A queue on a clock of the test's own."""

    def __init__(self, costs: list[float]) -> None:
        self.now = [1000.0]
        self.queue: TurnQueue[Worker] = TurnQueue(lambda: self.now[0])
        self.workers = [Worker(self.queue, self.now, cost) for cost in costs]
        self.turns: list[Worker] = []

    def add(self, worker: Worker, requests: int) -> None:
        worker.left += requests
        self.queue.add(worker)

    def run(self) -> None:
        def turn(worker: Worker, may_go_on: Callable[[], bool]) -> bool:
            self.turns.append(worker)
            return worker.take_turn(may_go_on)

        self.queue.run(turn)


COSTS = st.floats(1e-6, 0.05)


@given(st.lists(COSTS, min_size=1, max_size=8), st.data())
def test_who_asks_for_little_is_served_in_the_next_round(
    costs: list[float], data: st.DataObject
) -> None:
    shop = Shop([*costs, 1e-5])
    *busy, modest = shop.workers
    for worker in busy:
        shop.add(worker, 100_000)
    for _ in range(len(busy) + data.draw(st.integers(0, 10))):  # each has had a turn
        shop.run()
    for _ in range(5):
        shop.add(modest, 1)
        before = len(shop.turns)
        shop.run()
        assert modest.left == 0
        assert shop.turns[before] is modest, "it has used the least"


@given(st.lists(COSTS, min_size=2, max_size=8))
def test_time_is_shared_by_what_it_costs(costs: list[float]) -> None:
    shop = Shop(costs)
    for worker in shop.workers:
        shop.add(worker, 10**9)
    for _ in range(50):
        shop.run()
    used = [(10**9 - worker.left) * worker.cost for worker in shop.workers]
    # A turn ends after the request in which its time is over.
    assert max(used) - min(used) <= TURN + 2 * max(costs) + 1e-6


@given(st.lists(COSTS, min_size=1, max_size=8))
def test_a_round_ends(costs: list[float]) -> None:
    shop = Shop(costs)
    for worker in shop.workers:
        shop.add(worker, 10**9)
    for _ in range(20):
        start = shop.now[0]
        shop.run()
        assert shop.now[0] - start <= ROUND + TURN + max(costs) + 1e-6


def test_everything_is_carried_out_in_the_end() -> None:
    shop = Shop([0.001, 0.004, 0.02])
    for worker in shop.workers:
        shop.add(worker, 50)
        shop.add(worker, 50)
    while shop.queue:
        shop.run()
    assert [worker.left for worker in shop.workers] == [0, 0, 0]


# -- the connection


def test_a_connection_stops_where_it_is_told_and_goes_on(world: World) -> None:
    client, other = world.client(), world.client()
    frames = b"".join(
        client.request("setData", wire.set_data("/", b"%d" % number)) for number in range(5)
    )
    allowed = iter([True, False, True, True])
    assert client.connection.receive(frames + b"\0\0", lambda: next(allowed))
    assert other.get("/") == b"1"
    assert not client.connection.receive(b"\0", lambda: next(allowed, True))
    assert other.get("/") == b"4"
    assert [reply.xid for reply in client.take()] == [1, 2, 3, 4, 5]
    client.send(client.request("ping")[3:])  # the three bytes of its length are there already
    assert len(client.take()) == 1


def test_a_connection_stops_when_it_has_said_much(world: World) -> None:
    client = world.client()
    client.create("/big", b"x" * 100_000)
    frame = client.request("getData", wire.path_watch("/big"))
    assert client.connection.receive(frame * 100, lambda: True)
    said = len(b"".join(client.connection.take_packets()))
    assert MOST_QUEUED < said < MOST_QUEUED + 200_000
    while client.connection.receive(b"", lambda: True):
        said += len(b"".join(client.connection.take_packets()))
    said += len(b"".join(client.connection.take_packets()))
    assert said > 100 * 100_000


# -- real sockets


class Raw:
    """A client that is a socket."""

    def __init__(self, server: FakeZooKeeper, timeout: int = 30_000) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.members[0].port), timeout=30)
        self.send(wire.frame(wire.connect(timeout=timeout)))
        self.frame()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def frame(self) -> bytes:
        (length,) = struct.unpack(">i", self._read(4))
        return self._read(length)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the connection was closed"
            data += part
        return data

    def error(self) -> int:
        (error,) = struct.unpack_from(">i", self.frame(), 12)
        return int(error)


@pytest.fixture(params=[False, True], ids=["", "faults"])
def server(request: pytest.FixtureRequest) -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper() as running:
        if request.param:
            _ = running.faults  # from here on each link has a wire in between
        yield running


@pytest.fixture
def raw(server: FakeZooKeeper) -> Iterator[Callable[[], Raw]]:
    made: list[Raw] = []

    def make() -> Raw:
        made.append(Raw(server))
        return made[-1]

    yield make
    for client in made:
        client.socket.close()


def test_a_long_row_of_requests_lets_others_in_between(
    server: FakeZooKeeper, raw: Callable[[], Raw]
) -> None:
    server.load({f"/big/{number:05}": b"" for number in range(5000)})
    busy, modest = raw(), raw()
    counting = wire.request(1, wire.OPS["getAllChildrenNumber"], wire.string("/big"))
    done = wire.request(2, wire.OPS["create"], wire.create("/done", b""))
    with server._loop.at_work():  # both are there when the server looks
        busy.send(counting * 200 + done)
        modest.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/done")))
    assert modest.error() == NO_NODE, "the other one's requests were carried out first"
    assert [busy.error() for _ in range(201)] == [OK] * 201


def test_who_does_not_read_is_not_served_on(server: FakeZooKeeper, raw: Callable[[], Raw]) -> None:
    server.load({"/big": b"x" * 500_000})
    deaf, other = raw(), raw()
    requests = 200
    deaf.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/big")) * requests)
    deaf.send(wire.request(2, wire.OPS["create"], wire.create("/done", b"")))
    for _ in range(50):  # the server had every opportunity
        other.send(wire.request(wire.PING_XID, wire.PING))
        other.frame()
    assert "/done" not in server.dump()
    # As far as it reads now, it is served.
    assert [deaf.error() for _ in range(requests + 1)] == [OK] * (requests + 1)
    assert "/done" in server.dump()


def test_the_session_of_who_does_not_read_expires() -> None:
    """So what is queued for it is bounded by what others can do in a session timeout."""
    with FakeZooKeeper(settings={"tickTime": 50, "maxSessionTimeout": 60_000}) as server:
        server.load({"/big": b"x" * 500_000})
        deaf = Raw(server, timeout=1_000)
        ping = wire.request(wire.PING_XID, wire.PING)
        deaf.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/big")) * 50 + ping)
        other = Raw(server, timeout=60_000)
        while len(server.sessions) == 2:
            other.send(ping)
            other.frame()
        deaf.socket.close()
        other.socket.close()


def test_a_client_that_went_away_leaves_no_bytes(
    server: FakeZooKeeper, raw: Callable[[], Raw]
) -> None:
    server.load({"/big": b"x" * 500_000})
    deaf, other = raw(), raw()
    deaf.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/big")) * 50)
    with server._loop.at_work():
        transport = next(iter(server._loop.transports))
    deaf.socket.close()
    while len(server.connections) > 1:
        other.send(wire.request(wire.PING_XID, wire.PING))
        other.frame()
    # Without a garbage collection.
    assert (transport.connection, len(transport._unsent)) == (None, 0)
