"""Znodes, their ``Stat``, and what a transaction does to them.

The tree is a pure function of the transactions applied to it: it knows no clock, client, session or
other server. A znode is a frozen value that trees, snapshots and forks share. All rules of Stat
arithmetic live here:

* create: czxid = mzxid = pzxid = the transaction's zxid, ctime = mtime = its time, all versions 0;
* setData: mzxid, mtime and version; setACL: aversion alone; a child made or deleted: the parent's
  pzxid alone;
* the server counts the *creates* of children, and clients see ``cversion = 2 * creates -
  children``, as an int32;
* a child list and a session's ephemerals iterate in the order of Java's hash sets (see
  `zkfake._database.hashset`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NamedTuple

from zkfake._database import quota
from zkfake._database.acl import OPEN, READ_ONLY
from zkfake._database.hashset import JavaHashSet
from zkfake._database.log import Check, Create, Delete, SetAcl, SetData, Transaction
from zkfake._database.paths import ROOT, split
from zkfake._protocol.jute import pack_strings
from zkfake._protocol.records import Acls, EventType, Op, Stat, pack_stat

_CREATED, _DATA_CHANGED, _CLOSE_SESSION = (
    EventType.CREATED,
    EventType.DATA_CHANGED,
    Op.CLOSE_SESSION,
)

SPECIAL_PATHS = frozenset((ROOT, "/zookeeper", "/zookeeper/quota", "/zookeeper/config"))
"""The znodes that no client can delete."""


class Znode(NamedTuple):
    """A znode. ``creates`` counts the children ever made; ``owner`` and ``reap`` are as in
    `zkfake._database.log.Create`.
    """

    data: bytes | None
    acl: Acls
    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    pzxid: int
    version: int = 0
    creates: int = 0
    aversion: int = 0
    owner: int = 0
    reap: int = 0

    # Nearly every request runs this code. The fields are unpacked and packed by position because
    # _replace() takes four times as long.

    def written(self, data: bytes | None, version: int, zxid: int, time: int) -> "Znode":
        """The znode after its data was set."""
        _, acl, czxid, _, ctime, _, pzxid, _, creates, aversion, owner, reap = self
        return _znode(
            (data, acl, czxid, zxid, ctime, time, pzxid, version, creates, aversion, owner, reap)
        )

    def with_children(self, creates: int, zxid: int) -> "Znode":
        """The znode after a child was created or deleted."""
        data, acl, czxid, mzxid, ctime, mtime, _, version, _, aversion, owner, reap = self
        return _znode(
            (data, acl, czxid, mzxid, ctime, mtime, zxid, version, creates, aversion, owner, reap)
        )

    def stat(self, children: int) -> Stat:
        """Its ``Stat`` while it has that many children."""
        return Stat._make(self._stat(children))

    def packed_stat(self, children: int) -> bytes:
        """The same in jute's form."""
        return pack_stat(*self._stat(children))

    def _stat(self, children: int) -> tuple[int, ...]:
        """The fields of a `Stat` in their order."""
        data, _, czxid, mzxid, ctime, mtime, pzxid, version, creates, aversion, owner, _ = self
        cversion = 2 * creates - children
        if not -0x80000000 <= cversion <= 0x7FFFFFFF:
            cversion = ((cversion + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        size = 0 if data is None else len(data)
        return (
            czxid,
            mzxid,
            ctime,
            mtime,
            version,
            cversion,
            aversion,
            owner,
            size,
            children,
            pzxid,
        )


_znode = partial(tuple.__new__, Znode)


class TreeChange(NamedTuple):
    """What one operation did.

    ``type`` is ``None`` where no watch is triggered (setACL, check). ``acl`` is the access list of
    the znode (a deleted one's last), ``parent_acl`` of its parent. ``node`` is the znode right
    after the operation, which then has that many ``children``; ``None`` where it is deleted or
    unchanged.
    """

    type: EventType | None
    path: str
    parent: str
    acl: Acls
    parent_acl: Acls
    node: Znode | None = None
    children: int = 0


_change = partial(tuple.__new__, TreeChange)


class Tree:
    """Every znode, by path."""

    __slots__ = ("children", "ephemerals", "get", "nodes", "quotas", "reapable", "zxid")

    def __init__(self) -> None:
        """A new server's tree: the root, ``/zookeeper``, ``/zookeeper/quota`` and
        ``/zookeeper/config``.
        """
        plain = Znode(b"", OPEN, 0, 0, 0, 0, 0)
        self.nodes: dict[str, Znode] = {
            ROOT: plain,
            "/zookeeper": plain,
            "/zookeeper/config": plain._replace(acl=READ_ONLY, aversion=-1),
            "/zookeeper/quota": plain,
        }
        self.get = self.nodes.get
        """The znode at a path, ``None`` where there is none. Cost: O(1)."""
        self.children: dict[str, JavaHashSet] = {
            ROOT: JavaHashSet(["zookeeper"], 8),
            "/zookeeper": JavaHashSet(["config", "quota"], 8),
        }
        self.ephemerals: dict[int, JavaHashSet] = {}
        self.reapable: dict[str, None] = {}
        self.quotas: dict[str, None] = {}
        self.zxid = 0

    @classmethod
    def of(cls, znodes: Iterable[tuple[str, Znode]], zxid: int) -> "Tree":
        """The tree of all these znodes, parents before children. As on a server that reads a
        snapshot, children and ephemerals are in the order in which they are added here.
        """
        new = cls.__new__(cls)
        new.nodes = {}
        new.get = new.nodes.get
        new.children, new.ephemerals, new.reapable, new.quotas = {}, {}, {}, {}
        new.zxid = zxid
        for path, node in znodes:
            new.nodes[path] = node
            if path != ROOT:
                parent, name = split(path)
                new.children.setdefault(parent, JavaHashSet(capacity=8)).add(name)
                if name == quota.LIMITS and parent.startswith(quota.PREFIX + "/"):
                    new.quotas[parent[len(quota.PREFIX) :]] = None
            if node.owner:
                new.ephemerals.setdefault(node.owner, JavaHashSet()).add(path)
            if node.reap:
                new.reapable[path] = None
        return new

    def copy(self) -> "Tree":
        """An independent tree with the same znodes. Cost: a reference per znode and child name."""
        new = Tree.__new__(Tree)
        new.nodes = self.nodes.copy()
        new.get = new.nodes.get
        new.children = {path: names.copy() for path, names in self.children.items()}
        new.ephemerals = {owner: paths.copy() for owner, paths in self.ephemerals.items()}
        new.reapable = self.reapable.copy()
        new.quotas = self.quotas.copy()
        new.zxid = self.zxid
        return new

    def child_count(self, path: str) -> int:
        """The number of children of ``path``; 0 where there is no such znode. Cost: O(1)."""
        names = self.children.get(path)
        return 0 if names is None else len(names)

    def child_names(self, path: str) -> Iterator[str]:
        """The names of the children of ``path``, in the server's order. Cost: O(n log n)."""
        return iter(self.children.get(path, ()))

    def unordered_child_names(self, path: str) -> list[str]:
        """The same in any order. Cost: a reference per name."""
        names = self.children.get(path)
        return [] if names is None else names.unordered()

    def packed_child_names(self, path: str) -> bytes:
        """The same as a vector in jute's form. Cost: O(n log n) once after every change of the
        children, O(1) otherwise.
        """
        names = self.children.get(path)
        if names is None:
            return pack_strings(())
        if names.packed is None:
            names.packed = pack_strings(self.child_names(path))
        return names.packed

    def below(self, path: str) -> Iterator[str]:
        """The paths of all znodes below ``path``, parents before children. Cost: linear in them."""
        parents = [path]
        while parents:
            parent = parents.pop()
            prefix = parent if parent == ROOT else parent + "/"
            for name in self.children.get(parent, ()):
                yield prefix + name
                parents.append(prefix + name)

    def descendant_count(self, path: str) -> int:
        """How many znodes are below ``path``. Cost: linear in them; O(1) for the root."""
        return len(self.nodes) - 1 if path == ROOT else sum(1 for _ in self.below(path))

    def ephemerals_of(self, session_id: int) -> JavaHashSet:
        """The paths a session owns, in the order in which closing it deletes them."""
        return self.ephemerals.get(session_id, JavaHashSet()).clone()

    def stat(self, path: str, node: Znode) -> Stat:
        """The ``Stat`` of ``node``, the znode at ``path``."""
        return node.stat(self.child_count(path))

    def packed_stat(self, path: str, node: Znode) -> bytes:
        """The same in jute's form."""
        return node.packed_stat(self.child_count(path))

    def apply(self, transaction: Transaction) -> list[TreeChange]:
        """Applies the next transaction of the log. Returns one change per operation, in order."""
        self.zxid = transaction.zxid
        operations = self._operations
        changes: list[TreeChange] = []
        for done in transaction.operations:  # nearly always one: a comprehension costs more
            changes.append(operations[type(done)](self, done, transaction))  # noqa: PERF401
        if transaction.op is _CLOSE_SESSION:
            self.ephemerals.pop(transaction.session_id, None)
        return changes

    def _create(self, done: Create, transaction: Transaction) -> TreeChange:
        zxid, time, path = transaction.zxid, transaction.time, done.path
        parent, _, name = path.rpartition("/")  # as `split`, without its call
        parent = parent or ROOT
        above = self.nodes[parent]
        if done.parent_cversion > above.creates:  # a counter that overflowed does not change
            self.nodes[parent] = above.with_children(done.parent_cversion, zxid)
        node = _znode(
            (done.data, done.acl, zxid, zxid, time, time, zxid, 0, 0, 0, done.owner, done.reap)
        )
        self.nodes[path] = node
        names = self.children.get(parent)
        if names is None:
            names = self.children[parent] = JavaHashSet(capacity=8)
        names.add(name)
        if done.owner:
            self.ephemerals.setdefault(done.owner, JavaHashSet()).add(path)
        if done.reap:
            self.reapable[path] = None
        if parent.startswith(quota.PREFIX):
            self._quota_made(parent[len(quota.PREFIX) :], name)
        if self.quotas:
            self._account(path, 1, len(done.data or b""))
        return _change((_CREATED, path, parent, done.acl, above.acl, node, 0))

    def _delete(self, done: Delete, transaction: Transaction) -> TreeChange:
        path = done.path
        parent, name = split(path)
        node = self.nodes.pop(path)
        self.children.pop(path, None)
        above = self.nodes[parent]
        self.nodes[parent] = above.with_children(above.creates, transaction.zxid)
        self.children[parent].discard(name)
        if node.owner:
            self.ephemerals[node.owner].discard(path)
        self.reapable.pop(path, None)
        if name == quota.LIMITS:
            self.quotas.pop(parent[len(quota.PREFIX) :], None)
        if self.quotas:
            self._account(path, -1, -len(node.data or b""))
        return TreeChange(EventType.DELETED, path, parent, node.acl, above.acl)

    def _set_data(self, done: SetData, transaction: Transaction) -> TreeChange:
        path = done.path
        old = self.nodes[path]
        node = old.written(done.data, done.version, transaction.zxid, transaction.time)
        self.nodes[path] = node
        children = self.child_count(path)
        if self.quotas:
            self._account(path, 0, len(done.data or b"") - len(old.data or b""))
        return TreeChange(_DATA_CHANGED, path, "", node.acl, (), node, children)

    def _set_acl(self, done: SetAcl, _transaction: Transaction) -> TreeChange:
        node = self.nodes[done.path]._replace(acl=done.acl, aversion=done.aversion)
        self.nodes[done.path] = node
        return TreeChange(None, done.path, "", node.acl, (), node, self.child_count(done.path))

    def _check(self, done: Check, _transaction: Transaction) -> TreeChange:
        return TreeChange(None, done.path, "", (), ())

    _operations: ClassVar[Mapping[type[Any], Callable[["Tree", Any, Transaction], TreeChange]]] = {
        Create: _create,
        Delete: _delete,
        SetData: _set_data,
        SetAcl: _set_acl,
        Check: _check,
    }

    def quota_of(self, path: str) -> str | None:
        """The path whose quota covers ``path``, if any. Cost: linear in the number of quotas."""
        return quota.deepest(path, self.quotas) if self.quotas else None

    def _quota_made(self, path: str, name: str) -> None:
        if name == quota.LIMITS and path:
            self.quotas[path] = None
        elif name == quota.STATS:
            covered = [path, *self.below(path)] if path in self.nodes else []
            size = sum(len(self.nodes[each].data or b"") for each in covered)
            self._edit_stats(path, quota.render({"count": len(covered), "bytes": size}))

    def _account(self, path: str, count: int, size: int) -> None:
        covering = self.quota_of(path)
        if covering is None:
            return
        node = self.nodes.get(quota.stats_path(covering))
        if node is not None:
            # The real server fails for good on statistics that a client overwrote with invalid
            # text.
            with suppress(ValueError):
                self._edit_stats(covering, quota.add(node.data, count, size))

    def _edit_stats(self, path: str, data: bytes) -> None:
        stats = quota.stats_path(path)
        self.nodes[stats] = self.nodes[stats]._replace(data=data)
