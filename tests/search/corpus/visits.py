"""Two web servers count visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import BadVersionError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def visit(sim: Simulation, client: KazooClient) -> None:
    for _ in range(2):
        sim.history.record("tried", len(recorded(sim, "tried")))
        value, _stat = client.get("/visits")
        client.set("/visits", b"%d" % (int(value) + 1))
        sim.history.record("counted", len(recorded(sim, "counted")))


def visit_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(2):
        sim.history.record("tried", len(recorded(sim, "tried")))
        while True:
            value, stat = client.get("/visits")
            try:
                client.set("/visits", b"%d" % (int(value) + 1), version=stat.version)
                break
            except BadVersionError:
                pass
        sim.history.record("counted", len(recorded(sim, "counted")))


def wrong(sim: Simulation) -> None:
    sim.load({"/visits": b"0"})
    together(sim, visit, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/visits": b"0"})
    together(sim, visit_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    value = int(sim.dump("/visits")["/visits"])
    assert len(recorded(sim, "counted")) <= value <= len(recorded(sim, "tried"))
