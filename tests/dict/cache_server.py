"""A server, a replica that lags and one connection's watches, step by step: for `cache_world`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from zkdict._copy.items import ROOT, ReadZnode

Tree = dict[str, ReadZnode]


@dataclass
class State:
    """The tree at one zxid; None: the root does not exist."""

    tree: Tree | None
    pzxid: int
    closed: frozenset[str] = frozenset()  # what may not be read; the root's name is ROOT

    def contents(self) -> dict[str, tuple[bytes, int]]:
        return {name: (node.raw, node.mzxid) for name, node in (self.tree or {}).items()}


@dataclass
class Server:
    """All committed states, the zxid the replica has applied, and the connection's watches."""

    states: list[State] = field(default_factory=lambda: [State({}, 0)])
    log: list[list[tuple[str, str]]] = field(default_factory=list)
    applied: int = 0
    data_watches: set[str] = field(default_factory=set)
    child_watches: set[str] = field(default_factory=set)
    subtree: bool = False  # a watch on the root and all below it, which no event ends
    dropped: Counter[str] = field(default_factory=Counter)  # watches that went without an event

    @property
    def now(self) -> State:
        return self.states[self.applied]

    def commit(self, *operations: tuple[str, str]) -> list[bool]:
        """Append one transaction; which of its operations changed something."""
        zxid = len(self.states)
        last = self.states[-1]
        tree = None if last.tree is None else dict(last.tree)
        pzxid, done, closed = last.pzxid, [], set(last.closed)
        for operation, name in operations:
            done.append(True)
            known = tree.get(name) if tree is not None else None
            raw = f"{name}{zxid}".encode()
            if operation == "make root" and tree is None:
                tree, pzxid = {}, zxid
            elif operation == "remove root" and tree == {}:
                tree = None
                closed.clear()
            elif operation == "create" and tree is not None and known is None:
                tree[name], pzxid = ReadZnode(raw, 0, zxid, zxid, 0, 0, 0), zxid
            elif operation == "set" and tree is not None and known is not None:
                tree[name] = ReadZnode(raw, known.version + 1, known.czxid, zxid, 0, 0, 0)
            elif operation == "delete" and tree is not None and known is not None:
                del tree[name]
                pzxid = zxid
                closed.discard(name)
            elif operation == "close" and tree is not None and (known or name == ROOT):
                closed.add(name)
            elif operation == "open":
                closed.discard(name)
            else:
                done[-1] = False
        self.states.append(State(tree, pzxid, frozenset(closed)))
        self.log.append([op for op, ok in zip(operations, done, strict=True) if ok])
        return done

    def apply(self) -> list[tuple[str, str]]:
        """The replica applies the next transaction; the events for the connection."""
        events = []
        for operation, name in self.log[self.applied]:
            if operation in ("close", "open"):
                continue
            if operation in ("create", "make root", "set"):
                path = ROOT if operation == "make root" else name
                kind = "changed" if operation == "set" else "created"
                if self.subtree or path in self.data_watches:
                    self.data_watches.discard(path)
                    events.append((kind, path))
            else:
                path = ROOT if operation == "remove root" else name
                if self.subtree or path in self.data_watches | self.child_watches:
                    self.data_watches.discard(path)
                    self.child_watches.discard(path)
                    events.append(("deleted", path))
            if operation in ("create", "delete") and ROOT in self.child_watches:
                self.child_watches.discard(ROOT)
                events.append(("child", ROOT))
        # Who may not read a znode is not told of it, and the watch is gone all the same. (A znode
        # that goes, goes with its ACL; where its parent has a watch, that tells.)
        closed = self.states[self.applied].closed
        self.applied += 1
        told = [
            (kind, path)
            for kind, path in events
            if path not in closed or (kind == "deleted" and not self.subtree)
        ]
        self.dropped.update(path for kind, path in events if (kind, path) not in told)
        return told
