"""How fast virtual time is: ``python -m benchmarks simulation``.

* blocking creates a second of one kazoo client: in a simulation, of one server and of three, beside
  the same client on the real-time fake and on a live server, both over TCP. Every round of each is
  a process of its own, in turns; the fake lives in this process, which only waits. The best block
  of a round counts, and the best round: other work on the machine only ever takes time away;
* a virtual day of a client that does nothing but stay connected;
* a test of a session of 30 seconds that expires, from the simulation's start to its end.

The live server runs with the full compiler and without fsync, after a warm-up: as fast as it gets.
Without one (no Java, no ZooKeeper) its row is missing.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.fake_server import live_server
from zkfake import FakeZooKeeper
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
BLOCKS, BLOCK = 5, 1_000
TCP = {"fake, over TCP": FakeZooKeeper, "live, over TCP": live_server}

CREATES = 10_000
"""Blocking creates a second in a simulation of one server, at least."""
DAY = 1.0
"""Seconds that an idle client's virtual day takes, at most."""
EXPIRY = 0.05
"""Seconds that the test of an expiry takes, at most."""


def main() -> bool:
    """Run everything and print the tables; whether all targets are met."""
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # it warns of the partition
    return all([creates(), times("an idle day", day, DAY), times("expiry, 30 s", expiry, EXPIRY)])


# -- creates


def creates() -> bool:
    """Print creates a second, each way; whether the simulation's are enough."""
    found: dict[str, list[float]] = {}
    with ExitStack() as exits:
        hosts = {"simulation": "", "simulation, 3 servers": "3"}
        for name, server in TCP.items():
            try:
                hosts[name] = exits.enter_context(server()).hosts
            except Exception as error:
                print(f"{name}: {error}")
                continue
            in_another_process(hosts[name])  # warms up, a just-in-time compiler most of all
        for _ in range(ROUNDS):
            for name, where in hosts.items():
                found.setdefault(name, []).append(in_another_process(where))
    best = {name: max(rates) for name, rates in found.items()}
    print(f"blocking creates a second by one client, best of {ROUNDS} rounds")
    for name, rate in best.items():
        print(f"{name:24}{rate:10,.0f}{rate / best['simulation']:8.2f}")
    met = best["simulation"] >= CREATES
    print(f"{'':24}at least {CREATES:,} in the simulation   {'met' if met else 'MISSED'}\n")
    return met


def in_another_process(where: str) -> float:
    """Creates a second; ``where`` is the hosts, or the number of simulated servers."""
    command = [sys.executable, "-m", "benchmarks.simulation", f"--create={where}"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600).stdout
    rate: float = json.loads(output)
    return rate


def rate(client: Any, round_: str) -> float:
    """Blocking creates a second of the best block."""
    parent = f"/benchmark-{round_}"
    client.create(parent)
    best = float("inf")
    for block in range(BLOCKS):
        paths = [f"{parent}/{block}-{number:06}" for number in range(BLOCK)]
        start = time.perf_counter()
        for path in paths:
            client.create(path)
        best = min(best, time.perf_counter() - start)
    return BLOCK / best


def create(where: str) -> float:
    """As the other process: the figure of one round."""
    if ":" not in where:
        with Simulation(servers=int(where or 1)) as sim:
            return rate(sim.client(), "simulated")
    from kazoo.client import KazooClient

    client = KazooClient(where)
    client.start()
    try:
        return rate(client, f"{client.client_id[0]:x}")
    finally:
        client.stop()
        client.close()


# -- long times


def day() -> None:
    """A client stays connected for a day."""
    with Simulation() as sim:
        client = sim.client()
        sim.sleep(86_400)
        assert client.connected


def expiry() -> None:
    """A session of 30 seconds expires, and its ephemeral goes."""
    with Simulation(servers=3) as sim:
        one, two = sim.client(), sim.client(timeout=30.0)
        two.create("/worker", ephemeral=True)
        with sim.faults.partition(two):
            sim.run_until(lambda: one.exists("/worker") is None)
        assert sim.now > 30


def times(name: str, run: Callable[[], None], bound: float) -> bool:
    """Print the best time of several; whether it is within ``bound`` seconds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    met = best <= bound
    print(
        f"{name:24}{1000 * best:10,.0f} ms   at most {1000 * bound:,.0f} ms"
        f"   {'met' if met else 'MISSED'}"
    )
    return met


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--create", required=True, help="hosts, or a number of simulated servers")
    print(json.dumps(create(parser.parse_args().create)))
