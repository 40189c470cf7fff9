"""What a world owes its clients, and programs that look for it, one seed a run. Histories judge.

Each program raises `AssertionError` where a promise is broken. They are shared by the tests that
try them on many seeds and those that plant mistakes and want them caught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake.history import ServerEvent, register
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from kazoo.client import KazooClient

WRITES = 10


def client_of(sim: Simulation, server: int, **arguments: float) -> KazooClient:
    """A client that knows one server only."""
    return sim.client(hosts=f"zk{server}:2181", **arguments)


def leader_of(sim: Simulation) -> int:
    assert sim.leader is not None
    return sim.leader


def follower_of(sim: Simulation) -> int:
    """A server of the first three that does not lead."""
    return next(number for number in (1, 2, 3) if number != sim.leader)


def stale_reads(seed: int, profile: str = "realistic") -> int:
    """How many reads on a follower did not find what had been written before. No faults."""
    stale = 0
    with Simulation(seed=seed, servers=3, profile=profile) as sim:
        sim.faults.stop_chance()
        writer, reader = sim.client(), client_of(sim, follower_of(sim))
        writer.create("/a", b"")
        reader.sync("/a")
        for number in range(WRITES):
            writer.set("/a", b"%d" % number)
            stale += reader.get("/a")[0] != b"%d" % number
    return stale


def a_sync_ends_staleness(seed: int) -> None:
    """A read behind a sync finds what had been written before, on followers, however far each of
    them is behind. A leader asks nobody.
    """
    with Simulation(seed=seed, servers=3, profile="realistic", replica_lag=(0, 0.5)) as sim:
        sim.faults.stop_chance()
        writer = client_of(sim, follower_of(sim))
        readers = [client_of(sim, number) for number in (1, 2, 3) if number != sim.leader]
        writer.create("/a", b"")
        for reader in readers:
            reader.sync("/a")
        for number in range(WRITES):
            writer.set("/a", b"%d" % number)
            for reader in readers:
                reader.sync("/a")
                reader.get("/a")
        sim.history.check(register("/a")).raise_if_broken()


def a_hostile_world(seed: int, servers: int = 3) -> None:
    """Three clients read, watch and write one znode through every fault there is. Every promise is
    kept; once all is healed everybody reads the same, and every server has it.
    """
    with Simulation(seed=seed, servers=servers, profile="hostile") as sim:
        clients = [sim.client(timeout=8.0) for _ in range(3)]

        def work(client: KazooClient) -> None:
            for number in range(8):
                try:
                    client.ensure_path("/a")
                    client.get("/a", watch=lambda _event: None)
                    client.set("/a", b"%d" % number)
                except KazooException:  # noqa: PERF203
                    sim.sleep(1)

        for task in [sim.spawn(work, client) for client in clients]:
            task.result()
        sim.settle()
        for client in clients:  # one that was paused may learn only now that it has expired
            client.retry(client.sync, "/a")
        assert len({client.retry(client.get, "/a") for client in clients}) == 1
        first, *others = [dict(replica.tree.nodes) for replica in sim.replicas]
        assert all(nodes == first for nodes in others)
        sim.history.check().raise_if_broken()


def a_wandering_client(seed: int) -> None:
    """A client that loses its connection all the time goes on at servers that lag behind each
    other, and never goes back.
    """
    with Simulation(seed=seed, servers=3, profile="realistic", replica_lag=(0, 1)) as sim:
        sim.faults.stop_chance()
        writer, client = sim.client(), sim.client()
        for number in range(WRITES):
            writer.ensure_path(f"/{number}")
            client.sync("/")
            client.get_children("/")
            sim.faults.drop(client)
            sim.run_until(lambda: not client.connected)
            sim.run_until(lambda: client.connected)
            client.get_children("/")
        sim.history.check().raise_if_broken()


def elections(seed: int) -> None:
    """No acknowledged write is lost when leader after leader stops while a follower has missed its
    last writes.
    """
    with Simulation(seed=seed, servers=3, profile="realistic", election_time=(0.1, 3)) as sim:
        sim.faults.stop_chance()
        client = sim.client()
        for turn in range(3):
            leader = leader_of(sim)
            behind = (leader + (seed + turn) % 2) % 3 + 1
            cut = sim.faults.partition_servers(leader, behind)
            sim.sleep(5)  # they have noticed
            for number in range(10 * turn, 10 * turn + 10):
                try:
                    client.create(f"/{number}")
                except KazooException:  # noqa: PERF203
                    sim.sleep(0.5)
            with sim.faults.stop_server(leader):
                cut.heal()
                sim.run_until(lambda former=leader: sim.leader not in (None, former))
            sim.settle()
        client.get_children("/")
        assert sum(event.name == "leads" for event in sim.history.of(ServerEvent)) >= 2
        sim.history.check().raise_if_broken()
