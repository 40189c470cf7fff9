"""A service registers itself, and can be found as long as it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import NodeExistsError

from zkfake.history import StateChange

from .people import recorded, start

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def serve(sim: Simulation, client: KazooClient) -> None:
    client.create("/services/web", ephemeral=True)
    while True:
        sim.sleep(1)


def serve_mended(sim: Simulation, client: KazooClient) -> None:
    lost = client.handler.event_object()
    client.add_listener(lambda state: lost.set() if state == "LOST" else None)
    register(sim, client)
    while True:
        sim.sleep(1)
        if lost.is_set():
            lost.clear()
            register(sim, client)


def register(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            client.create("/services/web", ephemeral=True)
            return
        except NodeExistsError:  # noqa: PERF203
            stat, session = client.exists("/services/web"), client.client_id
            if stat is not None and session is not None and stat.ephemeralOwner == session[0]:
                return
            sim.sleep(1)  # it goes with the session that was lost


def wrong(sim: Simulation) -> None:
    sim.load({"/services": b""})
    start(sim, serve, "ann")
    sim.sleep(20)


def mended(sim: Simulation) -> None:
    sim.load({"/services": b""})
    start(sim, serve_mended, "ann")
    sim.sleep(20)


def check(sim: Simulation) -> None:
    sim.sleep(5)
    if [event.state for event in sim.history.of(StateChange)][-1:] == ["CONNECTED"]:
        assert "/services/web" in sim.dump("/services") or recorded(sim, "gives up")
