"""Keys and roots that may be read at some times and not at others: no watch tells when.

A refused read leaves no watch. A watch that fires while the session may not read the znode is gone
without an event. ZooKeeper does both, so these tests run on both.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

from pytest_zkdict.clients import ClientFactory
from zkdict import State, ZooKeeperDict

Open = Callable[..., ZooKeeperDict[Any]]

SECRET = [make_digest_acl("u", "p", all=True)]
WRITE_ONLY = [make_acl("world", "anyone", write=True)]
NO_READ = [make_acl("world", "anyone", write=True, create=True, delete=True)]


@pytest.fixture
def admin(zk_client_factory: ClientFactory) -> Iterator[KazooClient]:
    """A client that may do everything with what is made here."""
    client = zk_client_factory(auth_data=[("digest", "u:p")])
    client.create("/dict", acl=OPEN_ACL_UNSAFE)
    yield client
    client.set_acls("/dict", OPEN_ACL_UNSAFE)


def _refused(items: ZooKeeperDict[Any], key: str) -> bool:
    return isinstance(items.bad_keys.get(key), NoAuthError)


# -- refused when it was read


def test_a_refused_key_is_read_once_it_may_be(admin: KazooClient, open_dict: Open) -> None:
    admin.create("/dict/a", b"1", acl=SECRET)
    admin.create("/dict/b", b"1")
    items = open_dict()
    assert _refused(items, "a")
    assert items["b"] == 1
    assert items.state is State.LIVE
    assert not items.snapshot().exact
    admin.set_acls("/dict/a", OPEN_ACL_UNSAFE)
    assert items.wait_for(lambda now: now.exact and now["a"] == 1, 60)
    admin.set("/dict/a", b"2")  # it has a watch again
    assert items.wait_for(lambda now: now["a"] == 2, 60)


def test_sync_reads_a_refused_key_again(admin: KazooClient, open_dict: Open) -> None:
    admin.create("/dict/a", b"1", acl=SECRET)
    items = open_dict()
    assert _refused(items, "a")
    items.sync()
    assert _refused(items, "a")
    admin.set_acls("/dict/a", OPEN_ACL_UNSAFE)
    admin.set("/dict/a", b"2")
    items.sync()
    assert items["a"] == 2
    assert items.snapshot().exact


def test_wait_until_reads_a_refused_key_again(admin: KazooClient, open_dict: Open) -> None:
    admin.create("/dict/a", b"1", acl=SECRET)
    items = open_dict()
    admin.set_acls("/dict/a", OPEN_ACL_UNSAFE)
    stat = admin.set("/dict/a", b"2")
    last = admin.create("/dict/b", b"3", include_data=True)[1]
    assert items.wait_for(lambda now: "b" in now, 60)  # whatever else comes by
    items.wait_until(last.czxid)
    assert stat.mzxid < last.czxid
    assert items["a"] == 2


def test_credentials_that_come_later(
    admin: KazooClient, open_dict: Open, zk_client_factory: ClientFactory
) -> None:
    admin.create("/dict/a", b"1", acl=SECRET)
    client = zk_client_factory()
    items = open_dict(client)
    assert _refused(items, "a")
    client.add_auth("digest", "u:p")
    items.sync()
    assert items["a"] == 1


def test_a_key_that_is_refused_and_goes(admin: KazooClient, open_dict: Open) -> None:
    admin.create("/dict/a", b"1", acl=SECRET)
    items = open_dict()
    admin.delete("/dict/a")
    assert items.wait_for(lambda now: "a" not in now and now.exact, 60)
    admin.create("/dict/a", b"2", acl=SECRET)
    items.sync()
    assert _refused(items, "a")


def test_a_root_that_may_be_read_again(
    admin: KazooClient, open_dict: Open, zk_client_factory: ClientFactory
) -> None:
    admin.create("/dict/a", b"1")
    admin.set_acls("/dict", SECRET)
    items = open_dict(zk_client_factory(), wait=None)
    with pytest.raises(NoAuthError):
        items.wait_ready(60)
    admin.set_acls("/dict", OPEN_ACL_UNSAFE)
    assert items.wait_for(lambda now: now.exact and now["a"] == 1, 60)
    assert items.state is State.LIVE
    assert items.wait_ready(60)


# -- taken away and given back


def _while_closed(admin: KazooClient, path: str, change: Callable[[], object]) -> None:
    admin.set_acls(path, SECRET)
    change()
    admin.set_acls(path, OPEN_ACL_UNSAFE)


def test_sync_sees_what_changed_while_a_key_might_not_be_read(
    admin: KazooClient, open_dict: Open
) -> None:
    admin.create("/dict/a", b"1")
    items = open_dict()
    assert items["a"] == 1
    _while_closed(admin, "/dict/a", lambda: admin.set("/dict/a", b"2"))
    items.sync()
    assert items["a"] == 2
    assert items.stats["missed"] == 1
    admin.set("/dict/a", b"3")  # and it has a watch again
    assert items.wait_for(lambda now: now["a"] == 3, 60)


def test_sync_sees_what_came_and_went_while_the_root_might_not_be_read(
    admin: KazooClient, open_dict: Open
) -> None:
    admin.create("/dict/a", b"1")
    items = open_dict()

    def change() -> None:
        admin.create("/dict/b", b"2")
        admin.delete("/dict/a")

    _while_closed(admin, "/dict", change)
    items.sync()
    assert dict(items) == {"b": 2}
    admin.create("/dict/c", b"3")
    assert items.wait_for(lambda now: "c" in now, 60)


@pytest.mark.usefixtures(
    "watches_each_znode"
)  # the one watch tells of what the list would not show
def test_sync_says_that_the_root_may_not_be_read(admin: KazooClient, open_dict: Open) -> None:
    admin.create("/dict/a", b"1")
    items = open_dict()
    admin.set_acls("/dict", SECRET)
    admin.create("/dict/b", b"2")
    with pytest.raises(NoAuthError):
        items.sync()
    assert items.state is State.STALE
    assert dict(items) == {"a": 1}
    admin.set_acls("/dict", OPEN_ACL_UNSAFE)
    items.sync()
    assert items.state is State.LIVE
    assert dict(items) == {"a": 1, "b": 2}


def test_one_change_that_was_missed_makes_sync_look_at_every_key(
    admin: KazooClient, open_dict: Open
) -> None:
    """Of a large dict one `sync()` looks at some keys, in turn; at all once one was wrong."""
    names = [f"k{number:03}" for number in range(250)]
    for name in names:
        admin.create(f"/dict/{name}", b"1")
    items = open_dict()
    for name in names[::10]:
        path = f"/dict/{name}"
        _while_closed(admin, path, lambda path=path: admin.set(path, b"2"))
    items.sync()
    assert [name for name in names if items[name] == 2] == names[::10]
    last = names[-1]
    _while_closed(admin, f"/dict/{last}", lambda: admin.set(f"/dict/{last}", b"3"))
    for _ in range(3):
        items.sync()
    assert items[last] == 3


# -- own writes whose event is not sent


@pytest.mark.parametrize(
    "write",
    [
        lambda items: items.__setitem__("a", 2),
        lambda items: items.put("a", 2, version=0),
        lambda items: items.update({"a": 2, "b": 2}),
    ],
    ids=["set", "put", "update"],
)
def test_an_own_write_of_a_key_that_may_not_be_read_is_not_shown_as_it_was(
    admin: KazooClient, open_dict: Open, write: Callable[[ZooKeeperDict[Any]], Any]
) -> None:
    admin.create("/dict/a", b"1")
    admin.create("/dict/b", b"1")
    items = open_dict()
    assert items["a"] == 1
    admin.set_acls("/dict/a", [*WRITE_ONLY, *SECRET])
    write(items)
    # Before 3.8.4 a server tells what the znode is, and the own write what its data is.
    assert _refused(items, "a") or items["a"] == 2
    admin.set_acls("/dict/a", OPEN_ACL_UNSAFE)
    items.sync()
    assert items["a"] == 2


def test_an_own_new_key_of_a_root_that_may_not_be_read(admin: KazooClient, open_dict: Open) -> None:
    items = open_dict(max_staleness=0.1)
    admin.set_acls("/dict", [*NO_READ, *SECRET])
    items["a"] = 1
    assert items["a"] == 1
    admin.set_acls("/dict", OPEN_ACL_UNSAFE)
    items.sync()
    assert items["a"] == 1
    del items["a"]
    assert "a" not in items
