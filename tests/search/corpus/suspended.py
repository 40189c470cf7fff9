"""The leader does some work every second, as long as it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import NodeExistsError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def lead(sim: Simulation, client: KazooClient) -> None:
    for _ in range(60):
        try:
            client.create("/leader", ephemeral=True)
            break
        except NodeExistsError:
            sim.sleep(1)
    else:
        return
    term = len(recorded(sim, "leads"))
    sim.history.record("leads", term)
    told = []
    client.add_listener(told.append)
    for _ in range(20):
        if "LOST" in told:
            sim.history.record("works after LOST", term)
        sim.sleep(1)
    client.stop()


def lead_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(60):
        try:
            client.create("/leader", ephemeral=True)
            break
        except NodeExistsError:
            sim.sleep(1)
    else:
        return
    term = len(recorded(sim, "leads"))
    sim.history.record("leads", term)
    told = []
    client.add_listener(told.append)
    for _ in range(20):
        if "SUSPENDED" in told:
            return
        if "LOST" in told:
            sim.history.record("works after LOST", term)
        sim.sleep(1)
    client.stop()


def wrong(sim: Simulation) -> None:
    sim.load({"/": b""})
    together(sim, lead, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/": b""})
    together(sim, lead_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "works after LOST")
