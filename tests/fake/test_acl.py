"""Access control: what may be stored, who may do what, what is shown to whom."""

import base64
import hashlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._auth.providers import SUPER, Ip, digest_of
from zkfake._database.acl import ADMIN, ALL, READ, WRITE, AccessControl, mask
from zkfake._protocol.records import Acl, Code, Id, ZooKeeperError
from zkfake._settings import Settings

from ..support import wire
from ..support.core import World
from ..support.replies import AUTH_FAILED, INVALID_ACL, MARSHALLING, NO_AUTH, OK, error_body

BOB = digest_of("bob:secret")
ACCESS = AccessControl(Settings())
SECURED = AccessControl(Settings.parse({"sasl.users": {}}, tls=True))
"""Of a server with SASL and TLS."""
LOCAL = (Id("ip", "127.0.0.1"),)


def refused(access: AccessControl, *entries: Acl, ids: tuple[Id, ...] = LOCAL) -> Code:
    with pytest.raises(ZooKeeperError) as caught:
        access.fix(list(entries), ids)
    return caught.value.code


@given(st.text(st.characters(codec="utf-8", exclude_characters=":")), st.text("ab:"))
def test_digests(user: str, password: str) -> None:
    hashed = hashlib.sha1(f"{user}:{password}".encode()).digest()
    assert digest_of(f"{user}:{password}") == f"{user}:{base64.b64encode(hashed).decode()}"


def test_credentials_without_a_colon() -> None:
    assert digest_of("super:secret") == wire.digest("super:secret")
    without_password = base64.b64encode(hashlib.sha1(b"nobody").digest()).decode()
    assert digest_of("nobody") == f"nobody:{without_password}"


VALID = [
    ("world", "anyone"),
    ("digest", "a:b"),
    ("digest", ":p"),
    ("digest", "a:b:"),
    ("ip", "10.0.0.1"),
    ("ip", "10.0.0.1/0"),
    ("ip", "10.0.0.1/32"),
    ("ip", "::1"),
    ("ip", "fe80::/128"),
]
INVALID = [
    ("world", "everyone"),
    ("world", ""),
    ("digest", "u:"),
    ("digest", "u"),
    ("digest", "a:b:c"),
    ("digest", ""),
    ("ip", "10.0.0"),
    ("ip", "10.0.0.256"),
    ("ip", "10.0.0.1/33"),
    ("ip", "10.0.0.1/"),
    ("ip", "10.0.0.1/x"),
    ("ip", "10.0.0.1/-1"),
    ("ip", "::1/129"),
    ("ip", "localhost"),
    ("super", ""),
    ("sasl", "bob"),
    ("x509", "CN=bob"),
    ("nonsense", "x"),
    ("", "x"),
    (None, "x"),
    (None, None),
]


@pytest.mark.parametrize(("scheme", "id_"), VALID)
def test_what_can_be_stored(scheme: str, id_: str) -> None:
    assert ACCESS.fix([Acl(READ, scheme, id_)], LOCAL) == (Acl(READ, scheme, id_),)


@pytest.mark.parametrize(("scheme", "id_"), INVALID)
def test_what_cannot_be_stored(scheme: str | None, id_: str | None) -> None:
    assert refused(ACCESS, Acl(READ, scheme, id_)) is Code.INVALID_ACL


@pytest.mark.parametrize("scheme", ["world", "digest", "ip"])
def test_the_server_trips_over_a_null_id(scheme: str) -> None:
    assert refused(ACCESS, Acl(READ, scheme, None)) is Code.MARSHALLING_ERROR


def test_schemes_that_the_server_is_set_up_for() -> None:
    for entry in (Acl(1, "sasl", "bob"), Acl(1, "x509", "CN=bob")):
        assert SECURED.fix([entry], ()) == (entry,)
    assert refused(SECURED, Acl(1, "x509", "bob")) is Code.INVALID_ACL
    before = AccessControl(Settings.parse({}, "3.8"))
    assert refused(before, Acl(1, "ip", "::1")) is Code.INVALID_ACL


def test_an_empty_list_is_invalid() -> None:
    assert refused(ACCESS) is Code.INVALID_ACL
    with pytest.raises(ZooKeeperError):
        ACCESS.fix(None, LOCAL)


def test_duplicates_go_before_auth_is_put_in_words() -> None:
    ids = (*LOCAL, Id("digest", "a:1"), SUPER, Id("x509", "CN=a"), Id("sasl", "a"))
    auth, own = Acl(READ, "auth", "whatever"), Acl(READ, "digest", "a:1")
    assert SECURED.fix([own, auth, auth, own], ids) == (
        own,
        own,
        Acl(READ, "x509", "CN=a"),
        Acl(READ, "sasl", "a"),
    )


def test_auth_needs_an_authenticated_identity() -> None:
    assert refused(ACCESS, Acl(ALL, "auth", ""), ids=(*LOCAL, SUPER)) is Code.INVALID_ACL


@given(st.integers(-(2**31), 2**31 - 1))
def test_permission_bits_are_stored_as_they_come(perms: int) -> None:
    assert ACCESS.fix([Acl(perms, "world", "anyone")], ()) == (Acl(perms, "world", "anyone"),)


IDS = st.sampled_from(
    [Id("ip", "127.0.0.1"), Id("digest", "a:1"), Id("digest", "b:2"), Id("x509", "CN=a")]
)
ENTRIES = st.builds(
    Acl,
    st.integers(0, 31),
    st.sampled_from(["world", "ip", "digest", "x509"]),
    st.sampled_from(["anyone", "127.0.0.1", "a:1", "b:2", "CN=a"]),
)


@given(st.lists(ENTRIES, max_size=4), st.sampled_from([1, 2, 4, 8, 16, 17]), st.lists(IDS))
def test_who_may_do_what(entries: list[Acl], permission: int, ids: list[Id]) -> None:
    granted = not entries or any(
        entry.perms & permission
        and (entry[1:] == ("world", "anyone") or any(tuple(id_) == entry[1:] for id_ in ids))
        for entry in entries
    )
    acls = tuple(entries)
    assert SECURED.allows(acls, permission, tuple(ids)) == granted
    assert ACCESS.allows(acls, permission, (*ids, SUPER))
    assert AccessControl(Settings.parse({"skipACL": True})).allows(acls, permission, tuple(ids))
    if granted:
        SECURED.check(acls, permission, tuple(ids))
    else:
        with pytest.raises(ZooKeeperError, match="NO_AUTH"):
            SECURED.check(acls, permission, tuple(ids))


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_networks(mine: object, theirs: object, bits: int) -> None:
    for other in (mine, theirs):
        network = f"{other}/{bits}"
        try:
            inside = ipaddress.ip_address(str(mine)) in ipaddress.ip_network(network, strict=False)
        except ValueError:
            continue
        acl = (Acl(READ, "ip", network),)
        assert ACCESS.allows(acl, READ, (Id("ip", str(mine)),)) == inside


def test_a_masked_list_hides_the_hashes_alone() -> None:
    acl = (Acl(1, "digest", "bob:h:h"), Acl(2, "digest", "eve"), Acl(4, "x509", "CN=a:b"))
    assert mask(acl) == (Acl(1, "digest", "bob:x"), Acl(2, "digest", "eve"), acl[2])


# -- over the wire


def test_whoami_and_the_identities_of_a_connection(world: World) -> None:
    client = world.client()
    assert client.call("auth", wire.auth("digest", b"bob:secret"), xid=-4).error == OK
    assert client.call("auth", wire.auth("digest", b"bob:secret"), xid=-4).error == OK
    assert client.call("auth", wire.auth("ip", b""), xid=-4).error == OK
    who = client.call("whoAmI").body
    # In the order of the server's hash table.
    expected = wire.i32(2) + b"".join(map(wire.string, ("digest", "bob", "ip", "127.0.0.1")))
    assert who == expected
    again = world.client(session=client.session, password=client.password)
    assert again.call("whoAmI").body[:4] == wire.i32(1)


@pytest.mark.parametrize(
    ("scheme", "credential"),
    [("world", b"anyone"), ("super", b""), ("nonsense", b""), (None, b""), ("digest", None)],
)
def test_refused_authentication_ends_the_connection(
    world: World, scheme: str | None, credential: bytes | None
) -> None:
    client = world.client()
    reply = client.call("auth", wire.auth(scheme, credential), xid=-4)
    assert (reply.xid, reply.zxid, reply.error) == (-4, 0, AUTH_FAILED)
    assert client.closed


def test_authentication_that_is_accepted(world: World) -> None:
    reply = world.client().call("auth", wire.auth("digest", b"user:password"), xid=-4)
    assert (reply.xid, reply.zxid, reply.error, reply.body) == (-4, 0, OK, b"")


def test_unreadable_authentication_ends_the_connection_without_a_word(world: World) -> None:
    client = world.client()
    assert client.ask("auth", b"\0") == []
    assert client.closed


def test_the_super_user() -> None:
    world = World({"superDigest": digest_of("super:secret")})
    plain, mighty = world.client(), world.client()
    mighty.call("auth", wire.auth("digest", b"super:secret"))
    plain.call("auth", wire.auth("digest", b"bob:secret"))
    acl = [(ALL, "digest", BOB)]
    plain.create("/a", b"x", acl=acl)
    assert mighty.get("/a") == plain.get("/a") == b"x"
    assert world.client().call("getData", wire.path_watch("/a")).error == NO_AUTH
    assert mighty.call("getACL", wire.string("/a")).body.startswith(wire.acls(acl))


def test_getacl_masks_for_those_who_are_no_admins(world: World) -> None:
    client = world.client()
    acl = [(READ, "world", "anyone"), (ADMIN, "digest", BOB)]
    client.create("/a", acl=acl)
    masked = wire.acls([acl[0], (ADMIN, "digest", "bob:x")])
    reply = client.call("getACL", wire.string("/a"))
    assert reply.body == masked + reply.body[-68:]
    client.call("auth", wire.auth("digest", b"bob:secret"))
    assert client.call("getACL", wire.string("/a")).body.startswith(wire.acls(acl))


@pytest.mark.parametrize(
    ("acl", "error"),
    [
        ([], INVALID_ACL),
        (None, INVALID_ACL),
        ([(1, "auth", "")], INVALID_ACL),
        ([(1, "world", None)], MARSHALLING),
    ],
)
def test_bad_lists_on_create_and_setacl(
    world: World, acl: list[wire.Acl] | None, error: int
) -> None:
    client = world.client()
    client.create("/a")
    for op, body in (
        ("create", wire.create("/b", acl=acl)),
        ("setACL", wire.set_acl("/a", acl)),
    ):
        before = world.zxid
        reply = client.call(op, body)
        assert (reply.error, reply.zxid) == (error, before + 1)


@pytest.mark.parametrize(
    ("op", "body", "needed", "on_parent"),
    [
        ("create", wire.create("/a/b/new"), 4, False),
        ("delete", wire.path_version("/a/b"), 8, True),
        ("setData", wire.set_data("/a/b", b""), WRITE, False),
        ("getData", wire.path_watch("/a/b"), READ, False),
        ("exists", wire.path_watch("/a/b"), READ, False),
        ("getChildren", wire.path_watch("/a/b"), READ, False),
        ("getChildren2", wire.path_watch("/a/b"), READ, False),
        ("getAllChildrenNumber", wire.string("/a/b"), READ, False),
        ("setACL", wire.set_acl("/a/b", wire.OPEN_ACL), ADMIN, False),
        ("getACL", wire.string("/a/b"), READ | ADMIN, False),
    ],
)
def test_which_permission_of_which_znode(
    op: str, body: bytes, needed: int, on_parent: bool
) -> None:
    for bit in (1, 2, 4, 8, 16):
        client = World().client()
        client.create("/a")
        client.create("/a/b")
        path = "/a" if on_parent else "/a/b"
        assert client.call("setACL", wire.set_acl(path, [(bit, "world", "anyone")])).error == OK
        assert client.call(op, body).error == (OK if bit & needed else NO_AUTH), bit


@pytest.mark.parametrize(
    ("op", "body"),
    [
        ("sync", wire.string("/a")),
        ("addWatch", wire.path_version("/a", 0)),
        ("setWatches", wire.i64(99) + wire.strings(["/a"]) + 2 * wire.strings([])),
        ("getEphemerals", wire.string("/")),
        ("whoAmI", b""),
    ],
)
def test_what_needs_no_permission(world: World, op: str, body: bytes) -> None:
    client = world.client()
    client.create("/a", acl=[(0, "world", "anyone")])
    assert client.call(op, body).error == OK


def test_before_3_9_exists_asked_for_no_permission() -> None:
    client = World(version="3.8").client()
    client.create("/a", acl=[(0, "world", "anyone")])
    assert client.stat("/a") is not None


def test_skip_acl_lets_everybody_in_and_still_wants_valid_lists() -> None:
    client = World({"skipACL": "yes"}).client()
    client.create("/a", acl=[(0, "digest", BOB)])
    assert client.get("/a") == b""
    assert client.call("getACL", wire.string("/a")).body.startswith(wire.acls([(0, "digest", BOB)]))
    assert client.call("create", wire.create("/b", acl=[])).error == INVALID_ACL


@pytest.mark.parametrize(
    "name",
    ["1.2.3.4/" + "9" * 5000, "9" * 5000 + ".2.3.4", "::1/" + "1" * 5000, "1.2.3." + "0" * 5000],
)
def test_numbers_that_python_does_not_convert(world: World, name: str) -> None:
    reply = world.client().call("create", wire.create("/a", b"", [(31, "ip", name)]))
    assert reply.error == (OK if name.endswith("0") else INVALID_ACL)


@pytest.mark.parametrize("op", ["multi", "multiRead"])
def test_a_list_is_looked_through_once_for_a_request(
    world: World, op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of list and a megabyte of multi would keep everybody waiting for hours."""
    client = world.client()
    nobody = [(31, "ip", f"10.0.{number // 256}.{number % 256}") for number in range(1000)]
    for path, last in (("/a", "127.0.0.1"), ("/b", "127.0.0.2")):
        client.create(path, acl=[*nobody, (31, "ip", last)])
    looked = []
    matches = Ip.matches
    monkeypatch.setattr(Ip, "matches", lambda self, *ids: looked.append(ids) or matches(self, *ids))
    if op == "multi":
        parts = [(wire.OPS["check"], wire.path_version(path)) for path in ("/a", "/b")]
        reply = client.call("multi", wire.multi([parts[0]] * 100 + [parts[1]]))
        assert reply.body.endswith(error_body(NO_AUTH) + wire.MULTI_END)
    else:
        parts = [(wire.OPS["getData"], wire.path_watch(path)) for path in ("/a", "/b")]
        reply = client.call("multiRead", wire.multi(parts * 100))
        assert reply.body.count(error_body(NO_AUTH)) == 100
    assert len(looked) <= 2 * 1001
    # The next request sees what has changed.
    assert client.call("setACL", wire.set_acl("/a", [(1, "ip", "127.0.0.1")])).error == OK
    refused = client.call("multi", wire.multi([(wire.OPS["setData"], wire.set_data("/a", b""))]))
    assert refused.body.startswith(error_body(NO_AUTH))
