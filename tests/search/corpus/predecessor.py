"""Each waits for the one before it to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def wait(sim: Simulation, client: KazooClient) -> None:
    client.create("/line/", ephemeral=True, sequence=True)
    first = min(client.get_children("/line"))
    gone = client.handler.event_object()
    client.exists(f"/line/{first}", watch=lambda _: gone.set())
    gone.wait(60)
    if not gone.is_set() and not client.exists(f"/line/{first}"):
        sim.history.record("waits in vain", first)


def wait_mended(sim: Simulation, client: KazooClient) -> None:
    client.create("/line/", ephemeral=True, sequence=True)
    first = min(client.get_children("/line"))
    gone = client.handler.event_object()
    if not client.exists(f"/line/{first}", watch=lambda _: gone.set()):
        return
    gone.wait(60)
    if not gone.is_set() and not client.exists(f"/line/{first}"):
        sim.history.record("waits in vain", first)


def leave(sim: Simulation, client: KazooClient) -> None:
    client.delete("/line/0")


def wrong(sim: Simulation) -> None:
    sim.load({"/line/0": b""})
    sim.spawn(together, sim, leave, "first")
    together(sim, wait, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/line/0": b""})
    sim.spawn(together, sim, leave, "first")
    together(sim, wait_mended, "ann")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "waits in vain")
