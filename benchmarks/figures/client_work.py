"""One client that waits for each answer: prints its operations a second, as JSON.

``python client_work.py WHERE SECONDS``: the hosts of a server, "simulation" or "zake"; with "start"
in place of the seconds, how long zake's client takes to start. For zake it runs in an environment
that has no zkdict.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = b"x" * 100


def rates(client: Any, seconds: float) -> dict[str, float]:
    """Operations a second, by the operation, beside a thousand znodes."""
    base = f"/one-{time.time_ns()}"
    client.create(base, DATA)
    for n in range(1000):
        client.create(f"{base}/beside-{n}", DATA)
    number = 0

    def create() -> None:
        nonlocal number
        number += 1
        client.create(f"{base}/{number}", DATA)

    work: dict[str, Callable[[], object]] = {
        "get": lambda: client.get(base),
        "set": lambda: client.set(base, DATA),
        "create": create,
    }
    return {name: rate(one, seconds) for name, one in work.items()}


def rate(one: Callable[[], object], seconds: float) -> float:
    best = 0.0
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds / 3:
            for _ in range(20):
                one()
            done += 20
        best = max(best, done / passed)
    return best


def start_of_zake() -> float:
    from zake.fake_client import FakeClient  # type: ignore[import-not-found]

    seconds = []
    for _ in range(20):
        begin = time.perf_counter()
        client = FakeClient()
        client.start()
        client.exists("/")
        seconds.append(time.perf_counter() - begin)
        client.stop()
        client.close()
    return statistics.median(seconds)


def measured(where: str, seconds: str) -> Any:
    if seconds == "start":
        return start_of_zake()
    if where == "simulation":
        from zkfake.simulation import Simulation

        with Simulation(max_steps=10**10, watchdog=None) as sim:
            return rates(sim.client(), float(seconds))
    if where == "zake":
        from zake.fake_client import FakeClient

        client: Any = FakeClient()
    else:
        from kazoo.client import KazooClient

        client = KazooClient(where)
    client.start()
    try:
        return rates(client, float(seconds))
    finally:
        client.stop()
        client.close()


if __name__ == "__main__":
    print(json.dumps(measured(*sys.argv[1:])))
