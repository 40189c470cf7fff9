# ruff: noqa: PT012  a transaction is a block
"""Compare and set, transactions, bulk writes: what is applied, and what is said where it is not."""

from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NoAuthError, NodeExistsError, NoNodeError
from kazoo.security import make_acl

from zkdict import (
    ABSENT,
    ANY,
    DecodeError,
    InvalidKey,
    KeyExists,
    TransactionFailed,
    VersionConflict,
    ZooKeeperDict,
)

Open = Callable[..., ZooKeeperDict[Any]]


@pytest.fixture
def items(open_dict: Open) -> ZooKeeperDict[Any]:
    return open_dict()


@pytest.fixture
def other(open_dict: Open) -> ZooKeeperDict[Any]:
    return open_dict()


def test_entries(items: ZooKeeperDict[Any], zk_client: KazooClient) -> None:
    entry = items.put("a", {"x": 1})
    raw, stat = zk_client.get("/dict/a")
    assert entry == items.entry("a") == items.fetch("a") == items.fetch("a", sync=True)
    assert (entry.key, entry.value, entry.raw) == ("a", {"x": 1}, raw)
    assert (entry.version, entry.czxid, entry.mzxid) == (0, stat.czxid, stat.mzxid)
    assert (entry.ctime, entry.mtime) == (stat.created, stat.last_modified)
    assert entry.ephemeral_owner is None
    assert items.zxid >= entry.mzxid == items.last_updated()
    for missing in (items.entry, items.raw, items.fetch):
        with pytest.raises(KeyError):
            missing("b")


def test_add(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    assert items.add("a", 1).version == 0
    with pytest.raises(KeyExists):
        other.add("a", 2)
    assert other["a"] == 1


def test_put_with_a_version(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    assert items.put("a", 1, version=ABSENT).version == 0
    with pytest.raises(VersionConflict) as caught:
        other.put("a", 2, version=ABSENT)
    assert (caught.value.key, caught.value.expected, caught.value.actual) == ("a", ABSENT, 0)
    assert items.put("a", 2, version=0).version == 1
    with pytest.raises(VersionConflict) as caught:
        other.put("a", 3, version=0)
    assert caught.value.actual == 1
    assert other["a"] == 2  # the conflict's cause is in the copy
    with pytest.raises(VersionConflict) as caught:
        other.put("b", 3, version=0)
    assert caught.value.actual is None
    assert items.put("a", 4).version == 2


def test_put_ephemeral(
    items: ZooKeeperDict[Any], other: ZooKeeperDict[Any], zk_client: KazooClient
) -> None:
    mine = items.connection.client_id[0]
    assert items.put("a", 1, ephemeral=True).ephemeral_owner == mine
    assert items.put("a", 2, ephemeral=True).ephemeral_owner == mine
    other["b"] = 1
    items.sync()
    assert items.put("b", 2, ephemeral=True, version=0).ephemeral_owner == mine
    with pytest.raises(VersionConflict):
        items.put("b", 3, ephemeral=True, version=7)
    items.connection.stop()
    other.wait_for(lambda now: not now, timeout=30)


def test_cas(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    first = items.put("a", 1)
    second = items.cas(first, 2)
    assert (second.value, second.version, second.czxid) == (2, 1, first.czxid)
    with pytest.raises(VersionConflict):
        items.cas(first, 3)
    with pytest.raises(VersionConflict):
        other.cas(first, 3)
    # Deleted and made again, with the same version: another znode.
    made = items.put("b", 1)
    del items["b"]
    items["b"] = 1
    with pytest.raises(VersionConflict):
        items.cas(made, 2)
    assert items["b"] == 1
    del items["b"]
    with pytest.raises(VersionConflict) as caught:
        items.cas(made, 2)
    assert caught.value.actual is None


def test_remove(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    entry = items.put("a", 1)
    items["a"] = 2
    other.sync()
    with pytest.raises(VersionConflict):
        other.remove("a", version=entry.version)
    assert other.remove("a", version=1).value == 2
    with pytest.raises(KeyError):
        items.remove("a")
    with pytest.raises(VersionConflict):
        items.remove("a", version=1)
    items["a"] = 3
    assert items.remove("a").value == 3


def test_pop_returns_what_it_deleted(zk_client: KazooClient, open_dict: Open) -> None:
    """Made again with the same version, while this copy still shows the old one."""
    items = open_dict()
    for number in range(50):
        zk_client.create("/dict/a", b"%d" % number)
        items.sync()
        multi = zk_client.transaction()
        multi.delete("/dict/a")
        multi.create("/dict/a", b'"new"')
        multi.commit()
        assert items.pop("a") == "new"
        assert not zk_client.exists("/dict/a")


BAD = b"{"


def test_remove_leaves_what_does_not_decode(
    items: ZooKeeperDict[Any], zk_client: KazooClient
) -> None:
    """Whether the copy knows of it by now or not."""
    for key in "abc":
        items[key] = 1
        zk_client.set(f"/dict/{key}", BAD)
        with pytest.raises(DecodeError):
            items.remove(key, version=1)
        with pytest.raises(DecodeError):
            items.remove(key, version=1)
        assert zk_client.get(f"/dict/{key}")[0] == BAD


def test_remove_leaves_what_may_not_be_read(
    items: ZooKeeperDict[Any], zk_client: KazooClient
) -> None:
    items["a"] = 1
    zk_client.set_acls("/dict/a", [make_acl("world", "anyone", write=True, delete=True)])
    zk_client.set("/dict/a", b"2")
    items.sync()
    with pytest.raises(NoAuthError):
        items.remove("a", version=1)
    assert zk_client.get_children("/dict") == ["a"]


@pytest.mark.parametrize(
    "take",
    [lambda items: items.remove("a", version=0), lambda items: items.pop("a")],
    ids=["remove", "pop"],
)
def test_what_was_deleted_and_does_not_decode_was_deleted(
    take: Callable[[ZooKeeperDict[Any]], object],
    zk_client: KazooClient,
    zk_client_factory: Callable[..., KazooClient],
    open_dict: Open,
    hold_callbacks: Any,
) -> None:
    """Made again with the same version, behind the copy's back. DecodeError would say that it is
    left where it is.
    """
    client = zk_client_factory()
    items = open_dict(client, max_staleness=0.05)
    items["a"] = "old"
    with hold_callbacks(client):
        multi = zk_client.transaction()
        multi.delete("/dict/a")
        multi.create("/dict/a", BAD)
        multi.commit()
        with pytest.raises(VersionConflict) as caught:
            take(items)
    assert caught.value.applied
    assert isinstance(caught.value.__cause__, DecodeError)
    assert not zk_client.exists("/dict/a")


def test_modify(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    assert items.modify("a", lambda n: n + 1, default=0).value == 1
    with pytest.raises(KeyError):
        items.modify("b", lambda n: n + 1)
    calls: list[int] = []

    def interfered(value: int) -> int:
        calls.append(value)
        if len(calls) < 3:
            other["a"] = value + 10
        return value + 1

    assert items.modify("a", interfered).value == 22
    assert calls == [1, 11, 21]
    assert items.stats["conflicts"] == 2
    with pytest.raises(VersionConflict):
        items.modify("a", lambda n: other.put("a", 0).value, attempts=3)
    with pytest.raises(ZeroDivisionError):
        items.modify("a", lambda n: 1 // n)


def test_a_transaction(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    items.update({"a": 1, "b": 2})
    with items.transaction() as txn:
        assert txn["a"] == 1
        txn["a"] = txn["a"] + 10
        txn["c"] = 3
        del txn["b"]
        assert dict(txn) == {"a": 11, "c": 3}
        assert len(txn) == 2
        assert "b" not in txn
        assert items["a"] == 1  # nothing was sent yet
    assert dict(items) == {"a": 11, "c": 3}
    with pytest.raises(RuntimeError), items.transaction() as txn:
        txn["a"] = 12
        raise RuntimeError
    assert items["a"] == 11
    requests = items.stats["requests"]
    with items.transaction() as txn:
        assert txn["a"] == 11
    assert items.stats["requests"] == requests


@pytest.mark.parametrize("change", ["set", "delete", "make", "make again"])
def test_a_transaction_that_was_overtaken(
    change: str, items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]
) -> None:
    items["a"] = 1
    items["a"] = 2
    other.sync()
    with pytest.raises(TransactionFailed) as caught, items.transaction() as txn:
        _ = txn["a"]
        assert txn.get("b") is None
        txn["sum"] = 1
        if change == "make":
            other["b"] = 1
        elif change == "set":
            other["a"] = 3
        else:
            del other["a"]
            if change == "make again":
                other["a"] = 2
    assert caught.value.key == ("b" if change == "make" else "a")
    assert "sum" not in other
    items.sync()
    assert dict(items) == dict(other)


def test_what_was_not_read_is_not_checked(
    items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]
) -> None:
    items.update({"a": 1, "b": 1})
    other.sync()
    with items.transaction() as txn:
        txn["a"] = 2
        txn["new"] = 2
        other["a"] = 3
        other["new"] = 3
        del other["b"]
        txn["b"] = 2
    items.sync()
    assert dict(items) == {"a": 2, "new": 2, "b": 2}
    txn_checks = items.transaction()
    with pytest.raises(TransactionFailed) as caught, txn_checks as txn:
        txn.check("a", 7)
        txn.check_absent("z")
        txn["x"] = 1
    assert isinstance(caught.value.cause, BadVersionError)
    with pytest.raises(TransactionFailed) as caught, items.transaction() as txn:
        txn.check_absent("a")
        txn["x"] = 1
    assert isinstance(caught.value.cause, NodeExistsError)
    with pytest.raises(TransactionFailed) as caught, items.transaction() as txn:
        txn.check("a", ABSENT)
        txn["x"] = 1
    assert isinstance(caught.value.cause, NodeExistsError)
    with pytest.raises(TransactionFailed) as caught, items.transaction() as txn:
        txn.check("z", ANY)
        txn["x"] = 1
    assert isinstance(caught.value.cause, NoNodeError)
    assert "x" not in items
    with items.transaction() as txn:
        txn.check("a", ANY)
        txn.check("z", ABSENT)
        txn.check_absent("z")
        txn["x"] = 1
    assert items["x"] == 1
    assert "z" not in items


@pytest.mark.parametrize("checked_first", [True, False])
@pytest.mark.parametrize("version", [ANY, 0])
def test_a_check_does_not_replace_a_read(
    version: int, checked_first: bool, items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]
) -> None:
    """What was read must be as it was, whatever else is asked of the key."""
    items["a"] = 1
    with pytest.raises(TransactionFailed) as caught, items.transaction() as txn:
        if checked_first:
            txn.check("a", version)
        assert txn["a"] == 1
        if not checked_first:
            txn.check("a", version)
        txn["b"] = 1
        other["a"] = 2
    assert isinstance(caught.value.cause, BadVersionError)
    assert caught.value.key == "a"
    assert "b" not in items


@pytest.mark.parametrize("written", [None, "a"])
@pytest.mark.parametrize(
    ("one", "other_one"), [(0, 1), (1, 0), (ANY, ABSENT), (ABSENT, ANY), (ABSENT, 1), (1, ABSENT)]
)
def test_checks_that_contradict_each_other(
    one: int, other_one: int, written: str | None, items: ZooKeeperDict[Any]
) -> None:
    for present in (False, True):
        if present:
            items["a"] = 1
            items["a"] = 2
        with pytest.raises(TransactionFailed) as caught, items.transaction() as txn:
            txn.check("a", one)
            txn.check("a", other_one)
            txn[written or "b"] = 3
        assert caught.value.key == "a"
        assert items.copy() == ({"a": 2} if present else {})


def test_atomically(items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]) -> None:
    items.update({"a": 100, "b": 0})
    other.sync()
    runs = 0

    def move(txn: Any) -> int:
        nonlocal runs
        runs += 1
        if runs < 4:
            other.modify("a", lambda n: n - 1)
        txn["a"] -= 10
        txn["b"] += 10
        return int(txn["b"])

    assert items.atomically(move) == 10
    assert runs == 4
    assert dict(items) == {"a": 87, "b": 10}
    runs = 0
    with pytest.raises(TransactionFailed):
        items.atomically(move, attempts=2)
    assert runs == 2


def test_nothing_is_sent_for_what_cannot_be(items: ZooKeeperDict[Any]) -> None:
    items["a"] = 1
    requests = items.stats["requests"]
    for write in (
        lambda: items.__setitem__("a/b", 1),
        lambda: items.update({"ok": 1, "": 2}),
        lambda: items.add("..", 1),
        lambda: items.setdefault("\x00", 1),
        lambda: items.put("\ud800", 1),
    ):
        with pytest.raises(InvalidKey):
            write()
    for take in (
        lambda: items.__delitem__(""),
        lambda: items.pop("x/y"),
        lambda: items.remove("x/y"),
        lambda: items.atomically(lambda txn: txn.pop("x/y")),
    ):
        with pytest.raises(KeyError):
            take()
    assert "x/y" not in items
    assert items.pop("x/y", None) is None
    assert items.atomically(lambda txn: ("x/y" in txn, txn.get("x/y"), txn.pop("x/y", 1))) == (
        False,
        None,
        1,
    )
    assert items.stats["requests"] == requests
    items.update({})
    items.update()
    assert items.pop("missing", None) is None
    assert items.stats["requests"] == requests


def test_snapshots_and_their_difference(
    items: ZooKeeperDict[Any], other: ZooKeeperDict[Any]
) -> None:
    items.update({"a": 1, "b": 1, "c": 1})
    before = items.snapshot()
    assert items.snapshot() is before
    other.sync()
    other["a"] = 2
    del other["b"]
    other["d"] = 1
    other["c"] = 1
    items.sync()
    after = items.snapshot()
    assert dict(before) == {"a": 1, "b": 1, "c": 1}
    assert dict(after) == {"a": 2, "c": 1, "d": 1}
    assert before.zxid < after.zxid
    difference = before.diff(after)
    assert {key: change.kind for key, change in difference.items()} == {
        "a": "changed",
        "b": "removed",
        "c": "changed",  # the same value, set again
        "d": "added",
    }
    assert difference["a"].old == before.entry("a")
    assert difference["a"].new == after.entry("a")
    assert {key: c.kind for key, c in before.diff({"a": 1, "b": 2}).items()} == {
        "b": "changed",
        "c": "removed",
    }
    assert before.diff(before) == {}


def test_a_snapshot_without_a_change_costs_nothing(
    items: ZooKeeperDict[Any], zk_client: KazooClient
) -> None:
    items["a"] = 1
    before = items.snapshot()
    zk_client.create("/elsewhere")
    items.sync()
    items.sync()
    after = items.snapshot()
    assert after.zxid > before.zxid
    assert after._values is before._values  # the same items, not a copy of them
    assert dict(after) == {"a": 1}
