"""Workers take jobs from a pool. One that fails leaves its job to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import NodeExistsError

from .people import together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def work(sim: Simulation, client: KazooClient) -> None:
    for job in ("0", "1"):
        try:
            client.create(f"/taken/{job}")
        except NodeExistsError:
            continue
        sim.sleep(2)
        client.create(f"/done/{job}")


def work_mended(sim: Simulation, client: KazooClient) -> None:
    for job in ("0", "1"):
        try:
            client.create(f"/taken/{job}", ephemeral=True)
        except NodeExistsError:
            continue
        if client.exists(f"/done/{job}"):
            continue
        sim.sleep(2)
        client.create(f"/done/{job}")


def wrong(sim: Simulation) -> None:
    sim.load({"/taken": b"", "/done": b""})
    together(sim, work, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/taken": b"", "/done": b""})
    together(sim, work_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    dump = sim.dump("/")
    for job in ("0", "1"):
        assert f"/taken/{job}" not in dump or f"/done/{job}" in dump or _somebody(sim, job)


def _somebody(sim: Simulation, job: str) -> bool:
    """Whether the session that took the job is still there to do it."""
    node = sim.client("checker").exists(f"/taken/{job}")
    return node is None or node.ephemeralOwner != 0
