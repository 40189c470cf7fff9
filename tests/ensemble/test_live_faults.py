"""What clients see of servers that die and come back: on the fake and on live servers alike.

Nothing waits for a time: a client reads until its connection ends, a server is asked for its mode
until it has the one that is waited for. Sessions outlive the tests, but for those that are to die:
none makes a transaction by expiring.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from pytest_zkdict.live._times import TICK_TIME
from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import LONG, Client
from ..support.replies import DATA_CHANGED, DELETED, OK, Event, Reply
from ..support.settings import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_zkdict.live import LiveMember
    from zkfake._realtime.member import Member as FakeMember

PATIENCE = 60.0
NOT_READ_ONLY = -119
REFUSED = bytes(16) + wire.buffer(bytes(16))
SHORT = 6_000
"""A session timeout, milliseconds."""
SETTINGS: dict[str, object] = {"tickTime": TICK_TIME, "maxSessionTimeout": LONG}


class Servers(Protocol):
    """An ensemble of three voters and an observer; they go by number, from 1."""

    def port(self, number: int) -> int: ...
    def kill(self, number: int) -> None: ...
    def launch(self, number: int) -> None:
        """Starts it again and does not wait."""

    def close(self) -> None: ...


class LiveServers:
    def __init__(self, home: str | None) -> None:
        properties = {"readonlymode.enabled": True}
        settings = {**SETTINGS, **STEADY}
        self._live = LiveZooKeeper(
            home, servers=3, observers=1, settings=settings, properties=properties
        )
        self._live.start()

    def _member(self, number: int) -> LiveMember:
        return self._live.members[number - 1]

    def port(self, number: int) -> int:
        return self._member(number).port

    def kill(self, number: int) -> None:
        self._member(number).stop(kill=True)

    def launch(self, number: int) -> None:
        self._member(number).start(wait=False)

    def close(self) -> None:
        self._live.close()


class FakeServers:
    def __init__(self, version: str) -> None:
        settings = {**SETTINGS, "readonlymode.enabled": True, "4lw.commands.whitelist": "*"}
        self._fake = FakeZooKeeper(servers=3, observers=1, version=version, settings=settings)
        self._fake.start()

    def _member(self, number: int) -> FakeMember:
        return self._fake.members[number - 1]

    def port(self, number: int) -> int:
        return self._member(number).port

    def kill(self, number: int) -> None:
        self._member(number).stop()

    def launch(self, number: int) -> None:
        self._member(number).start()

    def close(self) -> None:
        self._fake.stop()


class World:
    """The servers with what a test asks of them all the time."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._clients: list[Client] = []

    def client(self, number: int, **arguments: int | bytes | None) -> Client:
        self._clients.append(Client(self.servers.port(number), **arguments))
        return self._clients[-1]

    def let_go(self) -> None:
        """Closes every client."""
        while self._clients:
            self._clients.pop().close()

    def again(self, client: Client, number: int, **arguments: int | bytes | None) -> Client:
        """The session of `client` at another server."""
        known = {"session": client.session, "password": client.password}
        return self.client(number, **{**known, **arguments})

    def word(self, number: int, word: str) -> str:
        """A four-letter word's answer; empty while the server is down."""
        try:
            return four_letter_word("127.0.0.1", self.servers.port(number), word, PATIENCE)
        except OSError:
            return ""

    def figure(self, number: int, name: str) -> str | None:
        """A line of `srvr`."""
        found = re.search(rf"^{name}: (.*)$", self.word(number, "srvr"), re.MULTILINE)
        return found and found[1]

    def modes(self) -> dict[int, str | None]:
        return {number: self.figure(number, "Mode") for number in range(1, 5)}

    def wait(self, holds: Callable[[], bool]) -> None:
        """Asks again and again."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"this never came true; {self.modes()}"
            time.sleep(0.02)  # between two questions: the servers need the processor

    def roles(self) -> tuple[int, list[int]]:
        """Waits until all serve; the leader, and the two followers."""
        self.wait(
            lambda: (
                sorted(filter(None, self.modes().values()))
                == ["follower", "follower", "leader", "observer"]
            )
        )
        modes = self.modes()
        (leader,) = (number for number, mode in modes.items() if mode == "leader")
        return leader, [number for number, mode in modes.items() if mode == "follower"]


OBSERVER = 4


@pytest.fixture
def world(zk_backend: str, request: pytest.FixtureRequest) -> Iterator[World]:
    if zk_backend == "live":
        servers: Servers = LiveServers(request.getfixturevalue("live_home"))
    else:
        servers = FakeServers(request.getfixturevalue("live_version"))
    made = World(servers)
    yield made
    made.let_go()
    servers.close()


def test_servers_die_and_come_back(world: World) -> None:
    # One test, so that there is one live ensemble, however the tests are spread over processes.
    a_leader_dies(world)
    a_follower_dies_and_then_the_quorum(world)


def a_leader_dies(world: World) -> None:
    leader, followers = world.roles()
    one, other = (world.client(number) for number in followers)
    at_leader, at_observer = world.client(leader), world.client(OBSERVER)
    one.call("create", wire.create("/leader", b"1"))
    one.call("create", wire.create("/leader/e", flags=1))
    last = one.call("setData", wire.set_data("/leader", b"2"))
    for number in range(20):
        at_leader.send("create", wire.create(f"/leader/{number}"))
    world.servers.kill(leader)
    written = []
    while (reply := at_leader.take()) is not None:
        assert isinstance(reply, Reply)
        written.append(reply.text)
    for client in (one, other, at_observer):
        client.wait_for_the_end()

    world.wait(lambda: "leader" in world.modes().values())
    world.wait(lambda: world.modes()[OBSERVER] == "observer")
    modes = world.modes()
    (new,) = (number for number in followers if modes[number] == "leader")
    (follower,) = (number for number in followers if number != new)
    world.wait(lambda: world.modes()[follower] == "follower")
    # A new leader is at once where its epoch starts, the others follow with its first transaction.
    start = int(world.figure(new, "Zxid") or "", 16)
    epoch = start >> 32
    assert start == epoch << 32
    assert epoch > last.zxid >> 32
    for number in (follower, OBSERVER):
        assert world.again(one, number, last_zxid=epoch << 32).response is None
    moved = world.again(one, new, last_zxid=epoch << 32)
    assert moved.session == one.session
    assert moved.call("ping").zxid == epoch << 32
    # The watches come along, and what they missed is told.
    lists = wire.strings(["/leader"]) + wire.strings([]) + wire.strings(["/leader/e"])
    moved.send("setWatches", wire.i64(last.zxid - 1) + lists)
    event, reply = moved.take(), moved.take()
    assert event == Event(-1, DATA_CHANGED, "/leader")
    assert isinstance(reply, Reply)
    assert (reply.error, reply.zxid) == (OK, epoch << 32)

    back = world.again(other, follower, last_zxid=last.zxid)
    assert back.session == other.session
    names = back.call("getChildren", wire.path_watch("/leader")).strings
    assert "e" in names
    assert {*written} <= {f"/leader/{name}" for name in names}
    # Neither going on with a session nor setting watches was a transaction.
    first = back.call("create", wire.create("/leader/first"))
    assert (first.error, first.zxid) == (OK, (epoch << 32) + 1)
    # An observer hears of it after the others; until then it sends the client away.
    world.wait(lambda: world.figure(OBSERVER, "Zxid") == hex(first.zxid))
    again = world.again(moved, OBSERVER, last_zxid=first.zxid - 1)
    assert again.session == moved.session
    assert again.call("sync", wire.string("/")).zxid == first.zxid

    world.servers.launch(leader)
    assert world.roles()[0] == new
    # A server that has come back says that it follows before it has caught up.
    world.wait(lambda: world.figure(leader, "Zxid") == hex(first.zxid))
    # Its return made no transaction. The observer itself is asked, without a session: an observer
    # that gets too little of the machine closes its clients' connections.
    world.wait(lambda: world.figure(OBSERVER, "Zxid") == hex(first.zxid))


def a_follower_dies_and_then_the_quorum(world: World) -> None:
    leader, (follower, last) = world.roles()
    watcher, stays = world.client(leader), world.client(last)
    for number in range(20):
        stays.call("create", wire.create(f"/q{number}"))
    stays.call("create", wire.create("/stays", flags=1))
    doomed = world.client(follower, timeout=SHORT)
    doomed.call("create", wire.create("/gone", flags=1))
    watcher.send("sync", wire.string("/"))  # both at once: `doomed` has a short session
    watcher.send("exists", wire.path_watch("/gone", 1))
    synced, found = watcher.take(), watcher.take()
    assert isinstance(synced, Reply)
    assert isinstance(found, Reply)
    assert (synced.error, found.error) == (OK, OK)
    world.servers.kill(follower)
    doomed.wait_for_the_end()
    # Its session expires without it, and takes the ephemeral along everywhere.
    event = watcher.take()
    assert isinstance(event, Event)
    assert (event.type, event.path) == (DELETED, "/gone")
    # A server that applies the end of a session closes the connection that has just asked for it.
    stays.call("sync", wire.string("/"))
    assert world.again(doomed, last).response == REFUSED + b"\0"

    received = int(world.figure(last, "Received") or 0)
    zxid = stays.call("sync", wire.string("/")).zxid
    world.servers.kill(leader)
    for client in (watcher, stays):
        client.wait_for_the_end()
    # A server that looks for a leader says little, and takes nobody.
    if world.word(last, "isro") == "null":
        assert world.word(last, "ruok") == "imok"
        figures = world.word(last, "mntr")
        assert "not currently serving" in figures or world.word(last, "isro") == "ro"
        refused = world.client(last, read_only=1).response
        assert refused is None or world.word(last, "isro") == "ro"
    for number in (last, OBSERVER):
        world.wait(lambda number=number: world.word(number, "isro") == "ro")  # type: ignore[misc]
        assert world.figure(number, "Mode") == "read-only"
        assert world.figure(number, "Zxid") == hex(zxid)
    assert int(world.figure(last, "Received") or 0) < received, "it counts anew in a new role"

    # Who must write, who has seen more, and a session that it knows are sent away in silence.
    assert world.client(last, read_only=0).response is None
    assert world.client(last, read_only=None).response is None
    assert world.client(last, read_only=1, last_zxid=zxid + 1).response is None
    assert world.again(stays, last, read_only=1).response is None
    assert world.again(stays, last, read_only=1, password=bytes(16)).response is None
    # A new session cannot be made without a quorum; one that it does not know may have been.
    header = wire.i32(0) + wire.i64(zxid) + wire.i32(NOT_READ_ONLY)
    assert world.client(last, read_only=1).response == header
    unknown = 77
    wrong = world.client(last, read_only=1, session=unknown)
    assert wrong.response == REFUSED + b"\1"
    assert wrong.take() is None
    right = wire.session_password(unknown)
    reader = world.client(last, read_only=1, session=unknown, password=right)
    assert reader.session == unknown
    assert reader.response is not None
    assert reader.response[36:] == b"\1"
    assert reader.call("exists", wire.path_watch("/stays", 1)).error == OK
    assert reader.call("setData", wire.set_data("/q0", b"")).error == NOT_READ_ONLY
    assert reader.call("sync", wire.string("/q0")).error == NOT_READ_ONLY
    check = wire.multi([(wire.OPS["check"], wire.path_version("/q0", -1))])
    assert reader.call("multi", check).error == NOT_READ_ONLY
    assert reader.call("closeSession").error == NOT_READ_ONLY

    world.servers.launch(leader)
    reader.wait_for_the_end()
    world.servers.launch(follower)
    world.roles()
    back = world.again(stays, last)
    assert back.session == stays.session
    assert back.call("exists", wire.path_watch("/stays")).error == OK
    assert world.client(last, session=unknown, password=right).response == REFUSED + b"\0"
