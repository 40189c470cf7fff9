"""Readers see states that existed: an amount moved between keys is the same in every snapshot."""

import os
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from zkdict import Snapshot, State, WriteUncertain, ZooKeeperDict

Open = Callable[..., ZooKeeperDict[Any]]

TOTAL = 1000
ROUNDS = int(os.environ.get("ZKDICT_ROUNDS", "500"))
"""10,000 for a long look: a minute on each backend."""
ACCOUNTS = ["a", "b", "c"]


def test_an_amount_moved_is_never_lost_or_doubled(
    zk_client: KazooClient,
    proxy_factory: Callable[[], Any],
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    quick_switching: None,
) -> None:
    """Transfers without an end; readers of every kind look all the time, their connections drop."""
    rounds = ROUNDS
    source = open_dict(zk_client)
    source.update({"a": TOTAL, "b": 0, "c": 0})
    proxies = [proxy_factory() for _ in range(3)]
    readers = [open_dict(client_behind(proxy), max_staleness=30.0) for proxy in proxies]
    for reader in readers:
        reader.sync()
    done = threading.Event()
    wrong: list[str] = []
    seen: set[int] = set()

    def check(snapshot: Snapshot[int]) -> None:
        amounts = dict(snapshot)
        if sum(amounts.get(name, 0) for name in ACCOUNTS) != TOTAL:
            wrong.append(repr(snapshot))

    def newer_than(zxid: int, reader: ZooKeeperDict[int]) -> Snapshot[int]:
        reader.wait_for(lambda now: now.zxid > zxid or done.is_set(), timeout=60)
        return reader.snapshot()

    def look(reader: ZooKeeperDict[int]) -> None:
        last = 0
        while not done.is_set() and not wrong:
            snapshot = newer_than(last, reader)
            check(snapshot)
            if snapshot.zxid < last:
                wrong.append(f"{snapshot.zxid} after {last}")
            last = snapshot.zxid
            seen.add(last)

    def look_in_batches(reader: ZooKeeperDict[int]) -> None:
        model: dict[str, int] = {}
        for batch in reader.changes(initial=True):
            for change in batch:
                if change.kind == "removed":
                    del model[change.key]
                elif change.new is not None:
                    model[change.key] = change.new.value
            if sum(model.values()) != TOTAL:
                wrong.append(f"batch {batch}")

    threads = [threading.Thread(target=look, args=(reader,)) for reader in readers]
    threads += [threading.Thread(target=look_in_batches, args=(reader,)) for reader in readers[:1]]
    for thread in threads:
        thread.start()
    dice = random.Random(7)
    amounts = {"a": TOTAL, "b": 0, "c": 0}
    pending = []
    for number in range(rounds):
        # Through kazoo, and several under way at a time: the writer must not be what limits it.
        giver, taker = dice.sample(ACCOUNTS, 2)
        moved = min(amounts[giver], dice.randrange(50))
        amounts[giver] -= moved
        amounts[taker] += moved
        multi = zk_client.transaction()
        for name in (giver, taker):
            multi.set_data(f"/dict/{name}", b"%d" % amounts[name])
        pending.append(multi.commit_async())
        if len(pending) > 2:
            pending.pop(0).get(timeout=60)
        if number % (rounds // 4) == rounds // 8:
            proxies[number // (rounds // 4) % 3].drop()
        if wrong:
            break
    for result in pending:
        result.get(timeout=60)
    for reader in readers:
        reader.sync(timeout=60)
        assert dict(reader.snapshot()) == amounts
    done.set()
    source["end"] = 0  # wakes those who wait
    for reader in readers:
        reader.wait_for(lambda now: "end" in now, timeout=60)
        assert reader.stats["forced"] == 0
        assert reader.stats["reloads"] > 1
    for thread in threads[:-1]:
        thread.join(60)
    readers[0].close()  # ends the iteration over its changes
    threads[-1].join(60)
    assert not wrong
    assert len(seen) > rounds / 1000  # they did look at many states


def test_transfers_through_the_dict_survive_drops(
    zk_client: KazooClient,
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
) -> None:
    """Each transfer is applied once, not at all, or is said to be uncertain."""
    items = open_dict(client_behind(proxy))
    items.update({"a": TOTAL, "b": 0})
    seen = open_dict(zk_client)
    moved = uncertain = 0
    for number in range(300):

        def move(txn: Any) -> None:
            txn["a"] -= 1
            txn["b"] += 1

        if number % 20 == 10:
            proxy.drop()
        try:
            items.atomically(move)
            moved += 1
        except WriteUncertain as error:
            # With nobody else writing, reading back tells.
            uncertain += 1
            moved += error.resolve(timeout=60)
        seen.sync()
        assert seen["a"] + seen["b"] == TOTAL
        assert seen["b"] == moved


def test_a_transaction_appears_at_once(open_dict: Open) -> None:
    writer, reader = open_dict(), open_dict(max_staleness=60.0)
    batches = reader.changes(timeout=60)
    writer.update({"a": 1, "b": 2, "c": 3})
    assert [change.key for change in next(batches)] == ["a", "b", "c"]
    with writer.transaction() as txn:
        del txn["a"]
        txn["b"] = 3
        txn["d"] = 4
    batch = next(batches)
    assert {(change.kind, change.key) for change in batch} == {
        ("removed", "a"),
        ("changed", "b"),
        ("added", "d"),
    }
    assert dict(reader) == {"b": 3, "c": 3, "d": 4}
    assert list(reader) == ["b", "c", "d"]
    writer.clear()
    assert {change.kind for change in next(batches)} == {"removed"}
    batches.close()


def test_unending_changes_hold_nothing_back_for_long(
    zk_client: KazooClient, open_dict: Open
) -> None:
    """With no patience at all each value is shown as it comes, and it is told that this is so."""
    items = open_dict(max_staleness=0.0)
    items.update({"a": 0, "b": 0})
    items.sync()
    forced = items.stats["forced"]
    batches = items.changes(timeout=30)
    for number in range(1, 21):
        multi = zk_client.transaction()
        for name in ("a", "b"):
            multi.set_data(f"/dict/{name}", b"%d" % number)
        multi.commit()
        assert [change.key for change in next(batches)] == ["a"]
        assert [change.key for change in next(batches)] == ["b"]
        items.sync()
        assert dict(items) == {"a": number, "b": number}
        assert items.snapshot().exact
    batches.close()
    assert items.state is State.LIVE
    assert items.stats["forced"] == forced + 20


def test_zxid_is_a_token_for_others(open_dict: Open) -> None:
    one, two = open_dict(), open_dict()
    for number in range(100):
        one["a"] = number
        two.wait_until(one.zxid, timeout=30)
        assert two["a"] == number
        assert two.zxid >= one.entry("a").mzxid
    # A zxid of something else in the ensemble is reached as well.
    other = one.connection.create("/elsewhere", include_data=True)[1].czxid
    two.wait_until(other, timeout=30)
    assert two.zxid >= other
    assert two.last_updated() < other


@pytest.mark.parametrize("autosync", [True, False])
def test_last_updated_never_goes_back(open_dict: Open, autosync: bool) -> None:
    one, two = open_dict(), open_dict(autosync=autosync)
    last = two.last_updated()
    for step in range(30):
        if step % 3 == 2:
            one.connection.delete("/dict", recursive=True)
            one.connection.create("/dict")
        else:
            one[f"k{step}"] = step
        two.sync()
        assert two.last_updated() > last
        last = two.last_updated()


def test_sync_sees_what_was_committed_before(zk_client: KazooClient, open_dict: Open) -> None:
    items = open_dict()
    zk_client.create("/dict/a", b"0")
    for number in range(500):
        zk_client.set("/dict/a", b"%d" % number)
        items.sync()
        assert items["a"] == number


def test_sync_waits_for_events_behind_a_slow_callback(
    zk_client_factory: Callable[..., KazooClient], open_dict: Open
) -> None:
    client, other = zk_client_factory(), zk_client_factory()
    items = open_dict(client)
    other.create("/dict/a", b"0")
    client.create("/slow")
    go = threading.Event()
    for number in range(10):
        go.clear()
        client.exists("/slow", watch=lambda _: go.wait(30))
        other.set("/slow", b"")
        other.set("/dict/a", b"%d" % number)
        threading.Timer(0.05, go.set).start()
        items.sync()
        assert items["a"] == number


def test_errors_of_the_writer_do_not_reach_readers(zk_client: KazooClient, open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    multi = zk_client.transaction()
    multi.set_data("/dict/a", b"2")
    multi.delete("/dict/missing")
    assert any(isinstance(answer, KazooException) for answer in multi.commit())
    items.sync()
    assert dict(items) == {"a": 1}
