"""A dict whose client can watch a subtree: one watch, what it costs, when it is not used."""

from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.client import KazooClient
from kazoo.exceptions import UnimplementedError
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl

from pytest_zkdict.clients import ClientFactory
from pytest_zkdict.live import four_letter_word
from zkdict import BYTES, State, ZooKeeperDict
from zkdict._copy.subtree import can_watch_subtree, item_at

from ..support.mistakes import Mistake
from .subtree_mistakes import MISTAKES
from .subtree_world import walk

Open = Callable[..., ZooKeeperDict[Any]]
Behind = Callable[..., KazooClient]
Eventually = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.usefixtures("watching")
SIZE = 100
TRIES = 1500


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_published_state_is_the_state_at_its_zxid(seed: int) -> None:
    walk(seed)


@MISTAKES.each
def test_a_mistake_is_found(mistake: Mistake) -> None:
    assert mistake.is_found(partial(walk, seed) for seed in range(TRIES))


@pytest.mark.parametrize(
    ("path", "root", "item"),
    [
        ("/dict", "/dict", ""),
        ("/dict/a", "/dict", "a"),
        ("/dict/a/b", "/dict", None),
        ("/dicta", "/dict", None),
        ("/", "/", ""),
        ("/a", "/", "a"),
        ("/a/b", "/", None),
    ],
)
def test_which_item_an_event_is_about(path: str, root: str, item: str | None) -> None:
    assert item_at(path, root) == item


def test_requests(
    zk_client: KazooClient,
    proxy: Any,
    client_behind: Behind,
    open_dict: Open,
    eventually: Eventually,
) -> None:
    zk_client.ensure_path("/dict")
    for number in range(SIZE):
        zk_client.create(f"/dict/k{number:05}", b"value")
    client = client_behind(proxy)
    client.exists("/")  # kazoo's own look at the chroot is behind us
    proxy.reset()
    # A state that is published unconfirmed, on a busy computer, would cost one more read.
    items = open_dict(client, encoding=BYTES, max_staleness=60.0)
    assert dict(proxy.counts) == {"sync": 1, "addWatch": 1, "getChildren2": 1, "getData": SIZE}
    assert items.stats["requests"] == proxy.requests()

    def settled() -> bool:
        with items._feed.lock:
            return items._feed.cache.settled

    def counted(do: Callable[[], object], seen: Callable[[], object]) -> dict[str, int]:
        assert items.sync()
        proxy.reset()
        do()
        items.wait_for(lambda _: seen(), timeout=30)
        eventually(settled)
        return dict(proxy.counts)

    # Another client's changes: one read each, of what has changed, and no list.
    def foreign(do: Callable[[], object], seen: Callable[[], object]) -> dict[str, int]:
        return counted(do, seen)

    assert foreign(
        lambda: zk_client.set("/dict/k00007", b"new"), lambda: items["k00007"] == b"new"
    ) == {"getData": 1}
    assert foreign(
        lambda: zk_client.create("/dict/new", b"x"), lambda: items.get("new") == b"x"
    ) == {"getData": 1}
    assert foreign(lambda: zk_client.delete("/dict/new"), lambda: "new" not in items) == {
        "exists": 1
    }
    # What lies deeper is no change of the dict.
    assert foreign(lambda: zk_client.create("/dict/k00001/deeper"), lambda: True) == {}
    zk_client.delete("/dict/k00001/deeper")

    # Own writes: one read behind each, and a second where its answer came before its event was
    # looked at.
    def own(do: Callable[[], object]) -> int:
        counts = counted(do, lambda: True)
        assert not {"getChildren2", "addWatch"} & counts.keys()
        return sum(counts.values())

    assert own(lambda: items.__setitem__("k00003", b"mine")) in (2, 3)
    assert own(lambda: items.__setitem__("own", b"mine")) in (2, 3)
    assert own(lambda: items.__delitem__("own")) == 2

    # A new connection sets the watch once.
    proxy.reset()
    reloads = items.stats["reloads"]
    proxy.drop()
    eventually(lambda: items.stats["reloads"] > reloads and items.state is State.LIVE)
    assert proxy.counts["addWatch"] == 1
    assert proxy.counts["getData"] == 0
    assert proxy.requests() <= SIZE + 4
    zk_client.set("/dict/k00009", b"after")
    assert items.wait_for(lambda now: now["k00009"] == b"after", 60)
    assert items.stats["missed"] == 0


def watched_by(client: KazooClient, server: Any, backend: str) -> list[str]:
    """The paths that the client's server watches for it, one for each watch."""
    session = client.client_id[0]
    if backend != "live":
        return [watch.path for watch in server.watches if watch.session_id == session]
    host, _, port = server.direct_hosts.partition(":")
    told = four_letter_word(host, int(port), "wchc")
    behind = told.partition(f"0x{session:x}\n")[2]
    return [line[1:] for line in takewhile(lambda line: line[:1] == "\t", behind.splitlines())]


def test_the_server_has_one_watch(
    zk_client: KazooClient, open_dict: Open, zk_server: Any, zk_backend: str, zk_chroot: str
) -> None:
    zk_client.ensure_path("/dict")
    for number in range(SIZE):
        zk_client.create(f"/dict/k{number:05}", b"1")
    items = open_dict()
    items["own"] = 1
    del items["k00000"]
    zk_client.set("/dict/k00001", b"2")
    zk_client.create("/dict/new", b"3")
    zk_client.delete("/dict/k00002")
    assert items.wait_for(
        lambda now: now["k00001"] == 2 and "new" in now and "k00002" not in now, 60
    )
    client = items._feed.client
    assert watched_by(client, zk_server, zk_backend) == [f"{zk_chroot}/dict"]


def test_somebody_elses_watch_of_the_root_on_the_same_client(
    zk_client: KazooClient, zk_client_factory: ClientFactory, open_dict: Open
) -> None:
    """Before 3.9 a path has one watch of a connection: that ends the dict's. A sync shows it."""
    zk_client.create("/dict/a", b"1", makepath=True)
    client = zk_client_factory()
    items = open_dict(client)
    client.get("/dict", watch=lambda _: None)
    zk_client.set("/dict/a", b"2")
    zk_client.create("/dict/b", b"2")
    assert items.sync()
    assert dict(items) == {"a": 2, "b": 2}
    zk_client.set("/dict/a", b"3")
    assert items.wait_for(lambda now: now["a"] == 3, 60)


@pytest.mark.parametrize("sets_again", [False, True])
def test_what_changed_without_a_connection_is_read(
    sets_again: bool,
    zk_client: KazooClient,
    proxy: Any,
    client_behind: Behind,
    open_dict: Open,
    eventually: Eventually,
) -> None:
    """No server tells of it, when the watch is set again or when the client does that itself."""
    zk_client.ensure_path("/dict")
    for name in "abc":
        zk_client.create(f"/dict/{name}", b"1")
    client: Any = client_behind(proxy)
    client.sets_again = sets_again
    asked: list[str] = []
    ask = client._ask
    client._ask = lambda request: (asked.append(type(request).__name__), ask(request))[1]
    items = open_dict(client)
    proxy.cut()
    eventually(lambda: items.state is not State.LIVE)
    zk_client.set("/dict/a", b"2")
    zk_client.delete("/dict/b")
    zk_client.create("/dict/d", b"4")
    proxy.heal()
    assert items.wait_for(lambda now: dict(now) == {"a": 2, "c": 1, "d": 4}, 60)
    assert ("SetWatches2" in asked) == sets_again  # else there is nothing to compare
    zk_client.set("/dict/a", b"3")
    assert items.wait_for(lambda now: now["a"] == 3, 60)


def test_a_root_that_goes_and_comes_back(zk_client: KazooClient, open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    zk_client.delete("/dict", recursive=True)
    assert items.wait_for(lambda now: not now, 60)
    zk_client.create("/dict/a", b"2", makepath=True)
    assert items.wait_for(lambda now: now.exact and now.get("a") == 2, 60)


def test_two_dicts_on_one_client(zk_client_factory: ClientFactory, open_dict: Open) -> None:
    client = zk_client_factory()
    one, two = open_dict(client), open_dict(client)
    one["a"] = 1
    assert two.wait_for(lambda now: now.get("a") == 1, 60)
    one.close()
    two["a"] = 2
    three = open_dict(client)
    two["b"] = 3
    assert three.wait_for(lambda now: dict(now) == {"a": 2, "b": 3}, 60)
    assert sum(map(len, client.standing.values())) == 2  # the third has that of the first


def test_a_server_that_does_not_know_the_request(
    zk_client: KazooClient, proxy: Any, client_behind: Behind, open_dict: Open
) -> None:
    zk_client.create("/dict/a", b"1", makepath=True)
    proxy.answer("addWatch", UnimplementedError.code)
    items = open_dict(client_behind(proxy))
    assert dict(items) == {"a": 1}
    zk_client.set("/dict/a", b"2")
    zk_client.create("/dict/b", b"3")
    assert items.wait_for(lambda now: dict(now) == {"a": 2, "b": 3}, 60)
    assert proxy.counts["addWatch"] == 1


def test_a_key_that_may_not_be_read(
    zk_client: KazooClient, zk_client_factory: ClientFactory, open_dict: Open
) -> None:
    """Some servers do not tell of it: a sync finds it, and from then on the list is watched."""
    admin = zk_client_factory(auth_data=[("digest", "u:p")])
    secret = [make_digest_acl("u", "p", all=True)]
    items = open_dict(zk_client_factory())
    items["a"] = 1
    admin.create("/dict/b", b"1", acl=secret)
    items.sync()
    assert "b" in items.bad_keys
    admin.create("/dict/c", b"1", acl=secret)
    assert items.wait_for(lambda _: "c" in items.bad_keys, 60)
    admin.set_acls("/dict/b", OPEN_ACL_UNSAFE)
    items.sync()
    assert items["b"] == 1


def test_which_clients_can(zk_client_factory: ClientFactory) -> None:
    client: Any = zk_client_factory(start=False)
    assert can_watch_subtree(client, "/dict")
    assert can_watch_subtree(client, "/") == bool(client.chroot)
    assert not can_watch_subtree(object(), "/dict")
