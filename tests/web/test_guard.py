"""Who may ask for anything."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from zkfake._web.app import document
from zkfake._web.guard import Guard
from zkfake.web import ControlEndpoint

from .asking import TIMEOUT, Asking

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from zkfake import FakeZooKeeper

READS = ["/servers", "/sessions", "/connections", "/watches", "/tree", "/count", "/search"]


def own(asking: Asking) -> str:
    return f"127.0.0.1:{asking.endpoint.port}"


@pytest.mark.parametrize("path", [*READS, "/openapi.json", "/nothing", "", "/"])
def test_nothing_without_the_token(asking: Asking, path: str) -> None:
    assert asking.ask("GET", f"/api{path}").status != 401
    for header in (None, "", "Bearer", "Bearer x", f"Basic {asking.endpoint.token}", "x" * 10_000):
        answer = asking.ask("GET", f"/api{path}", headers={"Authorization": header})
        assert answer.status == 401
        assert "token" in answer.body["error"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_nothing_is_done_without_the_token(server: FakeZooKeeper, asking: Asking) -> None:
    """Whatever the endpoint can do."""
    server.load({"/a": b"1"})
    before = server.dump()
    asked = [(route, each) for route, methods in document()["paths"].items() for each in methods]
    assert len({method for _, method in asked}) > 2
    for route, method in asked:
        path = re.sub(r"{\w+}", "1", route)
        for token in (None, "Bearer x"):
            headers = {"Authorization": token}
            answer = asking.ask(method.upper(), path, {}, headers=headers, path="/a")
            assert answer.status == 401, (method, route)
    assert server.dump() == before


def test_a_token_in_the_address_is_none(asking: Asking) -> None:
    """It would stand in logs and in the history of a browser."""
    headers = {"Authorization": None}
    assert asking.ask("GET", "/tree", headers=headers, token=asking.endpoint.token).status == 401


def test_the_page_needs_no_token(asking: Asking) -> None:
    answer = asking.ask("GET", "/", headers={"Authorization": None})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", ["/console/%2e%2e/app.py", "/console/../app.py", "/console/x.js"])
def test_no_other_file_is_served(asking: Asking, path: str) -> None:
    assert asking.ask("GET", path).status == 404


def test_a_name_that_was_made_to_resolve_to_this_machine(asking: Asking) -> None:
    """DNS rebinding: the browser takes the page for one of the same origin."""
    port = asking.endpoint.port
    evil = f"evil.example:{port}"
    for host in (evil, "evil.example", "127.0.0.1", f"127.0.0.1:{port + 1}", f"127.1:{port}", ""):
        headers = {"Host": host, "Origin": f"http://{host}"}
        for path in ("/tree", "/"):
            assert asking.ask("GET", path, headers=headers).status == 403
    answer = asking.ask("GET", "/tree", headers={"Host": evil})
    assert answer.status == 403
    assert f"another host than 127.0.0.1:{port}" in answer.body["error"]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
        assert asking.ask("GET", "/tree", headers={"Host": host}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", "file://"])
def test_a_page_of_another_origin(asking: Asking, origin: str) -> None:
    assert asking.ask("GET", "/tree", headers={"Origin": origin}).status == 403
    assert asking.ask("GET", "/tree", headers={"Origin": f"http://{own(asking)}"}).status == 200
    preflight = asking.ask("OPTIONS", "/tree", headers={"Origin": origin, "Authorization": None})
    assert preflight.status == 403
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/api/tree", "/api/nothing", "/nothing"])
def test_what_every_reply_says(asking: Asking, path: str) -> None:
    for headers in ({}, {"Authorization": None}, {"Origin": "null"}):
        said = asking.ask("GET", path, headers=headers).headers
        assert "default-src 'none'; script-src 'self';" in said["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in said["Content-Security-Policy"]
        assert "unsafe" not in said["Content-Security-Policy"]
        assert said["X-Content-Type-Options"] == "nosniff"
        assert said["Cache-Control"] == "no-store"
        assert said["Referrer-Policy"] == "no-referrer"
        assert said["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in said if name.lower().startswith("access-control")]
        assert "Server" not in said


def test_a_body_is_json(asking: Asking) -> None:
    """What a form of a page can send is not."""
    for type_ in (None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"):
        answer = asking.ask("GET", "/tree", b"{}", headers={"Content-Type": type_})
        assert answer.status == 415
    sent = {"Content-Type": "application/json; charset=utf-8"}
    assert asking.ask("GET", "/tree", b"{}", headers=sent).status == 200


def test_a_body_that_is_too_long(asking: Asking) -> None:
    """It is not read, whether or not it says how long it is."""
    headers = f"Host: {own(asking)}\r\nAuthorization: Bearer {asking.endpoint.token}\r\n"
    part = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    for length in ("Content-Length: 16777217", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", asking.endpoint.port), TIMEOUT) as sending:
            sending.sendall(f"GET /api/tree HTTP/1.1\r\n{headers}{length}\r\n\r\n".encode())
            if "chunked" in length:
                for _ in range(16):
                    sending.sendall(part)
                sending.sendall(b"1\r\n")
                sending.sendall(b"x\r\n")
            assert sending.recv(100).startswith(b"HTTP/1.1 413 ")


def test_no_body_without_the_token(asking: Asking) -> None:
    """Nobody fills the memory with what has no use."""
    for length in ("Content-Length: 1", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", asking.endpoint.port), TIMEOUT) as sending:
            sending.sendall(f"POST / HTTP/1.1\r\nHost: {own(asking)}\r\n{length}\r\n\r\n".encode())
            sending.sendall(b"1\r\nx\r\n" if "chunked" in length else b"x")
            assert sending.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize(("path", "status"), [("/api/tree", 401), ("/", 413)])
def test_a_short_body_is_read_before_it_is_refused(path: str, status: int, short: bool) -> None:
    """Else the connection is reset, and the client may not see the answer."""
    done = []
    parts = iter([b"{", b"}"])

    async def receive() -> dict[str, Any]:
        part = next(parts)
        done.append(part)
        return {"type": "http.request", "body": part, "more_body": part != b"}"}

    async def send(message: MutableMapping[str, Any]) -> None:
        done.append(message.get("status"))

    length = b"2" if short else b"99999999"
    scope = {
        "type": "http",
        "path": path,
        "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"127.0.0.1"), (b"content-length", length)],
    }
    asyncio.run(Guard(_nobody, "token", "127.0.0.1")(scope, receive, send))
    assert done == [*([b"{", b"}"] if short else []), status, None]


async def _nobody(*_: object) -> None:
    raise AssertionError("it was let through")


def test_a_client_that_leaves_in_the_middle(asking: Asking) -> None:
    headers = f"Host: {own(asking)}\r\nAuthorization: Bearer {asking.endpoint.token}\r\n"
    with socket.create_connection(("127.0.0.1", asking.endpoint.port), TIMEOUT) as sending:
        sending.sendall(f"GET /api/tree HTTP/1.1\r\n{headers}Content-Length: 9\r\n\r\n{{".encode())
    assert asking.get("/tree")["path"] == "/"


def test_a_token_of_ones_own(server: FakeZooKeeper) -> None:
    with ControlEndpoint(server, token="tea") as endpoint:
        assert endpoint.console == f"http://127.0.0.1:{endpoint.port}/#token=tea"
        assert Asking(endpoint).get("/tree")
    for wrong in ("\n", "", " ", " tea", "tea ", "t\u00e9"):
        with pytest.raises(ValueError, match="expected a text of printable ASCII"):
            ControlEndpoint(server, token=wrong)


def test_a_token_with_any_characters(server: FakeZooKeeper) -> None:
    """The address has them in a form that the console reads as the same."""
    token = bytes(range(33, 127)).decode() + " 100%25"
    with ControlEndpoint(server, token=token) as endpoint:
        assert unquote(endpoint.console.partition("#token=")[2]) == token
        assert " " not in endpoint.console
        assert Asking(endpoint).get("/tree")


def test_every_start_has_another_token(server: FakeZooKeeper) -> None:
    tokens = {ControlEndpoint(server).token for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32
