"""What programs seldom ask of the dict, its snapshots and its transactions, and how it refuses."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from zkdict import JSON, EncodeError, InvalidKey, ZooKeeperDict

if TYPE_CHECKING:
    from kazoo.client import KazooClient

Open = Callable[..., ZooKeeperDict[Any]]


@pytest.fixture
def items(open_dict: Open) -> ZooKeeperDict[Any]:
    return open_dict()


def test_views_backwards(items: ZooKeeperDict[Any]) -> None:
    for number, key in enumerate("cab"):
        items[key] = number
    plain = dict(items)
    assert list(plain) == ["c", "a", "b"]
    for of_dict, of_plain in (
        (reversed(items), reversed(plain)),
        (reversed(items.keys()), reversed(plain.keys())),
        (reversed(items.values()), reversed(plain.values())),
        (reversed(items.items()), reversed(plain.items())),
    ):
        assert list(of_dict) == list(of_plain)


def test_a_union_with_what_is_no_mapping(items: ZooKeeperDict[Any]) -> None:
    items["a"] = 1
    for wrong in (lambda: items | [("b", 2)], lambda: [("b", 2)] | items):
        with pytest.raises(TypeError, match="unsupported operand"):
            wrong()


def test_snapshots_beside_other_things(
    items: ZooKeeperDict[Any], open_dict: Open, zk_client: KazooClient
) -> None:
    before = time.time()
    items.update({"a": 1, "b": 2})
    snapshot = items.snapshot()
    assert before - 1 <= snapshot.taken_at <= time.time() + 1
    assert repr(snapshot) == f"Snapshot({{'a': 1, 'b': 2}}, zxid={items.zxid})"
    assert snapshot == items.snapshot() == {"b": 2, "a": 1}
    assert snapshot == open_dict().snapshot()
    assert snapshot != {"a": 1}
    assert snapshot != [("a", 1), ("b", 2)]
    items["b"] = 3
    assert snapshot != items.snapshot()
    zk_client.set("/dict/b", b"{")
    items.sync()
    broken = items.snapshot()
    assert repr(broken) == f"Snapshot({{'a': 1, 'b': <DecodeError>}}, zxid={items.zxid})"
    assert broken.diff(broken) == {}
    assert [(each.kind, each.key) for each in snapshot.diff(broken).values()] == [("changed", "b")]
    assert [(each.kind, each.key) for each in broken.diff(snapshot).values()] == [("changed", "b")]


def test_autosync_can_be_turned_on_and_off(
    open_dict: Open, items: ZooKeeperDict[Any], eventually: Callable[[Callable[[], object]], None]
) -> None:
    reader = open_dict()
    reader.autosync = False
    assert reader.autosync is False
    items["a"] = 1
    eventually(lambda: reader._feed.cache.zxid >= items.zxid)
    assert dict(reader) == {}
    reader.autosync = True  # what came meanwhile is shown at once
    assert dict(reader) == {"a": 1}
    items["b"] = 2
    eventually(lambda: dict(reader) == {"a": 1, "b": 2})


def test_keys_can_be_validated(items: ZooKeeperDict[Any]) -> None:
    items.validate_key("a")
    with pytest.raises(InvalidKey):
        items.validate_key("a\x00b")


def test_an_option_has_a_few_values(zk_client: KazooClient) -> None:
    with pytest.raises(ValueError, match="on_bad_value must be one of 'omit', 'raise', not 'hide'"):
        ZooKeeperDict(zk_client, "/dict", on_bad_value="hide")


def test_an_int_of_too_many_digits() -> None:
    limit = sys.get_int_max_str_digits()
    if not limit:
        sys.set_int_max_str_digits(4300)
    try:
        with pytest.raises(EncodeError, match="it cannot be written as JSON: "):
            JSON.encode(10**5000)
    finally:
        sys.set_int_max_str_digits(limit)


# -- inside a transaction


def test_a_key_that_is_not_there(items: ZooKeeperDict[Any]) -> None:
    items["a"] = 1
    with items.transaction() as txn:
        assert 1 not in txn
        with pytest.raises(KeyError, match="'b'"):
            del txn["b"]
        del txn["a"]
        for gone in (lambda: txn["a"], lambda: txn.pop("a")):
            with pytest.raises(KeyError, match="'a'"):
                gone()
        with pytest.raises(KeyError, match="'a'"):
            del txn["a"]
        assert txn.pop("a", None) is None
    assert not items


@pytest.mark.parametrize("there", [True, False])
def test_what_was_written_first_is_deleted_if_it_is_there(
    items: ZooKeeperDict[Any], zk_client: KazooClient, there: bool
) -> None:
    if there:
        items["a"] = 1
    with items.transaction() as txn:
        txn["a"] = 2
        del txn["a"]
        txn["b"] = 3
    assert dict(items) == {"b": 3}
    assert zk_client.get_children("/dict") == ["b"]
