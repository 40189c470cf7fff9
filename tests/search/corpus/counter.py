"""A counter that tries again: at a conflict, and when the reply is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import BadVersionError, ConnectionLoss, RolledBackError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def add(sim: Simulation, client: KazooClient) -> None:
    added = 0
    while added < 2:
        sim.sleep(0.1)
        try:
            value, stat = client.get("/counter")
            client.set("/counter", b"%d" % (int(value) + 1), version=stat.version)
            added += 1
        except (BadVersionError, ConnectionLoss):
            pass  # and again


def add_mended(sim: Simulation, client: KazooClient) -> None:
    added, me = 0, len(recorded(sim, "adds"))
    sim.history.record("adds", me)
    while added < 2:
        sim.sleep(0.1)
        try:
            value, stat = client.get("/counter")
            once = client.transaction()
            once.create(f"/added/{me}-{added}")
            once.set_data("/counter", b"%d" % (int(value) + 1), version=stat.version)
            if isinstance(once.commit()[0], RolledBackError | BadVersionError):
                continue
            added += 1
        except (BadVersionError, ConnectionLoss):
            pass  # and again


def wrong(sim: Simulation) -> None:
    sim.load({"/counter": b"0", "/added": b""})
    together(sim, add, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/counter": b"0", "/added": b""})
    together(sim, add_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    assert int(sim.dump("/counter")["/counter"]) <= 4
