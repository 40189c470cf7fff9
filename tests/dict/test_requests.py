"""How many requests everything takes, counted between the client and the server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import BYTES, State, ZooKeeperDict
from zkdict._copy import feed

Open = Callable[..., ZooKeeperDict[Any]]

SIZES = [100, 2500]


@pytest.fixture
def filled(zk_client: KazooClient) -> Iterator[Callable[[int], KazooClient]]:
    """Makes this many keys, with one request per thousand, and removes what is there in the end."""

    def fill(size: int) -> KazooClient:
        zk_client.ensure_path("/dict")
        for start in range(0, size, 1000):
            multi = zk_client.transaction()
            for number in range(start, min(size, start + 1000)):
                multi.create(f"/dict/k{number:05}", b"value" * 20)
            multi.commit()
        return zk_client

    yield fill
    names = zk_client.get_children("/dict")
    for start in range(0, len(names), 1000):
        multi = zk_client.transaction()
        for name in names[start : start + 1000]:
            multi.delete(f"/dict/{name}")
        multi.commit()


def test_a_fetch_is_one_round_trip(
    proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> None:
    items = open_dict(client_behind(proxy), encoding=BYTES)
    items["a"] = b""
    items.sync()
    for arguments, requests in (({}, {"getData": 1}), ({"sync": True}, {"multi": 1, "getData": 1})):
        proxy.reset()
        assert items.fetch("a", **arguments).value == b""
        assert dict(proxy.counts) == requests


def test_reads_come_back_in_batches_of_bounded_size(
    filled: Callable[[int], KazooClient],
    open_dict: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    real = feed.Completion

    def completion(batch: Any, completed: Any) -> Any:
        sizes.append(len(batch))
        return real(batch, completed)

    client = filled(100)
    monkeypatch.setattr(feed, "BATCH", 10)
    monkeypatch.setattr(feed, "Completion", completion)
    assert len(open_dict(client, encoding=BYTES)) == 100
    assert max(sizes) == 10
    assert sum(sizes) >= 100


@pytest.mark.usefixtures("watches_each_znode")  # see test_subtree for the other
@pytest.mark.parametrize("size", SIZES)
def test_requests(
    size: int,
    filled: Callable[[int], KazooClient],
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    writer = filled(size)
    client = client_behind(proxy)
    client.exists("/")  # kazoo's own look at the chroot is behind us

    def settled() -> bool:
        with items._feed.lock:
            return items._feed.cache.settled

    def counted(do: Callable[[], object], seen: Callable[[], object]) -> dict[str, int]:
        assert items.sync()
        proxy.reset()
        do()
        # What upkeep is still under way has been sent once a later write is seen... by waiting
        # for the state, no request is needed to know it.
        items.wait_for(lambda _: seen(), timeout=30)
        eventually(settled)
        return dict(proxy.counts)

    proxy.reset()
    # A state that is published unconfirmed, on a busy computer, would cost one more read.
    items = open_dict(client, encoding=BYTES, max_staleness=60.0)
    assert len(items) == size
    assert size + 1 <= proxy.requests() <= size + 3
    assert items.stats["requests"] == proxy.requests()

    # Another client's changes.
    assert counted(
        lambda: writer.set("/dict/k00007", b"new"), lambda: items["k00007"] == b"new"
    ) == {"getData": 1}
    assert counted(lambda: writer.create("/dict/new", b"x"), lambda: items.get("new") == b"x") == {
        "getChildren2": 1,
        "getData": 1,
    }
    assert counted(lambda: writer.delete("/dict/new"), lambda: "new" not in items) == {
        "getChildren2": 1
    }

    # Own writes: the write, and what its watches make necessary.
    def own(do: Callable[[], object]) -> dict[str, int]:
        return counted(do, lambda: True)

    assert own(lambda: items.__setitem__("k00003", b"mine")) == {"setData": 1, "exists": 1}
    assert own(lambda: items.__setitem__("own", b"mine")) == {
        "create": 1,
        "getChildren2": 1,
        "getData": 1,
    }
    assert own(lambda: items.__delitem__("own")) == {"delete": 1, "getChildren2": 1}
    several = {"k00003": b"mine", "k00004": b"mine", "own": b"mine"}
    assert own(lambda: items.update(several)) == {
        "multi": 1,
        "exists": 2,
        "getData": 1,
        "getChildren2": 1,
    }
    assert own(lambda: items.pop("own")) == {"getData": 1, "multi": 1, "getChildren2": 1}

    # Reads take none.
    proxy.reset()
    for _ in range(3):
        assert len(list(items.items())) == size
        assert items["k00003"] == b"mine"
    assert proxy.requests() == 0

    # A new connection, with nothing changed: every Stat is looked at, no value is sent again.
    proxy.reset()
    published = items.stats["reloads"]
    fetched = items.stats["bytes"]
    proxy.drop()
    eventually(lambda: items.stats["reloads"] > published and items.state is State.LIVE)
    assert proxy.counts["getData"] == 0
    assert items.stats["bytes"] == fetched
    assert proxy.requests() <= size + 3

    # With one changed meanwhile, one value.
    proxy.cut()
    eventually(lambda: items.state is not State.LIVE)
    writer.set("/dict/k00009", b"meanwhile")
    proxy.reset()
    proxy.heal()
    items.wait_for(lambda now: now["k00009"] == b"meanwhile", timeout=60)
    assert proxy.counts["getData"] == 1
    client.stop()  # or it would hear of each key that is removed


def test_many_threads_cause_one_refresh(
    zk_client: KazooClient, proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> None:
    import threading

    zk_client.create("/dict/a", b"0", makepath=True)
    items = open_dict(client_behind(proxy))
    items.sync()
    proxy.reset()
    barrier = threading.Barrier(17)

    def read() -> None:
        barrier.wait(30)
        items.wait_for(lambda now: now["a"] == 1, timeout=30)

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    barrier.wait(30)
    zk_client.set("/dict/a", b"1")
    for thread in threads:
        thread.join(30)
    assert proxy.counts == {"getData": 1}
