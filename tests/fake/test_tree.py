"""Trees: Stat arithmetic and bookkeeping over any sequence of transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zkfake._database.acl import OPEN, READ_ONLY
from zkfake._database.hashset import JavaHashSet
from zkfake._database.log import (
    CONTAINER,
    Create,
    Delete,
    Log,
    Outcome,
    SetAcl,
    SetData,
    Transaction,
)
from zkfake._database.paths import split
from zkfake._database.tree import Tree, TreeChange
from zkfake._protocol.records import EventType, Op, Stat

from ..support import wire
from ..support.core import START, World

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = st.sampled_from(["a", "b", "c", "é"])
DATA = st.none() | st.binary(max_size=3)
SESSIONS = st.sampled_from([0, 0, 7, 8])


def stat_of(change: TreeChange) -> Stat | None:
    return change.node and change.node.stat(change.children)


class TreeMachine(RuleBasedStateMachine):
    """Applies transactions to two trees at once and keeps count of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.tree, self.twin = Tree(), Tree()
        self.zxid, self.time = 0, START
        self.log = Log(0)
        self.made: dict[str, int] = {"/": 0, "/zookeeper": 0}
        self.sets: dict[str, int] = {}
        self.touched: dict[str, int] = {}
        self.frozen: list[tuple[Tree, dict[str, object]]] = []

    def apply(
        self, operations: Sequence[Outcome], op: Op = Op.MULTI, session: int = 1
    ) -> list[TreeChange]:
        self.zxid += 1
        self.time += 3
        transaction = Transaction(self.zxid, self.time, session, op, tuple(operations))
        self.log.append(transaction)
        changes = self.tree.apply(transaction)
        assert self.twin.apply(transaction) == changes, "apply is a function of its arguments"
        return changes

    def pick(self, data: st.DataObject, *, without_owner: bool = False) -> str:
        return data.draw(
            st.sampled_from(
                [
                    path
                    for path, node in self.tree.nodes.items()
                    if not path.startswith("/zookeeper") and not (without_owner and node.owner)
                ]
            )
        )

    def creating(self, parent: str, name: str, content: bytes | None, owner: int) -> Create:
        path = f"{parent.rstrip('/')}/{name}"
        self.made[parent] = self.made.get(parent, 0) + 1
        self.made[path] = self.sets[path] = 0
        return Create(path, content, OPEN, owner, 0 if owner else CONTAINER, self.made[parent])

    @rule(data=st.data(), name=NAMES, content=DATA, owner=SESSIONS)
    def create(self, data: st.DataObject, name: str, content: bytes | None, owner: int) -> None:
        parent = self.pick(data, without_owner=True)
        if f"{parent.rstrip('/')}/{name}" in self.tree.nodes:
            return
        (change,) = self.apply([self.creating(parent, name, content, owner)])
        self.touched[parent] = self.touched[change.path] = self.zxid
        stat = stat_of(change)
        assert stat is not None
        assert (change.type, change.parent) == (EventType.CREATED, parent)
        assert (stat.czxid, stat.mzxid, stat.pzxid) == (self.zxid,) * 3
        assert (stat.ctime, stat.mtime) == (self.time, self.time)
        assert (stat.version, stat.cversion, stat.aversion, stat.num_children) == (0, 0, 0, 0)
        assert stat.ephemeral_owner == owner
        assert stat.data_length == len(content or b"")

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = self.pick(data)
        if path == "/" or self.tree.child_count(path):
            return
        (change,) = self.apply([Delete(path)])
        self.touched[split(path)[0]] = self.zxid
        assert (change.type, change.node) == (EventType.DELETED, None)

    @rule(data=st.data(), content=DATA)
    def set_data(self, data: st.DataObject, content: bytes | None) -> None:
        path = self.pick(data)
        before = self.tree.stat(path, self.tree.nodes[path])
        self.sets[path] = self.sets.get(path, 0) + 1
        (change,) = self.apply([SetData(path, content, before.version + 1)])
        assert stat_of(change) == before._replace(
            mzxid=self.zxid,
            mtime=self.time,
            version=before.version + 1,
            data_length=len(content or b""),
        )

    @rule(data=st.data())
    def set_acl(self, data: st.DataObject) -> None:
        path = self.pick(data)
        before = self.tree.stat(path, self.tree.nodes[path])
        (change,) = self.apply([SetAcl(path, READ_ONLY, before.aversion + 1)])
        assert change.type is None
        assert stat_of(change) == before._replace(aversion=before.aversion + 1)

    @rule()
    def fail(self) -> None:
        nodes = dict(self.tree.nodes)
        assert self.apply([], Op.CREATE) == []
        assert self.tree.nodes == nodes

    @rule(session=st.sampled_from([7, 8]))
    def close(self, session: int) -> None:
        paths = list(self.tree.ephemerals_of(session))
        owned = {path for path, node in self.tree.nodes.items() if node.owner == session}
        assert set(paths) == owned
        changes = self.apply([Delete(path) for path in paths], Op.CLOSE_SESSION, session)
        assert [change.path for change in changes] == paths
        assert session not in self.tree.ephemerals
        for path in paths:
            self.touched[split(path)[0]] = self.zxid

    @precondition(lambda self: len(self.frozen) < 3)
    @rule()
    def copy(self) -> None:
        copied = self.tree.copy()
        assert all(copied.nodes[path] is node for path, node in self.tree.nodes.items())
        self.frozen.append((copied, everything(copied)))

    @invariant()
    def stats_add_up(self) -> None:
        assert self.tree.zxid == self.zxid
        children: dict[str, set[str]] = {}
        for path in self.tree.nodes:
            if path != "/":
                parent, name = split(path)
                assert parent in self.tree.nodes
                children.setdefault(parent, set()).add(name)
        for path, node in self.tree.nodes.items():
            stat = self.tree.stat(path, node)
            names = children.get(path, set())
            in_order = list(self.tree.child_names(path))
            assert set(in_order) == names
            assert self.tree.packed_child_names(path) == wire.strings(in_order)
            assert stat.num_children == self.tree.child_count(path) == len(names)
            made = self.made.get(path, 0)
            assert stat.cversion == 2 * made - len(names)
            assert stat.version == self.sets.get(path, 0)
            assert stat.pzxid == self.touched.get(path, 0)
            below = path.rstrip("/") + "/"
            assert self.tree.descendant_count(path) == sum(
                other.startswith(below) and other != "/" for other in self.tree.nodes
            )

    @invariant()
    def indexes_hold_what_the_znodes_say(self) -> None:
        nodes = self.tree.nodes
        for owner in (7, 8):
            owned = {path for path, node in nodes.items() if node.owner == owner}
            assert set(self.tree.ephemerals.get(owner, ())) == owned
        assert set(self.tree.reapable) == {path for path, node in nodes.items() if node.reap}

    @invariant()
    def copies_stay_as_they_were(self) -> None:
        for copied, then in self.frozen:
            assert everything(copied) == then

    def teardown(self) -> None:
        rebuilt = Tree()
        for transaction in self.log.after(0):
            rebuilt.apply(transaction)
        assert everything(rebuilt) == everything(self.tree) == everything(self.twin)


def everything(tree: Tree) -> dict[str, object]:
    return {
        "nodes": dict(tree.nodes),
        "children": {path: list(names) for path, names in tree.children.items() if len(names)},
        "packed": {path: tree.packed_child_names(path) for path in tree.children},
        "ephemerals": {owner: list(paths) for owner, paths in tree.ephemerals.items()},
        "reapable": list(tree.reapable),
        "zxid": tree.zxid,
    }


TestTree = TreeMachine.TestCase


def test_the_tree_of_a_new_server(world: World) -> None:
    client = world.client()
    found = {}
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        stat = client.stat(path)
        assert stat is not None
        zeros = (stat.czxid, stat.mzxid, stat.ctime, stat.mtime, stat.owner, stat.pzxid)
        assert zeros == (0,) * 6
        found[path] = (stat.version, stat.cversion, stat.aversion, stat.children)
        assert client.get(path) == b""
    assert found == {
        "/": (0, -1, 0, 1),
        "/zookeeper": (0, -2, 0, 2),
        "/zookeeper/quota": (0, 0, 0, 0),
        "/zookeeper/config": (0, 0, -1, 0),
    }
    assert client.children("/zookeeper") == ["config", "quota"]


def test_the_empty_path_is_the_root_for_reads(world: World) -> None:
    client = world.client()
    root = client.call("getData", wire.path_watch("/")).body
    assert client.call("getData", wire.path_watch("")).body == root
    assert client.stat("") == client.stat("/")
    assert client.children("") == ["zookeeper"]
    counts = [client.call("getAllChildrenNumber", wire.string(path)).body for path in ("/", "")]
    assert counts == [wire.i32(3), wire.i32(4)]


def test_null_data_is_not_empty_data(world: World) -> None:
    client = world.client()
    client.create("/null", None)
    client.create("/empty", b"")
    assert (client.get("/null"), client.get("/empty")) == (None, b"")
    assert client.set("/empty", None).length == 0
    assert client.get("/empty") is None


def test_ephemerals_go_in_the_order_of_javas_sets(world: World) -> None:
    owner, other = world.client(), world.client()
    paths = [f"/e{number}" for number in range(30)]
    order = JavaHashSet()
    for path in paths:
        owner.create(path, flags=1)
        order.add(path)
        other.stat(path, watch=1)
    assert owner.call("getEphemerals", wire.string("/")).strings == list(order.clone())
    reply = owner.close()
    deleted = other.take()
    assert [getattr(event, "path", None) for event in deleted] == list(order.clone())
    assert {event.zxid for event in deleted} == {reply.zxid}


def test_ephemerals_by_prefix(world: World) -> None:
    client, other = world.client(), world.client()
    for path in ("/ab", "/ac", "/b"):
        client.create(path, flags=1)
    other.create("/a-others", flags=1)
    for prefix, expected in (
        ("/a", {"/ab", "/ac"}),
        ("/", {"/ab", "/ac", "/b"}),
        ("", {"/ab", "/ac", "/b"}),
        ("  ", {"/ab", "/ac", "/b"}),
        (None, {"/ab", "/ac", "/b"}),
        ("b", set()),
    ):
        assert set(client.call("getEphemerals", wire.string(prefix)).strings) == expected
