"""One-shot watches, and kazoo's DataWatch and ChildrenWatch on them."""

import queue
from typing import Any

import pytest
from kazoo.client import KazooClient

from pytest_zkdict.clients import ClientFactory


@pytest.fixture
def other(zk_client_factory: ClientFactory) -> KazooClient:
    """Who changes what the test's own client watches."""
    return zk_client_factory()


def test_exists_watches_for_a_create(
    zk_client: KazooClient, other: KazooClient, events: Any
) -> None:
    assert zk_client.exists("/a", watch=events) is None
    other.create("/a")
    assert events.next() == ("CREATED", "/a")


@pytest.mark.parametrize("read", ["get", "exists"])
def test_a_data_watch_tells_of_a_set(
    zk_client: KazooClient, other: KazooClient, events: Any, read: str
) -> None:
    zk_client.create("/a")
    getattr(zk_client, read)("/a", watch=events)
    other.set("/a", b"")
    assert events.next() == ("CHANGED", "/a")


@pytest.mark.parametrize("read", ["get", "exists", "get_children"])
def test_every_watch_tells_of_the_delete(
    zk_client: KazooClient, other: KazooClient, events: Any, read: str
) -> None:
    zk_client.create("/a")
    getattr(zk_client, read)("/a", watch=events)
    other.delete("/a")
    assert events.next() == ("DELETED", "/a")
    assert events.none_after(zk_client)


def test_a_child_watch_tells_of_new_and_lost_children(
    zk_client: KazooClient, other: KazooClient, events: Any
) -> None:
    zk_client.get_children("/", watch=events)
    other.create("/a")
    assert events.next() == ("CHILD", "/")
    zk_client.get_children("/", watch=events)
    other.delete("/a")
    assert events.next() == ("CHILD", "/")


def test_a_watch_fires_once(zk_client: KazooClient, other: KazooClient, events: Any) -> None:
    zk_client.create("/a")
    zk_client.get("/a", watch=events)
    other.set("/a", b"1")
    assert events.next() == ("CHANGED", "/a")
    other.set("/a", b"2")
    assert events.none_after(zk_client)


def test_what_a_watch_does_not_tell(
    zk_client: KazooClient, other: KazooClient, events: Any
) -> None:
    zk_client.create("/a/b", makepath=True)
    zk_client.get("/a", watch=events)
    other.create("/a/c")  # a child: not the data's business
    other.set("/a/b", b"")
    zk_client.get_children("/a/b", watch=events)
    other.set("/a/b", b"1")  # data: not the children's business
    assert events.none_after(zk_client)


def test_a_failed_read_leaves_no_watch(
    zk_client: KazooClient, other: KazooClient, events: Any
) -> None:
    for read in (zk_client.get, zk_client.get_children):
        with pytest.raises(Exception, match=r"^$"):
            read("/a", watch=events)
    other.create("/a")
    other.set("/a", b"1")
    assert events.none_after(zk_client)


def test_the_event_comes_before_the_new_data(zk_client: KazooClient, other: KazooClient) -> None:
    """A client that reads the new value has been told before, on whatever thread it listens."""
    zk_client.create("/a", b"0")
    order: queue.Queue[str] = queue.Queue()
    for i in range(1, 50):
        zk_client.get("/a", watch=lambda event: order.put("event"))
        other.set("/a", b"%d" % i)
        while zk_client.get("/a")[0] != b"%d" % i:
            pass
        # The reply came, so the event is in the queue of callbacks: this one goes behind it.
        zk_client.handler.callback_queue.put(lambda: order.put("read"))
        assert order.get(timeout=30) == "event"
        assert order.get(timeout=30) == "read"


def test_a_transaction_tells_every_watch(
    zk_client: KazooClient, other: KazooClient, new_events: Any
) -> None:
    zk_client.create("/a")
    zk_client.create("/b")
    a, b, c, root = (new_events() for _ in range(4))
    zk_client.get("/a", watch=a)
    zk_client.get("/b", watch=b)
    zk_client.exists("/c", watch=c)
    zk_client.get_children("/", watch=root)
    transaction = other.transaction()
    transaction.set_data("/a", b"1")
    transaction.delete("/b")
    transaction.create("/c")
    transaction.commit()
    assert a.next() == ("CHANGED", "/a")
    assert b.next() == ("DELETED", "/b")
    assert c.next() == ("CREATED", "/c")
    assert root.next() == ("CHILD", "/")


def test_a_failed_transaction_tells_nobody(
    zk_client: KazooClient, other: KazooClient, events: Any
) -> None:
    zk_client.create("/a")
    zk_client.get("/a", watch=events)
    transaction = other.transaction()
    transaction.set_data("/a", b"1")
    transaction.check("/a", version=9)
    transaction.commit()
    assert events.none_after(zk_client)


def test_the_end_of_a_session_tells_who_watches_its_ephemerals(
    zk_client: KazooClient, other: KazooClient, events: Any
) -> None:
    other.create("/e", ephemeral=True)
    zk_client.exists("/e", watch=events)
    other.stop()
    assert events.next() == ("DELETED", "/e")


def test_kazoos_data_watch_follows_every_state(zk_client: KazooClient, other: KazooClient) -> None:
    seen: queue.Queue[bytes | None] = queue.Queue()
    zk_client.DataWatch("/a", lambda data, stat: seen.put(data))
    assert seen.get(timeout=30) is None
    other.create("/a", b"1")
    assert seen.get(timeout=30) == b"1"
    other.set("/a", b"2")
    assert seen.get(timeout=30) == b"2"
    other.delete("/a")
    assert seen.get(timeout=30) is None


def test_kazoos_children_watch_follows_every_state(
    zk_client: KazooClient, other: KazooClient
) -> None:
    zk_client.create("/p")
    seen: queue.Queue[list[str]] = queue.Queue()
    zk_client.ChildrenWatch("/p", lambda children: seen.put(sorted(children)))
    assert seen.get(timeout=30) == []
    other.create("/p/a")
    assert seen.get(timeout=30) == ["a"]
    other.create("/p/b")
    assert seen.get(timeout=30) == ["a", "b"]
    other.delete("/p/a")
    assert seen.get(timeout=30) == ["b"]
