"""A producer puts jobs into a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss

from .people import together

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
                client.ensure_path(f"/queue/job-{job}")
                break
            except ConnectionLoss:
                sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/queue": b""})
    together(sim, put, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/queue": b""})
    together(sim, put_mended, "ann")


def check(sim: Simulation) -> None:
    assert len(sim.dump("/queue")) - 1 <= JOBS
