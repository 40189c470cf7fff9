"""One writes, tells the other by other means, and the other reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def is_over(sim: Simulation) -> bool:
    return bool(recorded(sim, "over") or recorded(sim, "gives up"))


def read(sim: Simulation, client: KazooClient) -> None:
    sim.run_until(lambda: is_over(sim), timeout=100_000)
    value, _stat = client.get("/order")
    if recorded(sim, "written"):
        sim.history.record("read", value)


def read_mended(sim: Simulation, client: KazooClient) -> None:
    sim.run_until(lambda: is_over(sim), timeout=100_000)
    client.set("/order/seen", b"")  # a sync that a deposed leader answers would not be enough
    value, _stat = client.get("/order")
    if recorded(sim, "written"):
        sim.history.record("read", value)


def write(sim: Simulation, client: KazooClient) -> None:
    try:
        client.set("/order", b"paid")
        sim.history.record("written", "paid")
    finally:
        sim.history.record("over", "paid")


def wrong(sim: Simulation) -> None:
    sim.load({"/order": b"none", "/order/seen": b""})
    sim.spawn(together, sim, write, "writer")
    together(sim, read, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/order": b"none", "/order/seen": b""})
    sim.spawn(together, sim, write, "writer")
    together(sim, read_mended, "ann")


def check(sim: Simulation) -> None:
    assert b"none" not in recorded(sim, "read")
