"""The ports of a fake: which it gets, who else may have them, and who comes back to them."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from zkfake import FakeZooKeeper

from ..support import wire
from ..support.wire import SocketChannel
from .test_server import KazooClientOn, address_of


def test_a_port_that_is_taken() -> None:
    with FakeZooKeeper() as first:
        port = first.members[0].port
        second = FakeZooKeeper(port=port)
        for _ in range(2):
            with pytest.raises(
                OSError, match=f"cannot listen on 127.0.0.1, port {port}: "
            ) as caught:
                second.start()
            assert caught.value.errno == errno.EADDRINUSE
        second.stop()
    with second:
        assert second.members[0].port == port


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"port": 70_000},
            "cannot listen on 127.0.0.1, port 70000: expected a port from 0 to 65535",
        ),
        ({"port": -1}, "cannot listen on 127.0.0.1, port -1: expected a port from 0 to 65535"),
        ({"host": "192.0.2.1"}, "cannot listen on 192.0.2.1, port 0: "),
        ({"host": "no such host"}, "cannot listen on no such host, port 0: "),
    ],
)
def test_addresses_that_cannot_be_had(arguments: dict[str, object], said: str) -> None:
    server = FakeZooKeeper(**arguments)  # type: ignore[arg-type]
    with pytest.raises(OSError, match=said):
        server.start()
    server.stop()


def test_ports_of_an_ensemble() -> None:
    with FakeZooKeeper(servers=3) as server:
        ports = [member.port for member in server.members]
        assert server.hosts == ",".join(f"127.0.0.1:{port}" for port in ports)
        assert len(set(ports)) == 3
    with server:
        assert [member.port for member in server.members] == ports


def test_the_ports_of_all_members_can_be_chosen() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # nobody shakes hands
    with FakeZooKeeper(servers=2, observers=1, tls=tls) as free:
        ports = [member.port for member in free.members]
        secure = [member.secure_port or 0 for member in free.members]
    chosen = FakeZooKeeper(
        servers=2, observers=1, tls=tls, port=ports[::-1], secure_port=secure[::-1]
    )
    for _ in range(2):
        with chosen:
            assert [member.port for member in chosen.members] == ports[::-1]
            assert [member.secure_port for member in chosen.members] == secure[::-1]
    with FakeZooKeeper(tls=tls, secure_port=secure[0]) as one:
        assert one.members[0].secure_port == secure[0]
        second = FakeZooKeeper(tls=tls, secure_port=secure[0])
        with pytest.raises(OSError, match=f"port {secure[0]}: "):
            second.start()


def test_ports_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"port = \[1, 2\]: expected one port, or 3, one for each"):
        FakeZooKeeper(servers=3, port=[1, 2])
    with pytest.raises(ValueError, match="port = '2181': expected an integer, or a list"):
        FakeZooKeeper(servers=4, port="2181")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"port = \['2181'\]: expected an integer"):
        FakeZooKeeper(port=["2181"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="secure_port = 2281: TLS needs tls="):
        FakeZooKeeper(secure_port=2281)
    with pytest.raises(TypeError, match=r"^tls='x': expected an ssl\.SSLContext$"):
        FakeZooKeeper(tls="x")  # type: ignore[arg-type]


def test_a_member_that_stops_refuses_and_comes_back() -> None:
    with FakeZooKeeper(servers=3) as server:
        member = server.members[0]
        channel = SocketChannel(address_of(member.hosts), patience=30)
        channel.send(wire.frame(wire.connect()))
        assert channel.read_frame()[0]
        for _ in range(2):
            member.stop()
        assert not member.running
        assert channel.read(1) == ([], True)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address_of(member.hosts), timeout=30)
        for _ in range(2):
            member.start()
        with KazooClientOn(server) as client:
            client.create("/a")
        assert server.dump() == {"/a": b""}


def test_a_member_of_a_server_that_has_stopped() -> None:
    with FakeZooKeeper(servers=2) as server:
        members = server.members
        members[0].stop()
    for member in members:
        assert not member.running
        member.stop()
        with pytest.raises(RuntimeError, match=r"is stopped; start\(\) the FakeZooKeeper"):
            member.start()
    with server:
        assert all(member.running for member in server.members)


@pytest.fixture
def ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")


@pytest.mark.usefixtures("ipv6")
def test_ipv6() -> None:
    with FakeZooKeeper(host="::1") as server:
        assert server.hosts == f"[::1]:{server.members[0].port}"
        with KazooClientOn(server) as client:
            client.create("/a", b"1")
            assert client.get("/a")[0] == b"1"
            (connection,) = server.connections
            assert connection.ids[0] == ("ip", "0:0:0:0:0:0:0:1")
