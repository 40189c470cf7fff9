"""A process of ``python -m benchmarks choosing``: ``python choosing_work.py KIND`` prints figures.

It has to run where only zake and kazoo are installed, so it imports what it measures late.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from kazoo.client import KazooClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BURSTS = 100
CALLS = 50
TESTS = 30


@contextmanager
def real(hosts: str) -> Iterator[Any]:
    client = KazooClient(hosts)
    client.start()
    try:
        yield client
    finally:
        client.stop()
        client.close()


def server(kind: str, stack: ExitStack) -> tuple[Callable[[], Any], list[int]]:
    """What gives a client in a ``with`` block, and the processes beside this one."""
    if kind == "live":
        from pytest_zkdict.live import LiveZooKeeper

        live = stack.enter_context(LiveZooKeeper())
        return lambda: real(live.hosts), [live.members[0].pid]
    if kind == "fake":
        from zkfake import FakeZooKeeper

        fake = stack.enter_context(FakeZooKeeper())
        return lambda: real(fake.hosts), []
    if kind == "simulation":
        from zkfake.simulation import Simulation

        @contextmanager
        def simulated() -> Iterator[Any]:
            with Simulation() as sim:
                yield sim.client()

        return simulated, []
    if kind == "zake":
        from zake.fake_client import FakeClient

        @contextmanager
        def faked() -> Iterator[Any]:
            client = FakeClient()
            client.start()
            try:
                yield client
            finally:
                client.stop()
                client.close()

        return faked, []

    @contextmanager
    def mocked() -> Iterator[Any]:
        yield mock.create_autospec(KazooClient, instance=True)

    return mocked, []


def memory(processes: list[int]) -> float:
    """Megabytes that the processes have resident."""
    command = ["ps", "-o", "rss=", "-p", ",".join(map(str, processes))]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum(map(int, shown.split())) / 1024


def best(action: Callable[[], object], rounds: int) -> float:
    """Seconds that it takes, undisturbed."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        found.append(time.perf_counter() - began)
    return min(found)


def main(kind: str) -> list[float]:
    """Milliseconds to the first answer and for a test; reads and writes a second; megabytes."""
    before = memory([os.getpid()])
    data = b"x" * 100

    def begin() -> None:
        with ExitStack() as stack:
            clients, _ = server(kind, stack)
            with clients() as client:
                client.exists("/")
                found.append(time.perf_counter())

    starts = []
    for _ in range(4):  # the first one imports
        found: list[float] = []
        began = time.perf_counter()
        begin()
        starts.append(found[0] - began)
    start = min(starts)
    with ExitStack() as stack:
        clients, others = server(kind, stack)

        def test() -> None:
            with clients() as client:
                client.ensure_path("/test")
                client.create("/test/a", data)
                client.get("/test/a")
                client.delete("/test/a")

        a_test = best(test, TESTS)
        with clients() as client:
            client.create("/a", data)
            reads = best(lambda: [client.get("/a") for _ in range(CALLS)], BURSTS)
            writes = best(lambda: [client.set("/a", data) for _ in range(CALLS)], BURSTS)
        taken = memory([os.getpid(), *others]) - before
    return [1000 * start, 1000 * a_test, CALLS / reads, CALLS / writes, taken]


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(main(sys.argv[1])))
