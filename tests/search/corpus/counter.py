"""A counter that tries again: at a conflict, and when the reply is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import BadVersionError, ConnectionLoss, RolledBackError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def add(sim: Simulation, client: KazooClient) -> None:
    for _ in range(2):
        while True:
            try:
                value, stat = client.get("/counter")
                client.set("/counter", b"%d" % (int(value) + 1), version=stat.version)
                break
            except (BadVersionError, ConnectionLoss):
                sim.sleep(0.1)  # and again
        sim.history.record("added", 1)


def add_mended(sim: Simulation, client: KazooClient) -> None:
    me = client.create("/added/by-", sequence=True)
    for number in range(2):
        while True:
            try:
                value, stat = client.get("/counter")
                once = client.transaction()
                once.create(f"{me}/{number}")
                once.set_data("/counter", b"%d" % (int(value) + 1), version=stat.version)
                if not isinstance(once.commit()[0], RolledBackError):
                    break  # it is added, now or when the reply was lost
            except ConnectionLoss:
                pass
            sim.sleep(0.1)  # and again
        sim.history.record("added", 1)


def wrong(sim: Simulation) -> None:
    sim.load({"/counter": b"0", "/added": b""})
    together(sim, add, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/counter": b"0", "/added": b""})
    together(sim, add_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    assert len(recorded(sim, "added")) <= int(sim.dump("/counter")["/counter"]) <= 4
