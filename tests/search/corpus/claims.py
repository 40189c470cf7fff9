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
    for job in ("0", "1"):
        try:
            client.create(f"/claims/{job}", ephemeral=True)
        except NodeExistsError:
            continue
        if client.exists(f"/jobs/{job}"):
            sim.sleep(3)
            client.create(f"/results/{job}-", sequence=True)
            client.delete(f"/jobs/{job}")
        client.delete(f"/claims/{job}")


def work_mended(sim: Simulation, client: KazooClient) -> None:
    for job in ("0", "1"):
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


def wrong(sim: Simulation) -> None:
    sim.load({"/claims": b"", "/results": b"", "/jobs/0": b"", "/jobs/1": b""})
    together(sim, work, "ann", "bob", "cy")


def mended(sim: Simulation) -> None:
    sim.load({"/claims": b"", "/results": b"", "/jobs/0": b"", "/jobs/1": b""})
    together(sim, work_mended, "ann", "bob", "cy")


def check(sim: Simulation) -> None:
    results = [path.split("-")[0] for path in sim.dump("/results") if "-" in path]
    assert len(results) == len(set(results))
