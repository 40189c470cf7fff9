"""What Apache's own tests of reconfiguration look at, through kazoo, on the fake.

They hold on real servers, where Apache runs them: ReconfigTest, ReconfigExceptionTest,
ReconfigMisconfigTest, ReconfigFailureCasesTest and the one of StandaloneTest. Left out is what
looks at files of the servers (dynamic configurations, backups of them), at their management beans,
or at `standaloneEnabled=false`, which the fake does not know.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    KazooException,
    NewConfigNoQuorumError,
    NoAuthError,
    NodeExistsError,
    UnimplementedError,
)
from kazoo.security import make_acl

from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import PATIENCE
from ..support.settings import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = "/zookeeper/config"
SUPER = "super:test"
SETTINGS: dict[str, object] = {
    **QUICK,
    "reconfigEnabled": True,
    "superDigest": wire.digest(SUPER),
}
# Servers 3, 4 and 5 have all the weight.
GROUPS = ["group.1=3:4:5", "group.2=1:2", "weight.1=0", "weight.2=0"]

pytestmark = pytest.mark.usefixtures("quiet_kazoo")


class Servers:
    """An ensemble, and a client of each server that asked for one. They go by number, from 1."""

    def __init__(self, servers: int, **settings: object) -> None:
        wanted = {name: value for name, value in {**SETTINGS, **settings}.items() if value}
        self.fake = FakeZooKeeper(servers=servers, settings=wanted).start()
        self._clients: list[KazooClient] = []
        self._written = 0

    def close(self) -> None:
        for client in self._clients:
            client.stop()
            client.close()
        self.fake.stop()

    def client(self, number: int, auth: str | None = SUPER) -> KazooClient:
        """A client that knows this server alone."""
        retries = {"max_tries": -1, "delay": 0.02, "backoff": 1, "max_jitter": 0}
        client = KazooClient(
            f"127.0.0.1:{self.fake.members[number - 1].port}",
            connection_retry=retries,
            command_retry=retries,
        )
        self._clients.append(client)
        client.start(30)
        if auth is not None:
            client.add_auth("digest", auth)
        return client

    def leader(self) -> int:
        return next(member.id for member in self.fake.members if member.mode == "leader")

    def follower(self) -> int:
        return next(member.id for member in self.fake.members if member.mode == "follower")

    def stop(self, *numbers: int) -> None:
        for number in numbers:
            self.fake.members[number - 1].stop()

    def line(self, number: int, role: str = "participant", **ports: int) -> str:
        """How a request says what the server is; ``ports``: quorum, election and client."""
        quorum = ports.get("quorum", 2887 + number)
        election = ports.get("election", 3887 + number)
        client = ports.get("client", self.fake.members[number - 1].port)
        return f"server.{number}=localhost:{quorum}:{election}:{role};localhost:{client}"

    def works(self, writer: KazooClient, reader: KazooClient) -> None:
        """What one writes, the other reads, once it has written something itself."""
        for client, path in ((writer, "/read"), (reader, "/other")):
            with suppress(NodeExistsError):
                client.retry(client.create, path)
        self._written += 1
        data = str(self._written).encode()
        writer.retry(writer.set, "/read", data)
        reader.retry(reader.set, "/other", b"")
        assert reader.retry(reader.get, "/read")[0] == data


@pytest.fixture
def started() -> Iterator[Callable[..., Servers]]:
    """Starts ensembles."""
    every: list[Servers] = []

    def start(servers: int, **settings: object) -> Servers:
        every.append(Servers(servers, **settings))
        return every[-1]

    yield start
    for servers in every:
        servers.close()


def reconfig(
    client: KazooClient,
    *,
    joining: list[str] | None = None,
    leaving: list[int] | None = None,
    whole: list[str] | None = None,
    condition: int = -1,
) -> str:
    """The configuration that comes of it. A connection that is lost is tried again."""
    return client.retry(  # type: ignore[no-any-return]
        client.reconfig,
        joining=joining and ",".join(joining),
        leaving=leaving and ",".join(map(str, leaving)),
        new_members=whole and ",".join(whole),
        from_config=condition,
    )[0].decode()


def once_they_follow(client: KazooClient, **change: Any) -> None:
    """A server that has just started, or was just told that it is no observer, is not there yet."""

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            reconfig(client, **change)
        except NewConfigNoQuorumError:  # noqa: PERF203
            assert time.monotonic() < deadline
        else:
            return


def configuration(client: KazooClient) -> str:
    """As the client's server has it after a write through it."""
    client.retry(client.ensure_path, "/other")
    client.retry(client.set, "/other", b"")
    return client.retry(client.get, CONFIG)[0].decode()  # type: ignore[no-any-return]


def members(text: str) -> set[int]:
    lines = (line for line in text.splitlines() if line.startswith("server."))
    return {int(line.partition("=")[0].removeprefix("server.")) for line in lines}


def version(text: str) -> int:
    return int(text.rpartition("version=")[2], 16)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_one_is_removed_and_added_again_then_the_leader(started: Callable[..., Servers]) -> None:
    servers = started(3)
    clients = {number: servers.client(number) for number in (1, 2, 3)}
    for number in (servers.follower(), servers.leader()):
        leader = servers.leader()
        other = clients[leader % 3 + 1]
        here, there = (clients[leader], other) if number == leader else (other, clients[leader])
        line = servers.line(number)
        text = reconfig(here, leaving=[number])
        assert members(text) == members(configuration(there)) == {1, 2, 3} - {number}
        servers.works(there, here)
        with pytest.raises(BadVersionError):
            reconfig(there, joining=[line], condition=version(text) + 1)
        reconfig(there, joining=[line], condition=version(text))
        servers.works(here, there)
        assert line in configuration(here)


def test_two_that_are_down_are_removed_and_added_again(started: Callable[..., Servers]) -> None:
    servers = started(5)
    leader, observer = servers.leader(), servers.follower()
    one, two, three = sorted({1, 2, 3, 4, 5} - {leader, observer})
    servers.stop(leader, observer)
    joining = [servers.line(leader), servers.line(observer, "observer")]
    first, last = servers.client(one), servers.client(three)
    reconfig(first, leaving=[leader, observer])

    servers.stop(two)  # of five, three would be down; of three, one may be
    for client in (first, last):
        assert members(configuration(client)) == {one, two, three}
    servers.works(first, last)
    with pytest.raises(NewConfigNoQuorumError):
        reconfig(first, joining=joining)

    servers.fake.members[two - 1].start()
    once_they_follow(first, joining=joining)
    servers.works(servers.client(two), last)
    # Nobody told it yet: it hears of its place from those it knows.
    servers.fake.members[observer - 1].start()
    back = servers.client(observer)
    servers.works(first, back)
    assert servers.fake.members[observer - 1].mode == "observer"
    assert all(line in configuration(back) for line in joining)


def test_a_whole_membership_at_once(started: Callable[..., Servers]) -> None:
    servers = started(7)
    roles = {1: "participant", 2: "participant", 3: "participant", 4: "observer", 5: "observer"}
    lines = [servers.line(n, role, quorum=20000 + n) for n, role in roles.items()]
    servers.stop(3, 6, 7)
    clients = {number: servers.client(number) for number in (1, 2, 4, 5)}
    reconfig(clients[1], whole=lines)
    servers.works(clients[1], clients[2])
    for client in clients.values():
        assert configuration(client).splitlines()[:-1] == lines
    servers.stop(5, 4)
    servers.works(clients[1], clients[2])


def test_everybody_hears_of_a_change(started: Callable[..., Servers]) -> None:
    servers = started(5)
    clients = [servers.client(number) for number in range(1, 6)]
    leaving = 4 if servers.leader() == 5 else 5
    clients[0].reconfig_async(None, str(leaving), None, -1).get(30)
    servers.works(clients[0], clients[1])
    for client in clients:
        assert members(configuration(client)) == {1, 2, 3, 4, 5} - {leaving}


def test_roles_change_to_and_fro(started: Callable[..., Servers]) -> None:
    servers = started(3)
    clients = {number: servers.client(number) for number in (1, 2, 3)}
    for number in (servers.follower(), servers.leader()):
        for role, modes in (("observer", ["observer"]), ("participant", ["follower", "leader"])):
            asked = clients[number % 3 + 1]
            once_they_follow(asked, joining=[servers.line(number, role)])
            servers.works(clients[number], asked)
            assert servers.fake.members[number - 1].mode in modes


def test_every_port_changes(started: Callable[..., Servers]) -> None:
    servers = started(3)
    leader, follower = servers.leader(), servers.follower()
    old, new = servers.fake.members[follower - 1].port, free_port()
    former, asked = servers.client(follower), servers.client(leader)
    states: list[str] = []
    former.add_listener(states.append)
    line = servers.line(follower, client=new)
    reconfig(former, joining=[line])
    former.ensure_path("/other")
    assert states == []  # who came through the old port stays
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", old))
    client = servers.client(follower)
    assert client.hosts == [("127.0.0.1", new)]
    servers.works(client, asked)
    assert line in configuration(client)

    reconfig(asked, joining=[servers.line(leader, quorum=free_port())])
    servers.works(client, asked)

    lines = [servers.line(number, election=free_port()) for number in (1, 2, 3)]
    reconfig(client, joining=lines)
    gone = servers.leader()
    one, two = (servers.client(number) for number in {1, 2, 3} - {gone})
    servers.stop(gone)
    servers.works(one, two)
    assert set(lines) <= set(configuration(two).splitlines())


@pytest.mark.parametrize("of", ["leader", "follower"])
def test_a_port_that_somebody_has(started: Callable[..., Servers], of: str) -> None:
    servers = started(3)
    leader, follower = servers.leader(), servers.follower()
    number, other = (leader, follower) if of == "leader" else (follower, leader)
    asked = servers.client(other)
    old = servers.fake.members[number - 1].port
    back = servers.line(number)
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        reconfig(asked, joining=[servers.line(number, client=somebody.getsockname()[1])])
        for port in (old, somebody.getsockname()[1]):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
        reconfig(asked, joining=[back])
        client = servers.client(number)
    assert client.hosts == [("127.0.0.1", old)]
    servers.works(client, asked)
    assert back in configuration(client)


def test_votes_are_weighed_and_then_count_again(started: Callable[..., Servers]) -> None:
    servers = started(7)
    clients = {number: servers.client(number) for number in (1, 2, 4, 5)}
    text = reconfig(clients[1], whole=[*GROUPS, *(servers.line(n) for n in range(1, 6))])
    assert {*GROUPS, "weight.5=1"} <= set(text.splitlines())
    for client in clients.values():
        servers.works(client, clients[4])
    with pytest.raises(BadArgumentsError):
        reconfig(clients[1], leaving=[3])  # one at a time is for majorities only

    servers.stop(1, 2, 3, 6, 7)
    servers.works(clients[4], clients[5])
    for number in (1, 2):
        servers.fake.members[number - 1].start()
    once_they_follow(clients[4], whole=[servers.line(number) for number in (1, 2, 4)])
    servers.stop(4, 5)
    servers.works(clients[1], clients[2])


def test_an_observer_that_is_to_vote_leaves_first(started: Callable[..., Servers]) -> None:
    servers = started(4)
    observer = servers.follower()
    down, asked, other = sorted({1, 2, 3, 4} - {observer})
    client, reader = servers.client(asked), servers.client(observer)
    reconfig(client, joining=[servers.line(observer, "observer")])
    servers.works(client, reader)
    servers.stop(down)
    lines = configuration(client).splitlines()[:-1]
    voters = [line.replace("observer", "participant") for line in lines]
    servers.works(client, reader)
    with pytest.raises(NewConfigNoQuorumError):
        reconfig(client, whole=voters)
    reconfig(client, leaving=[observer])
    servers.works(client, reader)
    assert members(configuration(reader)) == {1, 2, 3, 4} - {observer}
    once_they_follow(client, whole=voters)
    for number in (asked, other, observer):
        assert set(voters) <= set(configuration(servers.client(number)).splitlines())


def test_what_cannot_be(started: Callable[..., Servers]) -> None:
    servers = started(3)
    clients = [servers.client(number) for number in (1, 2, 3)]
    for client in clients:
        assert version(configuration(client)) == 0x1_0000_0000
    with pytest.raises(BadArgumentsError):
        reconfig(clients[0], leaving=[2, 3])
    with pytest.raises(BadVersionError):
        reconfig(clients[0], leaving=[3], condition=8)


def test_who_may(started: Callable[..., Servers]) -> None:
    servers = started(3)
    number = servers.follower()
    line = servers.line(number, client=free_port())
    mighty, user = servers.client(1), servers.client(1, "user:test")
    with pytest.raises(NoAuthError):
        reconfig(servers.client(1, None), joining=[line])
    for permission in (None, "read", "write"):
        if permission:
            acl = make_acl("digest", wire.digest("user:test"), **{permission: True})
            mighty.set_acls(CONFIG, [acl])
        if permission != "write":
            with pytest.raises(NoAuthError):
                reconfig(user, joining=[line])
    assert line in reconfig(user, joining=[line])


def test_nobody_may_where_there_is_no_super_user(started: Callable[..., Servers]) -> None:
    servers = started(3, superDigest=None)
    line = servers.line(servers.follower(), client=free_port())
    for auth in (None, "super:", SUPER):
        with pytest.raises(NoAuthError):
            reconfig(servers.client(1, auth), joining=[line])


def test_where_it_is_off(started: Callable[..., Servers]) -> None:
    servers = started(3, reconfigEnabled=False)
    with pytest.raises(KazooException) as refused:
        reconfig(servers.client(1), leaving=[3])
    assert refused.value.code == -123
    with pytest.raises(UnimplementedError):
        reconfig(started(1).client(1), joining=["server.2=localhost:1234:1235;1236"])
