"""How fast the fake is, beside a live server: ``python -m benchmarks fake_server``.

Everything is measured in one run and printed as one table:

* through kazoo, one client in a process of its own, fake and live in turn (the fake lives in this
  process, which only waits): ``get`` and ``set`` one by one, ``set`` and ``get`` pipelined;
* a list of 100,000 children, right after a change and again, over a plain socket;
* from the start of a server to its first reply;
* the cost of one operation with 100 to 100,000 znodes, and with 1 to 1,000 sessions, straight at
  the core, where no socket hides a slope;
* memory per znode; taking and restoring a snapshot.

The live server runs with the full compiler and without fsync, after a warm-up: as fast as it gets.
Without one (no Java, no ZooKeeper) its column stays empty.
"""

from __future__ import annotations

import argparse
import gc
import json
import socket
import statistics
import struct
import subprocess
import sys
import time
import tracemalloc
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from pytest_zkdict.live import LiveUnavailableError
from zkfake import FakeZooKeeper
from zkfake._connection.connection import Connection
from zkfake._database.acl import OPEN
from zkfake._database.log import Create, Transaction
from zkfake._database.tree import Tree
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._protocol.records import Op
from zkfake._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INT = struct.Struct(">i")
_HELLO = struct.pack(">iqiqi16s?", 0, 0, 40_000, 0, 16, bytes(16), False)
"""A client's first frame: a new session of 40 s."""


def main(rounds: int = 5, seconds: float = 1.0) -> bool:
    """Run everything and print the tables; True, as nothing here has a target."""
    through_kazoo(rounds, seconds)
    lists(rounds)
    first_reply(rounds)
    by_znodes()
    by_sessions()
    memory(100_000)
    snapshots()
    return True


def command() -> None:
    """As a program of its own: with options, and as the other process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds through kazoo (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="per figure (%(default)s)")
    # The other process: it does this to that server.
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--job", choices=JOBS, default="load", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        print(json.dumps(JOBS[options.job](options.client, options.seconds)))
        return
    main(options.rounds, options.seconds)


# -- through kazoo


def load(hosts: str, seconds: float) -> dict[str, float]:
    """Operations a second of one client."""
    from kazoo.client import KazooClient

    client = KazooClient(hosts)
    client.start()
    path, data = "/benchmark", b"x" * 100
    client.ensure_path(path)
    client.set(path, data)

    def pipelined(one: Callable[[], Any]) -> Callable[[], int]:
        def run() -> int:
            for reply in [one() for _ in range(500)]:
                reply.get(timeout=60)
            return 500

        return run

    def single(one: Callable[[], Any]) -> Callable[[], int]:
        def run() -> int:
            for _ in range(50):
                one()
            return 50

        return run

    work = {
        "get": single(lambda: client.get(path)),
        "set": single(lambda: client.set(path, data)),
        "get, pipelined": pipelined(lambda: client.get_async(path)),
        "set, pipelined": pipelined(lambda: client.set_async(path, data)),
    }
    figures = {name: rate(run, seconds) for name, run in work.items()}
    client.stop()
    client.close()
    return figures


def rate(run: Callable[[], int], seconds: float) -> float:
    run()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += run()
    return done / elapsed


def live_server() -> AbstractContextManager[Any]:
    """A live server; raises `pytest_zkdict.live.LiveUnavailableError` where there is none."""
    from pytest_zkdict.live import LiveZooKeeper

    return LiveZooKeeper(tick_time=2000, jvm_options=("-Xmx512m",))


def through_kazoo(rounds: int, seconds: float) -> None:
    with ExitStack() as exits:
        servers = {"fake": exits.enter_context(FakeZooKeeper()).hosts}
        try:
            servers["live"] = exits.enter_context(live_server()).hosts
        except Exception as error:
            print(f"no live server: {error}")
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for hosts in servers.values():
            in_another_process(hosts, seconds)  # warms up, a just-in-time compiler most of all
        for _ in range(rounds):
            for name, hosts in servers.items():
                seen[name].append(in_another_process(hosts, seconds))
    print(f"\noperations a second through kazoo, median of {rounds} rounds")
    print(f"{'':16}{'fake':>10}{'live':>10}{'ratio':>8}")
    for figure in seen["fake"][0]:
        fake, live = (
            statistics.median(r[figure] for r in seen[name]) if name in seen else None
            for name in ("fake", "live")
        )
        assert fake is not None
        rest = "" if live is None else f"{live:10,.0f}{fake / live:8.2f}"
        print(f"{figure:16}{fake:10,.0f}{rest}")


def in_another_process(hosts: str, seconds: float, job: str = "load") -> dict[str, float]:
    command = [sys.executable, __file__, "--client", hosts]
    command += ["--seconds", str(seconds), "--job", job]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600).stdout
    figures: dict[str, float] = json.loads(output)
    return figures


# -- lists

_CHILDREN = 100_000


def list_children(hosts: str, seconds: float) -> dict[str, float]:
    """Milliseconds from a getChildren request to the whole reply: the medians of ``seconds``."""
    host, _, port = hosts.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(120)
        replies = connection.makefile("rb")

        def reply() -> bytes:
            return replies.read(*_INT.unpack(replies.read(4)))

        def call(*requests: bytes) -> None:
            connection.sendall(b"".join(requests))
            for _ in requests:
                if error := _INT.unpack_from(reply(), 12)[0]:
                    raise RuntimeError(f"error {error}")

        def create(path: str) -> bytes:
            return request(1, _string(path) + _buffer(b"") + _OPEN + _INT.pack(0))

        connection.sendall(_frame(_HELLO))
        reply()
        call(create("/many"))
        for start in range(0, _CHILDREN, 500):
            call(*(create(f"/many/child-{n:08}") for n in range(start, start + 500)))
        listing = request(8, _string("/many") + b"\0")
        changed, again = [], []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            call(create("/many/another"))
            for times in (changed, again):
                start_time = time.perf_counter()
                call(listing)
                times.append(time.perf_counter() - start_time)
            call(request(2, _string("/many/another") + _INT.pack(-1)))
    return {
        "after a change": 1000 * statistics.median(changed),
        "again": 1000 * statistics.median(again),
    }


JOBS: dict[str, Callable[[str, float], dict[str, float]]] = {"load": load, "lists": list_children}


def lists(rounds: int) -> None:
    """100,000 children, of the fake and of a live server in turn."""
    print(f"\nmilliseconds for a list of {_CHILDREN:,} children, best of {rounds} rounds")
    seen: dict[str, list[dict[str, float]]] = {"fake": [], "live": []}
    for _ in range(rounds):
        with FakeZooKeeper() as fake:
            seen["fake"].append(in_another_process(fake.hosts, 4, "lists"))
        try:
            with live_server() as live:
                seen["live"].append(in_another_process(live.hosts, 4, "lists"))
        except LiveUnavailableError as error:
            print(f"no live server: {error}")
    for figure in seen["fake"][0]:
        best = [min(r[figure] for r in found) for found in seen.values() if found]
        print(f"{figure:16}" + "".join(f"{value:10.1f}" for value in best))


# -- start


def first_reply(rounds: int) -> None:
    """From nothing to the answer to a client's first request."""
    from pytest_zkdict.live import four_letter_word

    def timed(make: Callable[[], AbstractContextManager[Any]]) -> float:
        start = time.perf_counter()
        with make() as server:
            host, _, port = server.hosts.partition(":")
            assert four_letter_word(host, int(port), "srvr")
            return time.perf_counter() - start

    print("\nstart to first reply, median, milliseconds")
    fake = statistics.median(timed(FakeZooKeeper) for _ in range(20 * rounds))
    print(f"{'fake':16}{1000 * fake:10.2f}")
    try:
        live = statistics.median(timed(live_server) for _ in range(3))
    except Exception as error:
        print(f"no live server: {error}")
    else:
        print(f"{'live':16}{1000 * live:10.2f}{live / fake:8.0f} times")


# -- the core alone


class Core:
    """A server of the core with some clients, spoken to in bytes."""

    def __init__(self, sessions: int = 1, znodes: int = 0) -> None:
        self.ensemble = Ensemble(Settings.parse({"maxClientCnxns": 0}), 1_700_000_000_000)
        self.replica = Replica(self.ensemble)
        self.replica.start()
        self.clients = []
        for port in range(sessions):
            client = Connection(self.replica, ("127.0.0.1", port), lambda _: None)
            client.receive(_frame(_HELLO))
            client.take_output()
            self.clients.append(client)
        self.paths = ["/a"]
        self.create("/a")
        for number in range(znodes - 1):
            parent = f"/a/{number % 100:02}" if number >= 100 else "/a"
            path = f"{parent}/{number:02}"
            self.create(path)
            self.paths.append(path)

    def send(self, frame: bytes, client: int = 0) -> bytes:
        self.clients[client].receive(frame)
        return self.clients[client].take_output()

    def create(self, path: str) -> None:
        self.send(request(1, _string(path) + _buffer(b"x" * 100) + _OPEN + _INT.pack(0)))


def _frame(payload: bytes) -> bytes:
    return _INT.pack(len(payload)) + payload


def _buffer(data: bytes) -> bytes:
    return _INT.pack(len(data)) + data


def _string(text: str) -> bytes:
    return _buffer(text.encode())


_OPEN = _INT.pack(1) + _INT.pack(31) + _string("world") + _string("anyone")


def request(op: int, body: bytes) -> bytes:
    return _frame(_INT.pack(1) + _INT.pack(op) + body)


def costs(core: Core, times: int = 10_000) -> Iterator[tuple[str, float]]:
    """Microseconds an operation, done so many times and more, spread over znodes and clients."""
    paths = core.paths[:: max(1, len(core.paths) // 1000)]
    clients = range(len(core.clients))
    data = _buffer(b"y" * 100) + _INT.pack(-1)
    jobs = {
        "get": [request(4, _string(path) + b"\0") for path in paths],
        "get, watch": [request(4, _string(path) + b"\1") for path in paths],
        "set": [request(5, _string(path) + data) for path in paths],
        "ping": [request(11, b"")],
        "create, delete": [
            frame
            for path in paths
            for frame in (
                request(1, _string(path + "/new") + _buffer(b"") + _OPEN + _INT.pack(0)),
                request(2, _string(path + "/new") + _INT.pack(-1)),
            )
        ],
    }
    for name, frames in jobs.items():
        best = float("inf")
        for _ in range(5):
            count, client = 0, 0
            start = time.perf_counter()
            while count < times:
                for frame in frames:
                    core.send(frame, client)
                client = (client + 1) % len(clients)
                count += len(frames)
            best = min(best, (time.perf_counter() - start) / count)
        for other in core.clients:
            other.take_output()
        yield name, 1e6 * best


def table(title: str, columns: dict[str, Core]) -> None:
    print(f"\nmicroseconds an operation in the core, by {title}")
    print(f"{'':16}" + "".join(f"{column:>10}" for column in columns))
    rows: dict[str, list[float]] = {}
    for core in columns.values():
        for name, cost in costs(core):
            rows.setdefault(name, []).append(cost)
    for name, found in rows.items():
        print(f"{name:16}" + "".join(f"{cost:10.1f}" for cost in found))


def by_znodes() -> None:
    sizes = (100, 1_000, 10_000, 100_000)
    table("znodes", {f"{size:,}": Core(znodes=size) for size in sizes})


def by_sessions() -> None:
    sizes = (1, 10, 100, 1_000)
    table("sessions", {f"{size:,}": Core(sessions=size, znodes=100) for size in sizes})


def memory(count: int) -> None:
    """What a znode costs beyond its own data: 100 parents with their share of children each."""
    gc.collect()
    tracemalloc.start()
    tree = Tree()
    data = b"x" * 100
    for number in range(count):
        parent = "" if number < 100 else f"/{number % 100:06}"
        creates = tree.nodes[parent or "/"].creates + 1
        create = Create(f"{parent}/{number:06}", data, OPEN, 0, 0, creates)
        tree.apply(Transaction(number + 1, 1_700_000_000_000, 1, Op.CREATE, (create,)))
    size, _ = tracemalloc.get_traced_memory()
    print(f"\nmemory per znode at {count:,}, beside its data: {size / count:,.0f} bytes")
    other = tree.copy()
    more = tracemalloc.get_traced_memory()[0] - size
    print(f"of a snapshot or a further server: {more / count:,.0f} bytes a znode")
    del other
    tracemalloc.stop()


def snapshots() -> None:
    print("\nmicroseconds to take and to restore a snapshot")
    for size in (10, 100, 1_000):
        with FakeZooKeeper() as server:
            server.load({f"/a/{number:04}": b"x" for number in range(size)})
            taken = server.snapshot()
            take, restore = [], []
            for _ in range(50):
                server.load({"/a/0000": b"y", "/b": b""})
                start = time.perf_counter()
                server.snapshot()
                middle = time.perf_counter()
                server.restore(taken)
                restore.append(time.perf_counter() - middle)
                take.append(middle - start)
            print(
                f"{size:6,} znodes{1e6 * statistics.median(take):10.0f}"
                f"{1e6 * statistics.median(restore):10.0f}"
            )


if __name__ == "__main__":
    command()
