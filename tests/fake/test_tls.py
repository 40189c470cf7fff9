"""The TLS port: kazoo through it, identities from certificates, and whoever speaks no TLS."""

from __future__ import annotations

import queue
import socket
import ssl
import struct
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_acl

from pytest_zkdict.live import LiveZooKeeper
from pytest_zkdict.live._ports import free_port
from zkfake import FakeZooKeeper

from ..support import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kazoo.protocol.states import WatchedEvent

    from ..support.core import World

PATIENCE = 30.0


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

    def files(self) -> tuple[str, str]:
        """The authority's certificate, and the key and the certificate of another party: as kazoo
        and Java read them.
        """
        authority, own = self.directory / "ca.pem", self.directory / "own.pem"
        self.authority.cert_pem.write_to_path(str(authority))
        issued = self.authority.issue_cert("127.0.0.1", "localhost", common_name="bob")
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        own.write_bytes(text + b"".join(part.bytes() for part in issued.cert_chain_pems))
        return str(authority), str(own)


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

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        plain = socket.create_connection(address, timeout=30)
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
    authority, own = certificates.files()
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


@pytest.fixture(scope="module")
def secure_server(
    zk_backend: str, certificates: Certificates, request: pytest.FixtureRequest
) -> Iterator[tuple[str, int]]:
    """The address of the TLS port of a fake or a live server."""
    with secure(zk_backend, certificates, request) as address:
        yield address


@contextmanager
def secure(
    backend: str,
    certificates: Certificates,
    request: pytest.FixtureRequest,
    super_user: str | None = None,
) -> Iterator[tuple[str, int]]:
    """The address of the TLS port of a new server, whose ``super_user`` may do everything."""
    mighty: dict[str, object] = {}
    if super_user is not None:
        mighty["X509AuthenticationProvider.superUser"] = super_user
    if backend == "fake":
        with FakeZooKeeper(tls=certificates.context(), settings=mighty) as fake:
            yield secure_address(fake)
        return
    authority, own = certificates.files()
    port = free_port()
    settings = {
        **mighty,
        "secureClientPort": port,
        "secureClientPortAddress": "127.0.0.1",
        "ssl.keyStore.location": own,
        "ssl.trustStore.location": authority,
        "ssl.clientAuth": "want",
    }
    netty = "org.apache.zookeeper.server.NettyServerCnxnFactory"
    properties = {"zookeeper.serverCnxnFactory": netty}
    home = request.getfixturevalue("live_home")
    with LiveZooKeeper(home, settings=settings, properties=properties):
        # The plain port, which the launcher asks, is open first.
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "the TLS port does not open"
        yield "127.0.0.1", port


def test_who_may_do_everything_by_certificate(
    zk_backend: str, certificates: Certificates, request: pytest.FixtureRequest
) -> None:
    authority, own = certificates.files()
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(own)
    with FakeZooKeeper(tls=certificates.context()) as plain:
        somebody = Secured(secure_address(plain), context)
        (subject,) = (id_.id for id_ in plain.connections[0].ids if id_.scheme == "x509")
        somebody.close()
    with secure(zk_backend, certificates, request, subject) as address:
        mighty, bob = Secured(address, context), Secured(address, certificates.client("bob"))
        bobs = [(31, "auth", "")]
        bob.call("create", wire.create("/bobs", acl=bobs))
        bob.call("create", wire.create("/digest", acl=[(31, "digest", "a:b")]))
        assert mighty.call("getData", wire.path_watch("/bobs"))
        assert mighty.call("getData", wire.path_watch("/digest"))
        who = mighty.call("whoAmI")
        assert who[:4] == wire.i32(3)
        assert wire.string("super") + wire.string("") in who
        assert wire.string("x509") + wire.string(subject) in who
        # Nothing is new in a certificate that was shown already.
        assert mighty.call("auth", wire.auth("x509", b"")) == b""
        mighty.close()
        bob.close()


@pytest.fixture
def secure_client(
    secure_server: tuple[str, int], certificates: Certificates
) -> Iterator[KazooClient]:
    authority, own = certificates.files()
    client = KazooClient(
        "{}:{}".format(*secure_server),
        timeout=60,  # no ping hides a reply that kazoo does not see
        use_ssl=True,
        ca=authority,
        certfile=own,
        keyfile=own,
    )
    client.start(PATIENCE)
    client.ensure_path("/tls")
    yield client
    client.delete("/tls", recursive=True)
    client.stop()
    client.close()


def test_the_reply_to_a_write_that_fires_ones_own_watch(secure_client: KazooClient) -> None:
    events: queue.Queue[WatchedEvent] = queue.Queue()
    for number in range(5):
        secure_client.get("/tls", watch=events.put)
        secure_client.get_children("/tls", watch=events.put)
        secure_client.set_async("/tls", b"%d" % number).get(timeout=PATIENCE / 3)
        secure_client.create_async(f"/tls/{number}").get(timeout=PATIENCE / 3)
    found = [events.get(timeout=PATIENCE).type for _ in range(10)]
    assert found == ["CHANGED", "CHILD"] * 5


def test_the_events_of_a_multi(secure_client: KazooClient) -> None:
    seen = secure_client.handler.event_object()
    left = set("abc")

    def watch(event: WatchedEvent) -> None:
        left.discard(event.path[-1])
        if not left:
            seen.set()

    transaction = secure_client.transaction()
    for name in "abc":
        secure_client.exists(f"/tls/{name}", watch=watch)
        transaction.create(f"/tls/{name}")
    transaction.commit_async().get(timeout=PATIENCE / 3)
    assert seen.wait(PATIENCE / 3)


class Records:
    """A raw TLS client that reads record by record."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                self._incoming.write(self._record())
        self.send(wire.frame(wire.connect()))
        self.next()

    def _record(self) -> bytes:
        header = self._read(5)
        return header + self._read(struct.unpack(">H", header[3:])[0])

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the connection was closed"
            data += part
        return data

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self.socket.sendall(self._outgoing.read())

    def next(self) -> bytes:
        """What the next record with data says."""
        while True:
            self._incoming.write(self._record())
            with suppress(ssl.SSLWantReadError):
                return self._tls.read(1 << 16)


def test_a_packet_is_a_record(secure_server: tuple[str, int], certificates: Certificates) -> None:
    client = Records(secure_server, certificates.client())
    client.send(
        b"".join(wire.request(n, wire.OPS["exists"], wire.path_watch("/", 1)) for n in range(5))
        + wire.request(5, wire.OPS["create"], wire.create("/tls-records"))
        + wire.request(6, wire.OPS["delete"], wire.path_version("/tls-records"))
        + wire.request(7, wire.OPS["getData"], wire.path_watch("/"))
    )
    xids = []
    for _ in range(8):
        record = client.next()
        length, xid = struct.unpack_from(">ii", record)
        assert length == len(record) - 4, "one packet, and the whole of it"
        xids.append(xid)
    assert xids == list(range(8))
    client.socket.close()


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
    client = Secured(secure_address(server), certificates.client(name, **subject))
    (connection,) = server.connections
    by_scheme = dict(connection.ids)
    assert set(by_scheme) == {"ip", "x509"}
    assert by_scheme["x509"].startswith(expected)
    assert wire.string("x509") + wire.string(by_scheme["x509"]) in client.call("whoAmI")
    client.call("create", wire.create("/mine", b"", [(31, "auth", "")]))
    assert wire.string(by_scheme["x509"]) in client.call("getACL", wire.string("/mine"))
    client.close()


def test_without_a_certificate(server: FakeZooKeeper, certificates: Certificates) -> None:
    client = Secured(secure_address(server), certificates.client())
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
    innocent = Secured(secure_address(server), certificates.client())
    stranger = socket.create_connection(secure_address(server), timeout=30)
    stranger.sendall(data)
    stranger.shutdown(socket.SHUT_WR)
    while answer := stranger.recv(4096):
        assert answer[0] == 21, "at most a TLS alert"
    stranger.close()
    assert innocent.call("exists", wire.path_watch("/"))
    innocent.close()


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01", bytes(5000)])
def test_whoever_resets_the_connection(
    server: FakeZooKeeper, certificates: Certificates, data: bytes
) -> None:
    innocent = Secured(secure_address(server), certificates.client())
    with server._loop.at_work():  # all of it is there before the server accepts
        for _ in range(5):
            scanner = socket.create_connection(secure_address(server), timeout=30)
            scanner.sendall(data)
            # A reset instead of a goodbye.
            scanner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            scanner.close()
    assert innocent.call("exists", wire.path_watch("/"))
    innocent.close()  # leaving the with block tells of failures


def test_a_goodbye_with_requests_before_it(
    server: FakeZooKeeper, certificates: Certificates
) -> None:
    client = Secured(secure_address(server), certificates.client())
    client.send(wire.request(1, wire.OPS["create"], wire.create("/last-words")))
    client.socket.settimeout(30)
    assert len(client.frame()) > 16
    client.socket.unwrap().close()  # returns once the server has said goodbye, too
    assert "/last-words" in server.dump()


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
    client = Secured(secure_address(server), certificates.client())
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
    client = Secured(secure_address(server), certificates.client())
    client.call("create", wire.create("/big", b"x" * 900_000))
    client.send(b"".join(wire.request(n, 4, wire.path_watch("/big")) for n in range(20)))
    for _ in range(20):
        assert len(client.frame()) > 900_000
    client.close()
