"""Loading znodes into a tree, taking a snapshot of it, restoring a snapshot.

A snapshot shares frozen znodes, so taking one costs one reference per znode. ZooKeeper never goes
back to an earlier state; to connected clients a restore looks like one big transaction with a new
zxid:

* what differs triggers its watches: deleted, created and changed znodes, and their parents'
  children;
* sessions go on as they are. An ephemeral znode of the snapshot comes back only if its session is
  still open;
* the znodes get the Stat of the snapshot back, so a client may see a version or an mzxid fall;
* the servers stay what they are: ``/zookeeper/config`` tells the same as before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from zkfake._auth.providers import SUPER
from zkfake._database.acl import OPEN
from zkfake._database.log import Delete, Transaction
from zkfake._database.paths import ROOT, ancestors, is_valid, split
from zkfake._database.reconfig import CONFIG_PATH
from zkfake._database.tree import Tree, TreeChange
from zkfake._ensemble.ensemble import Ensemble
from zkfake._protocol.records import (
    CreateRequest,
    EventType,
    Op,
    Request,
    SetDataRequest,
)

_SYSTEM = "/zookeeper"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree at one zxid. Nothing that happens later changes it."""

    zxid: int
    _tree: Tree

    def paths(self) -> tuple[str, ...]:
        """Every path in it, parents before children."""
        return tuple(sorted(self._tree.nodes))


def take(ensemble: Ensemble) -> Snapshot:
    """The state as it is now."""
    return Snapshot(ensemble.log.last_zxid, ensemble.tip.copy())


def restore(ensemble: Ensemble, snapshot: Snapshot) -> None:
    """Back to ``snapshot``, with the watches that the differences trigger. Raises `RuntimeError`
    without a leader.
    """
    _check_leader(ensemble)
    zxid = ensemble.log.last_zxid + 1
    tree = snapshot._tree.copy()  # noqa: SLF001  # `Snapshot` is of this module
    open_sessions = {session.id for session in ensemble.sessions if not session.closing}
    gone = [
        path
        for owner, paths in tree.ephemerals.items()
        if owner not in open_sessions
        for path in paths
    ]
    cleanup = Transaction(
        tree.zxid, ensemble.now, 0, Op.DELETE, tuple(Delete(path) for path in gone)
    )
    tree.apply(cleanup)
    _keep_configuration(ensemble, tree)
    tree.zxid = zxid
    ensemble.replace(tree, zxid, list(_differences(ensemble.tip, tree)))


def _keep_configuration(ensemble: Ensemble, tree: Tree) -> None:
    """Puts the present configuration into ``tree``; a proposed, uncommitted one is lost."""
    node, config = ensemble.tip.nodes[CONFIG_PATH], ensemble.config
    if not ensemble.standalone and node.mzxid > config.version:
        node = node._replace(data=config.render(), mzxid=config.version)
    tree.nodes[CONFIG_PATH] = node


def remove(ensemble: Ensemble, path: str) -> None:
    """Removes a znode and its descendants, as one transaction would. Raises `ValueError` for a
    system path, `RuntimeError` without a leader.
    """
    if path in (ROOT, _SYSTEM) or path.startswith(_SYSTEM + "/"):
        raise ValueError(f"{path} cannot be removed")
    _check_leader(ensemble)
    tree = ensemble.tip.copy()
    if path not in tree.nodes:
        return
    gone = sorted((path, *tree.below(path)))
    zxid = ensemble.log.last_zxid + 1
    deletes = tuple(Delete(name) for name in reversed(gone))
    tree.apply(Transaction(tree.zxid, ensemble.now, 0, Op.DELETE, deletes))
    ensemble.replace(tree, zxid, list(_differences(ensemble.tip, tree)))


def _differences(old: Tree, new: Tree) -> Iterator[TreeChange]:
    """What turned ``old`` into ``new``, children before parents that go, parents before children
    that come.
    """
    for path in sorted(old.nodes.keys() - new.nodes.keys(), reverse=True):
        parent, _ = split(path)
        node, above = old.nodes[path], old.nodes[parent]
        yield TreeChange(EventType.DELETED, path, parent, node.acl, above.acl)
    for path in sorted(new.nodes):
        node, before = new.nodes[path], old.nodes.get(path)
        if before is None:
            parent, _ = split(path)
            yield TreeChange(EventType.CREATED, path, parent, node.acl, new.nodes[parent].acl, node)
        elif before is not node and (before.data, before.mzxid) != (node.data, node.mzxid):
            yield TreeChange(EventType.DATA_CHANGED, path, "", node.acl, (), node)


def load(ensemble: Ensemble, znodes: Mapping[str, bytes | None]) -> None:
    """Makes, or overwrites, the znodes of ``znodes`` with open ACLs, and parents that are missing.

    Each is one transaction of no session, watches included. Raises `ValueError` for a path that
    ZooKeeper would refuse, `TypeError` for data that is not bytes, `RuntimeError` without a leader;
    nothing is changed then.
    """
    _check_leader(ensemble)
    for path, data in znodes.items():
        if not isinstance(path, str) or not is_valid(path):
            raise ValueError(
                f"{path!r} is not a valid path: expected a leading slash, and no component that is "
                "empty, '.' or '..'"
            )
        if data is not None and not isinstance(data, bytes):
            raise TypeError(f"the data of {path} is {type(data).__name__}: expected bytes or None")
        for above in ancestors(path)[1:]:
            node = ensemble.tip.get(above)
            if node is not None and node.owner:
                raise ValueError(f"{path} cannot be created: {above} is an ephemeral znode")
    for path, data in znodes.items():
        _make(ensemble, path, data)


def _check_leader(ensemble: Ensemble) -> None:
    if ensemble.leader is None:
        raise RuntimeError("no server leads: start() the server, or a majority of the ensemble")


def _make(ensemble: Ensemble, path: str, data: bytes | None) -> None:
    record: CreateRequest | SetDataRequest
    if ensemble.tip.get(path) is not None:
        op, record = Op.SET_DATA, SetDataRequest(path, data, -1)
    else:
        parent, _ = split(path)
        if ensemble.tip.get(parent) is None:
            _make(ensemble, parent, b"")
        op, record = Op.CREATE, CreateRequest(path, data, list(OPEN), 0)
    ensemble.submit(Request(0, 0, op, record, (SUPER,)))


def dump(ensemble: Ensemble, path: str = ROOT) -> dict[str, bytes | None]:
    """The data of the znode ``path`` and all below it, by path, parents before children; ``/`` and
    ``/zookeeper`` are left out. Raises `KeyError` where there is no such znode.
    """
    tree = ensemble.tip
    own = tree.nodes[path]
    below = {each: tree.nodes[each].data for each in sorted(tree.below(path))}
    if path != ROOT:
        return {path: own.data, **below}
    system = _SYSTEM + "/"
    return {
        each: data
        for each, data in below.items()
        if each != _SYSTEM and not each.startswith(system)
    }
