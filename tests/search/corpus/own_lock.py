"""A lock of one's own: the lowest number holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def hold(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            mine = client.create("/lock/ann-", ephemeral=True, sequence=True)
            break
        except ConnectionLoss:
            sim.sleep(1)
    for _ in range(20):
        first = min(client.get_children("/lock"))
        if mine.endswith(first):
            return
        sim.sleep(1)
    if client.exists(f"/lock/{first}").ephemeralOwner == client.client_id[0]:
        sim.history.record("waits for itself", first)


def hold_mended(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            found = client.get_children("/lock")
            if found:
                mine = found[0]
                break
            mine = client.create("/lock/ann-", ephemeral=True, sequence=True)
            break
        except ConnectionLoss:
            sim.sleep(1)
    for _ in range(20):
        first = min(client.get_children("/lock"))
        if mine.endswith(first):
            return
        sim.sleep(1)
    if client.exists(f"/lock/{first}").ephemeralOwner == client.client_id[0]:
        sim.history.record("waits for itself", first)


def wrong(sim: Simulation) -> None:
    sim.load({"/lock": b""})
    together(sim, hold, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/lock": b""})
    together(sim, hold_mended, "ann")


def check(sim: Simulation) -> None:
    assert not recorded(sim, "waits for itself")
