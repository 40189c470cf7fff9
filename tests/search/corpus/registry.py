"""A service registers itself, and serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def serve(sim: Simulation, client: KazooClient) -> None:
    client.create("/services/web", ephemeral=True)
    missed = 0
    for _ in range(10):
        sim.sleep(2)
        missed = 0 if client.exists("/services/web") else missed + 1
    if missed > 4:
        sim.history.record("cannot be found", "web")


def serve_mended(sim: Simulation, client: KazooClient) -> None:
    client.create("/services/web", ephemeral=True)
    missed = 0
    for _ in range(10):
        sim.sleep(2)
        missed = 0 if client.exists("/services/web") else missed + 1
        if missed:
            client.create("/services/web", ephemeral=True)
    if missed > 4:
        sim.history.record("cannot be found", "web")


def wrong(sim: Simulation) -> None:
    sim.load({"/services": b""})
    together(sim, serve, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/services": b""})
    together(sim, serve_mended, "ann")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "cannot be found")
