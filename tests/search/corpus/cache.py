"""A cache reads once, and again when its watch says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def use(sim: Simulation, client: KazooClient) -> None:
    stale = client.handler.event_object()
    client.add_listener(lambda state: stale.set() if state == "LOST" else None)
    for _ in range(3):
        stale.clear()
        value, _stat = client.get("/value")
        client.exists("/value", watch=lambda _: stale.set())
        stale.wait(300)
        if not stale.is_set() and client.get("/value")[0] != value:
            sim.history.record("is stale", value)


def use_mended(sim: Simulation, client: KazooClient) -> None:
    stale = client.handler.event_object()
    client.add_listener(lambda state: stale.set() if state == "LOST" else None)
    for _ in range(3):
        stale.clear()
        value, _stat = client.get("/value", watch=lambda _: stale.set())
        stale.wait(300)
        if not stale.is_set() and client.get("/value")[0] != value:
            sim.history.record("is stale", value)


def change(sim: Simulation, client: KazooClient) -> None:
    client.set("/value", b"1")


def wrong(sim: Simulation) -> None:
    sim.load({"/value": b"0"})
    sim.spawn(together, sim, change, "writer")
    together(sim, use, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/value": b"0"})
    sim.spawn(together, sim, change, "writer")
    together(sim, use_mended, "ann")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "is stale")
