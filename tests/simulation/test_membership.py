"""Members that come and go in a simulation: what the programs of clients see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kazoo.exceptions import KazooException, NewConfigNoQuorumError

from zkfake.history import ServerEvent
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from kazoo.client import KazooClient

CONFIG = "/zookeeper/config"
SETTINGS = {"reconfigEnabled": True, "skipACL": True}


def voters(client: KazooClient) -> set[int]:
    text = client.retry(client.get, CONFIG)[0].decode()
    lines = [line for line in text.split("\n") if ":participant" in line]
    return {int(line.partition("=")[0].removeprefix("server.")) for line in lines}


def change(client: KazooClient, joining: str | None = None, leaving: str | None = None) -> None:
    client.retry(client.reconfig, joining=joining, leaving=leaving, new_members=None)


def test_every_server_is_exchanged_while_a_client_counts() -> None:
    with Simulation(seed=3, servers=3, settings=SETTINGS) as sim:
        for _ in range(3):
            sim.add_server()
        hosts = ",".join(f"zk{number}:2181" for number in range(1, 7))
        client = sim.client(hosts=hosts)
        client.create("/count", b"0")

        def count() -> None:
            for number in range(1, 41):
                client.retry(client.set, "/count", b"%d" % number)
                sim.sleep(0.5)

        task = sim.spawn(count)
        admin = sim.client(hosts=hosts)
        for new, old in ((4, 1), (5, 2), (6, 3)):
            change(admin, joining=sim.replicas[new - 1].specification(), leaving=str(old))
            sim.sleep(2)
        for old in (1, 2, 3):
            sim.faults.stop_server(old)
        task.join()
        assert voters(admin) == {4, 5, 6}
        assert sim.leader in {4, 5, 6}
        assert client.retry(client.get, "/count")[0] == b"40"
        sim.faults.heal()
        assert [replica.running for replica in sim.replicas] == [False] * 3 + [True] * 3
        sim.settle()


def test_a_leader_that_is_removed_serves_reads_until_it_looks_for_its_quorum() -> None:
    with Simulation(seed=1, servers=3, settings=SETTINGS) as sim:
        old = sim.leader
        assert old is not None
        loyal = sim.client(hosts=f"zk{old}:2181")
        loyal.create("/a", b"1")
        change(loyal, leaving=str(old))
        assert sim.run_until(lambda: sim.leader not in (None, old))
        new = sim.client(hosts=f"zk{sim.leader}:2181")
        new.set("/a", b"2")
        assert loyal.connected
        assert loyal.get("/a")[0] == b"1"
        sim.run_until(lambda: sim.replicas[old - 1].mode == "follower")
        assert loyal.retry(loyal.get, "/a")[0] == b"2"


def test_handing_over_is_told_step_by_step() -> None:
    with Simulation(servers=3, settings=SETTINGS) as sim:
        assert sim.leader == 2
        client = sim.client(hosts="zk2:2181")
        begun = len(sim.history.of(ServerEvent))
        change(client, leaving="2")
        sim.settle()
        told = [repr(e).partition(", ")[2][:-1] for e in sim.history.of(ServerEvent)[begun:]]
    place = "configuration 0x100000002, voters 1 3"
    other = "looks: a configuration gives it, or its leader, another place"
    assert told == [
        f"server=2, epoch=1, changes place: no member; {place}",
        f"server=1, epoch=1, changes place: participant; {place}",
        f"server=1, epoch=1, {other}",
        f"server=3, epoch=1, changes place: participant; {place}",
        f"server=3, epoch=1, {other}",
        "server=1, epoch=2, is elected: by servers 1 3; its log ends at 0x100000002, of epoch 1",
        "server=3, epoch=2, joins: server 1; its log ends at 0x100000002",
        "server=1, epoch=2, leads: servers 1 3; no proposals of earlier epochs are committed now",
        "server=3, epoch=2, follows: server 1",
        "server=2, epoch=1, steps down: server 1 leads epoch 2",
        "server=2, epoch=1, looks: it has no quorum any more",
        "server=2, epoch=2, joins: server 1; its log ends at 0x100000002",
        "server=2, epoch=2, follows: server 1",
    ]


def test_who_is_no_member_any_more_may_never_find_the_others_again() -> None:
    """All that it knows are gone; nobody waits for it."""
    with Simulation(servers=3, settings=SETTINGS) as sim:
        hosts = ",".join(f"zk{number}:2181" for number in range(2, 7))
        client = sim.client(hosts=hosts)
        change(client, leaving="1")
        lonely = sim.faults.isolate(1)
        for new in (4, 5, 6):
            sim.add_server()
            sim.sleep(1)
            change(client, joining=sim.replicas[new - 1].specification())
        change(client, leaving="2,3")
        sim.run_until(lambda: sim.leader in (4, 5, 6))
        sim.faults.stop_server(2)
        sim.faults.stop_server(3)
        sim.sleep(30)
        lonely.heal()
        sim.settle()
        assert [replica.running for replica in sim.replicas[:3]] == [True, False, False]
        assert sim.replicas[0].mode is None
        assert voters(client) == {4, 5, 6}


def test_new_clients_go_to_the_new_port() -> None:
    with Simulation(servers=3, settings=SETTINGS) as sim:
        number = next(n for n in (1, 2, 3) if n != sim.leader)
        client = sim.client(hosts=f"zk{number}:2181")
        line = sim.replicas[number - 1].specification()
        change(client, joining=line.replace(f"10.0.0.{number}:2181", f"10.0.0.{number}:2999"))
        assert client.get(CONFIG)
        with pytest.raises(sim.handler("late").timeout_exception):
            sim.client(hosts=f"zk{number}:2181")
        assert sim.client(hosts=f"zk{number}:2999").get(CONFIG)


def test_a_quorum_of_the_new_members_has_to_be_there() -> None:
    with Simulation(servers=3, observers=1, settings=SETTINGS) as sim:
        client = sim.client()
        members = [sim.replicas[n - 1].specification() for n in (sim.leader or 0, 4)]
        members[1] = sim.replicas[3].specification("participant")
        with pytest.raises(NewConfigNoQuorumError):
            client.reconfig(joining=None, leaving=None, new_members=",".join(members))


def hostile(seed: int) -> Simulation:
    """A world whose members are changed by one client while the others write."""
    sim = Simulation(seed=seed, servers=3, profile="hostile", settings=SETTINGS)
    with sim:
        for _ in range(2):
            sim.add_server()
        hosts = ",".join(f"zk{number}:2181" for number in range(1, 6))
        writer, admin = sim.client(hosts=hosts), sim.client(hosts=hosts)
        last = 0

        def write() -> None:
            nonlocal last
            for number in range(1, 30):
                try:
                    writer.retry(writer.ensure_path, "/n")
                    writer.retry(writer.set, "/n", b"%d" % number)
                    last = number
                except KazooException:
                    pass
                sim.sleep(1)

        task = sim.spawn(write)
        for number in (4, 5, 1, 2, 4):
            role = "observer" if number == 4 else "participant"
            line = sim.replicas[number - 1].specification(role)
            try:
                change(admin, joining=line)
                change(admin, leaving=str(number % 5 + 1))
            except KazooException:
                pass
            sim.sleep(3)
        task.join()
        sim.settle()
        found = int(writer.retry(writer.get, "/n")[0])
        assert found >= last
    return sim


@pytest.mark.parametrize("seed", range(6))
def test_a_hostile_world_is_well_again_and_the_same_again(seed: int) -> None:
    assert hostile(seed).history.digest() == hostile(seed).history.digest()
