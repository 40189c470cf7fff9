"""create, get, set, delete, exists and children through an unmodified KazooClient."""

import time

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
)
from kazoo.security import OPEN_ACL_UNSAFE

from pytest_zkdict.clients import ClientFactory
from pytest_zkdict.servers import ZooKeeperServer


def test_a_created_znode_has_its_path_and_its_data(zk_client: KazooClient) -> None:
    assert zk_client.create("/a", b"value") == "/a"
    data, stat = zk_client.get("/a")
    assert data == b"value"
    assert stat.version == stat.cversion == stat.aversion == 0
    assert stat.dataLength == len(b"value")
    assert stat.numChildren == 0
    assert stat.ephemeralOwner == 0
    assert stat.czxid == stat.mzxid == stat.pzxid > 0
    assert stat.ctime == stat.mtime


def test_create_answers_with_the_stat_when_asked(zk_client: KazooClient) -> None:
    path, stat = zk_client.create("/a", b"value", include_data=True)
    assert path == "/a"
    assert stat == zk_client.exists("/a")


def test_times_are_the_servers_clock_in_milliseconds(zk_client: KazooClient) -> None:
    before = int(time.time() * 1000)
    zk_client.create("/a")
    after = int(time.time() * 1000)
    stat = zk_client.exists("/a")
    # A minute either way: the server may be on another machine.
    assert before - 60_000 <= stat.ctime <= after + 60_000


@pytest.mark.parametrize(
    "data", [b"", b"\0", bytes(range(256)), "\N{SNOWMAN}".encode(), b"x" * 500_000], ids=len
)
def test_data_is_bytes_and_comes_back_as_it_went(zk_client: KazooClient, data: bytes) -> None:
    zk_client.create("/a", data)
    assert zk_client.get("/a")[0] == data
    zk_client.set("/a", data[::-1])
    assert zk_client.get("/a")[0] == data[::-1]


def test_set_changes_data_version_and_mzxid_only(zk_client: KazooClient) -> None:
    zk_client.create("/a", b"1")
    created = zk_client.exists("/a")
    answered = zk_client.set("/a", b"two")
    data, stat = zk_client.get("/a")
    assert data == b"two"
    assert stat == answered
    assert stat.version == 1
    assert stat.mzxid > created.mzxid
    assert stat.mtime >= created.mtime
    assert stat.dataLength == 3
    unchanged = ("czxid", "ctime", "cversion", "aversion", "ephemeralOwner", "numChildren", "pzxid")
    assert [getattr(stat, f) for f in unchanged] == [getattr(created, f) for f in unchanged]


def test_a_child_changes_its_parents_child_fields_only(zk_client: KazooClient) -> None:
    zk_client.create("/a", b"1")
    empty = zk_client.exists("/a")
    zk_client.create("/a/b")
    one = zk_client.exists("/a")
    assert (one.numChildren, one.cversion) == (1, 1)
    assert one.pzxid == zk_client.exists("/a/b").czxid
    zk_client.delete("/a/b")
    none = zk_client.exists("/a")
    assert (none.numChildren, none.cversion) == (0, 2)
    assert none.pzxid > one.pzxid
    for stat in (one, none):
        assert (stat.mzxid, stat.mtime, stat.version) == (empty.mzxid, empty.mtime, empty.version)


def test_every_write_has_a_higher_zxid_than_the_one_before(zk_client: KazooClient) -> None:
    zk_client.create("/a")
    zxids = [zk_client.set("/a", b"%d" % i).mzxid for i in range(20)]
    assert zxids == sorted(set(zxids))


def test_exists_tells_a_missing_znode_from_a_present_one(zk_client: KazooClient) -> None:
    assert zk_client.exists("/a") is None
    zk_client.create("/a")
    assert zk_client.exists("/a").version == 0
    zk_client.delete("/a")
    assert zk_client.exists("/a") is None


def test_children_are_the_direct_ones_by_name(zk_client: KazooClient) -> None:
    for path in ("/a", "/a/x", "/a/y", "/a/x/deep"):
        zk_client.create(path)
    assert sorted(zk_client.get_children("/a")) == ["x", "y"]
    children, stat = zk_client.get_children("/a", include_data=True)
    assert sorted(children) == ["x", "y"]
    assert stat == zk_client.exists("/a")
    assert zk_client.get_children("/a/y") == []


def test_many_children_all_come(zk_client: KazooClient) -> None:
    zk_client.create("/a")
    names = {f"child-{i}" for i in range(500)}
    pending = [zk_client.create_async(f"/a/{name}") for name in names]
    for result in pending:
        result.get(timeout=30)
    assert set(zk_client.get_children("/a")) == names
    assert zk_client.exists("/a").numChildren == 500


@pytest.mark.parametrize(
    "name", ["with space", "pünktchen", "\N{SNOWMAN}", "a%2Fb", "...", "x.", "-"]
)
def test_names_are_text(zk_client: KazooClient, name: str) -> None:
    assert zk_client.create(f"/{name}", b"1") == f"/{name}"
    assert zk_client.get_children("/") == [name]
    assert zk_client.get(f"/{name}")[0] == b"1"


@pytest.mark.parametrize("path", ["/a/./b", "/a/../b", "/a/.", "/\x01", "/\x7f", "/\ue000"])
def test_names_that_zookeeper_does_not_take(zk_client: KazooClient, path: str) -> None:
    zk_client.create("/a")
    # kazoo refuses some itself; "/a/./b" has a parent that can't exist.
    with pytest.raises((BadArgumentsError, NoNodeError, ValueError)):
        zk_client.create(path)
    assert zk_client.get_children("/") == ["a"]
    assert zk_client.get_children("/a") == []


def test_what_is_missing(zk_client: KazooClient) -> None:
    for call in (
        lambda: zk_client.get("/no"),
        lambda: zk_client.set("/no", b""),
        lambda: zk_client.delete("/no"),
        lambda: zk_client.get_children("/no"),
        lambda: zk_client.create("/no/child"),
        lambda: zk_client.get_acls("/no"),
    ):
        with pytest.raises(NoNodeError):
            call()


def test_what_is_there_already(zk_client: KazooClient) -> None:
    zk_client.create("/a", b"first")
    with pytest.raises(NodeExistsError):
        zk_client.create("/a", b"second")
    assert zk_client.get("/a")[0] == b"first"


def test_what_is_not_empty(zk_client: KazooClient) -> None:
    zk_client.create("/a/b", makepath=True)
    with pytest.raises(NotEmptyError):
        zk_client.delete("/a")
    zk_client.delete("/a", recursive=True)
    assert zk_client.exists("/a") is None


def test_a_wrong_version_changes_nothing(zk_client: KazooClient) -> None:
    zk_client.create("/a", b"0")
    zk_client.set("/a", b"1", version=0)
    before = zk_client.get("/a")
    for version in (0, 2, -2):
        with pytest.raises(BadVersionError):
            zk_client.set("/a", b"no", version=version)
        with pytest.raises(BadVersionError):
            zk_client.delete("/a", version=version)
    assert zk_client.get("/a") == before
    zk_client.delete("/a", version=1)
    assert zk_client.exists("/a") is None


def test_a_znode_made_again_starts_again(zk_client: KazooClient) -> None:
    zk_client.create("/a", b"1")
    zk_client.set("/a", b"2")
    old = zk_client.exists("/a")
    zk_client.delete("/a")
    zk_client.create("/a", b"1")
    new = zk_client.exists("/a")
    assert new.version == 0
    assert new.czxid > old.mzxid


def test_a_failed_write_takes_a_zxid_too(
    zk_client: KazooClient, zk_server: ZooKeeperServer
) -> None:
    before = zk_client.create("/a", include_data=True)[1].czxid
    with pytest.raises(NodeExistsError):
        zk_client.create("/a")
    after = zk_client.set("/a", b"").mzxid
    assert after >= before + 2


def test_ensure_path_makes_what_is_missing(zk_client: KazooClient) -> None:
    zk_client.create("/a", b"kept")
    assert zk_client.ensure_path("/a/b/c")
    assert zk_client.ensure_path("/a/b/c")
    assert zk_client.get("/a")[0] == b"kept"
    assert zk_client.exists("/a/b/c")


def test_a_new_znode_is_open(zk_client: KazooClient) -> None:
    zk_client.create("/a")
    acls, stat = zk_client.get_acls("/a")
    assert acls == OPEN_ACL_UNSAFE
    assert stat == zk_client.exists("/a")


def test_one_client_sees_what_another_wrote(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> None:
    other = zk_client_factory()
    for i in range(20):
        zk_client.create(f"/{i}", b"%d" % i)
        other.sync("/")
        assert other.get(f"/{i}")[0] == b"%d" % i


def test_pipelined_requests_are_carried_out_in_order(zk_client: KazooClient) -> None:
    zk_client.create("/a", b"")
    results = []
    for i in range(100):
        zk_client.set_async("/a", b"%d" % i)
        results.append(zk_client.get_async("/a"))
    assert [r.get(timeout=30)[0] for r in results] == [b"%d" % i for i in range(100)]


def test_the_version_is_the_servers(zk_client: KazooClient, zk_server: ZooKeeperServer) -> None:
    assert ".".join(map(str, zk_client.server_version())) == zk_server.version
