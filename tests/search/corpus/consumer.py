"""A consumer empties a queue."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, NoNodeError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def consume(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            for job in client.get_children("/queue"):
                client.delete(f"/queue/{job}")
                sim.history.record("did", job)
            break
        except ConnectionLoss:
            sim.sleep(1)


def consume_mended(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            for job in client.get_children("/queue"):
                sim.history.record("did", job)
                with suppress(NoNodeError):  # it was deleted, and the reply was lost
                    client.delete(f"/queue/{job}")
            break
        except ConnectionLoss:
            sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/queue/a": b"", "/queue/b": b""})
    together(sim, consume, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/queue/a": b"", "/queue/b": b""})
    together(sim, consume_mended, "ann")


def check(sim: Simulation) -> None:
    left = {path.rpartition("/")[2] for path in sim.dump("/queue")}
    assert {"a", "b"} <= left | set(recorded(sim, "did"))
