"""Ensembles: what they tell of their members, what reconfiguration makes of it, what their servers
refuse early, and what is left of them without a quorum.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import PATIENCE, Client
from ..support.replies import (
    BAD_ARGUMENTS,
    BAD_VERSION,
    DATA_CHANGED,
    INVALID_ACL,
    MARSHALLING,
    NO_AUTH,
    NO_NODE,
    OK,
    UNIMPLEMENTED,
    Event,
    Reply,
    Stat,
)
from ..support.settings import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NO_QUORUM, NOT_READ_ONLY = -13, -119
CONFIG = "/zookeeper/config"
SETTINGS: dict[str, object] = {
    "tickTime": 200,
    "maxSessionTimeout": 600_000,
    "maxClientCnxns": 0,
    "4lw.commands.whitelist": "*",
    "reconfigEnabled": "true",
    "enableEagerACLCheck": "true",
    "extendedTypesEnabled": "true",
    "readonlymode.enabled": "true",
    "DigestAuthenticationProvider.superDigest": wire.digest("super:mighty"),
}


class Member(Protocol):
    @property
    def port(self) -> int: ...
    @property
    def mode(self) -> str | None: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...


class Servers:
    """An ensemble of three voters and an observer, and clients of theirs."""

    def __init__(self, server: FakeZooKeeper | LiveZooKeeper) -> None:
        self.members: Sequence[Member] = server.members
        self._clients: list[Client] = []

    def at(self, mode: str) -> Member:
        """A member that has this place in the ensemble."""
        return next(member for member in self.members if member.mode == mode)

    def client(self, member: Member, password: str = "", **arguments: int | bytes | None) -> Client:
        made = Client(member.port, **arguments)
        self._clients.append(made)
        if password:
            assert made.auth("digest", password.encode()).error == OK
        return made

    def let_go(self) -> None:
        while self._clients:
            self._clients.pop().close()


@pytest.fixture
def servers(zk_backend: str, request: pytest.FixtureRequest) -> Iterator[Servers]:
    if zk_backend == "fake":
        running: FakeZooKeeper | LiveZooKeeper = FakeZooKeeper(
            servers=3, observers=1, settings=SETTINGS
        )
    else:
        home = request.getfixturevalue("live_home")
        running = LiveZooKeeper(home, servers=3, observers=1, settings={**SETTINGS, **STEADY})
    with running:
        made = Servers(running)
        yield made
        made.let_go()


def test_ensembles(servers: Servers) -> None:
    # One test, so that there is one live ensemble, however the tests are spread over processes.
    for part in (
        a_read_only_refusal_tells_how_far_the_server_is,
        the_configuration_says_where_clients_go,
        who_may_reconfigure,
        groups_and_weights,
        what_is_refused_early,
        early_refusals_overtake,
    ):
        part(servers)
        servers.let_go()


def a_read_only_refusal_tells_how_far_the_server_is(servers: Servers) -> None:
    leader = servers.at("leader")
    late, other = (member for member in servers.members if member.mode == "follower")
    # Nothing has been written. Who joins now has what the leader has.
    late.stop()
    late.start()
    shown = _figure(leader, "Zxid")
    assert shown & 0xFFFFFFFF == 0
    assert _figure(late, "Zxid") == shown
    for member in (other, leader):
        member.stop()
    deadline = time.monotonic() + PATIENCE
    while four_letter_word("127.0.0.1", late.port, "isro") != "ro":
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two questions
    refused = servers.client(late, read_only=1).response
    assert refused == wire.i32(0) + wire.i64(shown) + wire.i32(NOT_READ_ONLY)
    for member in (other, leader):
        member.start()
    while {member.mode for member in servers.members} != {"leader", "follower", "observer"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def the_configuration_says_where_clients_go(servers: Servers) -> None:
    text = _config(servers.client(servers.at("follower")))
    *lines, version = text.decode().split("\n")
    # A version is where an epoch starts: the first, if all goes well.
    assert int(version.removeprefix("version="), 16) & 0xFFFFFFFF == 0
    for number, line in enumerate(lines, 1):
        role = "observer" if number == 4 else "participant"
        server, _, address = line.partition(";")
        assert server.startswith(f"server.{number}=127.0.0.1:")
        assert server.endswith(f":{role}")
        assert address == f"127.0.0.1:{servers.members[number - 1].port}"
        told = next(m for m in servers.members if m.port == int(address.rpartition(":")[2]))
        assert servers.client(told).call("ping").error == OK


def who_may_reconfigure(servers: Servers) -> None:
    follower = servers.at("follower")
    # The leader checks a write by the ACL that it has applied. A follower may reply to a setACL
    # before that, so the leader is asked.
    mighty = servers.client(servers.at("leader"), "super:mighty")
    plain = servers.client(follower)
    bob = servers.client(follower, "bob:secret")
    watcher = servers.client(servers.at("observer"))
    same = _config(plain).rpartition(b"\n")[0].decode()
    version = int(_config(plain).rpartition(b"=")[2], 16)
    for client in (plain, bob):
        assert _reconfig(client, members=same).error == NO_AUTH
    for perms, error in ((1, NO_AUTH), (2, OK)):
        acl = [(perms | 1, "digest", wire.digest("bob:secret")), (1, "world", "anyone")]
        assert mighty.call("setACL", wire.set_acl(CONFIG, acl)).error == OK
        bob.call("sync", wire.string("/"))  # now the follower has it, too
        reply = _reconfig(bob, members=same, version=version)
        assert reply.error == error
    assert reply.data == f"{same}\nversion={reply.zxid:x}".encode()
    stat = Stat.read(reply.body)
    assert (stat.mzxid, stat.version) == (reply.zxid, -1)
    assert _reconfig(bob, members=same, version=version).error == BAD_VERSION
    # Whoever watches the configuration hears of it.
    watcher.call("sync", wire.string("/"))
    assert watcher.call("getData", wire.path_watch(CONFIG, 1)).data == reply.data
    again = _reconfig(mighty, members=same)
    assert again.error == OK
    event = watcher.take()
    assert isinstance(event, Event)
    assert (event.type, event.path) == (DATA_CHANGED, CONFIG)
    assert _config(watcher) == again.data


GROUPS: list[tuple[str, int | str]] = [
    ("group.1=1:2:3", "group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=1"),
    (
        "group.1=1\ngroup.2=2:3\nweight.2=5",
        "group.1=1\ngroup.2=2:3\nweight.1=1\nweight.2=5\nweight.3=1",
    ),
    (
        "group.1=1:2:3\ngroup.2=9\nweight.9=0\nversion=77",
        "group.1=1:2:3\ngroup.2=9\nweight.1=1\nweight.2=1\nweight.3=1\nweight.9=0",
    ),
    ("group.1=1:2", BAD_ARGUMENTS),
    ("weight.1=1", BAD_ARGUMENTS),
    ("group.1=1:1:2:3", BAD_ARGUMENTS),
    ("group.1=1:2:3\ngroup.2=2", BAD_ARGUMENTS),
    ("group.1=1:2:3\nfoo=1", BAD_ARGUMENTS),
    ("group.1=1:2:3:9", MARSHALLING),
    ("group.1=", MARSHALLING),
    ("group.x=1:2:3", MARSHALLING),
    ("group.1=1:2:3\nweight.1=x", MARSHALLING),
    ("version=zz", MARSHALLING),
    ("group.1=1:2:3\nweight.1=0\nweight.2=0\nweight.3=0", NO_QUORUM),
    ("group.1=1:2:3\ngroup.2=9\nweight.9=5", NO_QUORUM),
    ("group.1=1:2:3:7\nweight.7=3", NO_QUORUM),
]
"""What is added to the servers of a configuration, and what becomes of it."""


def groups_and_weights(servers: Servers) -> None:
    client = servers.client(servers.at("follower"), "super:mighty")
    members = _config(client).rpartition(b"\n")[0].decode()
    for added, expected in GROUPS:
        reply = _reconfig(client, members=f"{members}\n{added}")
        if isinstance(expected, int):
            assert reply.error == expected, added
            continue
        assert reply.error == OK, added
        text = f"{members}\n{expected}\nversion={reply.zxid:x}"
        assert reply.data == text.encode(), added
        # With groups, it is all or nothing.
        joining = "server.9=127.0.0.1:1:2:observer;3"
        assert _reconfig(client, joining=joining).error == BAD_ARGUMENTS
        assert _reconfig(client, leaving="4").error == BAD_ARGUMENTS
        assert _reconfig(client, members=members).error == OK


def what_is_refused_early(servers: Servers) -> None:
    bobs = [(31, "digest", wire.digest("bob:secret"))]
    owner = servers.client(servers.at("leader"), "bob:secret")
    assert owner.create("/eager", bobs).error == OK
    assert owner.create("/eager/a", bobs).error == OK
    for mode in ("leader", "follower", "observer"):
        client = servers.client(servers.at(mode))
        client.call("sync", wire.string("/"))
        zxid = client.call("ping").zxid
        bad = [(31, "auth", "")]
        for op, body, error in (
            ("create", wire.create("/eager/b"), NO_AUTH),
            ("create2", wire.create("/eager/b"), NO_AUTH),
            ("delete", wire.path_version("/eager/a"), NO_AUTH),
            ("setData", wire.set_data("/eager", b""), NO_AUTH),
            ("setACL", wire.set_acl("/eager", wire.OPEN_ACL), NO_AUTH),
            ("create", wire.create("/bad", acl=bad), INVALID_ACL),
            ("create2", wire.create("/nope/bad", acl=bad), INVALID_ACL),
            ("setACL", wire.set_acl("/eager", bad), INVALID_ACL),
        ):
            reply = client.call(op, body)
            assert (reply.zxid, reply.error, reply.body) == (0, error, b""), (mode, op)
        assert client.call("ping").zxid == zxid, mode
        # The rest is for the leader to refuse.
        for op, body, error in (
            ("setData", wire.set_data("/nope", b""), NO_NODE),
            ("delete", wire.path_version("/"), BAD_ARGUMENTS),
            ("create", wire.create("nope", acl=bad), BAD_ARGUMENTS),
            ("createContainer", wire.create("/eager/b"), NO_AUTH),
            ("createTTL", wire.create_ttl("/eager/b", b"", wire.OPEN_ACL, 5, 9999), NO_AUTH),
        ):
            reply = client.call(op, body)
            zxid += 1
            assert (reply.zxid, reply.error) == (zxid, error), (mode, op)
        body = wire.multi([(wire.OPS["setData"], wire.set_data("/eager", b""))])
        assert client.call("multi", body).zxid == zxid + 1
        assert client.create(f"/{mode}").error == OK


def early_refusals_overtake(servers: Servers) -> None:
    client = servers.client(servers.at("follower"))
    for number in range(5):
        client.send("create", wire.create(f"/behind{number}"))
    client.send("setData", wire.set_data("/eager", b""))
    replies = [client.take() for _ in range(6)]
    xids = [reply.xid for reply in replies if isinstance(reply, Reply)]
    assert sorted(xids) == list(range(1, 7))
    assert [xid for xid in xids if xid < 6] == list(range(1, 6))


def _figure(member: Member, name: str) -> int:
    """A line of `srvr`."""
    text = four_letter_word("127.0.0.1", member.port, "srvr")
    return int(text.partition(f"{name}: ")[2].split("\n")[0], 0)


def _config(client: Client) -> bytes:
    data = client.call("getData", wire.path_watch(CONFIG)).data
    assert data is not None
    return data


def _reconfig(
    client: Client,
    *,
    joining: str | None = None,
    leaving: str | None = None,
    members: str | None = None,
    version: int = -1,
) -> Reply:
    body = wire.string(joining) + wire.string(leaving) + wire.string(members) + wire.i64(version)
    return client.call("reconfig", body)


def test_one_server_has_no_configuration(serve: Callable[..., Callable[[], Client]]) -> None:
    client = serve({"reconfigEnabled": "true"})()
    assert _config(client) == b""
    for members in (None, "server.1=127.0.0.1:1:2;3"):
        reply = _reconfig(client, members=members)
        assert reply.error == UNIMPLEMENTED
    assert client.call("ping").zxid == reply.zxid


def test_what_a_real_server_stumbles_over_the_fakes_leader_answers() -> None:
    with FakeZooKeeper(servers=3, settings=SETTINGS) as fake:
        servers = Servers(fake)
        client = servers.client(servers.at("follower"))
        assert client.create("/a", [(31, "digest", None)]).error == MARSHALLING
        assert client.call("create", wire.create(None)).error == MARSHALLING
        assert client.call("delete", wire.path_version(None)).error == MARSHALLING
        servers.let_go()
