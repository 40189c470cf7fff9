"""What the judges are told of the states at each zxid, beside whole trees that are kept of each."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from zkfake._database.log import Check, Create, Delete, SetAcl, SetData, Transaction
from zkfake._history.events import Committed, Kept, Restored
from zkfake._history.states import CHILD, DATA, FORGOTTEN, Changed, PathVersion, States
from zkfake._history.states import OPEN as EVERYBODY
from zkfake._protocol.records import Acl, Acls, EventType, Op

OPEN = (Acl(30, "world", "anyone"), Acl(1, "world", "anyone"))
CLOSED = (Acl(30, "world", "anyone"), Acl(1, "digest", "a:b"))
PATHS = ["/a", "/b", "/a/x", "/a/y", "/a/x/1"]
ASKED = ["/", *PATHS, "/never"]


class Znode(NamedTuple):
    data: bytes | None
    czxid: int
    mzxid: int
    version: int
    owner: int
    acl: Acls


class World:
    """A whole tree for each transaction, and everything that watchers are told, in order."""

    def __init__(self) -> None:
        self.zxid = 0
        self.trees: list[tuple[int, dict[str, Znode]]] = [
            (0, {"/": Znode(b"", 0, 0, 0, 0, EVERYBODY)})
        ]
        self.told: list[Changed] = []
        self.touched: list[tuple[int, str, Any]] = [(0, "/", None)]
        """Which transaction changed a path, its ACL included."""
        self.children: list[tuple[int, str, Any]] = []
        """Which transaction changed the children of a path."""
        self.counts: list[tuple[int, dict[str, int | None]]] = [(0, {"/": 0})]
        """How often the children of each znode had changed at a zxid; ``None``: not known."""

    def tree(self, zxid: int) -> dict[str, Znode]:
        return next(tree for when, tree in reversed(self.trees) if when <= zxid)

    def commit(self, draw: list[tuple[int, str, bytes | None, bool]], skip: int) -> Committed:
        """What of the draws is possible, as the next transaction."""
        self.zxid += skip
        tree = dict(self.trees[-1][1])
        operations: list[Any] = []
        steps: list[tuple[str, str]] = []
        for kind, path, data, readable in draw:
            known, parent = tree.get(path), path.rpartition("/")[0] or "/"
            acl = OPEN if readable else CLOSED
            if known is None and parent in tree:
                owner = 7 if kind == 2 else 0
                operations.append(Create(path, data, acl, owner, 0, 1))
                tree[path] = Znode(data, self.zxid, self.zxid, 0, owner, acl)
                steps.append((path, "create"))
            elif known is None or kind == 0:
                operations.append(Check(path))
            elif kind == 1 and not any(each.startswith(f"{path}/") for each in tree):
                operations.append(Delete(path))
                del tree[path]
                steps.append((path, "delete"))
            elif kind == 2:
                operations.append(SetAcl(path, acl, 1))
                tree[path] = known._replace(acl=acl)
                steps.append((path, "acl"))
            else:
                operations.append(SetData(path, data, known.version + 1))
                tree[path] = known._replace(data=data, mzxid=self.zxid, version=known.version + 1)
                steps.append((path, "set"))
        entry = Committed(0.0, Transaction(self.zxid, 0, 1, Op.MULTI, tuple(operations)))
        self._tell(steps, operations, entry)
        self.trees.append((self.zxid, tree))
        return entry

    def restore(self, place: int) -> Restored:
        """The state is an earlier one, as of a zxid that may be earlier, too."""
        when, tree = self.trees[place % len(self.trees)]
        self.zxid = max(when, self.zxid + place)
        kept = (Kept(path, each.data, each.acl, *each[1:5]) for path, each in tree.items())
        entry = Restored(0.0, self.zxid, tuple(kept))
        self.trees, self.told = [(self.zxid, tree)], []
        self.counts = [(self.zxid, dict.fromkeys(tree))]
        self.touched = [(self.zxid, path, None if path == "/" else entry) for path in tree]
        self.children = [
            (self.zxid, path.rpartition("/")[0] or "/", entry) for path in tree if path != "/"
        ]
        return entry

    def _tell(self, steps: list[tuple[str, str]], operations: list[Any], entry: Committed) -> None:
        zxid, acls = self.zxid, {path: each.acl for path, each in self.trees[-1][1].items()}
        done = iter([each for each in operations if type(each) is not Check])
        counts = dict(self.counts[-1][1])
        for path, step in steps:
            operation, parent = next(done), path.rpartition("/")[0] or "/"
            self.touched.append((zxid, path, entry))
            if step == "acl":
                acls[path] = operation.acl
            elif step == "set":
                kind = EventType.DATA_CHANGED
                self.told.append(Changed(path, DATA, zxid, kind, acls[path], entry))
            else:
                kind = EventType.CREATED if step == "create" else EventType.DELETED
                if step == "create":
                    acls[path] = operation.acl
                    counts[path] = 0
                before = counts[parent]
                counts[parent] = None if before is None else before + 1
                self.told.append(Changed(path, DATA, zxid, kind, acls[path], entry))
                if step == "delete":
                    self.told.append(Changed(path, CHILD, zxid, kind, acls[path], entry))
                kind = EventType.CHILDREN_CHANGED
                self.told.append(Changed(parent, CHILD, zxid, kind, acls[parent], entry))
                self.children.append((zxid, parent, entry))
        self.counts.append((zxid, counts))


def version_of(world: World, path: str, zxid: int) -> PathVersion | None:
    """What `States.at` has to say."""
    known = world.tree(zxid).get(path)
    if known is None:
        return None
    when, entry = [
        (when, entry) for when, each, entry in world.touched if each == path and when <= zxid
    ][-1]
    return PathVersion(when, True, *known, entry)


def compare(states: States, world: World, horizon: int) -> None:
    assert (states.last, states.horizon) == (world.zxid, horizon)
    for path in ASKED:
        newest = states.now(path)
        there = version_of(world, path, world.zxid)
        assert newest == there
        for zxid in range(max(0, horizon - 2), world.zxid + 2):
            found, names = states.at(path, zxid), states.children(path, zxid)
            if zxid < horizon:
                assert (found, names) == (FORGOTTEN, FORGOTTEN)
                continue
            expected = version_of(world, path, zxid)
            if isinstance(found, PathVersion) and found.present:
                assert found == expected
            else:
                assert expected is None
                assert found is None or found[2:7] == (None, 0, 0, 0, 0)
            below = {each.rpartition("/") for each in world.tree(zxid) if each != "/"}
            children = {name for parent, _, name in below if (parent or "/") == path}
            assert names == children
            if expected is None:
                continue
            assert states.children_count(path, zxid) == len(children)
            counts = next(counts for when, counts in reversed(world.counts) if when <= zxid)
            is_there = newest is not None and newest.czxid == expected.czxid
            count = states.count_of_child_changes(path, expected.czxid, zxid)
            assert count == (counts[path] if is_there else None)
            last = [
                (when, entry)
                for when, parent, entry in world.children
                if parent == path and when <= zxid
            ]
            changed = states.changed_children(path, zxid)
            assert max(changed, expected.czxid) == max(
                [expected.czxid, *(each[0] for each in last)]
            )
            within = [entry for when, entry in last if when > horizon]
            assert states.last_child_change(path, zxid) == (within[-1] if within else None)
            for table in (DATA, CHILD):
                assert states.next_change(path, table, zxid) == next(
                    (
                        each
                        for each in world.told
                        if (each.path, each.table) == (path, table) and each.zxid > zxid
                    ),
                    None,
                )


STEP = st.tuples(
    st.integers(0, 4), st.sampled_from(PATHS), st.sampled_from([None, b"", b"1"]), st.booleans()
)
TRANSACTION = st.tuples(st.lists(STEP, max_size=4), st.integers(1, 2))
RESTORE = st.integers(-2, 2)


@given(
    entries=st.lists(st.one_of(TRANSACTION, TRANSACTION, TRANSACTION, RESTORE), max_size=12),
    window=st.integers(1, 5),
)
def test_every_state_within_the_window(entries: list[Any], window: int) -> None:
    states, world = States(window), World()
    start, committed = 0, []
    for each in entries:
        if isinstance(each, int):
            entry: Any = world.restore(each)
            states.restart(entry)
            start, committed = world.zxid, []
        else:
            entry = world.commit(*each)
            told = states.apply(entry)
            assert told == [change for change in world.told if change.zxid == world.zxid]
            committed.append(world.zxid)
        assert states.last_entry is entry
        horizon = committed[-window - 1] if len(committed) > window else start
        compare(states, world, horizon)
        known = {*committed[-window:], *([start] if type(entry) is Restored else [])}
        found = {zxid for zxid in range(world.zxid + 2) if states.entry(zxid) is not None}
        assert found - {start} == known - {start}
        # What is kept is what is there, and what was changed within the window.
        new = [path for when, path, _ in world.touched if when > horizon]
        assert states._versions.keys() == {*new, *world.tree(horizon)}
        for path, versions in states._versions.items():
            assert 0 <= len(versions) - new.count(path) <= 1


def test_a_child_and_then_its_parent_are_deleted_at_once() -> None:
    """Who watches the parent's children is told of the first change alone, as by the server."""
    states, world = States(5), World()
    states.apply(world.commit([(0, "/a", b"", True), (0, "/a/x", b"", True)], 1))
    states.apply(world.commit([(1, "/a/x", None, True), (1, "/a", None, True)], 1))
    change = states.next_change("/a", CHILD, 1)
    assert change is not None
    assert change.type is EventType.CHILDREN_CHANGED
