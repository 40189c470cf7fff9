"""A scheduler: whoever has the lock starts the jobs, for as long as it is told that it may.

It asks the servers nothing while it leads, so no fault that waits for a request strikes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from kazoo.client import KazooClient

JOBS = 60
"""A second each, of one term."""


class Scheduler:
    """One of several. ``careful``: it gives up at SUSPENDED and LOST."""

    def __init__(self, sim: Simulation, client: KazooClient, careful: bool) -> None:
        self.sim = sim
        self.client = client
        self.careful = careful
        self.lost_at: float | None = None
        self.deposed = 0
        """How many jobs it started after it had been told that its session was over."""
        self._stopped = False
        client.add_listener(self._told)

    def _told(self, state: str) -> None:
        self._stopped = True
        if state == "LOST" and self.lost_at is None:
            self.lost_at = self.sim.now

    def work(self) -> None:
        """Two terms, with the lock asked for until it is there."""
        for _ in range(2):
            lock = self.client.Lock("/leader")
            try:
                acquired = lock.acquire(timeout=300)
            except KazooException:
                acquired = False
            if acquired:
                self._lead()
            try:
                lock.release()
            except KazooException:
                self.sim.sleep(1)

    def _lead(self) -> None:
        self.lost_at, self._stopped = None, False
        for _ in range(JOBS):
            if self.careful and self._stopped:
                return
            self.deposed += self.lost_at is not None
            self.sim.sleep(1)


def deposed_jobs(seed: int, servers: int = 1, *, careful: bool = False) -> int:
    """How many jobs were started by who had been told LOST, in a hostile world."""
    with Simulation(seed=seed, servers=servers, profile="hostile") as sim:
        sim.quiet = True
        clients = [sim.client(timeout=10.0) for _ in range(3)]
        schedulers = [Scheduler(sim, client, careful) for client in clients]
        tasks = [sim.spawn(each.work, process=each.client) for each in schedulers]
        for task in tasks:
            task.join(1000)
        return sum(each.deposed for each in schedulers)
