"""The endpoint begins and ends, and leaves nothing behind."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from zkfake.web import ControlEndpoint

from .asking import TIMEOUT, Asking

if TYPE_CHECKING:
    from zkfake import FakeZooKeeper


def test_it_ends_with_its_block(server: FakeZooKeeper) -> None:
    before = set(threading.enumerate())
    with ControlEndpoint(server) as endpoint:
        assert Asking(endpoint).get("/servers")["hosts"] == server.hosts
        assert endpoint.url == f"http://127.0.0.1:{endpoint.port}/api"
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", endpoint.port), TIMEOUT)
    endpoint.stop()


def test_it_ends_whatever_clients_do(server: FakeZooKeeper) -> None:
    """Silent, in the middle of a request, and with a reply that nobody reads."""
    with ControlEndpoint(server) as endpoint:
        server.load({"/big": bytes(1 << 20)})
        address = ("127.0.0.1", endpoint.port)
        silent, half, body, deaf = (socket.create_connection(address, TIMEOUT) for _ in range(4))
        headers = f"Host: 127.0.0.1:{endpoint.port}\r\nAuthorization: Bearer {endpoint.token}\r\n"
        half.sendall(b"GET /api/tree HTTP/1.1\r\n")
        body.sendall(f"GET /api/tree HTTP/1.1\r\n{headers}Content-Length: 9\r\n\r\n".encode())
        ask = f"GET /api/tree?path=/big HTTP/1.1\r\n{headers}\r\n".encode()
        deaf.sendall(ask * 20)
        deaf.recv(100)
    for each in (silent, half, body, deaf):
        each.close()


def test_a_port_that_somebody_has(server: FakeZooKeeper) -> None:
    with ControlEndpoint(server) as endpoint:
        other = ControlEndpoint(server, port=endpoint.port)
        with pytest.raises(OSError, match="cannot listen on"):
            other.start()
        other.stop()


def test_two_endpoints(server: FakeZooKeeper) -> None:
    with ControlEndpoint(server) as one, ControlEndpoint(server) as other:
        assert one.token != other.token
        assert Asking(one).get("/servers") == Asking(other).get("/servers")


def test_ipv6(server: FakeZooKeeper) -> None:
    try:
        endpoint = ControlEndpoint(server, host="::1").start()
    except OSError:
        return  # this machine has none
    try:
        assert endpoint.url == f"http://[::1]:{endpoint.port}/api"
        with socket.create_connection(("::1", endpoint.port), TIMEOUT) as asking:
            head = f"Host: [::1]:{endpoint.port}\r\nConnection: close\r\n"
            asking.sendall(f"GET / HTTP/1.1\r\n{head}\r\n".encode())
            assert asking.recv(100).startswith(b"HTTP/1.1 200 ")
    finally:
        endpoint.stop()


def test_a_fake_that_does_not_run(server: FakeZooKeeper) -> None:
    with ControlEndpoint(server) as endpoint:
        asking = Asking(endpoint)
        server.stop()
        answer = asking.refused("GET", "/servers")
        assert answer.status == 409
        assert "not running" in answer.body["error"]
        assert asking.get("/tree")["zxid"] == 0
        server.start()
        assert asking.get("/servers")["hosts"] == server.hosts
