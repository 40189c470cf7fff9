"""How fast virtual time is, and how many runs the search takes: the latter from the page of the
search, where the table of its corpus stands.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from benchmarks.scratch import ROOT
from zkfake.simulation import Simulation

CLIENTS = (1, 10, 100, 1_000)
SERVERS = (1, 3)
MORE = 1001.0
"""Runs, where it takes more than a thousand."""


def measure(quick: bool) -> dict[str, Any]:
    """All figures, by what they are of."""
    for name in ("kazoo", "zkfake.simulation"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    clients = CLIENTS[:2] if quick else CLIENTS
    requests = 500 if quick else 10_000
    operations: dict[str, dict[str, dict[str, float]]] = {}
    idle: dict[str, dict[str, float]] = {}
    for servers in SERVERS:
        for number in clients:
            print(f"  {number} clients on {servers} servers", flush=True)
            found = working(servers, number, requests)
            for operation, rate in found.items():
                operations.setdefault(operation, {}).setdefault(str(servers), {})[str(number)] = (
                    rate
                )
            seconds = waiting(servers, number, (36_000 if quick else 90_000) / number)
            idle.setdefault(str(servers), {})[str(number)] = seconds
    return {"operations": operations, "idle": idle, "runs": runs()}


def working(servers: int, clients: int, requests: int) -> dict[str, float]:
    """Requests a second, from all clients together, each of which waits for its answers."""
    rates = {}
    with Simulation(servers=servers, max_steps=10**10, watchdog=None) as sim:
        several = [sim.client() for _ in range(clients)]
        sim.load({f"/{number}": bytes(100) for number in range(clients)})
        each = max(1, requests // clients)

        def get(number: int) -> None:
            for _ in range(each):
                several[number].get(f"/{number}")

        def put(number: int) -> None:
            for _ in range(each):
                several[number].set(f"/{number}", bytes(100))

        for name, work in {"get": get, "set": put}.items():
            start = time.perf_counter()
            for task in [sim.spawn(work, number) for number in range(clients)]:
                task.join()
            rates[name] = each * clients / (time.perf_counter() - start)
    return rates


def waiting(servers: int, clients: int, virtual: float) -> float:
    """Virtual seconds a second, while all clients do nothing but stay connected."""
    with Simulation(servers=servers, max_steps=10**10, max_time=1e9, watchdog=None) as sim:
        for _ in range(clients):
            sim.client()
        start = time.perf_counter()
        sim.sleep(virtual)
        return virtual / (time.perf_counter() - start)


def runs() -> list[dict[str, Any]]:
    """The rows of the tables that ``python -m tests.search.corpus`` has made."""
    text = (ROOT / "docs" / "search.md").read_text("utf-8")
    rows = []
    for part in ("corpus", "recipes"):
        (table,) = re.findall(
            rf"<!-- {part}: begin -->\n(.*?)<!-- {part}: end -->", text, re.DOTALL
        )
        for line in table.splitlines()[2:]:
            name, mistake, *figures = (cell.strip() for cell in line.strip("|").split("|"))
            numbers = [_number(figure) for figure in figures[:3]]
            rows.append({"of": part, "name": name, "mistake": mistake, "runs": numbers})
    return rows


def _number(cell: str) -> float | None:
    """Runs; ``None`` where it was not measured. The table ends at a thousand."""
    if cell == "more than 1000":
        return MORE
    return float(cell) if re.fullmatch(r"[\d.]+", cell) else None
