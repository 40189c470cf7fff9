"""Writes: which error a request gets that has several, what it costs, what it leaves alone."""

from __future__ import annotations

import pytest

from ..support import wire
from ..support.core import Client, World
from ..support.replies import (
    BAD_ARGUMENTS,
    BAD_VERSION,
    INVALID_ACL,
    MARSHALLING,
    NO_AUTH,
    NO_CHILDREN_FOR_EPHEMERALS,
    NO_NODE,
    NODE_EXISTS,
    NOT_EMPTY,
    OK,
    UNIMPLEMENTED,
    error_body,
)

CLOSED = [(31, "digest", "nobody:x")]


def prepared(world: World) -> Client:
    """``/a`` with ``/a/b``, the ephemeral ``/e``, ``/locked`` that lets nobody do anything."""
    client = world.client()
    client.create("/a")
    client.create("/a/b")
    client.create("/e", flags=1)
    client.create("/locked", acl=CLOSED)
    return client


CREATES = {
    # each fault beats those further down
    "null path": (wire.create(None), MARSHALLING),
    "mode, bad acl": (wire.create("/nope/x", acl=[], flags=7), BAD_ARGUMENTS),
    "negative mode": (wire.create("/x", flags=-1), BAD_ARGUMENTS),
    "ttl mode, bad acl": (wire.create("/x", acl=[], flags=5), UNIMPLEMENTED),
    "no slash, bad acl": (wire.create("x", acl=[]), BAD_ARGUMENTS),
    "empty, bad acl": (wire.create("", acl=[]), BAD_ARGUMENTS),
    "NUL, bad acl": (wire.create("/x\0", acl=[]), BAD_ARGUMENTS),
    "bad acl, missing parent": (wire.create("/nope/x", acl=[]), INVALID_ACL),
    "bad acl, bad syntax": (wire.create("/a//", acl=[]), INVALID_ACL),
    "missing parent, bad syntax": (wire.create("/nope/"), NO_NODE),
    "missing parent, dots": (wire.create("/a/../b"), NO_NODE),
    "missing parent, sequential": (wire.create("/p//", flags=2), NO_NODE),
    "relative path": (wire.create("a/b"), NO_NODE),
    "no permission, bad syntax": (wire.create("/locked/"), NO_AUTH),
    "no permission": (wire.create("/locked/x"), NO_AUTH),
    "bad syntax, parent exists": (wire.create("/a/"), BAD_ARGUMENTS),
    "dot": (wire.create("/a/."), BAD_ARGUMENTS),
    "control character": (wire.create("/a/\x01"), BAD_ARGUMENTS),
    "not UTF-8": (wire.create(b"/a/\xff"), BAD_ARGUMENTS),
    "the root": (wire.create("/"), NODE_EXISTS),
    "exists": (wire.create("/a/b"), NODE_EXISTS),
    "below an ephemeral": (wire.create("/e/x"), NO_CHILDREN_FOR_EPHEMERALS),
    "sequential below an ephemeral": (wire.create("/e/x", flags=2), NO_CHILDREN_FOR_EPHEMERALS),
}


@pytest.mark.parametrize("op", ["create", "create2", "createContainer"])
@pytest.mark.parametrize(("body", "error"), CREATES.values(), ids=CREATES)
def test_precedence_in_create(world: World, op: str, body: bytes, error: int) -> None:
    client = prepared(world)
    before = world.zxid
    reply = client.call(op, body)
    assert (reply.error, reply.body) == (error, b"")
    assert reply.zxid == world.zxid == before + 1, "a well-formed write uses a zxid"


def test_exists_beats_ephemeral_parent(world: World) -> None:
    """Such a znode cannot come about, but the order of the two checks shows where it would."""
    client = prepared(world)
    tip = world.ensemble.tip
    tip.nodes["/e/x"] = tip.nodes["/a"]
    assert client.call("create", wire.create("/e/x")).error == NODE_EXISTS
    del tip.nodes["/e/x"]


DELETES = {
    "null path": (wire.path_version(None), MARSHALLING),
    "no slash": (wire.path_version("x"), BAD_ARGUMENTS),
    "NUL": (wire.path_version("/x\0"), BAD_ARGUMENTS),
    "the root": (wire.path_version("/"), BAD_ARGUMENTS),
    "/zookeeper": (wire.path_version("/zookeeper"), BAD_ARGUMENTS),
    "/zookeeper/quota": (wire.path_version("/zookeeper/quota"), BAD_ARGUMENTS),
    "/zookeeper/config": (wire.path_version("/zookeeper/config"), BAD_ARGUMENTS),
    "missing parent": (wire.path_version("/nope/x"), NO_NODE),
    "no permission, missing": (wire.path_version("/locked/x"), NO_AUTH),
    "missing": (wire.path_version("/nope"), NO_NODE),
    "slash at the end": (wire.path_version("/a/"), NO_NODE),
    "version, children": (wire.path_version("/a", 7), BAD_VERSION),
    "version -2": (wire.path_version("/a/b", -2), BAD_VERSION),
    "children": (wire.path_version("/a", 0), NOT_EMPTY),
}


@pytest.mark.parametrize(("body", "error"), DELETES.values(), ids=DELETES)
def test_precedence_in_delete(world: World, body: bytes, error: int) -> None:
    client = prepared(world)
    before = world.zxid
    reply = client.call("delete", body)
    assert (reply.error, reply.body, reply.zxid) == (error, b"", before + 1)


def test_the_permission_to_delete_is_the_parents(world: World) -> None:
    client = prepared(world)
    assert client.call("delete", wire.path_version("/locked")).error == OK


SETS = {
    "null path": ("setData", wire.set_data(None, b""), BAD_ARGUMENTS),
    "empty path": ("setData", wire.set_data("", b""), BAD_ARGUMENTS),
    "bad path, missing": ("setData", wire.set_data("/nope/", b""), BAD_ARGUMENTS),
    "missing": ("setData", wire.set_data("/nope", b""), NO_NODE),
    "no permission, version": ("setData", wire.set_data("/locked", b"", 9), NO_AUTH),
    "version": ("setData", wire.set_data("/a", b"", 9), BAD_VERSION),
    "config": ("setData", wire.set_data("/zookeeper/config", b""), NO_AUTH),
    "acl: bad path": ("setACL", wire.set_acl("/a/", []), BAD_ARGUMENTS),
    "acl: bad list, missing": ("setACL", wire.set_acl("/nope", []), INVALID_ACL),
    "acl: missing": ("setACL", wire.set_acl("/nope", wire.OPEN_ACL), NO_NODE),
    "acl: no permission": ("setACL", wire.set_acl("/locked", wire.OPEN_ACL, 9), NO_AUTH),
    "acl: version": ("setACL", wire.set_acl("/a", wire.OPEN_ACL, 9), BAD_VERSION),
}


@pytest.mark.parametrize(("op", "body", "error"), SETS.values(), ids=SETS)
def test_precedence_in_sets(world: World, op: str, body: bytes, error: int) -> None:
    client = prepared(world)
    before = world.zxid
    reply = client.call(op, body)
    assert (reply.error, reply.body, reply.zxid) == (error, b"", before + 1)


@pytest.mark.parametrize(
    "op", ["create", "create2", "createTTL", "delete", "setData", "setACL", "deleteContainer"]
)
@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_a_write_that_cannot_be_read(version: str, op: str) -> None:
    client = World(version=version).client()
    before = client.world.zxid
    if (op, version) == ("deleteContainer", "3.8"):
        return  # its body is the path itself: there is nothing that cannot be read
    reply = client.call(op, b"\0\0")
    uses_zxid = version == "3.8"
    assert (reply.error, reply.zxid) == (MARSHALLING, before + uses_zxid)
    assert client.ping().error == OK


def test_an_unreadable_multi_uses_a_zxid(world: World) -> None:
    client = world.client()
    before = world.zxid
    reply = client.call("multi", b"\0\0")
    assert (reply.error, reply.zxid, reply.body) == (MARSHALLING, before + 1, b"")


@pytest.mark.parametrize(
    ("op", "body"),
    [
        ("exists", wire.path_watch("/a")),
        ("exists", wire.path_watch("/nope")),
        ("getData", wire.path_watch("/a")),
        ("getData", wire.path_watch("/nope")),
        ("getData", b"\0"),
        ("getACL", wire.string("/a")),
        ("getChildren", wire.path_watch("/a")),
        ("sync", wire.string(None)),
        ("multiRead", wire.multi([(4, wire.path_watch("/a"))])),
        ("addWatch", wire.path_version("/a", 0)),
        ("removeWatches", wire.path_version("/a", 3)),
        ("checkWatches", wire.path_version("/a", 9)),
        ("getEphemerals", wire.string(None)),
        ("whoAmI", b""),
        ("ping", b""),
        ("setWatches", b""),
    ],
)
def test_what_uses_no_zxid(world: World, op: str, body: bytes) -> None:
    client = prepared(world)
    before = world.zxid
    assert client.call(op, body).zxid == world.zxid == before


def test_paths_that_only_a_suffix_makes_valid(world: World) -> None:
    client = world.client()
    client.create("/p")
    assert client.create("/p/", flags=2) == "/p/0000000000"
    assert client.create("/p/.", flags=2) == "/p/.0000000001"
    assert client.create("/", flags=2) == "/0000000001"


# -- modes


def test_the_operation_not_the_mode_makes_a_container(world: World) -> None:
    client = world.client()
    for name, op, flags in (("c", "createContainer", 0), ("e", "createContainer", 1)):
        assert client.call(op, wire.create(f"/{name}", flags=flags)).stat.owner == 0
    client.create("/plain", flags=4)
    nodes = world.ensemble.tip.nodes
    assert [bool(nodes[path].reap) for path in ("/c", "/e", "/plain")] == [True, True, False]
    assert client.create("/c/child", flags=1) == "/c/child"


TTLS = {
    "longest": (5, 2**40 - 1, OK),
    "too long": (5, 2**40, BAD_ARGUMENTS),
    "zero": (5, 0, BAD_ARGUMENTS),
    "negative": (6, -1, BAD_ARGUMENTS),
    "sequential": (6, 1, OK),
    "for a plain one": (0, 1, BAD_ARGUMENTS),
    "for a plain one, zero": (0, 0, BAD_ARGUMENTS),
}


@pytest.mark.parametrize(("flags", "ttl", "error"), TTLS.values(), ids=TTLS)
def test_ttls(flags: int, ttl: int, error: int) -> None:
    client = World({"extendedTypesEnabled": True}).client()
    body = wire.create_ttl("/t", b"", wire.OPEN_ACL, flags, ttl)
    assert client.call("createTTL", body).error == error


def test_ttl_modes_need_their_operation() -> None:
    client = World({"extendedTypesEnabled": True}).client()
    for op in ("create", "create2", "createContainer"):
        assert client.call(op, wire.create("/t", flags=5)).error == BAD_ARGUMENTS


def test_delete_container_takes_any_empty_znode_of_anybody(world: World) -> None:
    client = prepared(world)
    for path, error in (
        ("/locked", OK),
        ("/a", NOT_EMPTY),
        ("/e", BAD_VERSION),
        ("/nope", NO_NODE),
        ("/zookeeper", BAD_ARGUMENTS),
        ("x", BAD_ARGUMENTS),
    ):
        assert client.call("deleteContainer", wire.string(path)).error == error, path


# -- multi


def test_a_multi_answers_each_operation_in_its_form(world: World) -> None:
    client = world.client()
    operations = [
        (1, wire.create("/m", b"1")),
        (15, wire.create("/m/a", b"22")),
        (19, wire.create("/m/c")),
        (13, wire.path_version("/m", 0)),
        (5, wire.set_data("/m", b"333", 0)),
        (2, wire.path_version("/m/a", 0)),
    ]
    before = world.zxid
    reply = client.call("multi", wire.multi(operations))
    assert (reply.error, reply.zxid) == (OK, before + 1)
    body = reply.body
    expected_start = wire.multi_header(1, 0, 0) + wire.string("/m")
    expected_start += wire.multi_header(15, 0, 0) + wire.string("/m/a")
    assert body.startswith(expected_start)
    at = len(expected_start) + 68
    container = wire.multi_header(15, 0, 0) + wire.string("/m/c")
    assert body[at : at + len(container)] == container, "a container answers as create2 does"
    at += len(container) + 68
    middle = wire.multi_header(13, 0, 0) + wire.multi_header(5, 0, 0)
    assert body[at : at + len(middle)] == middle
    at += len(middle) + 68
    assert body[at:] == wire.multi_header(2, 0, 0) + wire.MULTI_END
    # The Stat of setData was taken when both children were there; all share zxid and time.
    stat = client.stat("/m")
    assert stat is not None
    assert (stat.children, stat.cversion, stat.mzxid, stat.pzxid) == (1, 3, before + 1, before + 1)


FAILING = {
    "check": ((13, wire.path_version("/a", 5)), BAD_VERSION),
    "missing": ((5, wire.set_data("/nope", b"")), NO_NODE),
    "exists": ((1, wire.create("/new")), NODE_EXISTS),
    "not empty": ((2, wire.path_version("/a")), NOT_EMPTY),
    "bad path": ((1, wire.create("/bad/")), NO_NODE),
    "no slash": ((2, wire.path_version("bad")), BAD_ARGUMENTS),
    "no permission": ((13, wire.path_version("/locked")), NO_AUTH),
    "ephemeral parent": ((1, wire.create("/e2/x")), NO_CHILDREN_FOR_EPHEMERALS),
    "mode of createTTL": (
        (21, wire.create_ttl("/t", b"", wire.OPEN_ACL, 9, -1)),
        BAD_ARGUMENTS,
    ),
}


@pytest.mark.parametrize(("operation", "error"), FAILING.values(), ids=FAILING)
def test_a_failing_multi_changes_nothing(
    world: World, operation: tuple[int, bytes], error: int
) -> None:
    client, other = prepared(world), world.client()
    for path in ("/", "/a", "/new"):
        other.stat(path, watch=1)
    other.children("/", watch=1)
    before, tree = world.zxid, dict(world.ensemble.tip.nodes)
    operations = [
        (1, wire.create("/new")),
        (1, wire.create("/e2", flags=1)),
        (5, wire.set_data("/a", b"changed")),
        (1, wire.create("/s-", flags=2)),
        operation,
        (1, wire.create("/later")),
    ]
    reply = client.call("multi", wire.multi(operations))
    assert (reply.error, reply.zxid, world.zxid) == (OK, before + 1, before + 1)
    expected = 4 * error_body(0) + error_body(error) + error_body(-2) + wire.MULTI_END
    assert reply.body == expected
    assert world.ensemble.tip.nodes == tree
    assert other.take() == []
    assert client.call("getEphemerals", wire.string("/")).strings == ["/e"]


UNREADABLE = {
    "setACL": [(7, wire.set_acl("/a", wire.OPEN_ACL))],
    "unknown": [(999, b"")],
    "reads and writes": [(4, wire.path_watch("/a")), (2, wire.path_version("/a/b"))],
    "only reads": [(4, wire.path_watch("/a"))],
    "null path": [(1, wire.create("/x")), (2, wire.path_version(None))],
    "mode": [(1, wire.create("/x", flags=8))],
    "ttl mode": [(15, wire.create("/x", flags=5))],
}


@pytest.mark.parametrize("operations", UNREADABLE.values(), ids=UNREADABLE)
def test_a_multi_that_makes_no_sense_fails_as_a_whole(
    world: World, operations: list[tuple[int, bytes]]
) -> None:
    client = prepared(world)
    before = world.zxid
    reply = client.call("multi", wire.multi(operations))
    assert (reply.error, reply.body, reply.zxid) == (MARSHALLING, b"", before + 1)


def test_in_a_multi_the_mode_may_make_a_container() -> None:
    client = World({"extendedTypesEnabled": True}).client()
    operations = [
        (1, wire.create("/plain")),
        (1, wire.create("/container", flags=4)),
        (15, wire.create("/container2", flags=4)),
        (21, wire.create_ttl("/ttl", b"", wire.OPEN_ACL, 5, 9)),
        (21, wire.create_ttl("/no-ttl", b"", wire.OPEN_ACL, 0, 9)),
    ]
    body = client.call("multi", wire.multi(operations)).body
    assert error_body(0) not in body
    nodes = client.world.ensemble.tip.nodes
    assert {path: nodes[path].reap for path in nodes if path.count("/") == 1 and path[1:]} == {
        "/plain": 0,
        "/container": -1,
        "/container2": -1,
        "/ttl": 9,
        "/no-ttl": 0,
        "/zookeeper": 0,
    }


@pytest.mark.parametrize(("version", "answered"), [("3.8", "create"), ("3.9", "create2")])
def test_in_a_multi_of_3_8_every_create_is_answered_as_a_create(
    version: str, answered: str
) -> None:
    client = World(version=version).client()
    reply = client.call("multi", wire.multi([(wire.OPS["create2"], wire.create("/a"))]))
    assert reply.error == OK
    assert reply.body.startswith(wire.multi_header(wire.OPS[answered], 0, 0))


def test_an_empty_multi(world: World) -> None:
    client = world.client()
    before = world.zxid
    reply = client.call("multi", wire.multi([]))
    assert (reply.error, reply.body, reply.zxid) == (OK, wire.MULTI_END, before + 1)


def test_the_operations_of_a_multi_see_each_other(world: World) -> None:
    client = prepared(world)
    operations = [
        (1, wire.create("/p")),
        (1, wire.create("/p/c")),
        (5, wire.set_data("/p", b"x", 0)),
        (5, wire.set_data("/p", b"y", 1)),
        (13, wire.path_version("/p", 2)),
        (2, wire.path_version("/p/c")),
        (2, wire.path_version("/p", 2)),
        (1, wire.create("/p")),
        (2, wire.path_version("/a/b")),
        (2, wire.path_version("/a")),
    ]
    body = client.call("multi", wire.multi(operations)).body
    assert error_body(0) not in body
    stat = client.stat("/p")
    assert stat is not None
    assert (stat.version, stat.cversion) == (0, 0)
    assert client.stat("/a") is None


def test_multi_read(world: World) -> None:
    client = prepared(world)
    client.set("/a", b"data")
    reads = [
        (4, wire.path_watch("/a", 1)),
        (8, wire.path_watch("/a", 1)),
        (4, wire.path_watch("/nope")),
        (8, wire.path_watch("/locked")),
    ]
    reply = client.call("multiRead", wire.multi(reads))
    data = client.call("getData", wire.path_watch("/a")).body
    expected = wire.multi_header(4, 0, 0) + data
    expected += wire.multi_header(8, 0, 0) + wire.strings(["b"])
    expected += error_body(NO_NODE) + error_body(NO_AUTH) + wire.MULTI_END
    assert (reply.error, reply.body) == (OK, expected)
    client.set("/a", b"watches were not set")
    assert len(world.replica.watches.data) == len(world.replica.watches.child) == 0


def test_multi_read_with_writes(world: World) -> None:
    client = prepared(world)
    reply = client.call("multiRead", wire.multi([(2, wire.path_version("/a/b"))]))
    assert (reply.error, reply.body) == (MARSHALLING, wire.MULTI_END)
    mixed = [(4, wire.path_watch("/a")), (2, wire.path_version("/a/b"))]
    reply = client.call("multiRead", wire.multi(mixed))
    assert (reply.error, reply.body) == (MARSHALLING, b"")
    assert client.stat("/a/b") is not None
