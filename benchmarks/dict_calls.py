"""What each way to read costs: ZooKeeperDict beside a plain dict and msaStorageDict, in one run.

All three hold the same 10,000 keys, each in a process of its own, in turns; the best of several
counts, as other work on the machine only ever adds. `d[k]`, `get`, `in`, `len` and `snapshot()` are
single calls; the others go through the whole dict. Nothing is gated and no key is bad.

`python -m benchmarks dict_calls`; takes about a minute.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.dict_comparison import KEYS, ROUNDS, shown, work
from benchmarks.scratch import with_predecessors
from pytest_zkdict.live import LiveZooKeeper

COLUMNS = ("zkdict", "dict", "msaStorageDict")

AT_MOST = {
    "d[k]": 4.0,
    "get": 4.0,
    "get, missing": 4.0,
    "in": 4.0,
    "in, missing": 4.0,
    "items": 2.0,
    "values": 2.0,
    "copy": 2.0,
    "==": 2.0,
}
"""How many times as long as a dict's a call may take."""


def main() -> bool:
    """Measure and print the table; whether all targets are met."""
    python = with_predecessors()
    figures: dict[str, dict[str, float]] = {name: {} for name in COLUMNS}
    with LiveZooKeeper(tick_time=2000, jvm_options=()) as server:
        for _ in range(ROUNDS):
            for name in COLUMNS:
                found = work(python, name, "calls", server.hosts, server.hosts)
                for call, seconds in found.items():
                    figures[name][call] = min(seconds, figures[name].get(call, seconds))
        print(f"{KEYS:,} keys, ZooKeeper {server.version}, Python {sys.version.split()[0]}\n")
    return table(figures)


def table(figures: dict[str, dict[str, Any]]) -> bool:
    """Print the table; whether all targets are met."""
    print(f"{'':20}" + "".join(f"{name:>16}" for name in COLUMNS) + f"{'zkdict / dict':>16}")
    met = True
    for call, seconds in figures["zkdict"].items():
        cells = "".join(f"{shown(figures[name].get(call)):>16}" for name in COLUMNS)
        line = f"{call:20}{cells}"
        if call in figures["dict"]:
            ratio = seconds / figures["dict"][call]
            line += f"{ratio:16.2f}"
            if call in AT_MOST:
                good = ratio <= AT_MOST[call]
                met = met and good
                line += f"   at most {AT_MOST[call]:g}   {'met' if good else 'MISSED'}"
        print(line)
    print(flush=True)
    return met
