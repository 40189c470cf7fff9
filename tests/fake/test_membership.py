"""What becomes of the servers of a fake that is reconfigured, stopped, started and restored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper

from ..support import wire
from ..support.client import PATIENCE, Client
from ..support.replies import OK, Reply
from ..support.settings import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = "/zookeeper/config"
SETTINGS = {**QUICK, "reconfigEnabled": True, "skipACL": True}


@pytest.fixture
def fake() -> Iterator[FakeZooKeeper]:
    server = FakeZooKeeper(servers=3, settings=SETTINGS).start()
    yield server
    server.stop()


def reconfig(
    fake: FakeZooKeeper,
    *,
    joining: str | None = None,
    leaving: str | None = None,
    members: str | None = None,
) -> str:
    """The configuration that comes of it."""
    leader = next(member for member in fake.members if member.mode == "leader")
    client = Client(leader.port)
    texts = wire.string(joining) + wire.string(leaving) + wire.string(members)
    client.send("reconfig", texts + wire.i64(-1))
    reply = client.take()
    client.close()
    assert isinstance(reply, Reply)
    assert reply.error == OK
    return (reply.data or b"").decode()


def follower(fake: FakeZooKeeper) -> int:
    return next(member.id for member in fake.members if member.mode == "follower")


def test_a_server_that_was_taken_out_cannot_start_again(fake: FakeZooKeeper) -> None:
    gone = follower(fake)
    reconfig(fake, leaving=str(gone))
    member = fake.members[gone - 1]
    assert member.mode == "follower"
    member.stop()
    with pytest.raises(RuntimeError, match=f"server {gone} cannot start: it is not a member"):
        member.start()
    fake.stop()
    fake.start()
    running = [member.id for member in fake.members if member.running]
    assert running == [number for number in (1, 2, 3) if number != gone]
    assert sorted(filter(None, (member.mode for member in fake.members))) == ["follower", "leader"]


def test_an_outage_of_a_server_that_was_taken_out_ends_without_it(fake: FakeZooKeeper) -> None:
    gone = follower(fake)
    reconfig(fake, leaving=str(gone))
    with fake.faults.stop_server(gone):
        pass
    assert not fake.members[gone - 1].running


def test_who_is_allowed_to_change_later_starts_with_a_version_then() -> None:
    # As on a live ensemble of 3.9.5: the epoch of the leader that finds version 0.
    fake = FakeZooKeeper(servers=3, settings={"tickTime": 200})
    with fake:
        assert (fake.znodes[CONFIG].data or b"").endswith(b"\nversion=0")
    fake.configure(SETTINGS)
    with fake:
        assert (fake.znodes[CONFIG].data or b"").endswith(b"\nversion=200000000")
        assert fake.znodes[CONFIG].stat.mzxid == 0x200000000
        joined = fake.add_server()
        assert joined.removed
        assert f"{joined.specification()}\n" in reconfig(fake, joining=joined.specification())
    fake.configure(SETTINGS)
    with fake:
        assert joined.specification().encode() in (fake.znodes[CONFIG].data or b"")


def test_a_new_port_outlives_a_stop(fake: FakeZooKeeper) -> None:
    number = follower(fake)
    member, other = fake.members[number - 1], FakeZooKeeper()
    with other:
        free = other.members[0].port
    line = f"server.{number}=127.0.0.1:1:2:participant;127.0.0.1:{free}"
    reconfig(fake, joining=line)
    assert member.port == free
    member.stop()
    member.start()
    Client(free).close()
    fake.stop()
    fake.start()
    assert fake.members[number - 1].port == free
    assert f"127.0.0.1:{free}" in fake.hosts
    Client(free).close()


def test_a_port_that_somebody_has_is_not_open(fake: FakeZooKeeper) -> None:
    number = follower(fake)
    member = fake.members[number - 1]
    client, before = Client(member.port), member.port
    with FakeZooKeeper() as other:
        taken = other.members[0].port
        text = f"server.{number}=127.0.0.1:1:2:participant;127.0.0.1:"
        reconfig(fake, joining=text + str(taken))
        assert client.create("/still").error == OK
        member.stop()
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {taken}"):
            member.start()
        reconfig(fake, joining=text + str(before))
    client.close()
    member.start()
    Client(member.port).close()


def test_a_snapshot_does_not_bring_members_back(fake: FakeZooKeeper) -> None:
    snapshot = fake.snapshot()
    gone = follower(fake)
    text = reconfig(fake, leaving=str(gone))
    fake.restore(snapshot)
    assert fake.znodes[CONFIG].data == text.encode()
    assert f"server.{gone}=" in reconfig(fake, joining=f"server.{gone}=127.0.0.1:1:2:observer;3")


def test_a_snapshot_takes_a_proposed_configuration_back(fake: FakeZooKeeper) -> None:
    fake.members[2].stop()
    snapshot, before = fake.snapshot(), fake.znodes[CONFIG].data
    leader, other = fake.members[1], fake.members[0]
    assert leader.mode == "leader"
    client = Client(leader.port)
    fake.faults.slow_servers(leader.id, other.id, (600, 600))
    texts = wire.string(None) + wire.string("3") + wire.string(None)
    client.send("reconfig", texts + wire.i64(-1))
    deadline = time.monotonic() + PATIENCE
    while fake.znodes[CONFIG].data == before:  # what the leader has accepted
        assert time.monotonic() < deadline
        time.sleep(0.005)  # between two questions
    fake.faults.heal()  # what is on its way stays there
    fake.restore(snapshot)
    client.close()
    assert fake.znodes[CONFIG].data == before
    assert "server.3=" in reconfig(fake)


def test_whom_no_vote_weighs_is_not_elected(fake: FakeZooKeeper) -> None:
    groups = "group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=0"
    lines = "\n".join(member.specification() for member in fake.members)
    reconfig(fake, members=f"{lines}\n{groups}")
    with fake.faults.lose_quorum():
        # The vote of the third one is needed by nobody.
        assert not fake.members[2].running
        assert {fake.members[0].running, fake.members[1].running} == {True, False}
    assert fake.members[2].mode == "follower"
    assert "leader" in {fake.members[0].mode, fake.members[1].mode}


def test_localhost_is_where_the_others_reached_the_leader_before(fake: FakeZooKeeper) -> None:
    leader = next(member for member in fake.members if member.mode == "leader")
    moved = leader.specification().replace("127.0.0.1", "localhost")
    assert moved in reconfig(fake, joining=moved)
    assert [member.mode for member in fake.members].count("follower") == 2
    reconfig(fake, joining=moved.replace(":288", ":588"))
    assert "leader" in [member.mode for member in fake.members if member is not leader]


def test_losing_the_quorum_goes_by_those_who_vote(fake: FakeZooKeeper) -> None:
    gone = follower(fake)
    reconfig(fake, leaving=str(gone))
    with fake.faults.lose_quorum():
        running = [member.id for member in fake.members if member.running]
        assert gone in running
        assert len(running) == 2


def test_who_joins_follows_and_then_votes(fake: FakeZooKeeper) -> None:
    joined = fake.add_server()
    assert (joined.id, joined.mode, joined.removed) == (4, "follower", True)
    assert joined.hosts not in reconfig(fake)
    text = reconfig(fake, joining=joined.specification())
    assert joined.specification() in text.split("\n")
    assert not joined.removed
    for member in fake.members:
        if member.mode == "follower" and member is not joined:
            member.stop()
            break
    leader = next(member for member in fake.members if member.mode == "leader")
    client = Client(leader.port)
    assert client.create("/three-of-four").error == OK
    client.close()
    fake.stop()
    fake.start()
    assert sorted(str(member.mode) for member in fake.members) == [*["follower"] * 3, "leader"]


def test_who_cannot_join() -> None:
    fake = FakeZooKeeper(servers=3, settings=SETTINGS)
    with pytest.raises(RuntimeError, match="not running"):
        fake.add_server()
    with FakeZooKeeper(settings=SETTINGS) as alone, pytest.raises(RuntimeError, match="alone"):
        alone.add_server()
    with FakeZooKeeper(servers=2) as fixed, pytest.raises(RuntimeError, match="reconfigEnabled"):
        fixed.add_server()
    with FakeZooKeeper(servers=2, settings=SETTINGS, host="127.0.0.1") as full:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("zkfake._realtime.ports.PortListener", _no_port)
            with pytest.raises(OSError, match="no port"):
                full.add_server()
        assert full.add_server().id == 3


def _no_port(host: str, port: int) -> None:
    raise OSError(f"no port on {host}: {port}")
