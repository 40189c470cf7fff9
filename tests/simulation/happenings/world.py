"""The world whose happenings are counted: three clients that write, read, watch and synchronise.

Rules that live here: data are unique, in each attempt anew, so that the log tells which of them was
committed. The servers keep no more than twenty transactions for those that come back; ZooKeeper
keeps 500, and a run is not that long.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from kazoo.client import KazooClient

SESSION = 8.0
SESSIONS = (SESSION, SESSION, 30.0)
"""Who has the long one stays with a server that stands still until others have elected a leader."""
ROUNDS = 40
PATHS = ("/a", "/b", "/c")
KEPT = 20


class Worker:
    """One client's process."""

    def __init__(self, sim: Simulation, number: int) -> None:
        self.sim = sim
        self.number = number
        self.random = Random(f"{sim.seed}/{number}")
        self.client: KazooClient = sim.client(f"c{number}", timeout=SESSIONS[number])
        self.count = 0

    def work(self) -> None:
        acts = (self.write, self.write, self.read, self.watch, self.synchronise, self.multi)
        acts += (self.make, self.compare)
        for _ in range(ROUNDS):
            act = self.random.choice(acts)
            path = self.random.choice(PATHS)
            try:
                act(path)
            except KazooException as error:
                self.sim.history.note(f"c{self.number} {type(error).__name__}")
                self.sim.sleep(self.random.random())
            self.sim.sleep(self.random.random())

    def data(self) -> bytes:
        self.count += 1
        return b"%d-%d" % (self.number, self.count)

    def write(self, path: str) -> None:
        self.client.set(path, self.data())

    def compare(self, path: str) -> None:
        """A write of the version that was read before; again where that fails."""
        version = self.client.retry(self.client.get, path)[1].version
        self.client.retry(lambda: self.client.set(path, self.data(), version))

    def read(self, path: str) -> None:
        for _ in range(3):
            self.client.get(path)
            self.sim.sleep(self.random.random() / 10)

    def watch(self, path: str) -> None:
        self.client.get(path, watch=lambda _event: None)

    def synchronise(self, path: str) -> None:
        self.client.sync(path)
        self.client.get(path)

    def multi(self, path: str) -> None:
        transaction = self.client.transaction()
        transaction.set_data(path, self.data())
        transaction.create(f"{path}/m", self.data(), sequence=True)
        transaction.commit()

    def make(self, path: str) -> None:
        """An ephemeral znode; again until it is there."""
        own = f"{path}/{self.number}-{self.count}"
        self.client.retry(lambda: self.client.create(own, self.data(), ephemeral=True))


def run(profile: str, servers: int, seed: int) -> Simulation:
    """One world, from its beginning until all is healed."""
    settings = {"zookeeper.commitLogCount": KEPT}
    with Simulation(seed=seed, servers=servers, profile=profile, settings=settings) as sim:
        sim.load(dict.fromkeys(PATHS, b""))
        workers = []
        for number in range(len(SESSIONS)):
            with suppress(KazooTimeoutError):  # it finds no ZooKeeper, and gives up
                workers.append(Worker(sim, number))
        tasks = [sim.spawn(each.work, process=each.client) for each in workers]
        for task in tasks:
            task.result()
        sim.settle()
    return sim
