"""A lock of one's own making: the lowest number holds it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, NoNodeError

from zkfake.history import Recorded, at_most

from .people import start

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def stand_in_line(sim: Simulation, client: KazooClient, me: str) -> str:
    while True:
        try:
            return client.create(f"/lock/{me}-", ephemeral=True, sequence=True)
        except ConnectionLoss:  # noqa: PERF203  # it tries again
            sim.sleep(1)


def first_in_line(client: KazooClient) -> str:
    return min(client.get_children("/lock"), key=lambda name: name[-10:], default="")


def hold(sim: Simulation, client: KazooClient, me: str) -> None:
    for _ in range(3):
        mine = stand_in_line(sim, client, me)
        for _ in range(20):
            first = first_in_line(client)
            if mine == f"/lock/{first}":
                with sim.history.claim("lock", znode=mine):
                    sim.sleep(0.5)
                break
            sim.sleep(1)
        else:
            sim.history.record("waits for", first)
        with suppress(NoNodeError):
            client.delete(mine)


def hold_mended(sim: Simulation, client: KazooClient, me: str) -> None:
    for _ in range(3):
        stand_in_line(sim, client, me)
        for _ in range(20):
            first = first_in_line(client)
            if first.startswith(me):  # whichever of its own it is
                with sim.history.claim("lock", znode=f"/lock/{first}"):
                    sim.sleep(0.5)
                break
            sim.sleep(1)
        else:
            sim.history.record("waits for", first)
        for name in client.get_children("/lock"):
            if name.startswith(me):
                with suppress(NoNodeError):
                    client.delete(f"/lock/{name}")


def run(sim: Simulation, work: Callable[[Simulation, KazooClient, str], None]) -> None:
    sim.load({"/lock": b""})
    for task in [start(sim, partial(work, me=name), name) for name in ("ann", "bob")]:
        task[0].result()


def wrong(sim: Simulation) -> None:
    run(sim, hold)


def mended(sim: Simulation) -> None:
    run(sim, hold_mended)


def check(sim: Simulation) -> None:
    for event in sim.history.of(Recorded):
        if event.name == "waits for":
            assert not event.key.startswith(event.task), "it waits for itself"
    sim.history.check(at_most(1, "lock")).raise_if_broken()
