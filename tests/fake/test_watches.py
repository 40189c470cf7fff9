"""WatchManager: who is told what, in which order, how often."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ..support import wire
from ..support.core import Client, World
from ..support.replies import (
    CHILDREN_CHANGED,
    CREATED,
    DATA_CHANGED,
    DELETED,
    MARSHALLING,
    NO_NODE,
    NO_WATCHER,
    OK,
    Event,
    Reply,
)

PERSISTENT, RECURSIVE = 0, 1
ANY, CHILD, DATA = 3, 1, 2


def add(client: Client, path: str | None, mode: int) -> Reply:
    return client.call("addWatch", wire.path_version(path, mode))


def set_watches(
    client: Client, zxid: int, *lists: list[str], op: str = "setWatches"
) -> list[Reply | Event]:
    body = wire.i64(zxid) + b"".join(map(wire.strings, lists))
    return client.ask(op, body, xid=-8)


@pytest.fixture
def pair(world: World) -> tuple[Client, Client]:
    """One who watches, one who writes."""
    return world.client(), world.client()


def test_one_shot_watches(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    assert watcher.stat("/a", watch=1) is None
    writer.create("/a")
    assert watcher.events() == [(CREATED, "/a")]
    watcher.get("/a", watch=1)
    writer.set("/a", b"1")
    writer.set("/a", b"2")
    assert watcher.events() == [(DATA_CHANGED, "/a")]
    watcher.children("/a", watch=1)
    writer.create("/a/b")
    writer.create("/a/c")
    assert watcher.events() == [(CHILDREN_CHANGED, "/a")]
    watcher.stat("/a/b", watch=1)
    watcher.children("/a/b", watch=1)
    watcher.children("/a", watch=1)
    writer.delete("/a/b")
    # Told once of the deletion, though two watches were there; both are used up.
    assert watcher.events() == [(DELETED, "/a/b"), (CHILDREN_CHANGED, "/a")]
    writer.create("/a/b")
    writer.delete("/a/b")
    assert watcher.events() == []


def test_setting_a_watch_twice_is_setting_it_once(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    writer.create("/a")
    watcher.stat("/a", watch=1)
    watcher.get("/a", watch=1)
    writer.set("/a", b"")
    assert watcher.events() == [(DATA_CHANGED, "/a")]


def test_a_deletion_seen_by_a_child_watch_alone(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    writer.create("/a")
    watcher.children("/a", watch=1)
    writer.delete("/a")
    assert watcher.events() == [(DELETED, "/a")]


def test_what_triggers_nothing(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    writer.create("/a")
    watcher.get("/a", watch=1)
    watcher.children("/a", watch=1)
    writer.call("setACL", wire.set_acl("/a", wire.OPEN_ACL))
    writer.call("create", wire.create("/a"))
    writer.call("delete", wire.path_version("/a", 9))
    writer.set("/", b"a parent's data")
    assert watcher.events() == []
    writer.create("/a/b")  # of a child no data watch is told
    assert watcher.events() == [(CHILDREN_CHANGED, "/a")]


def test_which_failing_reads_set_a_watch(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    assert watcher.call("getData", wire.path_watch("/a", 1)).error == NO_NODE
    assert watcher.call("getChildren", wire.path_watch("/a", 1)).error == NO_NODE
    writer.create("/a")
    assert watcher.events() == []
    writer.create("/locked", acl=[(4, "world", "anyone")])
    for op in ("exists", "getData", "getChildren", "getChildren2"):
        assert watcher.call(op, wire.path_watch("/locked", 1)).error != OK
    writer.create("/locked/x")
    assert watcher.events() == []


def test_events_come_before_the_reply_that_caused_them(world: World) -> None:
    client = world.client()
    client.children("/", watch=1)
    client.stat("/a", watch=1)
    first, second, reply = client.ask("create", wire.create("/a"))
    assert (first, second) == (
        Event(world.zxid, CREATED, "/a"),
        Event(world.zxid, CHILDREN_CHANGED, "/"),
    )
    assert isinstance(reply, Reply)


def test_the_events_of_a_multi_come_operation_by_operation(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    add(watcher, "/", PERSISTENT)
    add(watcher, "/", RECURSIVE)
    operations = [
        (1, wire.create("/a")),
        (5, wire.set_data("/a", b"")),
        (1, wire.create("/a/b")),
        (2, wire.path_version("/a/b")),
    ]
    reply = writer.call("multi", wire.multi(operations))
    found = watcher.take()
    assert {event.zxid for event in found} == {reply.zxid}
    assert [(event.type, event.path) for event in found if isinstance(event, Event)] == [
        (CREATED, "/a"),
        (CHILDREN_CHANGED, "/"),
        (DATA_CHANGED, "/a"),
        (CREATED, "/a/b"),
        (DELETED, "/a/b"),
    ]


def test_persistent_watches_stay(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    reply = add(watcher, "/a", PERSISTENT)
    assert (reply.error, reply.body) == (OK, wire.i32(0))
    for _ in range(2):
        writer.create("/a")
        writer.set("/a", b"")
        writer.create("/a/b")
        writer.delete("/a/b")
        writer.delete("/a")
        assert watcher.events() == [
            (CREATED, "/a"),
            (DATA_CHANGED, "/a"),
            (CHILDREN_CHANGED, "/a"),
            (CHILDREN_CHANGED, "/a"),
            (DELETED, "/a"),
        ]


def test_recursive_watches_see_all_below_and_no_changed_children(
    pair: tuple[Client, Client],
) -> None:
    watcher, writer = pair
    add(watcher, "/a", RECURSIVE)
    for path in ("/a", "/ab", "/a/b", "/a/b/c"):
        writer.create(path)
    writer.set("/a/b/c", b"")
    writer.delete("/a/b/c")
    assert watcher.events() == [
        (CREATED, "/a"),
        (CREATED, "/a/b"),
        (CREATED, "/a/b/c"),
        (DATA_CHANGED, "/a/b/c"),
        (DELETED, "/a/b/c"),
    ]


def test_several_matching_watches_tell_once(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    for path in ("/", "/a", "/a/b"):
        add(watcher, path, RECURSIVE)
    add(watcher, "/a/b", PERSISTENT)
    writer.create("/a")
    watcher.take()
    watcher.stat("/a/b", watch=1)
    writer.create("/a/b")
    assert watcher.events() == [(CREATED, "/a/b")]
    watcher.children("/a", watch=1)
    writer.create("/a/c")
    assert watcher.events() == [(CREATED, "/a/c"), (CHILDREN_CHANGED, "/a")]


def test_a_one_shot_watch_goes_and_leaves_a_persistent_one(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    add(watcher, "/a", PERSISTENT)
    watcher.stat("/a", watch=1)
    writer.create("/a")
    assert watcher.events() == [(CREATED, "/a")]
    assert watcher.call("checkWatches", wire.path_version("/a", DATA)).error == NO_WATCHER
    writer.set("/a", b"")
    assert watcher.events() == [(DATA_CHANGED, "/a")]


def test_bad_modes(world: World) -> None:
    client = world.client()
    assert add(client, "/a", 2).error == add(client, "/a", -1).error == MARSHALLING
    assert add(client, None, 0).error == OK
    assert add(client, "no path\0", 1).error == OK


def armed(client: Client) -> None:
    client.stat("/", watch=1)
    client.children("/", watch=1)
    add(client, "/", PERSISTENT)
    add(client, "/", RECURSIVE)


# checkWatches is asked for every type after one removeWatches.
REMOVALS = [
    (1, [NO_WATCHER, OK, OK, OK, OK]),
    (2, [OK, NO_WATCHER, OK, OK, OK]),
    (3, [NO_WATCHER] * 5),
    (4, [OK, OK, OK, NO_WATCHER, OK]),
    (5, [OK, OK, OK, OK, NO_WATCHER]),
]


@pytest.mark.parametrize(("type_", "left"), REMOVALS)
def test_removing_watches_by_type(world: World, type_: int, left: list[int]) -> None:
    client = world.client()
    armed(client)
    body = wire.path_version("/", type_)
    assert client.call("removeWatches", body).error == OK
    assert client.call("removeWatches", body).error == NO_WATCHER
    found = [client.call("checkWatches", wire.path_version("/", t)).error for t in range(1, 6)]
    assert found == left


def test_removing_what_is_not_there(world: World) -> None:
    client = world.client()
    add(client, "/a", RECURSIVE)
    for op in ("removeWatches", "checkWatches"):
        assert client.call(op, wire.path_version("/a/b", 5)).error == NO_WATCHER
        for type_ in (0, 6, -1):
            assert client.call(op, wire.path_version("/a", type_)).error == MARSHALLING
    world.client().create("/a")
    assert client.events() == [(CREATED, "/a")]


def test_a_watch_belongs_to_its_connection(world: World) -> None:
    writer, first = world.client(), world.client()
    first.children("/", watch=1)
    armed(first)
    again = world.client(session=first.session, password=first.password)
    writer.create("/a")
    assert again.events() == []
    assert len(world.replica.watches.data) == len(world.replica.watches.child) == 0


def test_catching_up_after_a_reconnect(world: World) -> None:
    writer, client = world.client(), world.client()
    for name in ("same", "changed", "gone", "parent", "quiet"):
        writer.create(f"/{name}")
    seen = world.zxid
    writer.set("/changed", b"")
    writer.create("/parent/child")
    writer.create("/came")
    writer.delete("/gone")
    data = ["/same", "/changed", "/gone"]
    exist = ["/came", "/same", "/not yet"]
    child = ["/quiet", "/parent", "/gone"]
    *events, reply = set_watches(client, seen, data, exist, child)
    assert isinstance(reply, Reply)
    assert (reply.xid, reply.error, reply.body) == (-8, OK, b"")
    assert events == [
        Event(-1, DATA_CHANGED, "/changed"),
        Event(-1, DELETED, "/gone"),
        Event(-1, CREATED, "/came"),
        Event(-1, CREATED, "/same"),
        Event(-1, CHILDREN_CHANGED, "/parent"),
        Event(-1, DELETED, "/gone"),
    ]
    for path in ("/same", "/not yet"):
        (writer.set if path == "/same" else writer.create)(path, b"")
    writer.create("/quiet/x")
    assert client.events() == [
        (DATA_CHANGED, "/same"),
        (CREATED, "/not yet"),
        (CHILDREN_CHANGED, "/quiet"),
    ]


def test_persistent_lists_are_armed_and_never_catch_up(world: World) -> None:
    writer, client = world.client(), world.client()
    writer.create("/p")
    lists: list[list[str]] = [[], [], [], ["/p"], ["/r"]]
    (reply,) = set_watches(client, 0, *lists, op="setWatches2")
    assert isinstance(reply, Reply)
    writer.set("/p", b"")
    writer.create("/r")
    writer.create("/r/x")
    assert client.events() == [(DATA_CHANGED, "/p"), (CREATED, "/r"), (CREATED, "/r/x")]


@pytest.mark.parametrize("paths", [None, ["/a", None]])
def test_a_null_among_the_lists(world: World, paths: list[str | None] | None) -> None:
    client = world.client()
    empty = wire.strings([])
    reply = client.call("setWatches", wire.i64(0) + empty + wire.strings(paths) + empty, xid=-8)
    assert (reply.error, reply.body) == (MARSHALLING, b"")


def test_who_may_not_read_is_not_told_and_loses_the_watch(pair: tuple[Client, Client]) -> None:
    watcher, writer = pair
    closed = [(28, "world", "anyone")]
    watcher.stat("/a", watch=1)
    writer.create("/a", acl=closed)
    assert watcher.events() == []
    writer.delete("/a")
    writer.create("/a")
    assert watcher.events() == []
    watcher.get("/a", watch=1)
    writer.call("setACL", wire.set_acl("/a", closed))
    writer.delete("/a")
    assert watcher.events() == []


def test_before_3_9_no_event_has_a_zxid() -> None:
    world = World(version="3.8")
    watcher, writer = world.client(), world.client()
    watcher.stat("/a", watch=1)
    writer.create("/a")
    (event,) = watcher.take()
    assert event == Event(-1, CREATED, "/a")


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_no_version_tells_a_recursive_watch_of_changed_children(version: str) -> None:
    world = World(version=version)
    watcher, writer = world.client(), world.client()
    add(watcher, "/", RECURSIVE)
    writer.create("/a")
    writer.create("/a/b")
    writer.delete("/a/b")
    assert watcher.events() == [(CREATED, "/a"), (CREATED, "/a/b"), (DELETED, "/a/b")]


def test_before_3_9_the_last_mode_counts() -> None:
    world = World(version="3.8")
    watcher, writer = world.client(), world.client()
    add(watcher, "/a", PERSISTENT)
    watcher.stat("/a", watch=1)
    writer.create("/a")
    writer.set("/a", b"")
    assert watcher.events() == [(CREATED, "/a")]
    add(watcher, "/b", RECURSIVE)
    assert watcher.call("removeWatches", wire.path_version("/b", 5)).error == MARSHALLING
    assert watcher.call("removeWatches", wire.path_version("/b", CHILD)).error == OK


def test_a_session_that_ends_tells_of_each_ephemeral(world: World) -> None:
    owner, watcher, once = world.client(), world.client(), world.client()
    owner.create("/p")
    for name in "ab":
        owner.create(f"/p/{name}", flags=1)
    add(watcher, "/p", PERSISTENT)
    once.children("/p", watch=1)
    owner.children("/p", watch=1)
    *events, reply = owner.ask("closeSession")
    assert [(event.type, event.path) for event in events if isinstance(event, Event)] == [
        (CHILDREN_CHANGED, "/p")
    ], "the closing client's own watches fire, before its reply"
    assert reply.zxid == world.zxid
    assert watcher.events() == 2 * [(CHILDREN_CHANGED, "/p")]
    assert once.events() == [(CHILDREN_CHANGED, "/p")]


# -- a model: any registrations, any writes

PATHS = ["/", "/a", "/b", "/a/a", "/a/b"]


class WatchMachine(RuleBasedStateMachine):
    """One client watches in every way, another writes; a plain model says what must arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.watcher, self.writer = self.world.client(), self.world.client()
        self.data: dict[str, set[str]] = {}
        self.child: dict[str, set[str]] = {}
        self.nodes = {"/"}

    def fire(self, table: dict[str, set[str]], type_: int, path: str) -> bool:
        modes = table.get(path, set())
        told = bool(modes & {"once", "persistent"})
        told |= type_ != CHILDREN_CHANGED and any(
            "recursive" in modes and (path == above or path.startswith(above.rstrip("/") + "/"))
            for above, modes in table.items()
        )
        modes.discard("once")
        return told

    def expected(self, type_: int, path: str) -> list[tuple[int, str]]:
        told = self.fire(self.data, type_, path)
        found = [(type_, path)] if told else []
        if type_ == DATA_CHANGED:
            return found
        if type_ == DELETED and self.fire(self.child, DELETED, path) and not told:
            found.append((DELETED, path))
        parent = path.rpartition("/")[0] or "/"
        if self.fire(self.child, CHILDREN_CHANGED, parent):
            found.append((CHILDREN_CHANGED, parent))
        return found

    @rule(path=st.sampled_from(PATHS))
    def watch_data(self, path: str) -> None:
        self.watcher.stat(path, watch=1)
        self.data.setdefault(path, set()).add("once")

    @rule(path=st.sampled_from(PATHS))
    def watch_children(self, path: str) -> None:
        reply = self.watcher.call("getChildren2", wire.path_watch(path, 1))
        if reply.error == OK:
            self.child.setdefault(path, set()).add("once")

    @rule(path=st.sampled_from(PATHS), recursive=st.booleans())
    def watch_for_good(self, path: str, recursive: bool) -> None:
        add(self.watcher, path, int(recursive))
        mode = "recursive" if recursive else "persistent"
        self.data.setdefault(path, set()).add(mode)
        if not recursive:
            self.child.setdefault(path, set()).add(mode)

    @rule(path=st.sampled_from(PATHS), type_=st.integers(1, 5))
    def unwatch(self, path: str, type_: int) -> None:
        everything = {"once", "persistent", "recursive"}
        gone = {1: {"once"}, 2: {"once"}, 3: everything, 4: {"persistent"}, 5: {"recursive"}}
        tables = {1: [self.child], 2: [self.data]}.get(type_, [self.data, self.child])
        had = False
        for table in tables:
            modes = table.setdefault(path, set())
            had |= bool(modes & gone[type_])
            modes -= gone[type_]
        reply = self.watcher.call("removeWatches", wire.path_version(path, type_))
        assert reply.error == (OK if had else NO_WATCHER)

    @rule(path=st.sampled_from(PATHS[1:]))
    def create(self, path: str) -> None:
        if self.writer.call("create", wire.create(path)).error == OK:
            self.nodes.add(path)
            assert self.watcher.events() == self.expected(CREATED, path)

    @rule(path=st.sampled_from(PATHS[1:]))
    def delete(self, path: str) -> None:
        if self.writer.call("delete", wire.path_version(path)).error == OK:
            self.nodes.discard(path)
            assert self.watcher.events() == self.expected(DELETED, path)

    @rule(path=st.sampled_from(PATHS))
    def set(self, path: str) -> None:
        if self.writer.call("setData", wire.set_data(path, b"")).error == OK:
            assert self.watcher.events() == self.expected(DATA_CHANGED, path)

    def teardown(self) -> None:
        assert self.watcher.events() == []
        for table, ours in (
            (self.world.replica.watches.data, self.data),
            (self.world.replica.watches.child, self.child),
        ):
            assert len(table) == sum(bool(modes) for modes in ours.values())
            assert {path for path, _, _ in table} == {path for path, modes in ours.items() if modes}


TestWatches = WatchMachine.TestCase
