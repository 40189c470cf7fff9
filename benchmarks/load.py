"""How much load the fake carries beside a live server: ``python -m benchmarks load``.

Raw sockets, each with a window of requests on their way, from a process of its own that prepares
its bytes beforehand and counts replies by their size: so the server is what is measured. ``get``,
``set`` and ``create``, from 1, 10, 100 and 500 connections at a time, all from one run, as one
table. The live server has the full compiler, no fsync, and a warm-up; all share the machine.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from zkfake import FakeZooKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = (1, 10, 100, 500)
WINDOW = 32
"""Requests on their way on each connection."""

_OPERATIONS = ("get", "set", "create")
_DATA = b"x" * 100
_INT = struct.Struct(">i")


def main(rounds: int = 3, seconds: float = 1.5) -> bool:
    """Print the table. True if the fake is ahead everywhere, or there is no live server."""
    from .fake_server import live_server

    with ExitStack() as exits:
        fake = exits.enter_context(FakeZooKeeper(settings={"maxClientCnxns": 0}))
        servers = {"fake": fake.members[0].port}
        try:
            servers["live"] = exits.enter_context(live_server()).port
        except Exception as error:
            print(f"no live server: {error}")
        seen: dict[tuple[str, str, int], list[float]] = {}
        for number in range(rounds + 1):
            for connections in CONNECTIONS:
                for name, port in servers.items():
                    for operation, rate in measure(port, connections, seconds).items():
                        if number:  # the first round warms up
                            seen.setdefault((name, operation, connections), []).append(rate)
    print(f"operations a second by raw sockets, {WINDOW} on their way on each connection,")
    print(f"median of {rounds} rounds")
    print(f"{'':10}{'connections':>12}{'fake':>10}{'live':>10}{'ratio':>8}")
    ahead = True
    for operation in _OPERATIONS:
        for connections in CONNECTIONS:
            rates = [statistics.median(seen[name, operation, connections]) for name in servers]
            line = f"{operation:10}{connections:12}" + "".join(f"{rate:10,.0f}" for rate in rates)
            if len(rates) == 2:
                line += f"{rates[0] / rates[1]:8.2f}"
                ahead = ahead and rates[0] > rates[1]
            print(line, flush=True)
    return ahead


def measure(
    port: int, connections: int, seconds: float, *, window: int = WINDOW
) -> dict[str, float]:
    """In another process: operations a second, with so many on their way on each connection. With
    one, an operation takes as long as there are connections for each operation of a second.
    """
    command = [sys.executable, __file__, *map(str, (port, connections, seconds, window))]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600).stdout
    figures: dict[str, float] = json.loads(output)
    return figures


# -- the other process


def _frame(payload: bytes) -> bytes:
    return _INT.pack(len(payload)) + payload


def _buffer(data: bytes) -> bytes:
    return _INT.pack(len(data)) + data


_OPEN = _INT.pack(1) + _INT.pack(31) + _buffer(b"world") + _buffer(b"anyone")


def _request(op: int, body: bytes) -> bytes:
    return _frame(_INT.pack(1) + _INT.pack(op) + body)


def _get(path: bytes) -> bytes:
    return _request(4, _buffer(path) + b"\0")


def _set(path: bytes) -> bytes:
    return _request(5, _buffer(path) + _buffer(_DATA) + _INT.pack(-1))


def _create(path: bytes) -> bytes:
    return _request(1, _buffer(path) + _buffer(_DATA) + _OPEN + _INT.pack(0))


class _Connection:
    """One socket with a session."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        hello = struct.pack(">iqiqi16s?", 0, 0, 40_000, 0, 16, bytes(16), False)
        self.socket.sendall(_frame(hello))
        self._whole()
        self.requests: Callable[[int], bytes]
        self.received = 0
        self.on_their_way = 0

    def _whole(self) -> bytes:
        data = self.socket.recv(4, socket.MSG_WAITALL)
        return self.socket.recv(_INT.unpack(data)[0], socket.MSG_WAITALL)

    def call(self, request: bytes) -> tuple[int, int]:
        """The error and the size of the reply's frame."""
        self.socket.sendall(request)
        payload = self._whole()
        return _INT.unpack_from(payload, 12)[0], 4 + len(payload)


def _load(connections: list[_Connection], size: int, seconds: float, window: int) -> float:
    """Requests a second that are answered; each reply has ``size`` bytes. Everything that was sent
    is answered when this returns.
    """
    selector = selectors.DefaultSelector()
    for connection in connections:
        connection.received, connection.on_their_way = 0, window
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    start = time.perf_counter()
    end = start + seconds
    for connection in connections:
        connection.socket.sendall(connection.requests(window))
    done, waiting = 0, len(connections)
    while waiting:
        ready = selector.select(60)
        assert ready, "the server does not answer"
        now = time.perf_counter()
        for key, _ in ready:
            connection = key.data
            connection.received += len(connection.socket.recv(1 << 18))
            answered, connection.received = divmod(connection.received, size)
            done += answered
            connection.on_their_way -= answered
            missing = window - connection.on_their_way
            if now >= end:
                if not connection.on_their_way:
                    assert not connection.received, "a reply of another size"
                    selector.unregister(connection.socket)
                    waiting -= 1
            elif missing >= max(1, window // 2):
                connection.on_their_way = window
                connection.socket.sendall(connection.requests(missing))
    selector.close()
    return done / (time.perf_counter() - start)


def command() -> None:
    """As the other process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("window", type=int)
    options = parser.parse_args()
    connections = [_Connection(options.port) for _ in range(options.connections)]
    first = connections[0]
    base = b"/%020d" % time.time_ns()
    assert first.call(_create(base))[0] == 0
    sizes = {"get": first.call(_get(base))[1], "set": first.call(_set(base))[1]}
    for number, connection in enumerate(connections):
        assert connection.call(_create(base + b"/%04d" % number))[0] == 0
    error, sizes["create"] = first.call(_create(base + b"/0000/99999999"))
    assert error == 0
    rates = {}
    for operation in _OPERATIONS:
        for number, connection in enumerate(connections):
            own = base + b"/%04d" % number
            connection.requests = {
                "get": _same(_get(base)),
                "set": _same(_set(own)),
                "create": _creates(own),
            }[operation]
        rates[operation] = _load(connections, sizes[operation], options.seconds, options.window)
    print(json.dumps(rates))


def _same(request: bytes) -> Callable[[int], bytes]:
    several = [request * count for count in range(WINDOW + 1)]
    return several.__getitem__


def _creates(parent: bytes) -> Callable[[int], bytes]:
    before, _, after = _create(parent + b"/........").partition(b"........")
    number = 0

    def requests(count: int) -> bytes:
        nonlocal number
        first, number = number, number + count
        return b"".join([b"%b%08d%b" % (before, n, after) for n in range(first, number)])

    return requests


if __name__ == "__main__":
    command()
