"""What happens to the processes, disks and clocks of a `FakeZooKeeper`'s servers, as an unmodified
`KazooClient` meets it over TCP.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from kazoo.exceptions import ConnectionLoss

from ..support.faulty import PATIENCE, States

if TYPE_CHECKING:
    from ..support.faulty import Faulty

HOURS = (7200.0, 7200.0)


def test_a_leader_that_stands_still_is_replaced_and_follows_when_it_goes_on(
    ensemble: Faulty,
) -> None:
    leader = ensemble.member("leader")
    others = [member for member in ensemble.server.members if member.mode == "follower"]
    loyal, client = ensemble.client(leader.hosts, timeout=30.0), ensemble.client(others[0].hosts)
    client.create("/a", b"old")
    states, of_loyal = States(client), States(loyal)
    with ensemble.faults.pause_server(leader.id):
        states.expect("SUSPENDED", "CONNECTED")
        client.set("/a", b"new")
        read = loyal.get_async("/a")
        assert not read.ready()
    # Read by the leader that was: what it had then, or nothing. It may notice first.
    with suppress(ConnectionLoss):
        assert read.get(timeout=PATIENCE)[0] in (b"old", b"new")
    of_loyal.wait_for("CONNECTED")
    loyal.retry(loyal.sync, "/a")
    assert loyal.retry(loyal.get, "/a")[0] == b"new"
    assert leader.mode == "follower"


def test_a_slow_disk_keeps_a_write_from_being_answered(faulty: Faulty) -> None:
    client, other = faulty.client(), faulty.client()
    with faulty.faults.slow_disk(None, HOURS):
        write = client.create_async("/a")
        assert other.get_children("/") == ["zookeeper"]
        assert not write.ready()
    assert write.get(timeout=PATIENCE) == "/a"


def test_one_slow_disk_of_three_slows_nobody_and_two_slow_everybody(ensemble: Faulty) -> None:
    members = [member for member in ensemble.server.members if member.mode != "observer"]
    client, other = ensemble.client(members[0].hosts), ensemble.client(members[0].hosts)
    with ensemble.faults.slow_disk(members[2].id, HOURS):
        client.create("/a")
        with ensemble.faults.slow_disk(members[1].id, HOURS):
            write = client.create_async("/b")
            assert other.exists("/b") is None
            assert not write.ready()
        assert write.get(timeout=PATIENCE) == "/b"


def test_a_loss_of_power_takes_what_no_disk_had(ensemble: Faulty) -> None:
    voters = [member for member in ensemble.server.members if member.mode != "observer"]
    leader = ensemble.member("leader")
    client = ensemble.client(leader.hosts)
    client.create("/a")
    for member in voters:
        ensemble.faults.slow_disk(member.id, HOURS)
    write = client.create_async("/b")
    with ensemble.server._loop.at_work():
        pass
    client.exists_async("/a")
    states = States(client)
    outages = [ensemble.faults.cut_power(member.id) for member in voters]
    with pytest.raises(ConnectionLoss):
        write.get(timeout=PATIENCE)
    states.wait_for("SUSPENDED")
    for outage in outages:
        outage.heal()
    ensemble.faults.heal()
    states.wait_for("CONNECTED")
    assert client.retry(client.exists, "/a")
    assert client.retry(client.exists, "/b") is None


def test_znodes_have_their_times_from_the_leaders_clock(faulty: Faulty) -> None:
    client = faulty.client()
    with faulty.faults.skew_clock(None, 7200):
        stat = client.create("/a", include_data=True)[1]
        assert stat.ctime / 1000 - time.time() > 3600
    stat = client.create("/b", include_data=True)[1]
    assert stat.ctime / 1000 - time.time() < 3600
