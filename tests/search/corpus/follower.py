"""A service follows its configuration with a watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .people import recorded, together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation


def follow(sim: Simulation, client: KazooClient) -> None:
    def read(_event: Any = None) -> None:
        value, _stat = client.get("/config", watch=read)
        sim.history.record("follows", value)

    read()
    sim.sleep(20)


def follow_mended(sim: Simulation, client: KazooClient) -> None:
    @client.DataWatch("/config")
    def read(value: bytes, _stat: Any) -> None:
        sim.history.record("follows", value)

    sim.sleep(20)


def configure(sim: Simulation, client: KazooClient) -> None:
    sim.sleep(15)
    client.set("/config", b"new")


def wrong(sim: Simulation) -> None:
    sim.load({"/config": b"old"})
    sim.spawn(together, sim, configure, "operator")
    together(sim, follow, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/config": b"old"})
    sim.spawn(together, sim, configure, "operator")
    together(sim, follow_mended, "ann")


def check(sim: Simulation) -> None:
    follows = recorded(sim, "follows")
    assert not follows or follows[-1] == sim.dump("/config")["/config"]
