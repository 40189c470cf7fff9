"""The proxy itself: its connect string, TLS on either side, servers that are not there, its end."""

from __future__ import annotations

import os
import re
import selectors
import socket
import ssl
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss

from pytest_zkdict.live._ports import free_port
from zkfake import FakeZooKeeper
from zkfake._proxy.hosts import parse
from zkfake.proxy import ProxyFaults, ZooKeeperProxy

from ..support import wire
from ..support.faulty import PATIENCE, States, session_of
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def connect(quiet: None) -> Iterator[Callable[..., KazooClient]]:
    made: list[KazooClient] = []

    def connect(hosts: str, **more: Any) -> KazooClient:
        client = KazooClient(hosts, **{"timeout": 10.0, "randomize_hosts": False, **more})
        made.append(client)
        client.start(PATIENCE)
        return client

    yield connect
    for client in made:
        client.stop()
        client.close()


def test_each_server_has_a_port_and_the_chroot_stays(
    connect: Callable[..., KazooClient],
) -> None:
    with FakeZooKeeper(servers=3) as fake, ZooKeeperProxy(f"{fake.hosts}/base") as proxy:
        fake.load({"/base/a": b"1"})
        listed, _, chroot = proxy.hosts.partition("/")
        assert chroot == "base"
        assert len(listed.split(",")) == 3
        for number, address in enumerate(listed.split(","), start=1):
            client = connect(f"{address}/base")
            assert client.get("/a")[0] == b"1"
            assert [each.server_id for each in fake.connections].count(number) == 1
        assert repr(proxy) == f"<ZooKeeperProxy to {fake.hosts}/base, at {proxy.hosts}>"
    assert repr(proxy) == f"<ZooKeeperProxy to {listed_of(proxy)}/base, stopped>"


def listed_of(proxy: ZooKeeperProxy) -> str:
    return ",".join(f"{target.host}:{target.port}" for target in proxy._targets)


def test_a_partition_from_one_server_moves_the_session_to_another(
    connect: Callable[..., KazooClient],
) -> None:
    with FakeZooKeeper(servers=3) as fake, ZooKeeperProxy(fake.hosts) as proxy:
        client = connect(proxy.hosts, timeout=9.0)  # it notices after six, and has three to move
        (before,) = fake.connections
        session, states = session_of(client), States(client)
        with proxy.faults.partition(client, before.server_id):
            states.expect("SUSPENDED", "CONNECTED")
            assert session_of(client) == session
            client.create("/a")
        with pytest.raises(ValueError, match="there is no server 4, only 1 to 3"):
            proxy.faults.partition(client, 4)


def test_tls_on_either_side(connect: Callable[..., KazooClient], tmp_path: Any) -> None:
    authority = trustme.CA()
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))

    def serving() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        return context

    def asking() -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    kazoo: dict[str, Any] = {"use_ssl": True, "ca": str(trusted), "verify_certs": True}
    with FakeZooKeeper(tls=serving()) as fake:
        secure = fake.members[0].secure_hosts
        for hosts, server_tls in ((fake.hosts, None), (secure, asking())):
            for tls, arguments in ((None, {}), (serving(), kazoo)):
                with ZooKeeperProxy(hosts, tls=tls, server_tls=server_tls) as proxy:
                    client = connect(proxy.hosts, **arguments)
                    data = os.urandom(500_000)
                    client.create("/a", data)
                    assert client.get("/a")[0] == data
                    rule = proxy.faults.drop_before_reply(client, operation="delete")
                    with pytest.raises(ConnectionLoss):
                        client.delete("/a")
                    assert rule.hits
                    states = States(client)
                    assert proxy.faults.expire(client)
                    states.wait_for("CONNECTED")
                    client.stop()


def test_a_server_that_is_not_trusted(connect: Callable[..., KazooClient]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with FakeZooKeeper(tls=context) as fake:
        hosts = fake.members[0].secure_hosts
        with ZooKeeperProxy(hosts, server_tls=ssl.create_default_context()) as proxy:
            assert ends(proxy.hosts)
            assert fake.connections == ()


def ends(hosts: str) -> bool:
    """Whether the other end closes without a word."""
    host, _, port = hosts.rpartition(":")
    channel = SocketChannel((host, int(port)), patience=PATIENCE)
    channel.send(wire.frame(wire.connect()))
    return channel.read_frame() == ([], True)


def test_who_has_nothing_to_send_waits_for_nothing_but_data(
    connect: Callable[..., KazooClient],
) -> None:
    """Else the proxy's loop would run for as long as the connection is open."""
    with FakeZooKeeper() as fake, ZooKeeperProxy(fake.hosts) as proxy:
        client = connect(proxy.hosts)
        client.create("/a", bytes(500_000))
        assert len(client.get("/a")[0]) == 500_000
        with proxy._loop.at_work():
            awaited = {key.events for key in proxy._loop.selector.get_map().values()}
        assert awaited == {selectors.EVENT_READ}


def test_a_server_that_resets_its_connections() -> None:
    """The client's connection ends, and the proxy goes on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with ZooKeeperProxy(f"127.0.0.1:{port}") as proxy:
            host, _, own = proxy.hosts.rpartition(":")
            for _ in range(2):
                channel = SocketChannel((host, int(own)), patience=PATIENCE)
                channel.send(wire.frame(wire.connect()))
                server, _ = listener.accept()
                server.recv(1)  # it is connected, and has more to read
                server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                server.close()
                assert channel.read_frame() == ([], True)


def test_a_server_that_is_not_there_yet(connect: Callable[..., KazooClient]) -> None:
    port = free_port()
    with ZooKeeperProxy(f"127.0.0.1:{port}") as proxy:
        assert ends(proxy.hosts)
        with FakeZooKeeper(port=port):
            client = connect(proxy.hosts)
            states = States(client)
            client.create("/a")
        states.wait_for("SUSPENDED")
        assert ends(proxy.hosts)


def test_what_a_client_has_sent_arrives_though_it_goes(
    connect: Callable[..., KazooClient],
) -> None:
    with FakeZooKeeper() as fake, ZooKeeperProxy(fake.hosts) as proxy:
        watcher = connect(fake.hosts)
        there = threading.Event()
        watcher.exists("/a", watch=lambda _event: there.set())
        host, _, port = proxy.hosts.rpartition(":")
        channel = SocketChannel((host, int(port)), patience=PATIENCE)
        request = wire.request(1, wire.OPS["create"], wire.create("/a", b"1" * 100_000))
        channel.send(wire.frame(wire.connect()) + request)
        channel.abandon()
        assert there.wait(PATIENCE)


def test_four_letter_words_pass(quiet: None) -> None:
    settings = {"4lw.commands.whitelist": "*"}
    with FakeZooKeeper(settings=settings) as fake, ZooKeeperProxy(fake.hosts) as proxy:
        host, _, port = proxy.hosts.rpartition(":")
        for word, answer in ((b"isro", b"rw"), (b"ruok", b"imok")):
            with socket.create_connection((host, int(port)), PATIENCE) as channel:
                channel.sendall(word)
                assert channel.makefile("rb").read() == answer


def test_a_session_that_has_not_passed(connect: Callable[..., KazooClient]) -> None:
    with FakeZooKeeper() as fake, ZooKeeperProxy(fake.hosts) as proxy:
        client = connect(fake.hosts)
        with pytest.raises(ValueError, match=r"has not passed through this ZooKeeperProxy"):
            proxy.faults.expire(client)
        assert proxy.faults.outages == ()


def test_no_server_to_expire_a_session_on(connect: Callable[..., KazooClient]) -> None:
    with FakeZooKeeper() as fake, ZooKeeperProxy(fake.hosts) as proxy:
        client = connect(proxy.hosts)
        session = session_of(client)
        fake.stop()
        with pytest.raises(OSError, match=f"no server could close session {session:#x}"):
            proxy.faults.expire(session)


def test_its_end(connect: Callable[..., KazooClient]) -> None:
    with FakeZooKeeper() as fake:
        proxy = ZooKeeperProxy(fake.hosts)
        for misuse in (lambda: proxy.hosts, proxy.faults.partition):
            with pytest.raises(RuntimeError, match="this ZooKeeperProxy is not running"):
                misuse()
        proxy.stop()
        with proxy:
            hosts = proxy.hosts
            with pytest.raises(RuntimeError, match="already running"):
                proxy.start()
            client = connect(hosts)
            states = States(client)
            rule = proxy.faults.drop_before_request(operation="delete")
        assert rule.over
        states.wait_for("SUSPENDED")
        while fake.connections:
            pass  # the fake has yet to see that they ended
        with proxy:
            assert proxy.hosts == hosts
            states.wait_for("CONNECTED")
            client.create("/a")
            proxy.faults.upon(lambda: 1 / 0, operation="delete")
            client.delete("/a")
            with pytest.raises(RuntimeError, match=r"an action of .* failed"):
                proxy.stop()
        assert not proxy.running


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        ("a", [("a", 2181)]),
        ("a:1, b:2", [("a", 1), ("b", 2)]),
        ("[::1]:3/base/", [("::1", 3)]),
        ("[fe80::1]", [("fe80::1", 2181)]),
    ],
)
def test_connect_strings(hosts: str, found: list[tuple[str, int]]) -> None:
    targets, chroot = parse(hosts)
    assert list(targets) == found
    assert chroot == ("/base" if "base" in hosts else "")


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ("", "'' in '' is not host:port"),
        ("a:1,", "'' in 'a:1,' is not host:port"),
        ("::1", r"'::1' .* \[::1\]:2181"),
        ("a:b", "'a:b' .* is not host:port"),
        ("a:0", "'a:0' .* expected 1 to 65535"),
        ("a:1//", None),
        ("a:1/b//c", "the chroot '/b//c' .* is not a valid path"),
    ],
)
def test_what_is_not_a_connect_string(hosts: str, said: str | None) -> None:
    if said is None:
        assert parse(hosts)[1] == ""
        return
    with pytest.raises(ValueError, match=said):
        ZooKeeperProxy(hosts)


def test_misuse() -> None:
    with pytest.raises(TypeError, match="expected a connect string"):
        ZooKeeperProxy(2181)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="port = \\[1, 2\\]"):
        ZooKeeperProxy("a:1", port=[1, 2])
    with pytest.raises(OSError, match=r"cannot find the address of 'no\.such\.invalid'"):
        ZooKeeperProxy("no.such.invalid:1").start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy = ZooKeeperProxy("127.0.0.1:1", port=port)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {port}"):
            proxy.start()
    with proxy:
        assert proxy.hosts == f"127.0.0.1:{port}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_leaves_it_alone(connect: Callable[..., KazooClient]) -> None:
    with FakeZooKeeper() as fake, ZooKeeperProxy(fake.hosts) as proxy:
        client = connect(proxy.hosts)
        child = os.fork()
        if not child:
            try:
                proxy.faults.partition()
            except RuntimeError:
                proxy.stop()
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        client.create("/a")


def test_the_page(quiet: None, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "proxy.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    with FakeZooKeeper() as fake:
        exec(example.replace("127.0.0.1:2181", fake.hosts), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "no reply came"
    assert re.fullmatch(r"b'tea' \['request 2 of session 0x\w+: create /order'\]", second)
    for name in dir(ProxyFaults):
        if not name.startswith("_"):
            assert f"`{name}`" in page or f"`{name}(" in page, name
