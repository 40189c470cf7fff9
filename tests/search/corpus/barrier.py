"""Everybody waits until all three have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def meet(sim: Simulation, client: KazooClient) -> None:
    client.create("/barrier/", sequence=True)
    came = client.handler.event_object()
    there = client.get_children("/barrier")
    client.get_children("/barrier", watch=lambda _: came.set())
    if len(there) < 3 and not came.wait(60) and len(client.get_children("/barrier")) == 3:
        sim.history.record("waits in vain", "barrier")


def meet_mended(sim: Simulation, client: KazooClient) -> None:
    client.create("/barrier/", sequence=True)
    came = client.handler.event_object()
    there = client.get_children("/barrier", watch=lambda _: came.set())
    if len(there) < 3 and not came.wait(60) and len(client.get_children("/barrier")) == 3:
        sim.history.record("waits in vain", "barrier")


def wrong(sim: Simulation) -> None:
    sim.load({"/barrier": b""})
    together(sim, meet, "ann", "bob", "cy")


def mended(sim: Simulation) -> None:
    sim.load({"/barrier": b""})
    together(sim, meet_mended, "ann", "bob", "cy")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "waits in vain")
