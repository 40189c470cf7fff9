"""A cache reads once, and again when its watch says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, start, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def use(sim: Simulation, client: KazooClient) -> None:
    stale = client.handler.event_object()
    stale.set()
    while True:
        if stale.is_set():
            stale.clear()
            value, _stat = client.get("/value")
            client.exists("/value", watch=lambda _: stale.set())
        sim.history.record("shows", value)
        sim.sleep(1)


def use_mended(sim: Simulation, client: KazooClient) -> None:
    stale = client.handler.event_object()
    stale.set()
    while True:
        if stale.is_set():
            stale.clear()
            value, _stat = client.get("/value", watch=lambda _: stale.set())
        sim.history.record("shows", value)
        sim.sleep(1)


def change(sim: Simulation, client: KazooClient) -> None:
    for number in range(1, 4):
        sim.sleep(0.7)
        client.set("/value", b"%d" % number)


def wrong(sim: Simulation) -> None:
    sim.load({"/value": b"0"})
    start(sim, use, "ann")
    together(sim, change, "writer")


def mended(sim: Simulation) -> None:
    sim.load({"/value": b"0"})
    start(sim, use_mended, "ann")
    together(sim, change, "writer")


def check(sim: Simulation) -> None:
    sim.sleep(5)
    shown = recorded(sim, "shows")
    if shown and "ann" not in recorded(sim, "gives up"):
        assert shown[-1] == sim.dump("/value")["/value"]
