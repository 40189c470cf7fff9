"""What users do with kazoo's NonBlockingLease and TreeCache.

Rules that live here: as in `programs`. Nobody is given a lease while somebody else's lasts, by the
clock that all of them share: a lease is claimed until its time is over, and whose turn it was is
recorded. A tree cache shows, once all is calm, what there is: both are recorded.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import NoNodeError, NotEmptyError
from kazoo.recipe.cache import TreeCache

from zkfake._database.log import Create
from zkfake.history import at_most, exactly_once, in_order

from .judges import judge_locks
from .kinds import BROKEN, ERROR, ERRORS, FROZEN, OVER, WAITS
from .study import Study, Worker

if TYPE_CHECKING:
    from zkfake.simulation import Simulation

DURATION = 4
LEASES = 5
WRITES = 12
CALM = 60.0


def lease(sim: Simulation) -> Study:
    study = Study(sim)
    oracle, history = study.oracle, sim.history
    held: dict[str, tuple[float, ExitStack]] = {}
    """By client: when its lease is over, and its claim."""

    def clock() -> datetime:
        return datetime.fromtimestamp(sim.epoch_time, timezone.utc).replace(tzinfo=None)

    def take(worker: Worker) -> bool:
        duration = timedelta(seconds=DURATION)
        asked = sim.now
        mine = worker.client.NonBlockingLease("/lease", duration, worker.name, clock)
        # Whose it is by now, no client knows. (Its znode is nobody's: a claim of it would be lost.)
        node = study.truth.tree.get("/lease/lease_holder")
        holder = None if node is None else json.loads(node.data or b"{}").get("holder")
        if mine and holder not in (None, worker.name):
            oracle.found(OVER, f"{worker.name}, when {holder} had it")
        elif mine:
            claim(worker.name, asked + DURATION - 1)  # the end is kept in whole seconds
        return True

    def claim(name: str, end: float) -> None:
        for each, (over, claimed) in list(held.items()):
            if over <= sim.now or each == name:  # who has it may have it for longer
                claimed.close()
                del held[each]
        held[name] = end, ExitStack()
        held[name][1].enter_context(history.claim("lease", client=name))

    def work(worker: Worker) -> None:
        for _ in range(LEASES):
            worker.attempts("NonBlockingLease", take, worker)
            sim.sleep(3 * worker.random.random())

    judge_locks(study, study.run(work), "/lease")
    for _, claimed in held.values():
        claimed.close()
    oracle.promise(at_most(1, "lease"), lambda _: BROKEN)
    # What the clients wrote of their turns is in the log alone: who got it next overwrote it.
    before: dict[str, Any] | None = None
    for transaction in study.truth.transactions():
        for operation in transaction.operations:
            if isinstance(operation, Create) and operation.path == "/lease/lease_holder":
                now = json.loads(operation.data or b"{}")
                if before is not None and before["holder"] != now["holder"]:
                    began = datetime.fromtimestamp(transaction.time / 1000, timezone.utc)
                    history.record("turns", transaction.zxid, before["end"])
                    history.record("turns", transaction.zxid, f"{began:%Y-%m-%dT%H:%M:%S}")
                before = now
    oracle.promise(in_order("turns"), lambda _: BROKEN)
    return study


def tree_cache(sim: Simulation) -> Study:
    study = Study(sim)
    caches: list[TreeCache] = []
    errors: list[BaseException] = []

    def start(worker: Worker) -> bool:
        cache = TreeCache(worker.client, "/tree")
        cache.listen_fault(errors.append)
        caches.append(cache)
        cache.start()
        return True

    def write(worker: Worker, path: str) -> bool:
        client = worker.client
        act = worker.random.randrange(3)
        with suppress(NoNodeError, NotEmptyError):  # the other writer's doing
            if act == 0:
                client.delete(path, recursive=True)
            elif act == 1:
                client.ensure_path(f"{path}/below")
            else:
                client.ensure_path(path)
                client.set(path, b"%d" % worker.random.randrange(1000))
        return True

    def work(worker: Worker) -> None:
        if worker.number == 0:
            if not worker.attempts("TreeCache.start", start, worker):
                caches.clear()
            return
        for _ in range(WRITES):
            path = f"/tree/{worker.random.choice('ab')}"
            worker.attempts("write", write, worker, path)
            sim.sleep(worker.random.random())

    if waiting := study.run(work):
        study.oracle.found(WAITS, ", ".join(worker.name for worker in waiting))
    sim.sleep(CALM)
    if caches:
        judge_cache(study, caches[-1])
    for error in errors:
        kind = ERRORS.get((type(error).__name__, "TreeCache"), ERROR)
        study.oracle.found(kind, f"{type(error).__name__} in TreeCache: {error}")
    return study


def judge_cache(study: Study, cache: TreeCache) -> None:
    """A cache shows what there is, once, and nothing else."""
    history = study.sim.history
    for path, data in study.sim.dump().items():
        if path == "/tree" or path.startswith("/tree/"):
            history.record("there", f"{path} {data!r}")
    queue = ["/tree"]
    while queue:
        path = queue.pop()
        node = cache.get_data(path)
        if node is not None:
            history.record("shown", f"{path} {node.data!r}")
        queue += [f"{path}/{name}" for name in cache.get_children(path) or ()]
    study.oracle.promise(exactly_once("shown", of="there"), lambda _: FROZEN)
