"""What the search costs: ``python -m benchmarks search``. Ratios only.

* `explore` beside a bare loop of simulations: the same program in the same worlds, in one process.
  Processor time; both in turns, and the best round of each counts: other work on the machine only
  ever takes time away;
* two processes beside one: real time, so the machine has to be quiet, with two cores.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake._search.pool import default_jobs
from zkfake.simulation import Simulation, explore

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

ROUNDS = 7
SEEDS = 80
PROFILES = ("calm", "realistic", "hostile", "swarm")

OVERHEAD = 1.1
"""The cost of `explore` in bare loops, at most."""
TWO_PROCESSES = 0.6
"""The time of two processes in that of one, at most."""


def main() -> bool:
    """Run everything and print the table; whether all targets are met."""
    for name in ("kazoo", "zkfake.simulation"):  # `explore` does so as well
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    met = [overhead(profile) for profile in PROFILES]
    if default_jobs() > 1:
        met.append(processes())
    return all(met)


def put_jobs(sim: Simulation) -> None:
    """Three clients that put jobs beside each other, and look at them."""
    sim.load({"/jobs": b""})
    clients = [sim.client() for _ in range(3)]

    def work(client: KazooClient) -> None:
        for number in range(4):
            with suppress(KazooException):
                client.create("/jobs/j-", b"%d" % number, sequence=True)
                client.get_children("/jobs", watch=lambda _event: None)
                client.get("/jobs")

    for task in [sim.spawn(work, client, process=client) for client in clients]:
        task.result()


def bare(profile: str) -> None:
    """What whoever looks for a bug would write without a search."""
    for seed in range(SEEDS):
        sim = Simulation(seed=seed, profile=profile)
        sim.quiet = True
        with suppress(Exception):  # a client that cannot start, in some world
            sim.run(put_jobs)


def search(profile: str, jobs: int) -> None:
    """The same by `explore`."""
    explore(
        put_jobs,
        seeds=SEEDS,
        profile=profile,
        jobs=jobs,
        shrink=False,
        allow=Exception,
        progress=lambda _report: None,
    )


def overhead(profile: str) -> bool:
    """Print what `explore` costs; whether it is little enough."""
    ratio = compared(lambda: bare(profile), lambda: search(profile, 1), time.process_time)
    return told(f"explore to a bare loop, {profile}", ratio, OVERHEAD)


def processes() -> bool:
    """Print what a second process gives; whether it is enough."""
    ratio = compared(lambda: search("swarm", 1), lambda: search("swarm", 2), time.perf_counter)
    return told("two processes to one, real time", ratio, TWO_PROCESSES)


def compared(
    one: Callable[[], None], other: Callable[[], None], clock: Callable[[], float]
) -> float:
    """How much longer the other takes, each by its best round."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for place, run in enumerate((one, other)):
            start = clock()
            run()
            best[place] = min(best[place], clock() - start)
    return best[1] / best[0]


def told(name: str, ratio: float, bound: float) -> bool:
    """Print a row; whether the bound holds."""
    met = ratio <= bound
    print(f"{name:40}{ratio:8.2f}   at most {bound}   {'met' if met else 'MISSED'}")
    return met
