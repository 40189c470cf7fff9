"""What clients see while the members of an ensemble change: on the fake and on live servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.live import LiveZooKeeper
from pytest_zkdict.live._ports import free_port
from pytest_zkdict.live._times import TICK_TIME
from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import LONG, Client
from ..support.replies import BAD_VERSION, DATA_CHANGED, OK, Event, Reply
from ..support.settings import STEADY
from .test_live_faults import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_zkdict.live import LiveMember
    from zkfake._realtime.member import Member

CONFIG = "/zookeeper/config"
NO_QUORUM = -13
OBSERVER = 4
SETTINGS: dict[str, object] = {
    "tickTime": TICK_TIME,
    "maxSessionTimeout": LONG,
    "4lw.commands.whitelist": "*",
    "reconfigEnabled": "true",
    "DigestAuthenticationProvider.superDigest": wire.digest("super:mighty"),
}


class Servers:
    """An ensemble of three voters and an observer; they go by number, from 1."""

    def __init__(self, server: FakeZooKeeper | LiveZooKeeper) -> None:
        self._server = server
        server.start()

    @property
    def live(self) -> bool:
        return isinstance(self._server, LiveZooKeeper)

    @property
    def members(self) -> Sequence[Member | LiveMember]:
        return self._server.members

    def join(self) -> Member | LiveMember:
        return self._server.add_server()

    def port(self, number: int) -> int:
        return self.members[number - 1].port

    def kill(self, number: int) -> None:
        raise NotImplementedError

    def launch(self, number: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if isinstance(self._server, LiveZooKeeper):
            self._server.close()
        else:
            self._server.stop()


class Changing(World):
    """The servers, and whoever may change them."""

    servers: Servers

    def admin(self, number: int) -> Client:
        made = self.client(number)
        assert made.auth("digest", b"super:mighty").error == OK
        return made

    def watcher(self, number: int) -> Client:
        """A client that watches the configuration."""
        made = self.client(number)
        made.call("sync", wire.string("/"))
        assert made.call("getData", wire.path_watch(CONFIG, 1)).error == OK
        return made

    def watchers(self) -> dict[int, Client]:
        self.wait(lambda: all(self.modes().values()))
        return {number: self.watcher(number) for number in range(1, 5)}

    def epoch(self) -> int:
        """That of the newest leader."""
        return max(int(self.figure(number, "Zxid") or "0", 16) >> 32 for number in range(1, 5))

    def lines(self, number: int) -> dict[int, str]:
        """What the configuration says of each member."""
        data = self.client(number).call("getData", wire.path_watch(CONFIG)).data or b""
        lines = data.decode().split("\n")[:-1]
        return {int(line.partition("=")[0].rpartition(".")[2]): line for line in lines}


def reconfig(
    client: Client,
    *,
    joining: str | None = None,
    leaving: int | None = None,
    members: Sequence[str] | None = None,
    version: int = -1,
) -> Reply | None:
    """The reply, ``None`` where the connection has ended before it."""
    leaves = None if leaving is None else str(leaving)
    whole = None if members is None else ",".join(members)
    texts = wire.string(joining) + wire.string(leaves) + wire.string(whole)
    client.send("reconfig", texts + wire.i64(version))
    reply = client.take()
    assert not isinstance(reply, Event)
    return reply


def agreed(reply: Reply | None) -> Reply:
    assert reply is not None
    assert reply.error == OK
    return reply


def is_told(event: Reply | Event | None) -> bool:
    """Whether it tells that the configuration has changed."""
    return isinstance(event, Event) and (event.type, event.path) == (DATA_CHANGED, CONFIG)


def told(client: Client) -> None:
    """The client hears that the configuration has changed."""
    assert is_told(client.take())


def told_and_let_go(world: Changing, client: Client) -> None:
    event = client.take()
    if event is None and world.servers.live:
        return  # a busy live server may close the connection before it has sent the event
    assert is_told(event)
    assert client.take() is None


def told_and_kept(client: Client) -> None:
    told(client)
    assert client.call("exists", wire.path_watch("/")).error == OK


@pytest.fixture
def world(zk_backend: str, request: pytest.FixtureRequest) -> Iterator[Changing]:
    server: FakeZooKeeper | LiveZooKeeper
    if zk_backend == "live":
        live_home = request.getfixturevalue("live_home")
        settings = {**SETTINGS, **STEADY}
        server = LiveZooKeeper(live_home, servers=3, observers=1, settings=settings)
    else:
        version = request.getfixturevalue("live_version")
        server = FakeZooKeeper(servers=3, observers=1, version=version, settings=SETTINGS)
    servers = Servers(server)
    made = Changing(servers)
    yield made
    made.let_go()
    servers.close()


def test_members_change(world: Changing) -> None:
    # One test, so that there is one live ensemble, however the tests are spread over processes.
    for part in (
        a_server_joins,
        a_role_changes,
        a_client_port_changes,
        a_quorum_of_the_new_has_to_be_there,
        a_follower_goes_and_comes,
        the_leader_goes_and_comes,
    ):
        part(world)
        world.let_go()


def a_server_joins(world: Changing) -> None:
    """It serves from the start, and gets a vote without losing a client; then it is an observer,
    and then nothing any more.
    """
    leader, _ = world.roles()
    joined = world.servers.join()
    assert joined.id == 5
    assert joined.mode == "follower"
    assert world.client(joined.id).create("/joined").error == OK
    assert joined.id not in world.lines(joined.id)
    watcher, admin = world.watcher(joined.id), world.admin(joined.id)
    line = joined.specification()
    assert line.encode() in (agreed(reconfig(admin, joining=line)).data or b"")
    told_and_kept(watcher)
    assert world.lines(joined.id)[joined.id] == line
    for leaving, mode in ((None, "observer"), (joined.id, "follower")):
        watcher, admin = world.watcher(joined.id), world.admin(leader)
        joining = joined.specification("observer") if leaving is None else None
        agreed(reconfig(admin, joining=joining, leaving=leaving))
        told_and_let_go(world, watcher)
        world.wait(lambda mode=mode: joined.mode == mode)  # type: ignore[misc]
    assert world.client(joined.id).create("/left").error == OK


def a_role_changes(world: Changing) -> None:
    """The server drops its clients, the others do not."""
    leader, (follower, other) = world.roles()
    line = world.lines(leader)[follower]
    for role in ("observer", "participant"):
        clients = world.watchers()
        joining = line.replace("participant", role)
        agreed(reconfig(world.admin(other), joining=joining))
        told_and_let_go(world, clients.pop(follower))
        for client in clients.values():
            told_and_kept(client)
        mode = "observer" if role == "observer" else "follower"
        world.wait(lambda mode=mode: world.modes()[follower] == mode)  # type: ignore[misc]
        assert world.lines(follower)[follower] == joining
        # Its vote is gone, or is there again.
        assert world.client(follower).create(f"/{mode}").error == OK


def a_client_port_changes(world: Changing) -> None:
    """Connections stay; from now on there is another port."""
    leader, (follower, _) = world.roles()
    clients, admin = world.watchers(), world.admin(follower)
    line, port, new = world.lines(leader)[follower], world.servers.port(follower), free_port()
    moved = f"{line.rpartition(':')[0]}:{new}"
    agreed(reconfig(admin, joining=moved))
    for client in clients.values():
        told_and_kept(client)
    # A live server has answered before the new port is open.
    world.wait(lambda: not _refuses(new))
    assert _refuses(port)
    assert reconfig(admin, joining=line, version=12345).error == BAD_VERSION  # type: ignore[union-attr]
    agreed(reconfig(admin, joining=line))
    world.wait(lambda: not _refuses(port))
    assert admin.create("/port").error == OK


def _refuses(port: int) -> bool:
    try:
        client = Client(port)
    except ConnectionRefusedError:
        return True
    assert client.call("getData", wire.path_watch(CONFIG)).error == OK
    client.close()
    return False


def a_quorum_of_the_new_has_to_be_there(world: Changing) -> None:
    """Observers do not count, even those that are to vote."""
    leader, _ = world.roles()
    lines, admin = world.lines(leader), world.admin(leader)
    members = [lines[leader], lines[OBSERVER].replace("observer", "participant")]
    reply = reconfig(admin, members=members)
    assert reply is not None
    assert reply.error == NO_QUORUM
    assert admin.create("/quorum").error == OK


def a_follower_goes_and_comes(world: Changing) -> None:
    """It serves as before, without a vote; nobody is dropped."""
    leader, (follower, other) = world.roles()
    line = world.lines(leader)[follower]
    for joining, leaving in ((None, follower), (line, None)):
        clients = world.watchers()
        agreed(reconfig(world.admin(other), joining=joining, leaving=leaving))
        for client in clients.values():
            told_and_kept(client)
        assert (follower in world.lines(follower)) == (joining is not None)
        assert world.modes()[follower] == "follower"
        name = "came" if joining else "went"
        assert world.client(follower).create(f"/{name}").error == OK


def the_leader_goes_and_comes(world: Changing) -> None:
    """It answers who asked it, and no write behind that; another one leads."""
    leader, followers = world.roles()
    line, clients, admin = world.lines(leader)[leader], world.watchers(), world.admin(leader)
    epoch = world.epoch()
    reply = reconfig(admin, leaving=leader)
    if reply is None and world.servers.live:
        # A busy leader closes connections before the reply is out, or as it loses its followers.
        world.wait(lambda: world.epoch() > epoch)
        if leader in world.lines(world.roles()[0]):
            the_leader_goes_and_comes(world)
            return
    else:
        assert line.encode() not in (agreed(reply).data or b"")
        admin.send("create", wire.create("/behind"))
        assert admin.take() is None
    for number in (leader, *followers):
        told_and_let_go(world, clients[number])
    world.wait(lambda: "leader" in [world.modes()[number] for number in followers])
    world.wait(lambda: sorted(map(str, world.modes().values())).count("follower") == 2)
    assert world.modes()[leader] == "follower"
    # In no log that counts.
    at_new = world.admin(next(n for n, mode in world.modes().items() if mode == "leader"))
    assert at_new.read("/behind") != OK
    agreed(reconfig(at_new, joining=line))
    assert at_new.create("/back").error == OK
    assert world.roles()[0] in followers
