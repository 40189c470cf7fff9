"""A producer puts jobs into a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, NodeExistsError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


JOBS = 3


def put(sim: Simulation, client: KazooClient) -> None:
    for job in range(JOBS):
        while True:
            try:
                client.create("/queue/job-", b"%d" % job, sequence=True)
                break
            except ConnectionLoss:
                sim.sleep(1)


def put_mended(sim: Simulation, client: KazooClient) -> None:
    for job in range(JOBS):
        while True:
            try:
                client.create(f"/queue/job-{job}", b"%d" % job)
                break
            except NodeExistsError:
                break  # it was put, and the reply was lost
            except ConnectionLoss:
                sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/queue": b""})
    together(sim, put, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/queue": b""})
    together(sim, put_mended, "ann")


def check(sim: Simulation) -> None:
    jobs = [data for path, data in sim.dump("/queue").items() if path != "/queue"]
    assert len(jobs) == len(set(jobs))
    assert len(jobs) == JOBS or recorded(sim, "gives up")
