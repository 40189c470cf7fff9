"""What cannot be is refused before kazoo has it, whose connection would die of some of it."""

from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError, NotEmptyError
from kazoo.security import ACL, make_digest_acl

from pytest_zkdict.clients import ClientFactory
from zkdict import (
    ABSENT,
    Closed,
    Entry,
    InvalidKey,
    RootMissing,
    Timeout,
    VersionConflict,
    ZooKeeperDict,
)

Dict = ZooKeeperDict[Any]
Open = Callable[..., Dict]


def checked(version: Any) -> Callable[[Dict], object]:
    def write(items: Dict) -> None:
        with items.transaction() as txn:
            txn.check("a", version)
            txn["b"] = 1

    return write


@pytest.mark.parametrize("version", [2**31, -3, -(2**31) - 1, 2**80, 1.0, "1", None])
def test_a_version_is_a_version(version: Any, open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    entry = items.entry("a")
    fields = {name: getattr(entry, name) for name in Entry.__slots__}
    for write in (
        lambda: items.put("a", 2, version=version),
        lambda: items.put("a", 2, version=version, ephemeral=True),
        lambda: items.remove("a", version=version),
        lambda: items.cas(Entry(**{**fields, "version": version}), 2),
        lambda: checked(version)(items),
    ):
        with pytest.raises((TypeError, ValueError)):
            write()
    items["a"] = 2  # the connection is alive
    assert items.copy() == {"a": 2}


@pytest.mark.parametrize("version", [2**31 - 1, ABSENT, 7])
def test_a_version_that_the_key_has_not(version: int, open_dict: Open) -> None:
    items = open_dict()
    items["a"] = 1
    for write in (items.put, items.remove):
        arguments = ("a", 2) if write == items.put else ("a",)
        with pytest.raises(VersionConflict):
            write(*arguments, version=version)  # type: ignore[operator]
    assert items.copy() == {"a": 1}


def test_a_write_that_the_copy_refuses_says_first_why_there_is_none(
    open_dict: Open, zk_client: KazooClient
) -> None:
    items, view = open_dict(zk_client), open_dict(zk_client, read_only=True)
    items["a"] = 1
    old = items.entry("a")
    items["a"] = 2
    view.sync()
    with pytest.raises(TypeError, match="read-only"):
        view.cas(old, 3)
    items.close()
    with pytest.raises(Closed):
        items.cas(old, 3)


def test_a_deadline_that_has_passed_is_no_lost_connection(open_dict: Open) -> None:
    items, hasty = open_dict(), open_dict(write_timeout=0)
    for call in (
        lambda: items.sync(timeout=0),
        lambda: items.wait_until(2**60, timeout=0),
        lambda: hasty.update(a=1),
    ):
        with pytest.raises(Timeout, match="the deadline passed before the request was sent"):
            call()


@pytest.mark.parametrize("encoding", ["json", b"json", None, object()])
def test_an_encoding_has_both_methods(encoding: Any, zk_client: KazooClient) -> None:
    with pytest.raises(TypeError, match=r"encoding must have the methods encode and decode.*, not"):
        Dict(zk_client, "/dict", encoding=encoding)
    assert zk_client.exists("/dict") is None


def test_the_root_of_a_dict_that_is_read_only(zk_client: KazooClient) -> None:
    """It is not made, although `create` is True."""
    with pytest.raises(RootMissing, match="and without read_only=True"):
        Dict(zk_client, "/dict", read_only=True)


@pytest.mark.parametrize(
    "acl", ["world", [("world", "anyone")], make_digest_acl("a", "b", all=True), 7, [None]]
)
def test_an_acl_is_a_list_of_acls(acl: Any, zk_client: KazooClient) -> None:
    assert not isinstance(acl, list) or not isinstance(acl[0], ACL)
    with pytest.raises(TypeError, match="ACL"):
        Dict(zk_client, "/dict", acl=acl)
    assert zk_client.exists("/dict") is None


@pytest.mark.parametrize("path", ["/a/\ud800", "/a\x00", "/../b", "/a/./b", "/\U0001f600", "/a//b"])
def test_a_keyspace_is_a_legal_path(path: str, zk_client: KazooClient) -> None:
    with pytest.raises(InvalidKey) as caught:
        Dict(zk_client, path)
    assert "quote" not in str(caught.value)  # which is for keys
    assert zk_client.get_children("/") == []


def test_a_key_with_children_of_its_own(zk_client: KazooClient, open_dict: Open) -> None:
    """Nothing that would have to delete it goes on trying."""
    items = open_dict()
    items["a"] = 1
    zk_client.create("/dict/a/b")
    for write in (
        lambda: items.pop("a"),
        lambda: items.remove("a"),
        lambda: items.__delitem__("a"),
        lambda: items.put("a", 2, ephemeral=True),
    ):
        with pytest.raises(NotEmptyError):
            write()
    assert zk_client.get("/dict/a")[0] == b"1"
    assert items["a"] == 1


def test_a_chroot_that_kazoo_cannot_make(zk_hosts: str) -> None:
    with pytest.raises(RootMissing, match=r"ensure_path\('/.*/not/there'\)|'/not/there'") as caught:
        Dict.connect(f"{zk_hosts}/not/there", "/dict")
    assert "create=True" not in str(caught.value)  # that was done


def test_a_chroot_that_kazoo_can_make(zk_client: KazooClient, zk_hosts: str) -> None:
    with Dict.connect(f"{zk_hosts}/below", "/dict") as items:
        items["a"] = 1
        assert zk_client.get("/below/dict/a")[0] == b"1"


DECIDED_BY_THE_COPY = {
    "popitem": lambda items: items.popitem(),
    "clear": lambda items: items.clear(),
    "modify": lambda items: items.modify("a", lambda value: value),
}


@pytest.mark.parametrize("write", DECIDED_BY_THE_COPY)
def test_what_the_copy_decides_waits_for_one(
    write: str, client_behind: Callable[..., KazooClient], proxy: Any
) -> None:
    client = client_behind(proxy, start=False)
    proxy.cut()
    told = r"the dict was not loaded within 0.1 s; nothing was sent"
    with (
        ZooKeeperDict[Any](client, "/dict", wait=None, write_timeout=0.1) as items,
        pytest.raises(Timeout, match=told),
    ):
        DECIDED_BY_THE_COPY[write](items)
    assert proxy.counts["multi"] == proxy.counts["delete"] == 0


@pytest.mark.parametrize("write", DECIDED_BY_THE_COPY)
def test_what_the_copy_decides_says_why_there_is_none(
    write: str, zk_client: KazooClient, zk_client_factory: ClientFactory
) -> None:
    zk_client.create("/dict", b"", acl=[make_digest_acl("bob", "secret", all=True)])
    with (
        ZooKeeperDict[Any](zk_client_factory(), "/dict", wait=None) as items,
        pytest.raises(NoAuthError),
    ):
        DECIDED_BY_THE_COPY[write](items)
