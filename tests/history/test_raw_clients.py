"""What kazoo never sends is judged, too: watches that come back with their client or are
removed, and znodes that not everybody may read.

The fake and the raw client make the histories; each is legal, and what is changed in it is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zkfake import FakeZooKeeper
from zkfake._history.checking import check
from zkfake._history.judges.watches import AMBIGUOUS, HIDDEN
from zkfake._protocol.records import Op
from zkfake.history import Committed, Verdict, WatchEvent

from ..support import wire
from ..support.client import Client
from ..support.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Entries = list[Any]

WATCHES = "watches are told"
DATA_OR_CHILD, CHILD, DATA = 3, 1, 2


class World:
    """A fake that is recorded, and who talks to it."""

    def __init__(self, server: FakeZooKeeper) -> None:
        self.server = server
        self.clients: list[Client] = []

    def client(self, **arguments: Any) -> Client:
        client = Client(self.server.members[0].port, **arguments)
        self.clients.append(client)
        return client

    def recorded(self) -> Entries:
        """The history, which is legal."""
        history = self.server.history
        assert history is not None
        entries = list(history.in_order())
        judged(entries).raise_if_broken()
        judged(entries, has_log=False).raise_if_broken()
        return entries


@pytest.fixture
def world() -> Iterator[World]:
    with FakeZooKeeper(history=True) as server:
        world = World(server)
        yield world
        for client in world.clients:
            client.close()


def judged(entries: Entries, *, has_log: bool = True) -> Verdict:
    return check(entries, has_log=has_log)


def findings(entries: Entries, judge: str = WATCHES) -> list[str]:
    return [str(each) for each in judged(entries).broken if each.judge == judge]


def set_watches(client: Client, zxid: int, *lists: Sequence[str | None]) -> list[Any]:
    """The events that catch up, and the reply."""
    body = wire.i64(zxid) + b"".join(map(wire.strings, lists))
    client.channel.send(wire.request(-8, wire.OPS["setWatches"], body))
    told: list[Any] = []
    while not told or not isinstance(told[-1], Reply):
        told.append(client.take())
    return told


def come_back(world: World) -> tuple[Client, Client, list[Any]]:
    """A client that was away while everything changed, a writer, and what the first was told."""
    writer, client = world.client(), world.client()
    for path in ("/same", "/changed", "/gone", "/quiet", "/parent", "/parent/x"):
        writer.create(path)
    seen = client.call("sync", wire.string("/")).zxid
    client.close()
    writer.call("setData", wire.set_data("/changed", b"1"))
    writer.call("delete", wire.path_version("/gone"))
    writer.create("/came")
    writer.create("/parent/y")
    back = world.client(session=client.session, password=client.password, last_zxid=seen)
    data, exist = ["/same", "/changed", "/gone"], ["/came", "/not yet"]
    return back, writer, set_watches(back, seen, data, exist, ["/quiet", "/parent", "/gone"])


def events(entries: Entries) -> list[int]:
    return [place for place, entry in enumerate(entries) if type(entry) is WatchEvent]


def test_who_comes_back_with_watches_is_told_what_has_changed(world: World) -> None:
    back, writer, told = come_back(world)
    assert len(told) == 6
    for operation, body in (
        ("setData", wire.set_data("/same", b"1")),
        ("create", wire.create("/not yet")),
        ("create", wire.create("/quiet/x")),
    ):
        writer.call(operation, body)
        assert back.take() is not None
    back.call("sync", wire.string("/"))
    entries = world.recorded()
    assert len(events(entries)) == 8
    for place in events(entries):
        lost = [entry for other, entry in enumerate(entries) if other != place]
        catches_up = entries[place].zxid < 0
        text = "and was not told that it had changed" if catches_up else "and not told before that"
        assert any(entries[place].path in finding and text in finding for finding in findings(lost))
        twice = [*entries[: place + 1], entries[place], *entries[place + 1 :]]
        assert any("and does not watch it" in finding for finding in findings(twice))


def test_the_first_change_is_the_one_that_is_told(world: World) -> None:
    watcher, writer = world.client(), world.client()
    writer.create("/a")
    watcher.call("getData", wire.path_watch("/a", 1))
    writer.call("setData", wire.set_data("/a", b"1"))
    assert watcher.take() is not None
    writer.call("delete", wire.path_version("/a"))
    watcher.call("sync", wire.string("/"))
    entries = world.recorded()
    (place,) = events(entries)
    entries[place] = entries[place]._replace(type="DELETED")
    (finding,) = findings(entries)
    assert "was told DELETED of /a" in finding
    assert "was DATA_CHANGED at" in finding


def test_what_is_unusual_and_legal_breaks_nothing(world: World) -> None:
    client, other = world.client(), world.client()
    client.channel.send(wire.request(7, wire.OPS["ping"]))  # answered as -2
    assert client.take() is not None
    client.call("multi", wire.multi([]))
    client.create("/a")
    assert not world.client(session=client.session, password=b"?" * 16).session
    other.create("/b")
    world.recorded()


@pytest.mark.parametrize("kind", [DATA, CHILD, DATA_OR_CHILD])
def test_a_watch_that_was_removed_is_not_told(world: World, kind: int) -> None:
    watcher, writer = world.client(), world.client()
    writer.create("/a")
    writer.create("/b")
    for path in ("/a", "/b"):
        watcher.call("getData", wire.path_watch(path, 1))
        watcher.call("getChildren", wire.path_watch(path, 1))
    assert watcher.call("removeWatches", wire.path_version("/a", kind)).error == 0
    for path in ("/b", "/a"):
        writer.call("setData", wire.set_data(path, b"1"))
        writer.create(f"{path}/x")
    left = {DATA: ["CHILDREN_CHANGED"], CHILD: ["DATA_CHANGED"]}.get(kind, [])
    for _ in range(2 + len(left)):
        assert watcher.take() is not None
    watcher.call("sync", wire.string("/"))
    entries = world.recorded()
    told = [entries[place] for place in events(entries)]
    assert [event.type for event in told if event.path == "/a"] == left
    for event in told[:2]:  # what it is told of /b, it is told of /a as well
        if event.type in left:
            continue
        done = next(
            each
            for each, entry in enumerate(entries)
            if type(entry) is Committed and entry.transaction.zxid == event.zxid + 2
        )
        more = [
            *entries[: done + 1],
            event._replace(time=entries[done].time, path="/a", zxid=event.zxid + 2),
            *entries[done + 1 :],
        ]
        assert any("and does not watch it" in finding for finding in findings(more))


def test_who_may_not_read_is_not_told(world: World) -> None:
    watcher, writer = world.client(), world.client()
    writer.create("/a")
    watcher.call("getData", wire.path_watch("/a", 1))
    writer.call("setACL", wire.set_acl("/a", [(30, "world", "anyone")]))
    writer.call("setData", wire.set_data("/a", b"1"))
    watcher.call("sync", wire.string("/"))
    entries = world.recorded()
    assert not events(entries)
    assert HIDDEN in judged(entries).undecided[WATCHES]
    without = [
        entry
        for entry in entries
        if not (type(entry) is Committed and entry.transaction.op is Op.SET_ACL)
    ]
    assert any("and not told before that" in finding for finding in findings(without))


def test_a_connection_that_asked_for_what_no_server_takes_is_not_judged(world: World) -> None:
    watcher, writer = world.client(), world.client()
    writer.create("/a")
    watcher.call("getData", wire.path_watch("/a", 1))
    assert set_watches(watcher, 0, [], [None], [])[-1].error
    writer.call("setData", wire.set_data("/a", b"1"))
    assert watcher.take() is not None
    watcher.call("sync", wire.string("/"))  # the event is recorded by then
    entries = world.recorded()
    assert AMBIGUOUS in judged(entries).undecided[WATCHES]
    (place,) = events(entries)
    assert not findings([*entries, entries[place], entries[place]])
