"""A host and a port are configured, and go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def read(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        host, _stat = client.get("/host")
        port, _stat = client.get("/port")
        sim.history.record("saw", f"{int(host)}:{int(port)}")
        sim.sleep(0.3)


def read_mended(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        both, _stat = client.get("/both")
        host, port = both.split()
        sim.history.record("saw", f"{int(host)}:{int(port)}")
        sim.sleep(0.3)


def configure(sim: Simulation, client: KazooClient) -> None:
    sim.sleep(0.35)
    change = client.transaction()
    change.set_data("/host", b"2")
    change.set_data("/port", b"2")
    change.set_data("/both", b"2 2")
    change.commit()


def wrong(sim: Simulation) -> None:
    sim.load({"/host": b"1", "/port": b"1", "/both": b"1 1"})
    sim.spawn(together, sim, configure, "operator")
    together(sim, read, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/host": b"1", "/port": b"1", "/both": b"1 1"})
    sim.spawn(together, sim, configure, "operator")
    together(sim, read_mended, "ann")


def check(sim: Simulation) -> None:
    for saw in recorded(sim, "saw"):
        assert saw in {"1:1", "2:2"}
