"""ZooKeeperDict beside its predecessors and a plain dict, on one live server, in one run.

Every implementation runs in a process of its own, in an environment made for the purpose under
`build/` (the predecessors, and the same kazoo), and does the same work with the same calls. Only
ratios are judged, of the best of several reads and loads, taken in turns: other work on the machine
only ever adds. The second half runs through a proxy that adds 1 ms each way.

`python -m benchmarks dict_comparison`; takes about five minutes, most of them the predecessors'.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.scratch import ROOT, with_predecessors
from pytest_zkdict.live import LiveZooKeeper
from zkfake.proxy import ZooKeeperProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
KEYS = 10_000
DELAY_MS = 1.0
ROUNDS = 3


class Target(NamedTuple):
    """`measure` of `slow` divided by that of `fast` is to be at least (or at most) `bound`."""

    measure: str
    slow: str
    fast: str
    bound: float
    at_most: bool = False

    def met(self, ratio: float) -> bool:
        return ratio <= self.bound if self.at_most else ratio >= self.bound


READ, LOAD, CHANGE = "cached read", f"load of {KEYS:,} keys", f"remote change seen, N={KEYS:,}"

BOUNDS = {READ: ("dict",), LOAD: ("kazoo",)}
"""What no dict can be faster than: a plain one, and kazoo's reads of all keys at once, alone."""

TARGETS = (
    Target(READ, "msaStorageDict", "zkdict", 5),
    Target(READ, "zkdict", "dict", 2.5, at_most=True),
    Target(LOAD, "msaStorageDict", "zkdict", 3),
    Target(LOAD, "durabledict", "zkdict", 3),
    Target(CHANGE, "msaStorageDict", "zkdict", 1000),
    Target(CHANGE, "durabledict", "zkdict", 1000),
)


@contextmanager
def delayed(hosts: str, delay_ms: float) -> Iterator[str]:
    """The hosts of a proxy in front of the server, which delays what is sent, either way. It is in
    this process, which only waits.
    """
    with ZooKeeperProxy(hosts) as proxy:
        proxy.faults.slow(latency=(delay_ms / 1000, delay_ms / 1000))
        yield proxy.hosts


def work(python: Path, implementation: str, measure: str, hosts: str, direct: str) -> Any:
    """What a process of the scratch environment measures (see `dict_worker`)."""
    wanted = {
        "implementation": implementation,
        "measure": measure,
        "hosts": hosts,
        "direct": direct,
        "keys": KEYS,
    }
    done = subprocess.run(
        [python, HERE / "dict_worker.py", json.dumps(wanted)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    return json.loads(done.stdout)


def measured(python: Path, implementation: str, measure: str, hosts: str, direct: str) -> float:
    """Seconds, by a process of the scratch environment."""
    kind = {READ: "read", LOAD: "load", CHANGE: "change"}[measure]
    times: list[float] = work(python, implementation, kind, hosts, direct)
    return statistics.median(times) if measure == CHANGE else min(times)


def shown(seconds: float | None) -> str:
    """A time with its unit."""
    if seconds is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def compare(python: Path, hosts: str, direct: str) -> bool:
    """Measure and print one table; whether all targets are met."""
    columns = ("zkdict", "msaStorageDict", "durabledict", "dict", "kazoo")
    print(f"{'':32}" + "".join(f"{name:>16}" for name in columns))
    figures: dict[tuple[str, str], float] = {}
    for measure in (READ, LOAD, CHANGE):
        for _ in range(ROUNDS if measure != CHANGE else 1):
            for name in (*columns[:3], *BOUNDS.get(measure, ())):
                seconds = measured(python, name, measure, hosts, direct)
                figures[measure, name] = min(seconds, figures.get((measure, name), seconds))
        cells = [figures.get((measure, name)) for name in columns]
        print(f"{measure:32}" + "".join(f"{shown(cell):>16}" for cell in cells), flush=True)
    print()
    met = True
    for target in TARGETS:
        ratio = figures[target.measure, target.slow] / figures[target.measure, target.fast]
        good = target.met(ratio)
        met = met and good
        print(
            f"{target.measure:32}{target.slow + ' / ' + target.fast:>26}{ratio:>12,.1f}"
            f"   {'at most' if target.at_most else 'at least'} {target.bound:>6g}"
            f"   {'met' if good else 'MISSED'}"
        )
    print(flush=True)
    return met


def main() -> bool:
    """Run everything and print the tables; whether all targets are met."""
    python = with_predecessors()
    with ExitStack() as exits:
        # A server as it is run in earnest: with the compiler, without fsync for everybody alike.
        server: Any = exits.enter_context(LiveZooKeeper(tick_time=2000, jvm_options=()))
        print(f"ZooKeeper {server.version}, Python {sys.version.split()[0]}\n", flush=True)
        met = compare(python, server.hosts, server.hosts)
        print(f"with {DELAY_MS:g} ms added each way\n", flush=True)
        slow = exits.enter_context(delayed(server.hosts, DELAY_MS))
        return compare(python, slow, server.hosts) and met
