"""When containers go: on the fake and on a live server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..support import wire
from ..support.core import World
from ..support.replies import CREATED, DELETED, NO_NODE, OK, Event, Stat

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.client import Client

    Serve = Callable[[dict[str, object]], Callable[[], Client]]

CHECK = "znode.container.checkIntervalMs"
NEVER_USED = "znode.container.maxNeverUsedIntervalMs"
PER_MINUTE = "znode.container.maxPerMinute"
USED = ("/one", "/two", "/three")


def container(client: Client, path: str) -> Stat:
    reply = client.call("createContainer", wire.create(path))
    assert reply.error == OK
    return reply.stat


def watch(client: Client, path: str) -> int:
    """Watches a znode; the error of exists."""
    return client.call("exists", wire.path_watch(path, 1)).error


def event(client: Client) -> tuple[int, str]:
    found = client.take()
    assert isinstance(found, Event)
    return found.type, found.path


def test_a_container_that_was_never_used(serve: Serve) -> None:
    client = serve({CHECK: 20, NEVER_USED: 2000})()
    made = container(client, "/never")
    assert watch(client, "/never") == OK
    assert event(client) == (DELETED, "/never")
    after = client.call("create2", wire.create("/after")).stat
    assert after.ctime - made.ctime > 2000


def test_a_container_that_was_never_used_may_stay(serve: Serve) -> None:
    client = serve({CHECK: 20})()
    container(client, "/never")
    container(client, "/used")
    assert client.create("/used/a").error == OK
    assert watch(client, "/used") == OK
    assert client.call("delete", wire.path_version("/used/a")).error == OK
    assert event(client) == (DELETED, "/used")
    assert watch(client, "/never") == OK


def test_containers_go_one_by_one(serve: Serve) -> None:
    client = serve({CHECK: 20, PER_MINUTE: 1})()
    # All at once, so that one look finds all of them.
    make = [(wire.OPS["createContainer"], wire.create(path, flags=4)) for path in USED]
    use = [(wire.OPS["create"], wire.create(f"{path}/a")) for path in USED]
    leave = [(wire.OPS["delete"], wire.path_version(f"{path}/a")) for path in USED]
    for path in USED:
        assert watch(client, path) == NO_NODE
    client.send("multi", wire.multi(make + use + leave))
    assert [event(client) for _ in USED] == [(CREATED, path) for path in USED]
    reply = client.take()
    assert not isinstance(reply, Event)
    assert reply is not None
    assert reply.error == OK
    # The first one may go before, between or after these three requests.
    for path in USED:
        client.send("exists", wire.path_watch(path, 1))
    errors: list[int] = []
    gone: list[str] = []
    while len(errors) < len(USED) or not (gone or NO_NODE in errors):
        found = client.take()
        assert found is not None
        if isinstance(found, Event):
            assert found.type == DELETED
            gone.append(found.path)
        else:
            errors.append(found.error)
    (first,) = gone or [USED[errors.index(NO_NODE)]]
    # The next one has a minute to go.
    assert [watch(client, path) == OK for path in USED] == [path != first for path in USED]


def test_how_long_it_takes() -> None:
    world = World({CHECK: 1000, PER_MINUTE: 600})
    client = world.client()
    for path in USED:
        assert client.call("createContainer", wire.create(path)).error == OK
        client.create(f"{path}/a")
        client.delete(f"{path}/a")
    for milliseconds, left in ((1000, 2), (99, 2), (1, 1), (99, 1), (1, 0)):
        world.advance(milliseconds)
        assert len(client.children("/")) == 1 + left
    # A child that came meanwhile keeps its container.
    for path in USED[:2]:
        assert client.call("createContainer", wire.create(path)).error == OK
        client.create(f"{path}/a")
        client.delete(f"{path}/a")
    world.advance(850)
    (left_over,) = set(client.children("/")) - {"zookeeper"}
    client.create(f"/{left_over}/b")
    world.advance(500)
    assert client.children(f"/{left_over}") == ["b"]
