"""Changing the tree."""

from __future__ import annotations

import re
from contextlib import nullcontext
from queue import Queue
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.client import KazooClient
from pydantic import TypeAdapter, ValidationError

from zkfake import FakeZooKeeper
from zkfake._database.paths import is_valid
from zkfake._web.values import WritablePath
from zkfake.web import ControlEndpoint

from .asking import TIMEOUT, Asking

if TYPE_CHECKING:
    from kazoo.protocol.states import WatchedEvent


def test_a_znode_from_its_birth_to_its_end(
    server: FakeZooKeeper, asking: Asking, client: KazooClient
) -> None:
    events: Queue[WatchedEvent] = Queue()
    client.exists("/a", watch=events.put)
    made = asking.done("POST", "/tree", {"path": "/a", "data": "1"})
    assert made == {"zxid": server.last_zxid, "path": "/a", "version": 0}
    assert client.get("/a")[0] == b"1"
    assert events.get(timeout=TIMEOUT).type == "CREATED"
    for data, expected in (
        ({"text": "ü"}, "ü".encode()),
        ({"base64": "/wA="}, b"\xff\x00"),
        ({"json": {"b": [1, 2]}}, b'{"b":[1,2]}'),
        (None, None),
    ):
        before = asking.get("/tree", path="/a")["stat"]["version"]
        done = asking.done("PUT", "/tree", {"path": "/a", "data": data, "version": before})
        assert done["version"] == before + 1
        assert client.get("/a")[0] == expected
    assert asking.get("/tree", path="/a")["data"] is None
    assert asking.done("DELETE", "/tree", path="/a", version=4)["znodes"] == 1
    assert client.exists("/a") is None


@pytest.mark.parametrize("value", [b"NaN", b"[-Infinity]", b"1e999"])
def test_no_json_that_only_python_reads(
    server: FakeZooKeeper, asking: Asking, value: bytes
) -> None:
    answer = asking.refused("POST", "/tree", b'{"path": "/a", "data": {"json": ' + value + b"}}")
    assert answer.status == 422
    assert answer.body == {"error": "JSON has neither NaN nor infinite numbers."}
    assert server.dump() == {}


def test_what_kinds_can_be_made() -> None:
    settings = {"extendedTypesEnabled": True}
    with FakeZooKeeper(settings=settings) as server, ControlEndpoint(server) as endpoint:
        asking = Asking(endpoint)
        asking.done("POST", "/tree", {"path": "/a/b/c", "parents": True})
        assert server.dump() == {"/a": b"", "/a/b": b"", "/a/b/c": None}
        for number in range(2):
            made = asking.done("POST", "/tree", {"path": "/a/n-", "sequential": True})
            assert made["path"] == f"/a/n-{number + 1:010}"
        asking.done("POST", "/tree", {"path": "/box", "container": True})
        assert asking.get("/tree", path="/box")["container"]
        asking.done("POST", "/tree", {"path": "/short", "ttl": 60_000})
        assert asking.get("/tree", path="/short")["ttl"] == 60_000
        acl = ["world:anyone:r", "digest:bob:hash:cdrwa"]
        asking.done("POST", "/tree", {"path": "/closed", "acl": acl})
        assert asking.get("/tree", path="/closed")["acl"] == acl


def test_what_cannot_be(server: FakeZooKeeper, asking: Asking, client: KazooClient) -> None:
    client.create("/mine", ephemeral=True)
    server.load({"/a/b": b""})
    zxid = server.last_zxid
    for status, method, body, sentence in (
        (409, "POST", {"path": "/a"}, "There is a znode /a already."),
        (404, "POST", {"path": "/x/y/z"}, 'no znode /x/y for it; give "parents": true.'),
        (409, "POST", {"path": "/mine/b"}, "The parent of /mine/b is ephemeral"),
        (422, "POST", {"path": "/a/../b"}, "The body's path"),
        (422, "POST", {"path": "/a/"}, "The body's path"),
        (422, "POST", {"path": "/c", "acl": ["x"]}, "The body's acl"),
        (422, "POST", {"path": "/c", "acl": []}, "The body's acl"),
        (409, "POST", {"path": "/c", "acl": ["world:anyone:rr"]}, "expected letters"),
        (409, "POST", {"path": "/c", "acl": ["tea:bob:r"]}, "no scheme of these servers takes"),
        (422, "POST", {"path": "/c", "data": {"base64": "?"}}, "The body's data"),
        (422, "POST", {"path": "/c", "data": 5}, "The body's data"),
        (409, "POST", {"path": "/c", "data": "x" * 1_048_576}, "jute.maxbuffer"),
        (409, "POST", {"path": "/c", "container": True, "ttl": 5}, "A container has no time"),
        (409, "POST", {"path": "/c", "ttl": 5}, "extendedTypesEnabled"),
        (422, "POST", {"path": "/c", "ephemeral": True}, "ephemeral"),
        (422, "POST", [], "The body is not what it has to be"),
        (422, "POST", b"{", "The body is not JSON."),
        (422, "POST", b'"\xff"', "The body is not JSON."),
        (404, "PUT", {"path": "/x", "data": ""}, "There is no znode /x."),
        (409, "PUT", {"path": "/a", "data": "", "version": 3}, "/a has another version"),
        (422, "PUT", {"path": "/a"}, "data"),
        (409, "POST", {"source": "/a", "target": "/mine"}, "There is a znode /mine already."),
        (404, "POST", {"source": "/x", "target": "/y"}, "There is no znode /x."),
        (409, "POST", {"source": "/a", "target": "/a/b/c"}, "or below it"),
        (409, "POST", {"source": "/", "target": "/a/b/c"}, "or below it"),
        (409, "POST", {"source": "/mine", "target": "/y"}, "is ephemeral"),
        (404, "POST", {"source": "/a", "target": "/y/z"}, "There is no znode /y"),
    ):
        route = "/copy" if isinstance(body, dict) and "source" in body else "/tree"
        answer = asking.refused(method, route, body)
        assert (answer.status, sentence in answer.body["error"]) == (status, True), answer.body
    for status, query, sentence in (
        (404, {"path": "/x"}, "There is no znode /x."),
        (409, {"path": "/a"}, "/a has children; znodes=N deletes them, too."),
        (409, {"path": "/a/b", "version": 7}, "another version"),
        (409, {"path": "/a", "znodes": 3}, "2 znodes, not 3"),
        (409, {"path": "/a", "znodes": 2, "version": 7}, "/a has another version"),
        (404, {"path": "/x", "znodes": 2}, "There is no znode /x."),
        (409, {"path": "/zookeeper", "znodes": 3}, "does not let anybody"),
        (409, {"path": "/"}, "does not let anybody"),
    ):
        answer = asking.refused("DELETE", "/tree", **query)
        assert (answer.status, sentence in answer.body["error"]) == (status, True), answer.body
    assert server.dump() == {"/mine": b"", "/a": b"", "/a/b": b""}
    assert server.last_zxid > zxid  # a refusal of the leader's takes a zxid, as any other


def test_all_that_is_there(server: FakeZooKeeper, asking: Asking, client: KazooClient) -> None:
    """One transaction: counted before, and of no effect if it has changed since."""
    server.load({f"/a/b/{number}": b"x" for number in range(50)})
    client.create("/a/mine", ephemeral=True)
    counted = asking.get("/count", path="/a")["znodes"]
    assert counted == 53
    server.load({"/a/one more": b""})
    assert asking.refused("DELETE", "/tree", path="/a", znodes=counted)
    before = server.last_zxid
    asking.done("DELETE", "/tree", path="/a", znodes=counted + 1)
    assert (server.dump(), server.last_zxid) == ({}, before + 1)


def test_a_copy(server: FakeZooKeeper, asking: Asking, client: KazooClient) -> None:
    server.load({"/a": b"top", "/a/b": b"1", "/a/b/c": None})
    client.create("/a/b/mine", ephemeral=True)
    asking.done("POST", "/tree", {"path": "/a/d", "acl": ["world:anyone:r"]})
    before = server.last_zxid
    done = asking.done("POST", "/copy", {"source": "/a", "target": "/copy"})
    assert done == {"zxid": before + 1, "znodes": 4, "skipped": 1}
    assert server.dump("/copy") == {
        "/copy": b"top",
        "/copy/b": b"1",
        "/copy/b/c": None,
        "/copy/d": None,
    }
    assert asking.get("/tree", path="/copy/d")["acl"] == ["world:anyone:r"]


@pytest.mark.parametrize("path", ["/servers", "/sessions", "/watches", "/count", "/search"])
def test_what_only_reads(asking: Asking, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert asking.refused(method, path).status == 405


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tree", {"path": "/b"}),
        ("PUT", "/tree", {"path": "/a", "data": "2"}),
        ("DELETE", "/tree?path=/a", None),
        ("POST", "/copy", {"source": "/a", "target": "/b"}),
        ("POST", "/faults", {"fault": "drop"}),
        ("POST", "/faults", {"fault": "stop_server"}),
        ("DELETE", "/faults", None),
    ],
)
def test_nothing_changes_without_the_token_or_from_elsewhere(
    server: FakeZooKeeper,
    asking: Asking,
    client: KazooClient,
    method: str,
    path: str,
    body: object,
) -> None:
    """Of another origin, under a name that was made to resolve to this machine, as a form sends."""
    server.load({"/a": b"1"})
    outage = server.faults.freeze(1)
    port = asking.endpoint.port
    before = (server.dump(), server.connections[0].session_id, server.members[0].running)
    for status, headers in (
        (401, {"Authorization": None}),
        (401, {"Authorization": "Bearer wrong"}),
        (403, {"Origin": "https://evil.example"}),
        (403, {"Origin": "null"}),
        (403, {"Host": f"evil.example:{port}"}),
        (403, {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}),
        (415, {"Content-Type": "text/plain"}),
        (415, {"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        if status != 415 or body is not None:
            assert asking.ask(method, path, body, headers=headers).status == status
    now = (server.dump(), server.connections[0].session_id, server.members[0].running)
    assert (now, outage.over) == (before, False)
    own = {"Origin": f"http://127.0.0.1:{port}", "Host": f"127.0.0.1:{port}"}
    assert asking.ask(method, path, body, headers=own).status in (200, 201)


def test_without_a_quorum() -> None:
    with FakeZooKeeper(servers=3) as server, ControlEndpoint(server) as endpoint:
        asking = Asking(endpoint)
        with server.faults.lose_quorum():
            answer = asking.refused("POST", "/tree", {"path": "/a"})
            assert answer.body == {"error": "No server leads at present."}
        client = KazooClient(server.hosts)
        client.start(TIMEOUT)  # another one leads
        client.stop()
        client.close()
        assert asking.done("POST", "/tree", {"path": "/a"})


def test_a_slow_disk_keeps_the_answer_waiting() -> None:
    """An answer says that it is committed."""
    with (
        FakeZooKeeper() as server,
        ControlEndpoint(server) as endpoint,
        server.faults.slow_disk(1, (0.1, 0.1)),
    ):
        done = Asking(endpoint).done("POST", "/tree", {"path": "/a"})
        assert server.last_zxid == done["zxid"]


@given(
    path=st.text(st.sampled_from("/a.\x00\x7f\xa0\ud7ff\ue000\uf900\uffef\ufff0\U00010000"))
    | st.text()
)
def test_which_paths_can_be_written(path: str) -> None:
    """The document allows what ZooKeeper allows, and else only some rare characters."""
    allowed = TypeAdapter(WritablePath)
    for text in (path, "/" + path):
        common = is_valid(re.sub("[\ue000-\U0010ffff]", "x", text))
        with nullcontext() if common else pytest.raises(ValidationError):
            allowed.validate_python(text)


def test_rare_characters(server: FakeZooKeeper, asking: Asking) -> None:
    for path in ("/\ue000", "/\ufff0", "/\U0001f375"):
        assert not is_valid(path)
        for body in ({"path": path}, {"path": path + "/b", "parents": True}):
            assert asking.refused("POST", "/tree", body).status == 409
        assert asking.refused("POST", "/copy", {"source": "/", "target": path}).status == 409
    assert server.dump() == {}
