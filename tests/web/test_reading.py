"""What the endpoint shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.security import make_acl, make_digest_acl

from zkfake import FakeZooKeeper
from zkfake.web import ControlEndpoint

from .asking import Asking

if TYPE_CHECKING:
    from kazoo.client import KazooClient


def session_of(client: KazooClient) -> str:
    assert client.client_id is not None
    return f"{client.client_id[0]:#x}"


def test_servers(server: FakeZooKeeper, asking: Asking, client: KazooClient) -> None:
    client.create("/a")
    client.get("/a", watch=print)
    found = asking.get("/servers")
    assert found["hosts"] == server.hosts
    assert (found["leader"], found["last_zxid"]) == (1, server.last_zxid)
    (one,) = found["servers"]
    assert (one["server"], one["mode"], one["running"]) == (1, "standalone", True)
    assert (one["connections"], one["watches"], one["zxid"]) == (1, 1, server.last_zxid)


def test_servers_of_an_ensemble() -> None:
    with FakeZooKeeper(servers=3) as server, ControlEndpoint(server) as endpoint:
        server.members[0].stop()
        server.members[1].lag = 0.5
        server.members[2].freeze()
        found = Asking(endpoint).get("/servers")
        assert found["hosts"] == server.hosts
        assert found["leader"] in (2, 3)
        shown = found["servers"]
        assert [each["running"] for each in shown] == [False, True, True]
        assert shown[0]["mode"] is None
        assert [each["lag"] for each in shown] == [0, 0.5, 0]
        assert [each["frozen"] for each in shown] == [False, False, True]


def test_sessions_connections_and_watches(asking: Asking, client: KazooClient) -> None:
    client.create("/mine", ephemeral=True)
    client.get_children("/", watch=print)
    client.exists("/nothing", watch=print)
    found = asking.get("/sessions")
    (one,) = found["sessions"]
    assert found["total"] == 1
    assert (one["session"], one["ephemerals"]) == (session_of(client), ["/mine"])
    assert (one["watches"], one["server"], one["timeout"]) == (2, 1, 10_000)
    (connection,) = asking.get("/connections")["connections"]
    assert (connection["session"], connection["address"]) == (session_of(client), one["address"])
    assert connection["ids"] == ["ip:127.0.0.1"]
    watches = asking.get("/watches")["watches"]
    assert {(each["path"], each["table"], each["mode"]) for each in watches} == {
        ("/", "child", "standard"),
        ("/nothing", "data", "standard"),
    }
    assert asking.get("/watches", path="/nothing")["total"] == 1
    assert client.client_id is not None
    for text in (session_of(client), str(client.client_id[0])):
        assert asking.get("/watches", session=text)["total"] == 2
    assert asking.get("/watches", session="0x1")["total"] == 0
    assert asking.get("/watches", offset=1, limit=5)["watches"] == watches[1:]
    assert asking.get("/sessions", limit=0) == {"total": 1, "sessions": []}
    asking.refused("GET", "/watches", session="bob")
    asking.refused("GET", "/watches", session="0x" + "f" * 17)


def test_a_znode(server: FakeZooKeeper, asking: Asking, client: KazooClient) -> None:
    acl = [make_acl("world", "anyone", read=True), make_digest_acl("bob", "secret", all=True)]
    client.create("/a", "tea ☕".encode(), acl=acl)
    found = asking.get("/tree", path="/a")
    stat = client.get("/a")[1]
    assert found["data"] == {"text": "tea ☕"}
    assert found["acl"][0] == "world:anyone:r"
    assert found["acl"][1].startswith("digest:bob:")
    assert found["acl"][1].endswith(":cdrwa")
    assert (found["container"], found["ttl"], found["children"]) == (False, None, [])
    named = dict(found["stat"])
    assert named.pop("ephemeral_owner") is None
    assert named == {
        "czxid": stat.czxid,
        "mzxid": stat.mzxid,
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "data_length": stat.dataLength,
        "num_children": stat.numChildren,
        "pzxid": stat.pzxid,
    }
    client.create("/mine", b"\xff\x00", ephemeral=True)
    found = asking.get("/tree", path="/mine")
    assert found["data"] == {"base64": "/wA="}
    assert found["stat"]["ephemeral_owner"] == session_of(client)
    server.load({"/null": None})
    assert asking.get("/tree", path="/null")["data"] is None


def test_pages_of_children(server: FakeZooKeeper, asking: Asking) -> None:
    names = [f"{number * 7919 % 1000:03}" for number in range(1000)]
    server.load({f"/many/{name}": b"" for name in names})
    found: list[str] = []
    after = ""
    pages = 0
    while after is not None:
        page = asking.get("/tree", path="/many", after=after, limit=300)
        found += [each["name"] for each in page["children"]]
        after = page["next"]
        pages += 1
    assert found == sorted(names)
    assert pages == 4
    nothing = asking.get("/tree", path="/many", limit=0)
    assert (nothing["children"], nothing["next"]) == ([], None)


def test_what_is_not_there(asking: Asking) -> None:
    for path in ("/nothing", "/zookeeper/", "//"):
        for route in ("/tree", "/count"):
            answer = asking.refused("GET", route, path=path)
            assert answer.status == 404
            assert answer.body == {"error": f"There is no znode {path}."}
    assert asking.refused("GET", "/search", below="/nothing").status == 404
    for query in ({"path": "x"}, {"path": ""}, {"limit": -1}, {"limit": "many"}, {"at": "now"}):
        assert asking.refused("GET", "/tree", **query).status == 422
    assert asking.refused("GET", "/tree", path="/" + "x" * 5000).status == 422
    assert asking.refused("GET", "/nothing").body == {"error": "There is nothing at /api/nothing."}
    assert asking.refused("POST", "/servers").headers["Allow"] == "GET"
    answer = asking.refused("PATCH", "/tree")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, POST, PUT")


def test_counting_and_searching(server: FakeZooKeeper, asking: Asking) -> None:
    server.load(
        {
            "/shop": b"",
            "/shop/tea": b"Green Tea",
            "/shop/tea/price": b"3",
            "/shopping": b"tea",
            "/TEAPOT": b"",
        }
    )
    counted = asking.get("/count", path="/shop")
    assert (counted["znodes"], counted["data_length"], counted["ephemerals"]) == (3, 10, 0)
    assert asking.get("/count")["znodes"] == len(server.znodes)

    def paths(**query: object) -> list[str]:
        return [each["path"] for each in asking.get("/search", **query)["found"]]

    assert paths(path="tea") == ["/TEAPOT", "/shop/tea", "/shop/tea/price"]
    assert paths(data="TEA") == ["/shop/tea", "/shopping"]
    assert paths(path="shop/", data="tea") == ["/shop/tea"]
    assert paths(below="/shop") == ["/shop/tea", "/shop/tea/price"]
    assert paths(below="/shop", limit=1) == ["/shop/tea"]
    first = asking.get("/search", below="/shop", limit=1)
    assert first["next"] == "/shop/tea"
    assert paths(below="/shop", after=first["next"]) == ["/shop/tea/price"]
    assert asking.get("/search", below="/shop", after=first["next"])["next"] is None


@given(data=st.binary(max_size=20))
def test_data_of_all_kinds(data: bytes) -> None:
    from base64 import b64decode

    from zkfake._web.values import Base64Data, TextData, shown_data

    shown = shown_data(data)
    if isinstance(shown, TextData):
        assert shown.text.encode() == data
    else:
        assert isinstance(shown, Base64Data)
        assert b64decode(shown.base64) == data
        with pytest.raises(UnicodeDecodeError):
            data.decode()


def test_reading_disturbs_nobody(
    server: FakeZooKeeper, asking: Asking, client: KazooClient
) -> None:
    """It needs no session, sets no watch, and takes no zxid."""
    client.create("/a", b"1")

    def state() -> tuple[object, ...]:
        # A client pings when it wants to.
        connections = [replace(each, received=0, sent=0) for each in server.connections]
        return server.sessions, server.watches, connections, server.last_zxid

    before = state()
    for path in ("/servers", "/sessions", "/connections", "/watches", "/tree", "/count", "/search"):
        asking.get(path)
    assert state() == before
