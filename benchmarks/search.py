"""What the search costs: ``python -m benchmarks search``. Ratios only.

* `explore` beside a bare simulation: the same program in the same worlds, in one process. Processor
  time; for each world both in turns, and the best of several rounds of each counts: other work on
  the machine only ever takes time away;
* two processes beside one: real time, so the machine has to be quiet, with two cores.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake._search.pool import default_jobs
from zkfake.simulation import Simulation, explore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kazoo.client import KazooClient

ROUNDS = 7
WORLDS = 40
MANY_WORLDS = 300
"""For two processes: forking them costs as much as some ten worlds."""
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


def bare(seed: int, profile: str) -> None:
    """What whoever looks for a bug would write without a search."""
    sim = Simulation(seed=seed, profile=profile)
    sim.quiet = True
    with suppress(Exception):  # a client that cannot start, in some world
        sim.run(put_jobs)


def search(seeds: Iterable[int], profile: str, jobs: int) -> None:
    """The same by `explore`."""
    explore(
        put_jobs,
        seeds=seeds,
        profile=profile,
        jobs=jobs,
        shrink=False,
        allow=Exception,
        progress=lambda _report: None,
    )


def overhead(profile: str) -> bool:
    """Print what `explore` costs; whether it is little enough."""
    alone = searched = 0.0
    for seed in range(WORLDS):
        one, other = best(
            time.process_time,
            partial(bare, seed, profile),
            partial(search, [seed], profile, 1),
        )
        alone, searched = alone + one, searched + other
    return told(f"explore to a bare loop, {profile}", searched / alone, OVERHEAD)


def processes() -> bool:
    """Print what a second process gives; whether it is enough."""
    one, two = best(
        time.perf_counter,
        *(partial(search, range(MANY_WORLDS), "swarm", jobs) for jobs in (1, 2)),
    )
    return told("two processes to one, real time", two / one, TWO_PROCESSES)


def best(clock: Callable[[], float], *runs: Callable[[], None]) -> list[float]:
    """The shortest time of each, of several rounds in turns."""
    found = [float("inf") for _ in runs]
    for _ in range(ROUNDS):
        for place, run in enumerate(runs):
            start = clock()
            run()
            found[place] = min(found[place], clock() - start)
    return found


def told(name: str, ratio: float, bound: float) -> bool:
    """Print a row; whether the bound holds."""
    met = ratio <= bound
    print(f"{name:40}{ratio:8.2f}   at most {bound}   {'met' if met else 'MISSED'}")
    return met
