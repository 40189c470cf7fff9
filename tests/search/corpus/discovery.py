"""A service crashes, starts again, and registers itself again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def serve(sim: Simulation, client: KazooClient) -> None:
    sim.sleep(1)  # the first one crashes in the meantime
    if not client.exists("/services/web"):
        client.create("/services/web", ephemeral=True)
    missed = 0
    for _ in range(10):
        sim.sleep(2)
        missed = 0 if client.exists("/services/web") else missed + 1
    if missed > 4:
        sim.history.record("cannot be found", "web")


def serve_mended(sim: Simulation, client: KazooClient) -> None:
    sim.sleep(1)  # the first one crashes in the meantime
    missed = 0
    for _ in range(10):
        sim.sleep(2)
        missed = 0 if client.exists("/services/web") else missed + 1
        if missed:
            client.create("/services/web", ephemeral=True)
    if missed > 4:
        sim.history.record("cannot be found", "web")


def crash(sim: Simulation, client: KazooClient) -> None:
    client.create("/services/web", ephemeral=True)
    sim.faults.pause(client)


def wrong(sim: Simulation) -> None:
    sim.load({"/services": b""})
    sim.spawn(together, sim, crash, "first")
    together(sim, serve, "second")


def mended(sim: Simulation) -> None:
    sim.load({"/services": b""})
    sim.spawn(together, sim, crash, "first")
    together(sim, serve_mended, "second")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "cannot be found")
