"""Each order gets a number of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def order(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        client.create("/orders/order-", sequence=True)
        number = len(client.get_children("/orders"))
        sim.history.record("number", number)
        sim.sleep(1)


def order_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        path = client.create("/orders/order-", sequence=True)
        number = int(path.rpartition("-")[2])
        sim.history.record("number", number)
        sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/orders": b""})
    together(sim, order, "ann", "bob", apart=0.1)


def mended(sim: Simulation) -> None:
    sim.load({"/orders": b""})
    together(sim, order_mended, "ann", "bob", apart=0.1)


def check(sim: Simulation) -> None:
    numbers = recorded(sim, "number")
    assert len(numbers) == len(set(numbers))
