"""A scheduler gives each job to a worker that is there."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from kazoo.exceptions import NoNodeError

from .people import start, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def schedule(sim: Simulation, client: KazooClient) -> None:
    workers = client.get_children("/workers")
    for job, worker in zip(range(8), cycle(workers), strict=False):
        address, _stat = client.get(f"/workers/{worker}")
        client.create(f"/jobs/{job}", address)
        sim.sleep(1)


def schedule_mended(sim: Simulation, client: KazooClient) -> None:
    for job in range(8):
        for worker in client.get_children("/workers"):
            try:
                address, _stat = client.get(f"/workers/{worker}")
            except NoNodeError:
                continue  # it has left
            client.create(f"/jobs/{job}", address)
            break
        sim.sleep(1)


def serve(sim: Simulation, client: KazooClient) -> None:
    client.create("/workers/", b"10.0.0.1:80", ephemeral=True, sequence=True)
    sim.sleep(60)


def wrong(sim: Simulation) -> None:
    sim.load({"/workers": b"", "/jobs": b""})
    start(sim, serve, "ann", "bob")
    sim.sleep(1)
    together(sim, schedule, "planner")


def mended(sim: Simulation) -> None:
    sim.load({"/workers": b"", "/jobs": b""})
    start(sim, serve, "ann", "bob")
    sim.sleep(1)
    together(sim, schedule_mended, "planner")


def check(sim: Simulation) -> None:
    """The planner has met nothing that it did not expect: `together` sees to that."""
