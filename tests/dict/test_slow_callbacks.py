"""Behind somebody's slow watch callback the copy cannot be confirmed: nothing lies meanwhile."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import Closed, StaleRead, State, ZooKeeperDict

Dict = ZooKeeperDict[Any]
Open = Callable[..., Dict]
Eventually = Callable[[Callable[[], object]], None]
Client = Callable[..., KazooClient]


@pytest.mark.parametrize(
    ("write", "shown"),
    [
        (lambda d: d.__setitem__("a", 2), {"a": 2, "b": 1}),
        (lambda d: d.__setitem__("new", 2), {"a": 1, "b": 1, "new": 2}),
        (lambda d: d.add("new", 2), {"a": 1, "b": 1, "new": 2}),
        (lambda d: d.update(a=2, new=2), {"a": 2, "b": 1, "new": 2}),
        (lambda d: d.replace_all({"new": 2}), {"new": 2}),
        (lambda d: d.put("a", 2, ephemeral=True), {"a": 2, "b": 1}),
        (lambda d: d.__delitem__("a"), {"b": 1}),
        (lambda d: d.pop("a"), {"b": 1}),
        (lambda d: d.clear(), {}),
    ],
)
def test_an_own_write_is_shown_and_not_believed(
    write: Any,
    shown: dict[str, int],
    zk_client_factory: Client,
    open_dict: Open,
    hold_callbacks: Any,
    eventually: Eventually,
) -> None:
    """The next read shows it. What others did to it since is seen as soon as it can be."""
    client = zk_client_factory()
    items, other = open_dict(client, max_staleness=0.05), open_dict()
    items.update({"a": 1, "b": 1})
    items.sync()
    other.sync()
    with hold_callbacks(client):
        before = items.snapshot()
        write(items)
        assert dict(items) == shown
        assert not items.snapshot().exact
        assert items.zxid == before.zxid
        # Another client undoes it, and does something of its own.
        other.sync()
        other.replace_all({"a": 7, "b": 1})
    eventually(lambda: dict(items) == {"a": 7, "b": 1})
    # Every key is watched, as if nothing had happened.
    other.update({"a": 8, "b": 8, "new": 8})
    items.wait_until(other.zxid, timeout=60)
    assert items.snapshot().exact
    assert items.copy() == {"a": 8, "b": 8, "new": 8}
    other["new"] = 9
    eventually(lambda: items["new"] == 9)


def test_nothing_is_told_twice(
    zk_client_factory: Client, open_dict: Open, hold_callbacks: Any
) -> None:
    client = zk_client_factory()
    items = open_dict(client, max_staleness=0.05)
    told = items.changes(timeout=60)
    with hold_callbacks(client):
        items["a"] = 1
        items.update(b=1)
    items.sync()
    items["end"] = 1
    kinds: list[tuple[str, str, bool]] = []
    while not kinds or kinds[-1][1] != "end":
        kinds += [(change.kind, change.key, change.local) for change in next(told)]
    assert kinds == [("added", "a", True), ("added", "b", True), ("added", "end", True)]
    told.close()


def test_the_state_says_at_once_that_the_connection_is_lost(
    proxy: Any,
    client_behind: Client,
    open_dict: Open,
    hold_callbacks: Any,
    eventually: Eventually,
) -> None:
    client = client_behind(proxy)
    items, strict = open_dict(client), open_dict(client, on_outage="raise")
    items["a"] = 1
    strict.sync()
    lease = items.lease("mine", 1)
    assert lease.held
    with hold_callbacks(client):
        proxy.cut()
        away = (State.SUSPENDED, State.STALE)
        eventually(lambda: items.state in away and strict.state in away)
        assert not lease.held
        assert items["a"] == 1
        with pytest.raises(StaleRead):
            _ = strict["a"]
        proxy.heal()
        eventually(lambda: client.connected)
        assert items.state is not State.LIVE  # connected, and not revalidated
        assert items.age > 0
    eventually(lambda: items.state is strict.state is State.LIVE)
    assert strict["a"] == 1
    lease.release()


@pytest.mark.parametrize(
    ("write", "result"),
    [
        (lambda d: d.pop("a"), 1),
        (lambda d: d.pop("a", None), 1),
        (lambda d: d.remove("a").value, 1),
        (lambda d: d.modify("a", lambda n: n + 1).value, 2),
        (lambda d: d.setdefault("a", 5), 1),
        (lambda d: d.put("a", 3, ephemeral=True).value, 3),
        (lambda d: d.clear(), None),
    ],
)
def test_a_write_that_goes_by_the_copy_waits_until_there_is_one(
    write: Any,
    result: Any,
    zk_client: KazooClient,
    zk_client_factory: Client,
    open_dict: Open,
    hold_callbacks: Any,
) -> None:
    """Nothing was loaded: that is no empty dict."""
    zk_client.create("/dict/a", b"1", makepath=True)
    client = zk_client_factory()
    outcome: list[Any] = []
    with hold_callbacks(client):
        items = open_dict(client, wait=None, max_staleness=0.05)
        thread = threading.Thread(target=lambda: outcome.append(write(items)))
        thread.start()
        assert items.state is State.LOADING
    thread.join(60)
    assert outcome == [result]


def test_a_sync_that_the_close_of_the_dict_ends_has_not_synced(
    zk_client_factory: Client, open_dict: Open, hold_callbacks: Any, eventually: Eventually
) -> None:
    client = zk_client_factory()
    items = open_dict(client)
    outcome: list[Any] = []

    def sync() -> None:
        try:
            outcome.append(items.sync())
        except Closed as error:
            outcome.append(type(error))

    with hold_callbacks(client):
        requests = items.stats["requests"]
        thread = threading.Thread(target=sync)
        thread.start()
        eventually(lambda: items.stats["requests"] > requests)
        items.close()
        thread.join(60)
    assert outcome == [Closed]
