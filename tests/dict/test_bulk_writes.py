"""Bulk writes: what is applied, and what is said where it is not."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import (
    RootMissing,
    State,
    Timeout,
    ZooKeeperDict,
)

Open = Callable[..., ZooKeeperDict[Any]]


@pytest.fixture
def items(open_dict: Open) -> ZooKeeperDict[Any]:
    return open_dict()


@pytest.fixture
def other(open_dict: Open) -> ZooKeeperDict[Any]:
    return open_dict()


def test_replace_all(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    items.update({"same": 1, "changed": 1, "gone": 1})
    czxid = items.entry("same").mzxid
    changes = items.replace_all({"same": 1, "changed": 2, "new": 3})
    assert {key: change.kind for key, change in changes.items()} == {
        "changed": "changed",
        "gone": "removed",
        "new": "added",
    }
    other.sync()
    assert dict(other) == {"same": 1, "changed": 2, "new": 3}
    assert other.entry("same").mzxid == czxid
    assert items.replace_all(dict(items)) == {}
    items.replace_all({})
    assert dict(items) == {}


def test_replace_all_takes_away_what_is_not_shown(zk_client: KazooClient, open_dict: Open) -> None:
    """A key whose value does not decode is not in this dict, but it is there."""
    items = open_dict(on_bad_value="omit")
    items["a"] = 1
    zk_client.create("/dict/bad", b"{")
    items.sync()
    changes = items.replace_all({"a": 1, "b": 2})
    assert {key: change.kind for key, change in changes.items()} == {"bad": "removed", "b": "added"}
    assert sorted(zk_client.get_children("/dict")) == ["a", "b"]


def test_replace_all_with_nothing_to_do_asks_the_server(
    zk_client: KazooClient,
    zk_client_factory: Callable[..., KazooClient],
    open_dict: Open,
    hold_callbacks: Any,
    eventually: Any,
) -> None:
    """The copy is equal already, and old."""
    client = zk_client_factory()
    items = open_dict(client)
    items["a"] = 1

    def replace(told: list[Any]) -> None:
        told.append(items.replace_all({"a": 1}))

    for change in (
        lambda: zk_client.set("/dict/a", b"2"),
        lambda: zk_client.create("/dict/b", b"2"),
        lambda: zk_client.delete("/dict/a"),
    ):
        told: list[Any] = []
        with hold_callbacks(client):
            change()
            before = items.stats["requests"]
            replacing = threading.Thread(target=replace, args=(told,))
            replacing.start()
            eventually(lambda: told or items.stats["requests"] > before)  # noqa: B023
        replacing.join(60)
        assert len(told[0]) == 1
        assert zk_client.get_children("/dict") == ["a"]
        assert zk_client.get("/dict/a")[0] == b"1"
    items.sync()
    requests = items.stats["requests"]
    assert items.replace_all({"a": 1}) == {}
    assert items.stats["requests"] - requests == 3  # one of them a transaction


def test_replace_all_with_nothing_to_do_needs_a_connection(
    proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open, eventually: Any
) -> None:
    items, other = open_dict(client_behind(proxy, timeout=30.0), write_timeout=0.3), open_dict()
    other["a"] = 1
    items.sync()
    proxy.cut()
    eventually(lambda: items.state is State.SUSPENDED)
    with pytest.raises(Timeout):
        items.replace_all({"a": 1})
    proxy.heal()


def test_replace_all_leaves_nothing_that_was_added_meanwhile(
    items: ZooKeeperDict[Any], zk_client: KazooClient
) -> None:
    """Between what it was computed from and its transaction; and what stays is as it was."""
    items.update({"stays": 1, "goes": 1})
    writer, steps = items._writer, iter([b"2", b"3"])
    begin = writer.begin

    def meanwhile(**options: Any) -> Any:
        if raw := next(steps, None):
            zk_client.create(f"/dict/added {raw.decode()}", raw)
            zk_client.set("/dict/stays", raw)
        return begin(**options)

    writer.begin = meanwhile  # type: ignore[method-assign]  # as a transaction is about to be sent
    try:
        told = items.replace_all({"stays": 1, "comes": 1})
    finally:
        del writer.begin  # type: ignore[attr-defined]
    assert dict(items) == {"stays": 1, "comes": 1}
    assert sorted(zk_client.get_children("/dict")) == ["comes", "stays"]
    assert told["goes"].kind == "removed"
    assert told["stays"].kind == "changed"


def test_bulk_writes_know_what_others_did(
    items: ZooKeeperDict[Any], zk_client: KazooClient
) -> None:
    """The guess between set and create is corrected by the server, however stale the copy is."""
    for number in range(20):
        items.update({"a": number, "b": number})
        zk_client.delete("/dict/a")
        zk_client.set("/dict/b", b"0")
        zk_client.create("/dict/c", b"0")
        items.update({"a": number, "b": number, "c": number})
        assert dict(items) == {"a": number, "b": number, "c": number}
        zk_client.delete("/dict/b")
        items.clear()
        assert dict(items) == {}
        items["a"] = 1
        zk_client.delete("/dict/a")
        items["a"] = 2
        zk_client.delete("/dict/a")
        zk_client.create("/dict/a", b"0")
        items["a"] = 3
        assert items["a"] == 3
        items.clear()


def test_the_root_goes_under_a_bulk_write(
    items: ZooKeeperDict[Any], zk_client: KazooClient, open_dict: Open
) -> None:
    strict = open_dict(create=False)
    for write in (
        lambda d: d.update(a=1),
        lambda d: d.add("a", 1),
        lambda d: d.atomically(lambda txn: txn.update(a=1)),
        lambda d: d.setdefault("a", 1),
        lambda d: d.__setitem__("a", 1),
    ):
        zk_client.delete("/dict", recursive=True)
        strict.sync()
        with pytest.raises(RootMissing):
            write(strict)
        write(items)
        assert items["a"] == 1
