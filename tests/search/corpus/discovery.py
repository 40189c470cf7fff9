"""A service stops, starts again, and registers itself again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import NodeExistsError, NoNodeError

from .people import lost_its_session, recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def serve(sim: Simulation, client: KazooClient) -> None:
    if not client.exists("/services/web"):
        client.create("/services/web", ephemeral=True)
    sim.history.record("serves", "web")


def serve_mended(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            client.create("/services/web", ephemeral=True)
            break
        except NodeExistsError:
            with suppress(NoNodeError):
                client.delete("/services/web")  # of the process before this one
    sim.history.record("serves", "web")


def stop(sim: Simulation, client: KazooClient) -> None:
    client.create("/services/web", ephemeral=True)
    sim.sleep(5)
    client.stop()


def wrong(sim: Simulation) -> None:
    sim.load({"/services": b""})
    together(sim, stop, "first")
    together(sim, serve, "second")


def mended(sim: Simulation) -> None:
    sim.load({"/services": b""})
    together(sim, stop, "first")
    together(sim, serve_mended, "second")


def check(sim: Simulation) -> None:
    sim.sleep(60)  # whatever was left behind is gone
    if recorded(sim, "serves") and not lost_its_session(sim, "second"):
        assert "/services/web" in sim.dump("/services")
