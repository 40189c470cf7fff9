"""Applying a log to a snapshot, as a server does that starts.

The rules that live here: a server writes a snapshot while it goes on, so a snapshot may have what
later transactions did, and these are applied all the same. One that finds its work done, or its
place gone, is left out, but for what it says of the parent: counts and zxids only ever rise. A
znode has no children when it is deleted. Those that it has nevertheless were created later, when
another one had taken its place: they are deleted with it, and the log creates them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._database.log import Create, Delete, SetAcl, Transaction
from zkfake._database.paths import split
from zkfake._database.tree import Tree
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from zkfake._database.log import Outcome
    from zkfake._zookeeper_files.logs import LoggedTransaction
    from zkfake._zookeeper_files.snapshots import StoredSnapshot

__all__ = ["ReplayedTree"]


class ReplayedTree:
    """A tree and its sessions, while transactions are applied."""

    def __init__(self, snapshot: StoredSnapshot, zxid: int) -> None:
        self.tree = Tree.of(snapshot.znodes, zxid)
        self.sessions = dict(snapshot.sessions)
        self.unknown = set(snapshot.unknown)
        """Paths of znodes whose ACLs are not known."""

    def apply(self, done: LoggedTransaction) -> None:
        """Applies the next transaction."""
        if done.op is Op.CREATE_SESSION:
            self.sessions[done.session_id] = done.timeout
        for operation in done.operations:
            self._apply(operation, done)
        if done.op is Op.CLOSE_SESSION:
            self.sessions.pop(done.session_id, None)
            for path in list(self.tree.ephemerals_of(done.session_id)):
                self._apply(Delete(path), done)
            self.tree.ephemerals.pop(done.session_id, None)
        self.tree.zxid = done.zxid

    def _apply(self, operation: Outcome, done: LoggedTransaction) -> None:
        tree, path = self.tree, operation.path
        node = tree.get(path)
        if isinstance(operation, (Create, Delete)):
            parent, _ = split(path)
            above = tree.get(parent)
            if above is None:
                return
            if isinstance(operation, Delete):
                if node is not None:
                    for below in reversed(list(tree.below(path))):
                        self._carry_out(Delete(below), done)
                        self.unknown.discard(below)
                    self._carry_out(operation, done)
                tree.nodes[parent] = tree.nodes[parent]._replace(pzxid=max(above.pzxid, done.zxid))
                self.unknown.discard(path)
                return
            if operation.parent_cversion == -1:
                operation = operation._replace(parent_cversion=above.creates + 1)
            if node is None:
                self._carry_out(operation, done)
                return
            if operation.parent_cversion > above.creates:
                tree.nodes[parent] = above.with_children(operation.parent_cversion, done.zxid)
            if path in self.unknown:
                # It was made after the ACLs were written. What has set another one since then
                # follows.
                tree.nodes[path] = node._replace(acl=operation.acl)
                self.unknown.discard(path)
        elif node is not None:
            self._carry_out(operation, done)
            if isinstance(operation, SetAcl):
                self.unknown.discard(path)

    def _carry_out(self, operation: Outcome, done: LoggedTransaction) -> None:
        self.tree.apply(Transaction(done.zxid, done.time, done.session_id, Op.MULTI, (operation,)))
