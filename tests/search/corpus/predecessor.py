"""Each waits for the one before it to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import lost_its_session, recorded, start

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def wait(sim: Simulation, client: KazooClient) -> None:
    mine = client.create("/line/", ephemeral=True, sequence=True).rpartition("/")[2]
    while (line := sorted(client.get_children("/line"))) and line[0] != mine:
        gone = client.handler.event_object()
        client.exists(f"/line/{line[0]}", watch=lambda _, gone=gone: gone.set())
        gone.wait()
    if line:  # the session has not ended
        sim.history.record("has its turn", mine)


def wait_mended(sim: Simulation, client: KazooClient) -> None:
    mine = client.create("/line/", ephemeral=True, sequence=True).rpartition("/")[2]
    while (line := sorted(client.get_children("/line"))) and line[0] != mine:
        gone = client.handler.event_object()
        if client.exists(f"/line/{line[0]}", watch=lambda _, gone=gone: gone.set()):
            gone.wait()
    if line:  # the session has not ended
        sim.history.record("has its turn", mine)


def leave(sim: Simulation, client: KazooClient) -> None:
    sim.sleep(0.1)
    client.delete("/line/-first")


def wrong(sim: Simulation) -> None:
    sim.load({"/line/-first": b""})
    start(sim, leave, "first")
    start(sim, wait, "ann")
    sim.sleep(10)


def mended(sim: Simulation) -> None:
    sim.load({"/line/-first": b""})
    start(sim, leave, "first")
    start(sim, wait_mended, "ann")
    sim.sleep(10)


def check(sim: Simulation) -> None:
    sim.sleep(5)
    excused = "/line/-first" in sim.dump("/line") or "ann" in recorded(sim, "gives up")
    assert recorded(sim, "has its turn") or excused or lost_its_session(sim, "ann")
