"""Two web servers count visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import BadVersionError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def visit(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        sim.history.record("visited", "/")
        value, _stat = client.get("/visits")
        client.set("/visits", b"%d" % (int(value) + 1))
        sim.history.record("counted", "/")
        sim.sleep(1)


def visit_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        sim.history.record("visited", "/")
        while True:
            value, stat = client.get("/visits")
            try:
                client.set("/visits", b"%d" % (int(value) + 1), version=stat.version)
                break
            except BadVersionError:
                pass  # the other one has counted meanwhile
        sim.history.record("counted", "/")
        sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/visits": b"0"})
    together(sim, visit, "ann", "bob", apart=0.1)


def mended(sim: Simulation) -> None:
    sim.load({"/visits": b"0"})
    together(sim, visit_mended, "ann", "bob", apart=0.1)


def check(sim: Simulation) -> None:
    value = int(sim.dump("/visits")["/visits"])
    assert len(recorded(sim, "counted")) <= value <= len(recorded(sim, "visited"))
