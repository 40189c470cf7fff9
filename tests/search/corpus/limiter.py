"""No more than three calls in all are let through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import BadVersionError

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def call(sim: Simulation, client: KazooClient) -> None:
    for _ in range(2):
        used = int(client.get("/used")[0])
        if used < 3:
            client.set("/used", b"%d" % (used + 1))
            sim.history.record("let through", len(recorded(sim, "let through")))


def call_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(2):
        value, stat = client.get("/used")
        used = int(value)
        if used < 3:
            try:
                client.set("/used", b"%d" % (used + 1), version=stat.version)
            except BadVersionError:
                continue
            sim.history.record("let through", len(recorded(sim, "let through")))


def wrong(sim: Simulation) -> None:
    sim.load({"/used": b"0"})
    together(sim, call, "ann", "bob")


def mended(sim: Simulation) -> None:
    sim.load({"/used": b"0"})
    together(sim, call_mended, "ann", "bob")


def check(sim: Simulation) -> None:
    assert len(recorded(sim, "let through")) <= 3
