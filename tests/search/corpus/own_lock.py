"""A lock of one's own making: the lowest number holds it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, NoNodeError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def hold(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        while True:
            try:
                mine = client.create("/lock/ann-", ephemeral=True, sequence=True)
                break
            except ConnectionLoss:
                sim.sleep(1)
        for _ in range(20):
            line = client.get_children("/lock")
            if not line or mine.endswith(min(line)):
                break
            sim.sleep(1)
        else:
            sim.history.record("waits for itself", mine)
        with suppress(NoNodeError):
            client.delete(mine)


def hold_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        while True:
            try:
                before = client.get_children("/lock")
                if before:
                    mine = min(before)
                else:
                    mine = client.create("/lock/ann-", ephemeral=True, sequence=True)
                break
            except ConnectionLoss:
                sim.sleep(1)
        for _ in range(20):
            line = client.get_children("/lock")
            if not line or mine.endswith(min(line)):
                break
            sim.sleep(1)
        else:
            sim.history.record("waits for itself", mine)
        with suppress(NoNodeError):
            client.delete(mine)


def wrong(sim: Simulation) -> None:
    sim.load({"/lock": b""})
    together(sim, hold, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/lock": b""})
    together(sim, hold_mended, "ann")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "waits for itself")
