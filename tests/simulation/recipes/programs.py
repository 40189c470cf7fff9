"""What users do with kazoo's Lock, Election, Semaphore, LockingQueue and Counter.

Rules that live here: `RECIPES` has a program for each, which runs it in a `Study` and adds what it
finds to the study's oracle. `Lock`: two rounds share an object, one has its own; some attempts have
a timeout, others wait for as long as it takes. Findings that a whole run is needed for, who waits
and what is left behind, are made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._database.log import SetData
from zkfake._simulation.network.servers import EPOCH
from zkfake.history import Recorded, adds_up
from zkfake.simulation import Simulation, sweep

from .caches import lease, tree_cache
from .groups import barrier, double_barrier, partitioner, party
from .judges import judge_locks
from .kinds import DOUBLE, LEFT, MISCOUNTED, WAITS
from .queues import locking_queue
from .study import USUAL, Study, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.history import Finding
    from zkfake.simulation import SweepReport

    from .kinds import Kind

ROUNDS = 5
TIMEOUT = 20.0
INCREMENTS = 5


def lock(sim: Simulation) -> Study:
    study = Study(sim)

    def work(worker: Worker) -> None:
        shared = worker.client.Lock("/lock", worker.name)
        for number in range(ROUNDS):
            mine = worker.client.Lock("/lock", worker.name) if number % 3 == 1 else shared
            timeout = TIMEOUT if (number + worker.number) % 2 else None
            if worker.attempts("Lock.acquire", mine.acquire, timeout=timeout):
                with study.oracle.claim(worker.client, "/lock", f"/lock/{mine.node}"):
                    worker.busy()
                worker.attempts("Lock.release", mine.release)

    judge_locks(study, study.run(work), "/lock")
    return study


def election(sim: Simulation) -> Study:
    study = Study(sim)

    def campaign(worker: Worker, mine: Any) -> bool:
        led = False

        def lead() -> None:
            nonlocal led
            with study.oracle.claim(worker.client, "/election", f"/election/{mine.lock.node}"):
                worker.busy()
            led = True

        mine.run(lead)
        return led

    def work(worker: Worker) -> None:
        shared = worker.client.Election("/election", worker.name)
        for number in range(ROUNDS):
            mine = worker.client.Election("/election", worker.name) if number % 3 == 1 else shared
            worker.attempts("Election.run", campaign, worker, mine)

    judge_locks(study, study.run(work), "/election")
    return study


def semaphore(sim: Simulation) -> Study:
    study = Study(sim)
    leases = 2

    def work(worker: Worker) -> None:
        def make() -> Any:
            return worker.client.Semaphore("/semaphore", worker.name, max_leases=leases)

        shared = make()
        for number in range(ROUNDS):
            mine = make() if number % 3 == 1 else shared
            timeout = TIMEOUT if (number + worker.number) % 2 else None
            if worker.attempts("Semaphore.acquire", mine.acquire, timeout=timeout):
                with study.oracle.claim(worker.client, "/semaphore", mine.create_path, leases):
                    worker.busy()
                worker.attempts("Semaphore.release", mine.release)

    waiting = study.run(work)
    judge_locks(study, waiting, "/semaphore-__lock__")
    if not waiting:
        for name in study.truth.children("/semaphore"):
            study.oracle.found(LEFT, name)
    return study


class Increment(NamedTuple):
    """One ``counter += 1``: from and to when."""

    client: str
    begin: float
    end: float


def counter(sim: Simulation) -> Study:
    study = Study(sim)
    increments: list[Increment] = []

    def work(worker: Worker) -> None:
        mine = worker.client.Counter("/counter")
        for _ in range(INCREMENTS):
            begin, name = sim.now, "added"
            try:
                mine += 1
            except USUAL:
                name = "tried"  # it may count or not: a user who adds again may add twice
            sim.history.record(name, len(increments), 1)
            increments.append(Increment(worker.name, begin, sim.now))
            sim.sleep(worker.random.random())

    if waiting := study.run(work):
        study.oracle.found(WAITS, ", ".join(worker.name for worker in waiting))
    else:
        judge_counter(study, increments)
    return study


def judge_counter(study: Study, increments: list[Increment]) -> None:
    """Each increment was written once, and the value is the sum of what was written.

    How often one was written, and that another one was not, only the log tells: their sum may be
    right.
    """
    oracle, history = study.oracle, study.sim.history
    writes = [
        (oracle.sessions[transaction.session_id], (transaction.time - EPOCH * 1000) / 1000)
        for transaction in study.truth.transactions()
        for operation in transaction.operations
        if isinstance(operation, SetData) and operation.path == "/counter"
    ]
    for key, each in enumerate(increments):
        # The servers' clock has milliseconds, a client's next increment comes behind all of them.
        applied = sum(
            client == each.client and each.begin - 0.001 <= when <= each.end
            for client, when in writes
        )
        history.record("written", key, applied)

    def explain(finding: Finding) -> Kind:
        written = finding.evidence[-1]
        assert isinstance(written, Recorded)
        assert isinstance(written.key, int)
        client, begin, end = increments[written.key]
        lost = oracle.lost_replies(client, "setData", "/counter", begin, end)
        applied = int(written.value or 0)
        return DOUBLE if 1 < applied <= 1 + lost else MISCOUNTED

    oracle.promise(adds_up("written", of="added", maybe="tried"), explain)
    history.record("writes", "/counter", len(writes))
    node = study.truth.tree.get("/counter")
    history.record("value", "/counter", int(node.data or 0) if node is not None else None)
    oracle.promise(adds_up("value", of="writes"), lambda _: MISCOUNTED)


RECIPES: dict[str, Callable[[Simulation], Study]] = {
    "Lock": lock,
    "Election": election,
    "Semaphore": semaphore,
    "LockingQueue": locking_queue,
    "Counter": counter,
    "SetPartitioner": partitioner,
    "Barrier": barrier,
    "DoubleBarrier": double_barrier,
    "Party": party,
    "NonBlockingLease": lease,
    "TreeCache": tree_cache,
}
"""The program of each recipe. It makes, runs and judges a `Study`."""


def run(recipe: str, servers: int, seed: int) -> tuple[Simulation, dict[Kind, list[str]]]:
    """One run of a recipe's program under the hostile profile: the world, and what was found."""
    # A count is judged by when the log says that it was written: by a clock that is right.
    sim = Simulation(seed=seed, servers=servers, profile="hostile", skew_clock=0.0)
    sim.quiet = True
    oracle = sim.run(RECIPES[recipe]).oracle
    oracle.judge()
    return sim, oracle.findings


class FoundError(Exception):
    """What a run has found."""

    def __init__(self, kinds: list[Kind]) -> None:
        super().__init__(", ".join(kind.name for kind in kinds))
        self.kinds = kinds


def sweep_recipe(recipe: str, servers: int) -> SweepReport:
    """Every fault at every request of a recipe's program, in a calm world."""

    def program(sim: Simulation) -> None:
        oracle = RECIPES[recipe](sim).oracle
        oracle.judge()
        if oracle.findings:
            raise FoundError(list(oracle.findings))

    return sweep(program, servers=servers)
