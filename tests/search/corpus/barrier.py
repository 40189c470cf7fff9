"""Everybody waits until all three have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, start

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def meet(sim: Simulation, client: KazooClient) -> None:
    client.create("/barrier/", sequence=True)
    came = client.handler.event_object()
    while len(client.get_children("/barrier")) < 3:
        client.get_children("/barrier", watch=lambda _: came.set())
        came.wait()
        came.clear()
    sim.history.record("goes on", "behind the barrier")


def meet_mended(sim: Simulation, client: KazooClient) -> None:
    client.create("/barrier/", sequence=True)
    came = client.handler.event_object()
    while len(client.get_children("/barrier", watch=lambda _: came.set())) < 3:
        came.wait()
        came.clear()
    sim.history.record("goes on", "behind the barrier")


def wrong(sim: Simulation) -> None:
    sim.load({"/barrier": b""})
    start(sim, meet, "ann", "bob", "cy", apart=0.05)
    sim.sleep(10)


def mended(sim: Simulation) -> None:
    sim.load({"/barrier": b""})
    start(sim, meet_mended, "ann", "bob", "cy", apart=0.05)
    sim.sleep(10)


def check(sim: Simulation) -> None:
    sim.sleep(5)
    assert len(recorded(sim, "goes on")) == 3 or recorded(sim, "gives up")
