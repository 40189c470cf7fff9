"""A leader does some work every second, as long as it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import NodeExistsError

from zkfake.history import Recorded, StateChange

from .people import together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def get_elected(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            client.create("/leader", ephemeral=True)
            break
        except NodeExistsError:
            sim.sleep(1)
    sim.history.record("leads", "from now on")


def lead(sim: Simulation, client: KazooClient) -> None:
    get_elected(sim, client)
    for _ in range(20):
        sim.history.record("works", "as the leader")
        sim.sleep(1)
    client.stop()


def lead_mended(sim: Simulation, client: KazooClient) -> None:
    lost = client.handler.event_object()
    client.add_listener(lambda state: lost.set() if state == "LOST" else None)
    get_elected(sim, client)
    for _ in range(20):
        if lost.is_set():
            break
        sim.history.record("works", "as the leader")
        sim.sleep(1)
    client.stop()


def wrong(sim: Simulation) -> None:
    together(sim, lead, "ann", "bob")


def mended(sim: Simulation) -> None:
    together(sim, lead_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    lost = set()
    for event in sim.history:
        if isinstance(event, StateChange) and event.state == "LOST":
            lost.add(event.client)
        elif isinstance(event, Recorded) and event.name == "leads":
            lost.discard(event.task)  # of this session
        elif isinstance(event, Recorded) and event.name == "works":
            assert event.task not in lost
