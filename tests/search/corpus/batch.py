"""A batch job goes through rows, and remembers how far it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, SessionExpiredError

from .people import together

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

ROWS = 4


def process(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            row = int(client.get("/batch/next")[0])
            if row >= ROWS:
                break
            client.set("/batch/next", b"%d" % (row + 1))
            client.ensure_path(f"/batch/done/{row}")
        except (ConnectionLoss, SessionExpiredError):
            sim.sleep(1)


def process_mended(sim: Simulation, client: KazooClient) -> None:
    while True:
        try:
            row = int(client.get("/batch/next")[0])
            if row >= ROWS:
                break
            client.ensure_path(f"/batch/done/{row}")
            client.set("/batch/next", b"%d" % (row + 1))
        except (ConnectionLoss, SessionExpiredError):
            sim.sleep(1)


def wrong(sim: Simulation) -> None:
    sim.load({"/batch/next": b"0", "/batch/done": b""})
    together(sim, process, "ann")


def mended(sim: Simulation) -> None:
    sim.load({"/batch/next": b"0", "/batch/done": b""})
    together(sim, process_mended, "ann")


def check(sim: Simulation) -> None:
    done = len(sim.dump("/batch/done")) - 1
    assert done >= int(sim.dump("/batch")["/batch/next"])
