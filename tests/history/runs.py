"""Programs whose histories the tests judge."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from zkfake.simulation import Simulation

from .traffic import READER, Traffic

if TYPE_CHECKING:
    from kazoo.client import KazooClient

PATHS = ("/a", "/b")


def hostile(seed: int, servers: int = 1, **knobs: object) -> Simulation:
    """Four clients do a little of everything through every fault there is."""
    sim = Simulation(seed=seed, servers=servers, profile="hostile", **knobs)  # type: ignore[arg-type]
    sim.quiet = True
    with sim:
        clients = [sim.client(timeout=8.0) for _ in range(4)]
        for task in [
            sim.spawn(_work, sim, client, number) for number, client in enumerate(clients)
        ]:
            task.result()
        sim.settle()
        for client in clients:
            client.retry(client.sync, "/a")
            client.retry(client.exists, "/a")
    return sim


def _work(sim: Simulation, client: KazooClient, number: int) -> None:
    for turn in range(8):
        try:
            step(client, f"{number}.{turn}".encode(), (turn + number) % 4)
        except KazooException:  # noqa: PERF203
            sim.sleep(1)


def step(client: KazooClient, value: bytes, kind: int) -> None:
    client.ensure_path("/queue")
    for path in PATHS:
        client.ensure_path(path)
        client.get(path, watch=_told)
    client.exists("/gone", watch=_told)
    if kind == 0:
        transaction = client.transaction()
        for path in PATHS:
            transaction.set_data(path, value)
        transaction.commit()
    elif kind == 1:
        client.create("/queue/item-", value, sequence=True, ephemeral=True)
        client.get_children("/queue", watch=_told)
    elif kind == 2:
        client.sync("/a")
        client.get("/a")
        if client.exists("/gone"):
            client.delete("/gone")
        else:
            client.create("/gone", value)
    else:
        client.set("/b", value)
        if children := client.get_children("/queue"):
            client.delete(f"/queue/{children[0]}")


def _told(_event: object) -> None:
    pass


def busy(seed: int, servers: int = 1, turns: int = 40, **knobs: object) -> Simulation:
    """Four clients with the traffic of every kind, through every fault there is; half of the
    servers are of a version that does not tell the zxids of events.
    """
    version = ("3.9", "3.8")[seed % 2]
    sim = Simulation(seed=seed, servers=servers, profile="hostile", version=version, **knobs)  # type: ignore[arg-type]
    sim.quiet = True
    with sim:
        clients = [
            sim.client(timeout=8.0, auth_data=[READER] if number % 2 else None)
            for number in range(4)
        ]
        traffic = [
            Traffic(client, number, Random(f"{seed} {number}"))
            for number, client in enumerate(clients)
        ]
        for task in [sim.spawn(_run, sim, each, turns) for each in traffic]:
            task.result()
        sim.settle()
        for client in clients:
            client.retry(client.sync, "/t")
            client.retry(client.exists, "/t")
    return sim


def _run(sim: Simulation, traffic: Traffic, turns: int) -> None:
    for _ in range(turns):
        traffic.step()
        sim.sleep(traffic.dice.random())
