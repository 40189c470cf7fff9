"""The TLS port: kazoo through it, identities from certificates, and whoever speaks no TLS."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_acl

from zkfake import FakeZooKeeper

from ..differential import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness import World


@dataclass(frozen=True)
class Certificates:
    """An authority, a server that it vouches for, two clients, one of them with a strange name."""

    authority: trustme.CA
    directory: Path

    def context(self) -> ssl.SSLContext:
        """Of a server that asks for a certificate and does without."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        self.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client(self, name: str | None = None, **subject: Any) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if name is not None:
            issued = self.authority.issue_cert("bob@example.com", common_name=name, **subject)
            issued.configure_cert(context)
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(trustme.CA(), tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificates: Certificates) -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper(tls=certificates.context()) as running:
        yield running


def secure_address(server: FakeZooKeeper) -> tuple[str, int]:
    port = server.members[0].secure_port
    assert port is not None
    return "127.0.0.1", port


class Secured:
    """A raw client on the TLS port."""

    def __init__(self, server: FakeZooKeeper, context: ssl.SSLContext) -> None:
        plain = socket.create_connection(secure_address(server), timeout=30)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.buffer = bytearray()
        try:
            self.send(wire.frame(wire.connect()))
            self.frame()
        except BaseException:
            self.close()
            raise

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def frame(self) -> bytes:
        frames = wire.Frames()
        while not frames.take(self.buffer):
            data = self.socket.recv(1 << 16)
            assert data, "the connection was closed"
            self.buffer += data
        return frames.list[0]

    def call(self, op: str, body: bytes = b"") -> bytes:
        """The body of a reply without an error."""
        self.send(wire.request(1, wire.OPS[op], body))
        payload = self.frame()
        assert payload[12:16] == bytes(4)
        return payload[16:]

    def close(self) -> None:
        self.socket.close()


def test_kazoo_through_tls(server: FakeZooKeeper, certificates: Certificates) -> None:
    authority, own = certificates.directory / "ca.pem", certificates.directory / "bob.pem"
    certificates.authority.cert_pem.write_to_path(str(authority))
    issued = certificates.authority.issue_cert("bob@example.com", common_name="bob")
    issued.private_key_and_cert_chain_pem.write_to_path(str(own))
    client = KazooClient(
        server.members[0].secure_hosts,
        use_ssl=True,
        ca=str(authority),
        certfile=str(own),
        keyfile=str(own),
    )
    plain = KazooClient(server.hosts)
    client.start(30)
    plain.start(30)
    mine = [make_acl("auth", "", all=True)]
    client.create("/mine", b"x" * 300_000, acl=mine)
    assert client.get("/mine")[0] == b"x" * 300_000
    (entry,) = client.get_acls("/mine")[0]
    assert (entry.id.scheme, entry.id.id.split(",")[0]) == ("x509", "CN=bob")
    with pytest.raises(NoAuthError):
        plain.get("/mine")
    for one in (client, plain):
        one.stop()
        one.close()


# As a 3.9.5 server with this certificate answers.
SUBJECTS = [
    ("bob", {}, "CN=bob,"),
    (
        'Bob, the "B" + <one>',
        {"organization_name": "Örg", "organization_unit_name": " unit#"},
        'CN=Bob\\, the \\"B\\" \\+ \\<one\\>,OU=\\ unit\\#,O=Örg',
    ),
]


@pytest.mark.parametrize(("name", "subject", "expected"), SUBJECTS)
def test_a_certificate_is_an_identity(
    server: FakeZooKeeper,
    certificates: Certificates,
    name: str,
    subject: dict[str, str],
    expected: str,
) -> None:
    client = Secured(server, certificates.client(name, **subject))
    (connection,) = server.connections
    by_scheme = dict(connection.ids)
    assert set(by_scheme) == {"ip", "x509"}
    assert by_scheme["x509"].startswith(expected)
    assert wire.string("x509") + wire.string(by_scheme["x509"]) in client.call("whoAmI")
    client.call("create", wire.create("/mine", b"", [(31, "auth", "")]))
    assert wire.string(by_scheme["x509"]) in client.call("getACL", wire.string("/mine"))
    client.close()


def test_without_a_certificate(server: FakeZooKeeper, certificates: Certificates) -> None:
    client = Secured(server, certificates.client())
    assert client.call("whoAmI").startswith(wire.i32(1) + wire.string("ip"))
    # The scheme is there for whoever has one.
    client.call("create", wire.create("/theirs", b"", [(31, "x509", "CN=bob")]))
    client.close()


def test_a_server_without_tls_knows_no_x509(world: World) -> None:
    reply = world.client().call("create", wire.create("/a", b"", [(31, "x509", "CN=bob")]))
    assert reply.error == -114
    with FakeZooKeeper() as server:
        assert server.members[0].secure_port is None
        with pytest.raises(ValueError, match="no TLS port; give FakeZooKeeper a tls= context"):
            _ = server.members[0].secure_hosts


@pytest.mark.parametrize(
    "data",
    [wire.frame(wire.connect()), b"ruok", b"GET / HTTP/1.1\r\n\r\n", bytes(5000), b"\x16\x03\x01"],
)
def test_whoever_speaks_no_tls(
    server: FakeZooKeeper, certificates: Certificates, data: bytes
) -> None:
    innocent = Secured(server, certificates.client())
    stranger = socket.create_connection(secure_address(server), timeout=30)
    stranger.sendall(data)
    stranger.shutdown(socket.SHUT_WR)
    while answer := stranger.recv(4096):
        assert answer[0] == 21, "at most a TLS alert"
    stranger.close()
    assert innocent.call("exists", wire.path_watch("/"))
    innocent.close()


def test_a_certificate_that_nobody_vouches_for(
    server: FakeZooKeeper, certificates: Certificates
) -> None:
    context = certificates.client()
    trustme.CA().issue_cert("eve@example.com").configure_cert(context)
    plain = socket.create_connection(secure_address(server), timeout=30)
    # With TLS 1.3 a client learns of it only when it reads.
    with pytest.raises(OSError), context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:  # noqa: PT011, PT012
        secured.sendall(wire.frame(wire.connect()))
        if not secured.recv(100):
            raise ConnectionError
    assert server.connections == ()


def test_the_end_of_a_connection_is_said(server: FakeZooKeeper, certificates: Certificates) -> None:
    client = Secured(server, certificates.client())
    client.send(wire.request(1, wire.OPS["closeSession"]))
    assert len(client.frame()) == 16
    # Once both sides have said goodbye this gives the plain socket; without, it raises.
    client.socket.unwrap().close()


def test_stopping_in_the_middle_of_a_handshake(certificates: Certificates) -> None:
    server = FakeZooKeeper(tls=certificates.context()).start()
    waiting = socket.create_connection(secure_address(server), timeout=30)
    server.dump()
    server.stop()
    with suppress(ConnectionResetError):  # where it was still waiting to be accepted
        assert waiting.recv(100) == b""
    waiting.close()


def test_big_replies_and_pipelining(server: FakeZooKeeper, certificates: Certificates) -> None:
    client = Secured(server, certificates.client())
    client.call("create", wire.create("/big", b"x" * 900_000))
    client.send(b"".join(wire.request(n, 4, wire.path_watch("/big")) for n in range(20)))
    for _ in range(20):
        assert len(client.frame()) > 900_000
    client.close()
