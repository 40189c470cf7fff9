"""A lock around reading and writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import BadVersionError, NoNodeError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def add(sim: Simulation, client: KazooClient) -> None:
    lock = client.Lock("/lock")
    if lock.acquire(timeout=30):
        value, _stat = client.get("/total")
        sim.sleep(1)  # thinks
        client.set("/total", b"%d" % (int(value) + 1))
        sim.history.record("added", 1)
        lock.release()


def add_mended(sim: Simulation, client: KazooClient) -> None:
    lock = client.Lock("/lock")
    try:
        acquired = lock.acquire(timeout=30)
    except NoNodeError:  # docs/recipes.md, `past`: kazoo asked a server that is behind
        return
    if acquired:
        value, stat = client.get("/total")
        sim.sleep(1)  # thinks
        try:
            client.set("/total", b"%d" % (int(value) + 1), version=stat.version)
            sim.history.record("added", 1)
        except BadVersionError:
            pass  # it had the lock no more
        lock.release()


def wrong(sim: Simulation) -> None:
    sim.load({"/total": b"0"})
    together(sim, add, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/total": b"0"})
    together(sim, add_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    assert int(sim.dump("/total")["/total"]) >= len(recorded(sim, "added"))
