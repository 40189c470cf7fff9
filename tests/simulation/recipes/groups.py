"""What users do with kazoo's SetPartitioner, Barrier, DoubleBarrier and Party.

Rules that live here: as in `programs`. A barrier holds nobody after it was removed, and lets nobody
through that began to wait while it stood and ended before it was removed. Nobody enters a double
barrier before everybody has come to it, nor leaves it before everybody wants to leave. A member of
a party is in it from `join` to `leave`.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._database.log import Create, Delete
from zkfake._simulation.network.servers import EPOCH

from .judges import judge_locks
from .kinds import (
    BEHIND,
    BROKEN,
    DEAF,
    DENIES,
    EARLY,
    GONE,
    KEPT,
    LEFT,
    ORPHAN,
    REVIVED,
    WAITS,
)
from .study import Study, Worker

if TYPE_CHECKING:
    from zkfake.simulation import Simulation

ITEMS = ("a", "b", "c")
JOINS = 3
STEPS = 8
IDLE_STEPS = 12
"""So many waits of ten seconds in a calm world: nobody else keeps anything for so long."""
ROUNDS = 3


def partitioner(sim: Simulation) -> Study:
    study = Study(sim)
    path = "/partitioner"
    idlers: dict[Worker, bool] = {}

    def make(worker: Worker) -> Any:
        return worker.client.SetPartitioner(
            path, ITEMS, identifier=worker.name, time_boundary=1, max_reaction_time=1
        )

    def use(worker: Worker, mine: Any) -> None:
        with ExitStack() as claims:
            for lock in list(mine._locks):
                claim = study.oracle.claim(worker.client, lock.path, f"{lock.path}/{lock.node}")
                claims.enter_context(claim)
            for _ in range(3):
                if mine.acquired:
                    worker.busy()

    def release(mine: Any) -> bool:
        mine.release_set()
        return True

    def finish(mine: Any) -> bool:
        mine.finish()
        return True

    def work(worker: Worker) -> None:
        for _ in range(JOINS):
            mine = worker.attempts("SetPartitioner", make, worker)
            idle = steps = 0
            while mine is not None and not mine.failed and steps < STEPS and idle < IDLE_STEPS:
                steps += 1
                if mine.release:
                    worker.attempts("SetPartitioner.release_set", release, mine)
                elif mine.acquired:
                    use(worker, mine)
                    idle = 0
                else:
                    mine.wait_for_acquire(10)
                    steps -= mine.allocating
                    idle += mine.allocating and study.settled
            if mine is None:
                continue
            if idle == IDLE_STEPS:
                idlers[worker] = mine._party.participating
            worker.attempts("SetPartitioner.finish", finish, mine)
            if worker in idlers:
                return

    judge_partitions(study, path, study.run(work), idlers)
    return study


def judge_partitions(
    study: Study, path: str, waiting: list[Worker], idlers: dict[Worker, bool]
) -> None:
    """Say why somebody allocated for ever, and what stayed behind. ``idlers``: with whether each of
    them took part in its party.
    """
    oracle, truth = study.oracle, study.truth
    locks = [f"{path}/locks/{item}" for item in truth.children(f"{path}/locks")]
    left = [lock for lock in locks if truth.children(lock)]
    if not waiting:
        for lock in left:
            judge_locks(study, [], lock, KEPT)
        for name in truth.children(f"{path}/party"):
            oracle.found(LEFT, f"{name} in the party")
    for worker, participating in idlers.items():
        if not participating:
            oracle.found(REVIVED, worker.name)
        elif not left:
            oracle.found(WAITS, f"{worker.name} allocates")
    for worker in waiting:
        oracle.found(WAITS, f"{worker.name}, {left}")


class Stood(NamedTuple):
    """From and to when a znode was there."""

    begin: float
    end: float


def stood(study: Study, path: str) -> list[Stood]:
    """When a znode was there, by the leader's clock, which has milliseconds.

    A claim cannot say it: it holds at a moment, and who waits at a barrier does so for a while, in
    which the barrier may come or go. Nor does who made it know since when it stands, or until when,
    where the reply was lost.
    """
    found: list[Stood] = []
    begin = None
    for transaction in study.truth.transactions():
        when = transaction.time / 1000 - EPOCH
        for operation in transaction.operations:
            if operation.path == path and isinstance(operation, Create):
                begin = when
            elif operation.path == path and isinstance(operation, Delete) and begin is not None:
                found.append(Stood(begin, when))
                begin = None
    if begin is not None:
        found.append(Stood(begin, float("inf")))
    return found


def barrier(sim: Simulation) -> Study:
    study = Study(sim)
    passed: list[tuple[str, float, float]] = []
    removals: list[bool] = []

    def create(mine: Any) -> bool:
        mine.create()
        return True

    def remove(mine: Any) -> bool:
        removals.append(mine.remove())
        return True

    def wait(worker: Worker, mine: Any, timeout: float | None) -> bool:
        begin = sim.now
        if mine.wait(timeout):
            passed.append((worker.name, begin, sim.now))
        return True

    def work(worker: Worker) -> None:
        mine = worker.client.Barrier("/barrier")
        for number in range(ROUNDS):
            if worker.number == 0:
                worker.attempts("Barrier.create", create, mine)
                worker.busy()
                worker.attempts("Barrier.remove", remove, mine)
            else:
                timeout = 20.0 if (number + worker.number) % 2 else None
                worker.attempts("Barrier.wait", wait, worker, mine, timeout)
            sim.sleep(worker.random.random())

    waiting = study.run(work)
    there = stood(study, "/barrier")
    for worker in waiting:
        up = bool(there) and there[-1].end == float("inf")
        if not up:
            study.oracle.found(DEAF, f"{worker.name} waits, and there is no barrier")
    for name, begin, end in passed:
        if any(each.begin < begin and end < each.end for each in there):
            study.oracle.found(BEHIND, f"{name} passed, {begin:.3f} to {end:.3f}")
    removed = sum(each.end != float("inf") for each in there)
    if removed > sum(removals):
        study.oracle.found(
            DENIES, f"{removed} removals, and remove() said so {sum(removals)} times"
        )
    return study


def double_barrier(sim: Simulation) -> Study:
    study = Study(sim)
    came: list[set[str]] = [set() for _ in range(ROUNDS)]
    going: list[set[str]] = [set() for _ in range(ROUNDS)]
    everybody = {worker.name for worker in study.workers}
    nodes: dict[tuple[int, str], str] = {}
    stuck: dict[str, str] = {}

    def enter(mine: Any) -> bool:
        mine.enter()
        return True

    def leave(mine: Any) -> bool:
        mine.leave()
        return True

    def work(worker: Worker) -> None:
        for number in range(ROUNDS):
            mine = worker.client.DoubleBarrier(f"/double/{number}", len(everybody), worker.name)
            came[number].add(worker.name)
            nodes[number, worker.name] = mine.create_path
            stuck[worker.name] = "enter"
            worker.attempts("DoubleBarrier.enter", enter, mine)
            if mine.participating and came[number] != everybody:
                study.oracle.found(BROKEN, f"{worker.name} entered round {number}")
            worker.busy()
            going[number].add(worker.name)
            stuck[worker.name] = "leave"
            worker.attempts("DoubleBarrier.leave", leave, mine)
            # Who is inside as the last one leaves: nobody claims that, three may be at once.
            tree = study.truth.tree
            here = [name for name in everybody - going[number] if nodes[number, name] in tree.nodes]
            if here:
                study.oracle.found(EARLY, f"{worker.name} left round {number} before {here}")

    for worker in study.run(work):
        study.oracle.found(DEAF, f"{worker.name} waits in {stuck[worker.name]}()")
    return study


def party(sim: Simulation) -> Study:
    study = Study(sim)
    parties: list[tuple[Worker, Any]] = []

    def join(mine: Any) -> bool:
        mine.join()
        return True

    def leave(mine: Any) -> bool:
        # Members do not exclude each other, so there is no claim whose loss a judge would tell:
        # whether it is there, before and behind the call, the log says.
        there = study.truth.tree.get(mine.create_path) is not None
        said = mine.leave()
        if there and not said and study.truth.tree.get(mine.create_path) is None:
            study.oracle.found(DENIES, mine.create_path)
        return True

    def work(worker: Worker) -> None:
        for _ in range(ROUNDS):
            mine = worker.client.Party("/party", worker.name)
            parties.append((worker, mine))
            if worker.attempts("Party.join", join, mine):
                worker.busy()
                worker.attempts("Party.members", lambda mine=mine: [*mine] or True)
                there = study.truth.tree.get(mine.create_path)
                if mine.participating and there is None and worker.client.connected:
                    study.oracle.found(GONE, f"{worker.name} is not in the party any more")
                worker.attempts("Party.leave", leave, mine)

    if waiting := study.run(work):
        study.oracle.found(WAITS, ", ".join(worker.name for worker in waiting))
    for worker, mine in parties:
        if study.truth.tree.get(mine.create_path) is not None:
            cut = study.oracle.was_cut_off(worker.name, "create", mine.create_path)
            study.oracle.found(ORPHAN if cut else LEFT, mine.create_path)
    return study
