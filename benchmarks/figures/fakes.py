"""The fake beside a live server and zake, and what it costs to be large."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import load, plugin
from benchmarks.fake_server import Core, costs, live_server, request
from benchmarks.scratch import ROOT, with_zake
from pytest_zkdict.live import four_letter_word
from zkfake import FakeZooKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = (1, 10, 100, 500)
FIXTURES = (
    "plain",
    "zk_simulation",
    "zk_client on fake",
    "zk_dict on fake",
    "zk_client on live",
    "zk_dict on live",
)


def measure(quick: bool) -> dict[str, Any]:
    """All figures, by what they are of."""
    return {
        "start": starts(2 if quick else 10),
        "clients": clients(0.2 if quick else 0.9),
        "load": loads(0.2 if quick else 0.8, CONNECTIONS[: 2 if quick else 4]),
        "fixtures": fixtures(50 if quick else 200),
        "growth": growth(10_000 if quick else 1_000_000),
    }


# -- start


def starts(rounds: int) -> dict[str, float]:
    """Seconds from nothing to the first reply; of zake, to a client that has started."""

    def timed(make: Callable[[], AbstractContextManager[Any]]) -> float:
        start = time.perf_counter()
        with make() as server:
            host, _, port = server.hosts.partition(":")
            assert four_letter_word(host, int(port), "srvr")
            return time.perf_counter() - start

    return {
        "fake": statistics.median(timed(FakeZooKeeper) for _ in range(5 * rounds)),
        "live": statistics.median(timed(live_server) for _ in range(max(2, rounds // 3))),
        "zake": client_work(with_zake(), "zake", "start"),
    }


# -- one client


def client_work(python: Path | str, where: str, seconds: float | str) -> Any:
    """What a process with one client measures; see `client_work`."""
    command = [python, Path(__file__).parent / "client_work.py", where, str(seconds)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environ, timeout=600)
    return json.loads(done.stdout)


def clients(seconds: float) -> dict[str, dict[str, float]]:
    """Operations a second of one client that waits for each answer."""
    with ExitStack() as exits:
        fake = exits.enter_context(FakeZooKeeper()).hosts
        live = exits.enter_context(live_server()).hosts
        client_work(sys.executable, live, seconds)  # warms up
        return {
            "fake": client_work(sys.executable, fake, seconds),
            "live": client_work(sys.executable, live, seconds),
            "simulation": client_work(sys.executable, "simulation", seconds),
            "zake": client_work(with_zake(), "zake", seconds),
        }


# -- many connections


def loads(
    seconds: float, connections: tuple[int, ...]
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """By the window, the server and the number of connections: operations a second."""
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    with ExitStack() as exits:
        fake = exits.enter_context(FakeZooKeeper(settings={"maxClientCnxns": 0}))
        servers = {"fake": fake.members[0].port, "live": exits.enter_context(live_server()).port}
        load.measure(servers["live"], max(connections), 2 * seconds)  # warms up
        for window in (load.WINDOW, 1):
            for number in connections:
                for name, port in servers.items():
                    rates = load.measure(port, number, seconds, window=window)
                    found.setdefault(str(window), {}).setdefault(name, {})[str(number)] = rates
                    print(f"  load of {name}: {number} connections, {window} a time", flush=True)
    return found


# -- fixtures


def fixtures(tests: int) -> dict[str, float]:
    """Milliseconds that a test takes, by its fixture, with "bare" for one without."""
    plugin.TESTS = tests
    best: dict[str, float] = {}
    for _ in range(2):
        for name in ("bare", *FIXTURES):
            seconds = plugin.figures(name)[0]
            best[name] = min(1000 * seconds / tests, best.get(name, seconds * 1000))
            print(f"  fixture {name}", flush=True)
    return best


# -- growth


def growth(most: int) -> dict[str, dict[str, dict[str, float]]]:
    """Microseconds of an operation in the core, by what grows, and how far it has."""
    sizes = [10**power for power in range(8) if 10**power <= most]

    def table(make: Callable[[int], Core], numbers: list[int]) -> dict[str, dict[str, float]]:
        rows = {}
        for number in numbers:
            rows[str(number)] = dict(costs(make(number), 2_000))
            gc.collect()
        return rows

    several = [number for number in sizes if number <= max(most // 100, 100)]
    return {
        "znodes": table(lambda n: Core(znodes=n), [n for n in sizes if n >= 100]),
        "sessions": table(lambda n: Core(sessions=n, znodes=100), several),
        "watches": table(_watched, [n for n in sizes if 100 <= n <= most // 10]),
        "watchers": {str(number): _watchers(number) for number in several},
        "children": {
            str(number): _children(number) for number in sizes if 10 <= number <= most // 10
        },
    }


def _string(text: str) -> bytes:
    return len(text).to_bytes(4, "big") + text.encode()


def _watched(number: int) -> Core:
    """A server that has so many watches of another client, on znodes beside those that are used."""
    core = Core(sessions=2, znodes=100)
    for n in range(number):
        core.send(request(3, _string(f"/watched-{n}") + b"\1"), 1)  # of exists
    core.clients.pop()
    return core


def _best(run: Callable[[], int]) -> float:
    """Microseconds of each of what ``run`` says it did, the best of several."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        done = run()
        best = min(best, (time.perf_counter() - start) / done)
    return 1e6 * best


def _watchers(number: int) -> dict[str, float]:
    """A write of a znode that so many sessions watch, for each of them."""
    core = Core(sessions=number)
    watching = request(4, _string("/a") + b"\1")
    change = request(5, _string("/a") + b"\0\0\0\1y" + b"\xff\xff\xff\xff")
    best = float("inf")
    for _ in range(max(7, 1000 // number)):
        for client in range(number):
            core.send(watching, client)
        start = time.perf_counter()
        core.send(change)
        for client in core.clients:
            client.take_output()
        best = min(best, time.perf_counter() - start)
    return {"set, for each watcher": 1e6 * best / number}


def _children(number: int) -> dict[str, float]:
    core = Core()
    for n in range(number):
        core.create(f"/a/{n:06}")
    listing = request(8, _string("/a") + b"\0")
    remove = request(2, _string("/a/one") + b"\xff\xff\xff\xff")

    def add_and_remove() -> int:
        for _ in range(500):
            core.create("/a/one")
            core.send(remove)
        return 1000

    def list_changed() -> int:
        core.create("/a/one")
        core.send(remove)
        core.send(listing)
        return 1

    return {
        "create, delete": _best(add_and_remove),
        "list, after a change": _best(list_changed),
        "list, again": _best(lambda: len([core.send(listing) for _ in range(20)])),
    }
