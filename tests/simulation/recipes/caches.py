"""What users do with kazoo's NonBlockingLease and TreeCache.

Rules that live here: as in `programs`. Nobody is given a lease while somebody else's lasts, by the
clock that all of them share. A tree cache shows, once all is calm, what there is.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import NoNodeError, NotEmptyError
from kazoo.recipe.cache import TreeCache

from zkfake._database.log import Create

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
    held: list[tuple[str, float]] = []

    def clock() -> datetime:
        return datetime.fromtimestamp(sim.epoch_time, timezone.utc).replace(tzinfo=None)

    def take(worker: Worker) -> bool:
        duration = timedelta(seconds=DURATION)
        asked = sim.now
        mine = worker.client.NonBlockingLease("/lease", duration, worker.name, clock)
        node = study.truth.tree.get("/lease/lease_holder")
        holder = None if node is None else json.loads(node.data or b"{}").get("holder")
        if mine and holder not in (None, worker.name):
            study.oracle.found(OVER, f"{worker.name}, when {holder} had it")
        elif mine:
            rivals = [name for name, end in held if name != worker.name and end > sim.now]
            if rivals:
                study.oracle.found(BROKEN, f"{worker.name} and {rivals}")
            held.append((worker.name, asked + DURATION - 1))  # the end is kept in whole seconds
        return True

    def work(worker: Worker) -> None:
        for _ in range(LEASES):
            worker.attempts("NonBlockingLease", take, worker)
            sim.sleep(3 * worker.random.random())

    judge_locks(study, study.run(work), "/lease")
    before: dict[str, Any] | None = None
    for transaction in study.truth.transactions():
        for operation in transaction.operations:
            if isinstance(operation, Create) and operation.path == "/lease/lease_holder":
                now = json.loads(operation.data or b"{}")
                if before is not None and before["holder"] != now["holder"]:
                    began = datetime.fromtimestamp(transaction.time / 1000, timezone.utc)
                    if f"{began:%Y-%m-%dT%H:%M:%S}" < before["end"]:
                        study.oracle.found(BROKEN, f"{now} after {before}")
                before = now
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
    """Compare what a cache shows with what there is."""
    there = {
        path: node.data
        for path, node in study.truth.tree.nodes.items()
        if path == "/tree" or path.startswith("/tree/")
    }
    shown = {}
    queue = ["/tree"]
    while queue:
        path = queue.pop()
        data = cache.get_data(path)
        if data is not None:
            shown[path] = data.data
        queue += [f"{path}/{name}" for name in cache.get_children(path) or ()]
    if shown != there:
        study.oracle.found(FROZEN, f"{shown}, and there is {there}")
