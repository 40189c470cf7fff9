"""The leader keeps a journal: what it has in memory, it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import BadVersionError, NodeExistsError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def lead(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            client.create("/leader", ephemeral=True)
            break
        except NodeExistsError:
            sim.sleep(1)
    journal, _stat = client.get("/journal")
    for _ in range(3):
        entry = len(recorded(sim, "entry"))
        sim.history.record("entry", entry)
        journal += b"%d " % entry
        client.set("/journal", journal)
        sim.history.record("written", entry)
        sim.sleep(2)
    client.stop()


def lead_mended(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            client.create("/leader", ephemeral=True)
            break
        except NodeExistsError:
            sim.sleep(1)
    journal, stat = client.get("/journal")
    for _ in range(3):
        entry = len(recorded(sim, "entry"))
        sim.history.record("entry", entry)
        journal += b"%d " % entry
        try:
            stat = client.set("/journal", journal, version=stat.version)
        except BadVersionError:
            break  # somebody else leads
        sim.history.record("written", entry)
        sim.sleep(2)
    client.stop()


def wrong(sim: Simulation) -> None:
    sim.load({"/journal": b""})
    together(sim, lead, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/journal": b""})
    together(sim, lead_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    kept = {int(entry) for entry in sim.dump("/journal")["/journal"].split()}
    assert set(recorded(sim, "written")) <= kept
