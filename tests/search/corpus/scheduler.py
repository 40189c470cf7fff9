"""A scheduler gives each job to a worker that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import NoNodeError

from .people import together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def schedule(sim: Simulation, client: KazooClient) -> None:
    for job in range(3):
        worker = client.get_children("/workers")[0]
        sim.sleep(1)  # looks at the job
        client.create(f"/workers/{worker}/job-{job}")


def schedule_mended(sim: Simulation, client: KazooClient) -> None:
    for job in range(3):
        sim.sleep(1)  # looks at the job
        for worker in client.get_children("/workers"):
            try:
                client.create(f"/workers/{worker}/job-{job}")
                break
            except NoNodeError:
                pass


def leave(sim: Simulation, client: KazooClient) -> None:
    sim.sleep(1.5)
    client.delete("/workers/ann", recursive=True)


def wrong(sim: Simulation) -> None:
    sim.load({"/workers/ann": b"", "/workers/bob": b""})
    sim.spawn(together, sim, leave, "ann")
    together(sim, schedule, "planner")


def mended(sim: Simulation) -> None:
    sim.load({"/workers/ann": b"", "/workers/bob": b""})
    sim.spawn(together, sim, leave, "ann")
    together(sim, schedule_mended, "planner")


def check(sim: Simulation) -> None:
    assert sim.dump("/workers")
