"""Small programs with a mistake each, for the search to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, KazooException

from zkfake.history import at_most

if TYPE_CHECKING:
    from zkfake.simulation import Simulation


def put_jobs(sim: Simulation) -> None:
    """Puts again what may have been put: a lost reply makes one job too many."""
    sim.faults.stop_chance()
    sim.load({"/jobs": b""})
    sim.faults.resume_chance()
    client = sim.client("ann")
    for number in range(3):
        while True:
            try:
                client.create("/jobs/j-", b"%d" % number, sequence=True)
                break
            except ConnectionLoss:
                sim.sleep(1)


def three_jobs(sim: Simulation) -> None:
    assert len(sim.dump("/jobs")) - 1 == 3


def put_jobs_once(sim: Simulation) -> None:
    """The same, mended: the name says whether the job was put."""
    sim.faults.stop_chance()
    sim.load({"/jobs": b""})
    sim.faults.resume_chance()
    client = sim.client("ann")
    for number in range(3):
        while True:
            try:
                client.ensure_path(f"/jobs/{number}")
                break
            except ConnectionLoss:
                sim.sleep(1)


def count(sim: Simulation) -> None:
    """Reads, adds one and writes, without a version."""
    sim.faults.stop_chance()
    sim.load({"/counter": b"0"})
    sim.faults.resume_chance()

    def add(name: str) -> None:
        client = sim.client(name)
        for _ in range(2):
            value = int(client.get("/counter")[0])
            client.set("/counter", b"%d" % (value + 1))

    for task in [sim.spawn(add, name, name=name) for name in ("ann", "bob")]:
        task.result()


def counted_to_four(sim: Simulation) -> None:
    assert sim.dump("/counter")["/counter"] == b"4"


def lead(sim: Simulation) -> None:
    """Leads for ten seconds, whatever becomes of the session."""

    def work(name: str) -> None:
        client = sim.client(name, timeout=4)
        try:
            lock = client.Lock("/leader", name)
            with lock, sim.history.claim("leader", znode=f"/leader/{lock.node}"):
                sim.sleep(10)
        except KazooException:
            pass

    for task in [sim.spawn(work, name, name=name) for name in ("ann", "bob")]:
        task.join()


def one_leader(sim: Simulation) -> None:
    sim.history.check(at_most(1, "leader", good=False)).raise_if_broken()
