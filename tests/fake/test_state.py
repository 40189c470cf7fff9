"""The state in hand: seeding, looking, snapshots and going back to them, with clients at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake._control import seeding
from zkfake._control.views import SessionView, WatchView

from ..support import wire
from ..support.core import Client, World
from ..support.replies import CHILDREN_CHANGED, CREATED, DATA_CHANGED, DELETED, OK, Event

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_loading(world: World) -> None:
    client = world.client()
    client.children("/", watch=1)
    client.stat("/a/b", watch=1)
    seeding.load(world.ensemble, {"/a/b/c": b"1", "/a": b"2", "/n": None})
    assert client.events() == [(CHILDREN_CHANGED, "/"), (CREATED, "/a/b")]
    assert seeding.dump(world.ensemble) == {"/a": b"2", "/a/b": b"", "/a/b/c": b"1", "/n": None}
    stat = client.stat("/a")
    assert stat is not None
    assert (stat.version, stat.children) == (0, 1), "it is made with its data"
    assert client.set("/a/b/c", b"open to all").version == 1


def test_loading_the_root_and_zookeeper(world: World) -> None:
    seeding.load(world.ensemble, {"/": b"root", "/zookeeper/quota/x": b"y"})
    client = world.client()
    assert (client.get("/"), client.get("/zookeeper/quota/x")) == (b"root", b"y")
    assert seeding.dump(world.ensemble) == {}, "neither is among what a test has written"


@pytest.mark.parametrize(
    ("znodes", "error", "said"),
    [
        ({"/good": b"", "bad": b""}, ValueError, "'bad' is not a valid path"),
        ({"/good": b"", "/a//b": b""}, ValueError, "'/a//b' is not a valid path"),
        ({"/good": b"", "/a/": b""}, ValueError, "'/a/' is not a valid path"),
        ({"/good": b"", 7: b""}, ValueError, "7 is not a valid path"),
        ({"/good": b"", "/a": "text"}, TypeError, "the data of /a is str: expected bytes"),
    ],
)
def test_loading_all_or_nothing(
    world: World, znodes: dict[str, bytes], error: type[Exception], said: str
) -> None:
    before = world.zxid
    with pytest.raises(error, match=said):
        seeding.load(world.ensemble, znodes)
    assert (seeding.dump(world.ensemble), world.zxid) == ({}, before)


def test_loading_below_an_ephemeral_is_refused(world: World) -> None:
    client = world.client()
    client.create("/e", flags=1)
    for path in ("/e/x", "/e/x/y"):
        with pytest.raises(ValueError, match=f"{path} cannot be created: /e is an ephemeral znode"):
            seeding.load(world.ensemble, {"/a": b"", path: b""})
    assert seeding.dump(world.ensemble) == {"/e": b""}


def test_a_snapshot_is_not_changed_by_what_comes_later(world: World) -> None:
    client = world.client()
    seeding.load(world.ensemble, {"/a": b"1"})
    taken = seeding.take(world.ensemble)
    assert taken.zxid == world.zxid
    client.set("/a", b"2")
    client.create("/b")
    assert [path for path in taken.paths() if not path.startswith("/zookeeper")] == ["/", "/a"]
    seeding.restore(world.ensemble, taken)
    client.set("/a", b"3")
    seeding.restore(world.ensemble, taken)
    assert seeding.dump(world.ensemble) == {"/a": b"1"}


def test_going_back_with_clients_watching(world: World) -> None:
    client, watcher = world.client(), world.client()
    seeding.load(world.ensemble, {"/same": b"", "/changed": b"1", "/gone": b"", "/p/child": b""})
    taken = seeding.take(world.ensemble)
    client.set("/changed", b"2")
    client.delete("/gone")
    client.create("/came")
    client.delete("/p/child")
    for path in ("/same", "/changed", "/gone", "/came", "/p"):
        watcher.stat(path, watch=1)
    for path in ("/", "/p", "/same"):
        watcher.children(path, watch=1)
    before = world.zxid
    seeding.restore(world.ensemble, taken)
    found = watcher.take()
    assert {event.zxid for event in found} == {before + 1}
    assert sorted((e.type, e.path) for e in found if isinstance(e, Event)) == sorted(
        [
            (DATA_CHANGED, "/changed"),
            (CREATED, "/gone"),
            (DELETED, "/came"),
            (CHILDREN_CHANGED, "/"),
            (CHILDREN_CHANGED, "/p"),
        ]
    )
    assert client.ping().zxid == before + 1
    watcher.stat("/same", watch=1)
    client.set("/same", b"watches work on")
    assert watcher.events() == [(DATA_CHANGED, "/same")]
    assert client.create("/new") == "/new"


def test_sessions_go_on_and_their_ephemerals_follow_the_snapshot(world: World) -> None:
    stays, goes = world.client(), world.client()
    stays.create("/stays", flags=1)
    goes.create("/goes", flags=1)
    taken = seeding.take(world.ensemble)
    goes.close()
    stays.delete("/stays")
    stays.create("/later", flags=1)
    seeding.restore(world.ensemble, taken)
    assert seeding.dump(world.ensemble) == {"/stays": b""}
    assert stays.call("getEphemerals", wire.string("/")).strings == ["/stays"]
    stays.close()
    assert seeding.dump(world.ensemble) == {}


def test_a_snapshot_for_another_server(world: World) -> None:
    world.client()
    owner = world.client()
    owner.create("/e", flags=1)
    seeding.load(world.ensemble, {"/a": b"1"})
    other = World()
    client = other.client()
    client.create("/x")
    seeding.restore(other.ensemble, seeding.take(world.ensemble))
    assert seeding.dump(other.ensemble) == {"/a": b"1"}
    assert client.get("/a") == b"1"
    assert client.create("/b") == "/b"
    assert seeding.dump(world.ensemble) == {"/a": b"1", "/e": b""}


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["create", "ephemeral", "sequential", "set", "delete", "acl", "container"]),
        st.sampled_from(["/a", "/b", "/a/a", "/a/b", "/a/b/c", "/zookeeper/quota/a"]),
        st.binary(max_size=3),
    ),
    max_size=15,
)


def write(client: Client, operations: list[tuple[str, str, bytes]]) -> None:
    for kind, path, data in operations:
        if kind == "set":
            client.ask("setData", wire.set_data(path, data))
        elif kind == "delete":
            client.ask("delete", wire.path_version(path))
        elif kind == "acl":
            client.ask("setACL", wire.set_acl(path, [(31, "ip", "127.0.0.1")]))
        elif kind == "container":
            client.ask("createContainer", wire.create(path, data))
        else:
            flags = {"create": 0, "ephemeral": 1, "sequential": 2}[kind]
            client.ask("create", wire.create(path, data, flags=flags))


@given(OPERATIONS, OPERATIONS, st.booleans())
def test_going_back_gives_the_same_state(
    first: list[tuple[str, str, bytes]], then: list[tuple[str, str, bytes]], watched: bool
) -> None:
    world = World()
    client, watcher = world.client(), world.client()
    write(client, first)
    taken, dumped = seeding.take(world.ensemble), seeding.dump(world.ensemble)
    nodes = dict(world.ensemble.tip.nodes)
    children = {path: list(names) for path, names in world.ensemble.tip.children.items()}
    client.call("addWatch", wire.path_version("/", 1))
    write(client, then)
    between = {path: node.data for path, node in world.ensemble.tip.nodes.items()}
    if watched:
        watcher.call("addWatch", wire.path_version("/", 1))
    seeding.restore(world.ensemble, taken)
    assert seeding.dump(world.ensemble) == dumped
    assert world.ensemble.tip.nodes == nodes
    found = world.ensemble.tip.children
    assert {path: list(names) for path, names in found.items()} == children
    if watched:
        for type_, path in watcher.events():  # what was told turns the one into the other
            if type_ == DELETED:
                del between[path]
            else:
                assert (path in between) == (type_ == DATA_CHANGED)
                between[path] = nodes[path].data
        assert between == {path: node.data for path, node in nodes.items()}
    write(client, then)
    seeding.restore(world.ensemble, taken)
    assert seeding.dump(world.ensemble) == dumped


# -- through the server, from another thread


@pytest.fixture
def server() -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper() as running:
        yield running


@pytest.fixture
def client(server: FakeZooKeeper) -> Iterator[KazooClient]:
    connected = KazooClient(server.hosts)
    connected.start(30)
    yield connected
    connected.stop()
    connected.close()


def test_a_client_sees_the_server_go_back(server: FakeZooKeeper, client: KazooClient) -> None:
    server.load({"/app/config": b"1"})
    taken = server.snapshot()
    seen = client.handler.event_object()
    client.set("/app/config", b"2")
    assert client.get("/app/config", watch=lambda _: seen.set())[0] == b"2"
    server.restore(taken)
    assert seen.wait(30)
    assert client.get("/app/config")[0] == b"1"
    assert server.dump() == {"/app": b"", "/app/config": b"1"}


def test_looking_in(server: FakeZooKeeper, client: KazooClient) -> None:
    assert client.client_id is not None
    client.add_auth("digest", "bob:secret")
    client.create("/e", b"data", ephemeral=True)
    client.get("/e", watch=lambda _: None)
    client.get_children("/", watch=lambda _: None)
    session = client.client_id[0]
    assert server.sessions == (SessionView(session, 10_000, 1, ("/e",)),)
    assert set(server.watches) == {
        WatchView("/e", session, 1, "data", "standard"),
        WatchView("/", session, 1, "child", "standard"),
    }
    (connection,) = server.connections
    assert (connection.session_id, connection.server_id) == (session, 1)
    assert {id_.scheme for id_ in connection.ids} == {"ip", "digest"}
    assert connection.received >= connection.sent - 1 > 0
    assert connection.address.startswith("127.0.0.1:")
    view = server.znodes["/e"]
    assert (view.data, view.stat.ephemeral_owner, view.acl[0].scheme) == (b"data", session, "world")
    assert list(server.znodes)[:2] == ["/", "/e"]
    with pytest.raises(AttributeError):
        view.data = b""  # type: ignore[misc]


def test_expiring_a_session(server: FakeZooKeeper, client: KazooClient) -> None:
    assert client.client_id is not None
    session = client.client_id[0]
    client.create("/e", ephemeral=True)
    lost = client.handler.event_object()
    client.add_listener(lambda now: lost.set() if now == "LOST" else None)
    server.expire(session)
    assert lost.wait(30)
    assert server.dump() == {}
    assert client.retry(client.exists, "/e") is None
    assert client.client_id[0] != session
    with pytest.raises(KeyError):
        server.expire(session)


def test_looking_into_a_server_that_does_not_run() -> None:
    server = FakeZooKeeper()
    empty = server.snapshot()
    with pytest.raises(RuntimeError, match=r"no server leads: start\(\) the server"):
        server.load({"/a": b""})
    with pytest.raises(RuntimeError, match=r"no server leads: start\(\) the server"):
        server.restore(empty)
    with server:
        server.load({"/a": b""})
    assert server.dump() == {"/a": b""}
    assert [*server.sessions, *server.connections, *server.watches] == []


def test_going_back_while_a_member_is_away() -> None:
    with FakeZooKeeper(servers=3) as server:
        server.load({"/a": b"1"})
        taken = server.snapshot()
        away = server.members[0]
        away.stop()
        server.load({"/a": b"2", "/b": b""})
        server.restore(taken)
        away.start()
        alone = KazooClient(away.hosts)
        alone.start(30)
        assert alone.get("/a")[0] == b"1"
        assert set(alone.get_children("/")) == {"zookeeper", "a"}
        alone.create("/c", b"goes on")
        assert server.dump() == {"/a": b"1", "/c": b"goes on"}
        alone.stop()
        alone.close()


def test_modes_of_watches(world: World) -> None:
    from zkfake._control import views

    client = world.client()
    for mode in (0, 1):
        assert client.call("addWatch", wire.path_version("/a", mode)).error == OK
    client.stat("/a", watch=1)
    found = {(view.table, view.mode) for view in views.watches([world.replica])}
    assert found == {
        ("data", "standard"),
        ("data", "persistent"),
        ("data", "recursive"),
        ("child", "persistent"),
    }
