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
    SetAclRequest,
    SetDataRequest,
    ZooKeeperError,
)
from zkfake._trees.entries import to_text
from zkfake._trees.plain import PlainZnode, is_system, of_tree

Seed = bytes | None | PlainZnode
"""What a znode is to be."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree at one zxid: all znodes, without sessions and watches. Nothing that happens later
    changes it.
    """

    zxid: int
    _tree: Tree

    def paths(self) -> tuple[str, ...]:
        """Every path in it, parents before children. Cost: O(n log n)."""
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
    if path == ROOT or is_system(path):
        raise ValueError(f"{path} cannot be removed: / and /zookeeper are always there")
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


def load(ensemble: Ensemble, znodes: Mapping[str, Seed]) -> None:
    """Makes, or overwrites, the znodes of ``znodes``, and makes parents that are missing. Bytes are
    data: a new znode has an open ACL, one that exists keeps its own. Ephemerals are left out.

    Each is one transaction of no session, watches included. Raises `ValueError` for a path, an ACL
    or a kind that ZooKeeper would refuse, `TypeError` for data that is not bytes, `RuntimeError`
    without a leader; nothing is changed then.
    """
    _check_leader(ensemble)
    for path, seed in znodes.items():
        if not isinstance(path, str) or not is_valid(path):
            raise ValueError(
                f"{path!r} is not a valid path: expected a leading slash, and no component that is "
                "empty, '.' or '..'"
            )
        if isinstance(seed, PlainZnode):
            _check_plain(ensemble, path, seed)
        elif seed is not None and not isinstance(seed, bytes):
            raise TypeError(f"the data of {path} is {type(seed).__name__}: expected bytes or None")
        for above in ancestors(path)[1:]:
            node = ensemble.tip.get(above)
            if node is not None and node.owner:
                raise ValueError(f"{path} cannot be created: {above} is an ephemeral znode")
    made: set[str] = set()
    for path, seed in znodes.items():
        if not isinstance(seed, PlainZnode) or not seed.ephemeral:
            _make(ensemble, path, znodes, made)


def _check_plain(ensemble: Ensemble, path: str, znode: PlainZnode) -> None:
    try:
        ensemble.access.fix(list(znode.acl), ())
    except ZooKeeperError:
        texts = ", ".join(map(to_text, znode.acl))
        raise ValueError(f"{path}: the servers do not accept the ACL {texts}") from None
    if znode.reap > 0 and not ensemble.settings.extended_types:
        raise ValueError(f"{path}: a ttl needs the setting extendedTypesEnabled=true")


def _check_leader(ensemble: Ensemble) -> None:
    if ensemble.leader is None:
        raise RuntimeError("no server leads: start() the server, or a majority of the ensemble")


def _make(ensemble: Ensemble, path: str, znodes: Mapping[str, Seed], made: set[str]) -> None:
    """``made``: what has been made of ``znodes``, also where it is not committed yet."""
    if path in made:
        return
    made.add(path)
    seed = znodes.get(path, b"")
    node = ensemble.tip.get(path)
    znode = seed if isinstance(seed, PlainZnode) else PlainZnode(seed)
    if node is not None:
        _write(ensemble, Op.SET_DATA, SetDataRequest(path, znode.data, -1))
        if seed is znode and node.acl != znode.acl:
            _write(ensemble, Op.SET_ACL, SetAclRequest(path, list(znode.acl), -1))
        return
    parent, _ = split(path)
    if ensemble.tip.get(parent) is None:
        _make(ensemble, parent, znodes, made)
    op, flags, ttl = Op.CREATE, 0, -1
    if znode.reap:
        op, flags = (Op.CREATE_CONTAINER, 4) if znode.container else (Op.CREATE_TTL, 5)
        ttl = max(znode.reap, -1)
    _write(ensemble, op, CreateRequest(path, znode.data, list(znode.acl), flags, ttl))


def _write(
    ensemble: Ensemble, op: Op, record: CreateRequest | SetDataRequest | SetAclRequest
) -> None:
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
    return {each: data for each, data in below.items() if not is_system(each)}


def export(ensemble: Ensemble, path: str = ROOT) -> dict[str, PlainZnode]:
    """The same with ACLs and kinds, for a tree file: ``path`` is ``/`` in it, and left out where it
    is empty and open. Raises `KeyError` where there is no such znode.
    """
    return dict(of_tree(ensemble.tip, path))


def is_empty(ensemble: Ensemble) -> bool:
    """Whether there is nothing but what a new ensemble has."""
    return all(path == ROOT or is_system(path) for path in ensemble.tip.nodes)
