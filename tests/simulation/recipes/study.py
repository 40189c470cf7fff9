"""One run of a recipe: three clients in a hostile world, then peace, then the question who is done.

Rules that live here:

- Every client is a process of its own with one worker, which does a bounded number of rounds of a
  bounded number of attempts. After an error that kazoo's documentation tells users to expect, the
  worker waits a second and tries again; any other error is a finding.
- The world is hostile for `HOSTILE` virtual seconds or until all are done. Then every fault heals,
  and whoever is not done `PATIENCE` seconds later waits for ever.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import (
    ConnectionLoss,
    KazooException,
    LockTimeout,
    OperationTimeoutError,
    SessionExpiredError,
)
from kazoo.retry import RetryFailedError

from zkfake.simulation import Simulation, SimulationTimeout

from .oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._simulation.scheduling.tasks import Task

CLIENTS = 3
SESSION = 10.0
HOSTILE = 60.0
PATIENCE = 300.0
ATTEMPTS = 6

USUAL = (
    ConnectionLoss,
    LockTimeout,
    OperationTimeoutError,
    RetryFailedError,
    SessionExpiredError,
)
"""What a user of a recipe is told to expect, and to try again after."""


@dataclass(eq=False)
class Worker:
    """One client and what it does. ``number`` counts from 0."""

    oracle: Oracle
    client: Any
    number: int
    random: Random
    task: Task = field(init=False)

    @property
    def name(self) -> str:
        return str(self.client.handler.client_name)

    def attempts(
        self, what: str, attempt: Callable[..., Any], *arguments: Any, **named: Any
    ) -> Any:
        """What ``attempt`` returns once it returns something true; ``None`` after `ATTEMPTS`."""
        for _ in range(ATTEMPTS):
            try:
                result = attempt(*arguments, **named)
            except USUAL as error:  # noqa: PERF203
                self.oracle.sim.history.note(f"{self.name}: {what}: {type(error).__name__}")
                self.oracle.sim.sleep(1)
            except Exception as error:
                self.oracle.unexpected(error, what, self.name)
                self.oracle.sim.sleep(1)
            else:
                if result:
                    return result
        return None

    def busy(self) -> None:
        """Do what the lock is for."""
        sim = self.oracle.sim
        sim.sleep(2 * self.random.random())
        with suppress(*USUAL):
            self.client.exists("/")
        sim.sleep(self.random.random())


class Study:
    """The world of one run."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        # The oracle looks into callbacks of kazoo's own, which fail when a connection is lost.
        sim._failures.allowed = (KazooException,)
        self.settled = False
        """Whether every fault is over."""
        clients = [sim.client(f"c{number}", timeout=SESSION) for number in range(CLIENTS)]
        self.oracle = Oracle(sim)
        self.truth = self.oracle.truth
        self.workers = [
            Worker(self.oracle, client, number, Random(f"{sim.seed}/{number}"))
            for number, client in enumerate(clients)
        ]
        for client in clients:
            self.oracle.watch(client)

    def run(self, work: Callable[[Worker], None]) -> list[Worker]:
        """Let every worker do its ``work`` and return those that are not done after all that
        time.
        """
        for worker in self.workers:
            worker.task = self.sim.spawn(
                work, worker, name=f"{worker.name}/work", process=worker.client
            )
        self._wait(self.workers, HOSTILE)
        self.sim.settle()
        self.settled = True
        self.sim.history.note("settled")
        return self.wait_for(self.workers)

    def wait_for(self, workers: list[Worker]) -> list[Worker]:
        """Those of ``workers`` that are not done after `PATIENCE` seconds."""
        self._wait(workers, PATIENCE)
        for worker in workers:
            if worker.task.done:
                worker.task.result()
        return [worker for worker in workers if not worker.task.done]

    def _wait(self, workers: list[Worker], seconds: float) -> None:
        with suppress(SimulationTimeout):
            self.sim.run_until(lambda: all(worker.task.done for worker in workers), seconds)
