"""Workers take jobs from a pool. One that fails leaves its job to the others."""

from __future__ import annotations

from contextlib import suppress
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
        sim.sleep(2)
        with suppress(NodeExistsError):  # somebody took it when a session ended
            client.create(f"/done/{job}")


def wrong(sim: Simulation) -> None:
    sim.load({"/taken": b"", "/done": b""})
    together(sim, work, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/taken": b"", "/done": b""})
    together(sim, work_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    sim.sleep(60)  # the sessions of those who gave up end
    left = sim.dump("/")
    assert all(f"/done/{job}" in left for job in ("0", "1") if f"/taken/{job}" in left)
