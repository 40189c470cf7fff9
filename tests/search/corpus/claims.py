"""A worker claims a job, works on it, and adds its result."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import NodeExistsError, NoNodeError

from .people import together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def work(sim: Simulation, client: KazooClient) -> None:
    while jobs := client.get_children("/jobs"):
        for job in jobs:
            try:
                client.create(f"/claims/{job}", ephemeral=True)
            except NodeExistsError:
                continue
            if client.exists(f"/jobs/{job}"):
                sim.sleep(3)
                client.create(f"/results/{job}-", sequence=True)
                with suppress(NoNodeError):
                    client.delete(f"/jobs/{job}")
            with suppress(NoNodeError):
                client.delete(f"/claims/{job}")
        sim.sleep(1)


def work_mended(sim: Simulation, client: KazooClient) -> None:
    while jobs := client.get_children("/jobs"):
        for job in jobs:
            try:
                client.create(f"/claims/{job}", ephemeral=True)
            except NodeExistsError:
                continue
            if client.exists(f"/jobs/{job}"):
                sim.sleep(3)
                both = client.transaction()
                both.create(f"/results/{job}-", sequence=True)
                both.delete(f"/jobs/{job}")
                both.commit()
            with suppress(NoNodeError):
                client.delete(f"/claims/{job}")
        sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/claims": b"", "/results": b"", "/jobs/0": b"", "/jobs/1": b""})
    together(sim, work, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/claims": b"", "/results": b"", "/jobs/0": b"", "/jobs/1": b""})
    together(sim, work_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    results = [path.split("-")[0] for path in sim.dump("/results") if "-" in path]
    assert len(results) == len(set(results))
