"""No more than three calls in all are let through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def call(sim: Simulation, client: KazooClient) -> None:
    for _ in range(2):
        if len(client.get_children("/calls")) < 3:
            client.create("/calls/", sequence=True)
            sim.history.record("lets through", "a call")
        sim.sleep(1)


def call_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(2):
        mine = client.create("/calls/", sequence=True).rpartition("/")[2]
        if mine in sorted(client.get_children("/calls"))[:3]:
            sim.history.record("lets through", "a call")
        sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/calls": b""})
    together(sim, call, "ann", "bob", apart=0.1)


def mended(sim: Simulation) -> None:
    sim.load({"/calls": b""})
    together(sim, call_mended, "ann", "bob", apart=0.1)


def check(sim: Simulation) -> None:
    assert len(recorded(sim, "lets through")) <= 3
