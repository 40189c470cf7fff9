"""Who waits for a lock, and what nodes of it nobody will remove; for all recipes that use one.

Read from the log: whether a node that is left will ever go depends on whose it is, who waits, and
what became of the requests that made it. No promise is about that, so no judge says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._database.log import Create, Delete

from .kinds import ITSELF, LEFT, ORPHAN, TWIN, WAITS

if TYPE_CHECKING:
    from .kinds import Kind
    from .study import Study, Worker


def judge_locks(study: Study, waiting: list[Worker], path: str, unexplained: Kind = LEFT) -> None:
    """Say why somebody waits for a lock below ``path``, or what nodes nobody will remove."""
    oracle, truth = study.oracle, study.truth
    names = [name for name in truth.children(path) if "lock__" in name]
    nodes = sorted(names, key=lambda name: name[-10:])
    text = f"{', '.join(worker.name for worker in waiting) or 'nobody'} waits, {nodes}"
    owners = {name: oracle.sessions[truth.owners(f"{path}/{name}")[-1]] for name in nodes}
    # Who waits has made a node for that, its newest.
    newest = {owner: name for name, owner in owners.items()}
    waits_with = {newest.get(worker.name) for worker in waiting}
    stale = [name for name in nodes if name not in waits_with]
    if waiting and not (stale and stale[0] == nodes[0]):
        oracle.found(WAITS, text)
    for name in stale:
        prefix = f"{path}/{name[:-10]}"
        cut = oracle.was_cut_off(owners[name], "create", prefix)
        created = oracle.lost_replies(owners[name], "create", prefix)
        twins = [twin for twin in nodes if twin[:-10] == name[:-10] and twin != name]
        if created and waits_with.intersection(twins):
            oracle.found(ITSELF, text)
        elif created and _was_made_twice(study, path, name):
            oracle.found(TWIN, text)
        else:
            oracle.found(ORPHAN if cut else unexplained, text)


def _was_made_twice(study: Study, path: str, name: str) -> bool:
    """Whether the same `Lock` had another node while it had this one."""
    prefix = f"{path}/{name[:-10]}"
    nodes: set[str] = set()
    for transaction in study.truth.transactions():
        for operation in transaction.operations:
            if isinstance(operation, Create) and operation.path.startswith(prefix):
                nodes.add(operation.path)
            elif isinstance(operation, Delete):
                nodes.discard(operation.path)
        if len(nodes) > 1 and f"{path}/{name}" in nodes:
            return True
    return False
