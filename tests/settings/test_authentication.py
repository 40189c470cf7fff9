"""Who may do what, as settings have it: users who may do everything, schemes that are required,
providers of one's own.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_zkdict.live import LiveStartError, LiveZooKeeper
from zkfake import AuthProvider, FakeZooKeeper
from zkfake._auth.x500 import is_distinguished_name

from ..support import wire
from ..support.client import Client
from ..support.replies import AUTH_FAILED, INVALID_ACL, MARSHALLING, NO_AUTH, NO_NODE, OK

if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[[dict[str, object]], Callable[[], Client]]

REQUIRED = -124
ALL = 31
CLASSES = "org.apache.zookeeper.server.auth."
USERS = {"bob": "secret", "eve": "evil", "super": "mighty"}


def closed(acl: str, scheme: str = "sasl") -> list[wire.Acl]:
    return [(ALL, scheme, acl)]


# -- ids of ACLs


def test_ids_of_sasl_and_x509_entries(serve: Serve) -> None:
    client = serve(
        {"sasl.users": USERS, "authProvider.x509": CLASSES + "X509AuthenticationProvider"}
    )()
    for scheme, ids in {
        "sasl": {
            "bob": NO_NODE,
            "": NO_NODE,
            "a/b/c": NO_NODE,
            "u@R": NO_NODE,
            "u/h@R": NO_NODE,
            "/@": NO_NODE,
            "u@R1@R2": INVALID_ACL,
            "a/b/c@R": INVALID_ACL,
            "u@R/h": INVALID_ACL,
            None: MARSHALLING,
        },
        "x509": {
            "CN=bob": NO_NODE,
            "": NO_NODE,
            "cn = bob , O = a+OU=b;C=": NO_NODE,
            "1.2.840=x,OID.2.5.4.3=y": NO_NODE,
            'CN="a,b"': NO_NODE,
            "CN=a\\,b\\41": NO_NODE,
            "CN=#040141": NO_NODE,
            "CN=#04810141": NO_NODE,  # a length that is longer than it needs to be
            "CN=#24800401410000": NO_NODE,  # none
            "01.2=x": NO_NODE,
            "bob": INVALID_ACL,
            "CN=bob,": INVALID_ACL,
            "XX=1": INVALID_ACL,
            "3.2=x": INVALID_ACL,
            'CN="a': INVALID_ACL,
            "CN=a<b": INVALID_ACL,
            "CN=#0402": INVALID_ACL,
            "CN=#04800401410000": INVALID_ACL,
            "CN=#1f0141": INVALID_ACL,
            None: MARSHALLING,
        },
    }.items():
        for id_, error in ids.items():
            reply = client.call("setACL", wire.set_acl("/nope", [(ALL, scheme, id_)]))
            assert reply.error == error, (scheme, id_)


_TYPES = ["CN", "o", " OU ", "oid.2.5.4.3", "1.2.840", "3.1", "2.999", "1.40", "01.2", "XX", ""]
_VALUES = ["a", " ", "\\", "\\\\", "\\,", "\\41", "\\4", '"', '\\"', "=", "\n", "<", "#0401", "41"]
_names = st.lists(st.sampled_from([*_TYPES, *_VALUES, "=", ",", ";", "+"]), max_size=8).map("".join)
_attributes = st.tuples(
    st.sampled_from(_TYPES), st.lists(st.sampled_from(_VALUES), max_size=4).map("".join)
).map("=".join)
_lists = st.lists(st.tuples(_attributes, st.sampled_from([",", ";", "+"])), max_size=3).map(
    lambda pairs: "".join(part for pair in pairs for part in pair).rstrip(",")
)

_encoded = st.lists(
    st.sampled_from(
        ["04", "24", "80", "00", "0000", "01", "0141", "81", "82", "83", "85", "ff", "4"]
    )
).map(lambda pieces: "CN=#" + "".join(pieces))


@pytest.mark.zk_backend("live")
def test_which_texts_are_distinguished_names(serve: Serve) -> None:
    """The fake reads what means something to Java, in whatever order, as Java does."""
    client = serve({"authProvider.x509": CLASSES + "X509AuthenticationProvider"})()

    @settings(max_examples=300)
    @given(_lists | _names | _encoded)
    @example("CN=#048180" + "00" * 128)
    @example("CN=#04817F" + "00" * 127)
    @example("CN=#048400000001" + "41")
    @example("CN=#24800401410000")
    @example("CN=#0484ffffffff41")
    @example('CN="a,b"+O=a\\,C="b')
    @example("CN=a\\\\,O=b")
    def compare(text: str) -> None:
        error = client.call("setACL", wire.set_acl("/nope", [(ALL, "x509", text)])).error
        assert error == (NO_NODE if is_distinguished_name(text) else INVALID_ACL)

    compare()


# -- users who may do everything


def test_a_sasl_user_super_is_meant_by_every_sasl_entry(serve: Serve) -> None:
    connect = serve({"sasl.users": USERS})
    bob, eve, mighty, nobody = connect(), connect(), connect(), connect()
    assert bob.login("bob", "secret").error == OK
    assert eve.login("eve", "evil").error == OK
    assert mighty.login("super", "mighty").error == OK
    assert bob.create("/bob", closed("bob")).error == OK
    assert nobody.create("/digest", closed(wire.digest("a:b"), "digest")).error == OK
    assert [client.read("/bob") for client in (bob, eve, mighty, nobody)] == [
        *(OK, NO_AUTH, OK, NO_AUTH)
    ]
    assert mighty.read("/digest") == NO_AUTH
    entries = wire.acls(closed("super"))
    assert mighty.create("/mine", [(ALL, "auth", "")]).error == OK
    assert mighty.call("getACL", wire.string("/mine")).body.startswith(entries)


def test_sasl_users_who_may_do_everything(serve: Serve) -> None:
    connect = serve({"sasl.users": USERS, "superUser": "bob", "superUser.1": "eve"})
    plain, bob, eve = connect(), connect(), connect()
    assert plain.create("/digest", closed(wire.digest("a:b"), "digest")).error == OK
    assert plain.create("/sasl", closed("joe")).error == OK
    assert plain.read("/sasl") == NO_AUTH
    for client, user in ((bob, "bob"), (eve, "eve")):
        assert client.login(user, USERS[user]).error == OK
        assert client.read("/digest") == client.read("/sasl") == OK
    who = bob.call("whoAmI").body
    assert who[:4] == wire.i32(3)
    assert wire.string("super") + wire.string("") in who


def test_an_id_that_lets_any_sasl_user_in(serve: Serve) -> None:
    connect = serve({"sasl.users": USERS, "letAnySaslUserDoX": "anyone"})
    bob, nobody = connect(), connect()
    assert bob.login("bob", "secret").error == OK
    assert bob.create("/all", closed("anyone")).error == OK
    assert bob.create("/eve", closed("eve")).error == OK
    assert bob.read("/all") == OK
    assert nobody.read("/all") == bob.read("/eve") == NO_AUTH


# -- passwords


@pytest.mark.parametrize(("name", "function"), [("SHA-256", "sha256"), ("SHA3-512", "sha3_512")])
def test_what_hashes_the_passwords(serve: Serve, name: str, function: str) -> None:
    def digest(credentials: bytes) -> str:
        hashed = hashlib.new(function, credentials).digest()
        return f"{credentials.split(b':')[0].decode()}:{base64.b64encode(hashed).decode()}"

    connect = serve(
        {
            "DigestAuthenticationProvider.digestAlg": name,
            "DigestAuthenticationProvider.superDigest": digest(b"super:mighty"),
        }
    )
    bob, mighty, eve = connect(), connect(), connect()
    assert bob.auth("digest", b"bob:secret").error == OK
    assert eve.auth("digest", b"bob:secre").error == OK
    assert mighty.auth("digest", b"super:mighty").error == OK
    assert bob.create("/auth", [(ALL, "auth", "")]).error == OK
    entries = wire.acls(closed(digest(b"bob:secret"), "digest"))
    assert bob.call("getACL", wire.string("/auth")).body.startswith(entries)
    assert [client.read("/auth") for client in (bob, mighty, eve)] == [OK, OK, NO_AUTH]


def test_without_the_scheme_digest(serve: Serve) -> None:
    connect = serve({"DigestAuthenticationProvider.enabled": "false"})
    client = connect()
    assert client.create("/a", closed(wire.digest("a:b"), "digest")).error == INVALID_ACL
    assert client.create("/a", closed("127.0.0.1", "ip")).error == OK
    refused = client.auth("digest", b"a:b")
    assert (refused.zxid, refused.error) == (0, AUTH_FAILED)
    assert client.end() == []


# -- who must authenticate


def test_a_scheme_that_is_required(serve: Serve) -> None:
    connect = serve(
        {
            "enforce.auth.enabled": "true",
            "enforce.auth.schemes": "digest, sasl",
            "sasl.users": USERS,
        }
    )
    for op in ("exists", "create", "ping", "closeSession", "notification", "check"):
        stranger = connect()
        body = wire.path_watch("/") if op == "exists" else wire.create("/a")
        reply = stranger.call(op, body)
        assert (reply.zxid, reply.error, reply.body) == (0, REQUIRED, b""), op
        assert stranger.end() == []
    by_ip = connect()
    assert by_ip.auth("ip", b"").error == OK
    assert by_ip.call("ping").error == REQUIRED
    by_digest, by_sasl = connect(), connect()
    assert by_digest.auth("digest", b"a:b").error == OK
    assert by_sasl.login("bob", "secret").error == OK
    assert by_digest.read("/") == by_sasl.read("/") == OK
    # The requests of a stranger before it authenticates are not carried out.
    assert by_digest.read("/a") == NO_NODE
    wrong = connect().login("bob", "guess")
    assert (wrong.zxid, wrong.error, wrong.data) == (0, REQUIRED, None)


def test_sasl_is_required(serve: Serve) -> None:
    connect = serve(
        {
            "sessionRequireClientSASLAuth": "true",
            "sasl.users": USERS,
            "allowSaslFailedClients": "true",
        }
    )
    assert connect().call("ping").error == REQUIRED
    by_digest = connect()
    assert by_digest.auth("digest", b"a:b").error == OK
    assert by_digest.call("ping").error == REQUIRED
    failed = connect()
    wrong = failed.login("bob", "guess")
    assert (wrong.zxid, wrong.error, wrong.data) == (0, REQUIRED, None)
    assert failed.end() == []
    bob = connect()
    assert bob.login("bob", "secret").error == OK
    assert bob.read("/") == OK


def test_failed_sasl_clients_may_stay(serve: Serve) -> None:
    client = serve({"allowSaslFailedClients": "true", "sasl.users": USERS})()
    wrong = client.login("bob", "guess")
    assert (wrong.zxid, wrong.error, wrong.data) == (0, OK, None)
    assert client.read("/") == OK
    assert client.call("whoAmI").body[:4] == wire.i32(1)


@pytest.mark.parametrize(
    "settings",
    [
        {"enforce.auth.enabled": "true"},
        {"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest,sasl"},
    ],
    ids=["no scheme", "a scheme without a provider"],
)
def test_a_server_does_not_start_that_nobody_could_use(
    zk_backend: str, request: pytest.FixtureRequest, settings: dict[str, object]
) -> None:
    def make() -> FakeZooKeeper | LiveZooKeeper:
        if zk_backend == "fake":
            return FakeZooKeeper(settings=settings)
        return LiveZooKeeper(request.getfixturevalue("live_home"), settings=settings)

    reasons = r"enforce\.auth|Authentication scheme"
    with pytest.raises((ValueError, LiveStartError), match=reasons), make():
        pass


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"enforce.auth.enabled": True}, "needs enforce.auth.schemes"),
        (
            {"sessionRequireClientSASLAuth": True},
            "sessionRequireClientSASLAuth: there is no provider for the scheme 'sasl'",
        ),
        ({"authProvider.1": "com.example.Mine"}, "authProvider.1 = .*: expected a zkfake.AuthPr"),
    ],
)
def test_what_cannot_be_required(settings: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        FakeZooKeeper(settings=settings)


# -- the scheme ensemble


def test_a_client_of_another_ensemble_is_sent_away(serve: Serve) -> None:
    connect = serve(
        {
            "authProvider.1": CLASSES + "EnsembleAuthenticationProvider",
            "ensembleAuthName": " foo,bar, baz ",
        }
    )
    for name in (b"foo", b"bar", b"baz", b"", None):
        client = connect()
        assert client.auth("ensemble", name).error == OK, name
        assert client.read("/") == OK
        assert client.call("whoAmI").body[:4] == wire.i32(1)
        assert client.create("/a", closed("foo", "ensemble")).error == INVALID_ACL
    stranger = connect()
    stranger.send("auth", wire.auth("ensemble", b"goo"))
    assert stranger.end() == []


def test_an_ensemble_without_a_name(serve: Serve) -> None:
    connect = serve({"authProvider.1": CLASSES + "EnsembleAuthenticationProvider"})
    assert connect().auth("ensemble", b"foo").error == OK


# -- a provider of one's own


def test_a_provider_of_ones_own() -> None:
    def check(auth: bytes | None, address: str) -> list[str] | None:
        assert address == "127.0.0.1"
        name, _, secret = (auth or b"").decode().partition("/")
        return [name, f"{name}s"] if secret == "open" else None

    provider = AuthProvider("token", check, matches=str.startswith, is_valid=str.isalpha)
    with FakeZooKeeper(settings={"authProvider.1": provider}) as server:
        port = server.members[0].port
        bob, eve, wrong, broken = (Client(port) for _ in range(4))
        assert bob.auth("token", b"bob/open").error == OK
        assert eve.auth("token", b"eve/open").error == OK
        assert bob.create("/a", closed("bo", "token")).error == OK
        assert bob.create("/b", closed("1", "token")).error == INVALID_ACL
        assert bob.create("/b", closed(None, "token")).error == MARSHALLING  # type: ignore[arg-type]
        assert bob.create("/b", [(ALL, "auth", "")]).error == OK
        entries = wire.acls([*closed("bobs", "token"), *closed("bob", "token")])
        assert sorted(bob.call("getACL", wire.string("/b")).body[:-68]) == sorted(entries)
        assert (bob.read("/a"), eve.read("/a")) == (OK, NO_AUTH)
        assert wrong.auth("token", b"bob/guess").error == AUTH_FAILED
        assert wrong.end() == []
        assert broken.auth("token", b"\xff").error == AUTH_FAILED
        for client in (bob, eve, wrong, broken):
            client.close()


def test_a_provider_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> bool:
        raise RuntimeError("out of order")

    text = AuthProvider("text", lambda auth, address: "bob")
    number = AuthProvider("number", lambda auth, address: [7])  # type: ignore[list-item]
    broken = AuthProvider("broken", lambda auth, address: ["bob"], matches=fail)
    wrong = AuthProvider("wrong", lambda auth, address: ["bob"], is_valid=fail)
    made = {f"authProvider.{p.scheme}": p for p in (text, number, broken, wrong)}
    with FakeZooKeeper(settings=made) as server:
        clients = [Client(server.members[0].port) for _ in range(3)]
        for client, scheme in zip(clients, ("text", "number"), strict=False):
            assert client.auth(scheme, b"").error == AUTH_FAILED
        last = clients[-1]
        assert last.auth("broken", b"").error == last.auth("wrong", b"").error == OK
        assert last.create("/a", closed("bob", "broken")).error == OK
        assert last.read("/a") == NO_AUTH
        assert last.create("/b", closed("bob", "wrong")).error == MARSHALLING
        for client in clients:
            client.close()
    assert "authenticate returned 'bob', expected a list of texts" in caplog.text
    assert caplog.text.count("RuntimeError: out of order") == 2


@pytest.mark.parametrize("scheme", ["", "auth", "super", "world"])
def test_schemes_with_a_meaning_of_their_own(scheme: str) -> None:
    with pytest.raises(ValueError, match=f"scheme = '{scheme}': expected a scheme other than"):
        AuthProvider(scheme, lambda auth, address: [])


def test_a_provider_in_the_place_of_the_servers_own() -> None:
    provider = AuthProvider("digest", lambda auth, address: ["everybody"])
    with FakeZooKeeper(settings={"authProvider.digest": provider}) as server:
        client = Client(server.members[0].port)
        assert client.auth("digest", b"a:b").error == OK
        assert client.create("/a", closed("everybody", "digest")).error == OK
        assert client.read("/a") == OK
        client.close()
