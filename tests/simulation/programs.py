"""Programs with everything in them that could be different the next time; prints their digests.

Run as a script: ``python programs.py FIRST LAST`` prints a line for each seed from FIRST to LAST.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from kazoo.exceptions import KazooException

from zkdict import AsyncZooKeeperDict, ZkDictError
from zkfake.simulation import Simulation, SimulationError


def turmoil(sim: Simulation) -> None:
    """Three clients with recipes and watchers, under whatever faults the profile brings."""
    clients = [sim.client(f"c{number}", timeout=8.0) for number in range(3)]

    def watch(client: Any) -> None:
        name = client.handler.client_name
        for path in ("/d", f"/d/{name}"):
            client.retry(client.ensure_path, path)
            client.ChildrenWatch(path, lambda names: sim.history.note(f"{name} {sorted(names)}"))
            client.DataWatch(path, lambda data, _stat: sim.history.note(f"{name} {data!r}"))

    def work(client: Any) -> None:
        name = client.handler.client_name
        for number in range(5):
            try:
                with client.Lock("/lock", name):
                    sim.sleep(0.5)
                    client.set("/d", name.encode())
                counter = client.Counter("/counter")
                counter += 1
                queue = client.LockingQueue("/queue")
                queue.put(name.encode())
                if queue.get(timeout=1) is not None:
                    queue.consume()
                client.create(f"/d/{name}/{number}", ephemeral=True)
                client.Party("/party", name).join()
            except KazooException as error:  # noqa: PERF203
                sim.history.note(f"{name} {type(error).__name__}")
                sim.sleep(1)

    for client in clients:
        watch(client)
    for task in [sim.spawn(work, client, process=client) for client in clients]:
        task.result()
    sim.settle()


class Notes(logging.Handler):
    """Puts the lines of a log into the history."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__()
        self._sim = sim
        self.setFormatter(logging.Formatter("%(asctime)s %(relativeCreated)d %(threadName)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._sim.history.note(self.format(record))


def shopping(sim: Simulation) -> None:
    """A client beside the threads, the pool, the log and the chance of `shop`."""
    import shop.sale

    client = sim.client("customer")
    notes = Notes(sim)
    shop.sale.log.propagate = False
    shop.sale.log.addHandler(notes)
    try:
        for line in shop.sale.day():
            client.retry(
                client.ensure_path, f"/day/{line!r}".replace("/", "|").replace("|", "/", 1)
            )
    finally:
        shop.sale.log.removeHandler(notes)


def pricing(sim: Simulation) -> None:
    """Two processes with an event loop each, and two dicts in each of them."""
    sim.load({"/shop/prices": b"", "/shop/stock": b""})

    async def change(shop: AsyncZooKeeperDict[str], key: str, name: str) -> None:
        for number in range(3):
            try:
                await shop.set(key, f"{name} {number}")
            except (KazooException, ZkDictError) as error:
                sim.history.note(f"{name} {type(error).__name__}")
            await asyncio.sleep(0.3)

    async def work(client: Any, name: str) -> None:
        opened = [
            await AsyncZooKeeperDict.open(client, path) for path in ("/shop/prices", "/shop/stock")
        ]
        prices, stock = opened
        await asyncio.gather(
            change(prices, "tea", name),
            change(stock, "tea", name),
            change(prices, name, name),
            asyncio.to_thread(sim.sleep, 1),
        )
        for waits in asyncio.as_completed([asyncio.sleep(n / 10, n) for n in (3, 1, 2)]):
            sim.history.note(f"{name} {await waits}")
        sim.history.note(f"{name} {dict(prices.mapping)} {dict(stock.mapping)}")
        for each in (prices, stock):
            await each.close()

    def process(name: str) -> None:
        try:
            asyncio.run(work(sim.client(name), name))
        except (KazooException, ZkDictError) as error:
            sim.history.note(f"{name} {type(error).__name__}")

    for task in [sim.spawn(process, name, name=name) for name in ("ann", "bob")]:
        task.result()


def digest(seed: int, servers: int, program: Any, patch: list[str]) -> str:
    simulation = Simulation(
        seed=seed,
        servers=servers,
        profile="hostile",
        stall_limit=900,
        patch=patch,
        logging=dict.fromkeys(patch, "INFO"),
    )
    simulation.quiet = True
    try:
        simulation.run(program)
        outcome = "returned"
    except (KazooException, SimulationError) as error:  # it has to fail the same way again
        outcome = type(error).__name__
    # How many turns an event loop takes for the same work is a matter of Python's version.
    steps = 0 if program is pricing else simulation._scheduler.steps
    return f"{seed} {servers} {outcome} {steps} {simulation.history.digest()}"


PROGRAMS: tuple[tuple[Any, list[str]], ...] = ((turmoil, []), (shopping, ["shop"]), (pricing, []))


def main() -> None:
    for name in ("kazoo", "zkfake.simulation"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for seed in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        servers = 3 if seed % 2 else 1
        for program, patch in PROGRAMS[: 2 if seed % 4 else 3]:
            sys.stdout.write(digest(seed, servers, program, patch) + "\n")


if __name__ == "__main__":
    main()
