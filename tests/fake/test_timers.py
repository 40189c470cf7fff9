"""Timers, and what the fake does of its own accord: reaping containers and TTL znodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from zkfake._timers import Timers

from ..support import wire
from ..support.core import Client, World
from ..support.replies import DELETED, OK, Event

if TYPE_CHECKING:
    from zkfake._database.log import Transaction

INTERVAL = 60_000


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans())), st.integers(0, 6))
def test_timers_run_in_order_unless_cancelled(wanted: list[tuple[int, bool]], now: int) -> None:
    timers, ran = Timers(), []
    for number, (when, cancelled) in enumerate(wanted):
        timer = timers.at(when, lambda when=when, number=number: ran.append((when, number)))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    live = [(when, number) for number, (when, cancelled) in enumerate(wanted) if not cancelled]
    assert timers.next() == min((when for when, _ in live), default=None)
    assert len(timers) == len(live), "nothing stays of a timer that is cancelled"
    timers.run_due(now)
    assert ran == sorted(item for item in live if item[0] <= now)
    assert timers.next() == min((when for when, _ in live if when > now), default=None)


def test_an_action_may_set_and_cancel_timers() -> None:
    timers, ran = Timers(), []
    later = timers.at(2, lambda: ran.append("never"))

    def act() -> None:
        ran.append("first")
        later.cancel()
        timers.at(1, lambda: ran.append("at once"))
        timers.at(9, lambda: ran.append("later"))

    timers.at(1, act)
    timers.run_due(3)
    assert ran == ["first", "at once"]
    assert timers.next() == 9


def test_cancelling_what_has_happened_does_nothing() -> None:
    timers, ran = Timers(), []
    first, second = (timers.at(1, lambda name=name: ran.append(name)) for name in "ab")  # type: ignore[misc]
    timers.run_due(1)
    timers.at(1, lambda: ran.append("c"))
    first.cancel()
    second.cancel()
    second.cancel()
    timers.run_due(1)
    assert ran == ["a", "b", "c"]


def keep_alive(world: World, client: Client, milliseconds: int) -> None:
    for _ in range(milliseconds // 20_000):
        world.advance(20_000)
        assert client.ping().error == OK
    world.advance(milliseconds % 20_000)


def test_containers_go_once_they_were_used_and_are_empty(world: World) -> None:
    client, watcher = world.client(timeout=40_000), world.client(timeout=40_000)
    for name in ("used", "unused", "full"):
        client.call("createContainer", wire.create(f"/{name}"))
    client.create("/used/x")
    client.delete("/used/x")
    client.create("/full/x")
    watcher.stat("/used", watch=1)
    before = world.zxid
    committed: list[Transaction] = []
    world.ensemble.log.on_append = committed.append
    for _ in range(3):
        world.advance(20_000)
        client.ping()
        found = watcher.ask("ping", xid=wire.PING_XID)[:-1]
    assert found == [Event(before + 1, DELETED, "/used")]
    assert world.zxid == before + 1
    assert [each.session_id for each in committed] == [0]  # it is the server's own doing
    assert set(client.children("/")) == {"zookeeper", "unused", "full"}
    client.delete("/full/x")
    keep_alive(world, client, INTERVAL)
    assert set(client.children("/")) == {"zookeeper", "unused"}


def test_a_ttl_znode_stays_for_the_whole_of_its_ttl() -> None:
    world = World({"extendedTypesEnabled": "true", "znode.container.checkIntervalMs": 500})
    client = world.client(timeout=40_000)
    world.advance(500)
    client.call("createTTL", wire.create_ttl("/a", b"", wire.OPEN_ACL, 5, 1000))
    for there in (True, True, False):
        world.advance(500)
        assert ("a" in client.children("/")) is there


def test_ttl_znodes_go_when_they_are_over_and_empty() -> None:
    world = World({"extendedTypesEnabled": "true", "znode.container.checkIntervalMs": 1000})
    client = world.client(timeout=40_000)
    for name, ttl in (("short", 2500), ("long", 9000), ("parent", 1), ("fresh", 2500)):
        body = wire.create_ttl(f"/{name}", b"", wire.OPEN_ACL, 5, ttl)
        assert client.call("createTTL", body).error == OK
    client.create("/parent/x")
    world.advance(2000)
    client.set("/fresh", b"touched")
    world.advance(1000)
    assert set(client.children("/")) == {"zookeeper", "long", "parent", "fresh"}
    world.advance(2000)
    assert set(client.children("/")) == {"zookeeper", "long", "parent"}
    client.delete("/parent/x")
    world.advance(1000)
    assert set(client.children("/")) == {"zookeeper", "long"}
    world.advance(10_000)
    assert set(client.children("/")) == {"zookeeper"}


def test_an_idle_fake_has_nothing_to_do(world: World) -> None:
    assert world.ensemble.deadline() is None
    client = world.client()
    assert world.ensemble.deadline() == world.ensemble.sessions.next_expiry
    client.call("createContainer", wire.create("/c"))
    client.delete("/c")
    client.close()
    assert world.ensemble.deadline() is None


def test_advancing_far_at_once_does_all_that_was_due() -> None:
    world = World({"extendedTypesEnabled": "true"})
    client = world.client(timeout=4000)
    client.call("createTTL", wire.create_ttl("/t", b"", wire.OPEN_ACL, 5, 1))
    client.create("/e", flags=1)
    world.now += 10_000_000
    world.ensemble.advance(world.now)
    assert set(world.client().children("/")) == {"zookeeper"}
