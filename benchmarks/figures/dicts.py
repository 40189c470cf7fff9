"""The dict beside a plain dict, its predecessors and kazoo's TreeCache, on one live server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.scratch import ROOT, with_predecessors
from pytest_zkdict.live import LiveZooKeeper

OURS, DICTS = "zkdict", ("zkdict", "msaStorageDict", "durabledict", "TreeCache")
SIZES = (100, 1_000, 10_000, 100_000)
TIMES, TIMES_RELOADING = 21, {100: 3, 1_000: 3, 10_000: 1}
RELOADING = ("msaStorageDict", "durabledict")
"""They load all keys again for each change."""
MANY = (1, 10, 100, 1_000)
KEYS = 10_000
"""For reads and memory."""
BURST_KEYS = 1_000


def measure(quick: bool) -> dict[str, Any]:
    """All figures, by the measure and the dict."""
    python = with_predecessors()
    sizes, many, seconds = SIZES, MANY, 4.0
    keys, burst_keys = KEYS, BURST_KEYS
    if quick:
        sizes, many, seconds = SIZES[:2], MANY[:2], 1.0
        keys, burst_keys = 1_000, 100
    found: dict[str, Any] = {"keys": keys, "burst_keys": burst_keys}
    with LiveZooKeeper(tick_time=2000, jvm_options=()) as server:
        found["version"] = server.version

        def work(implementation: str, measure: str, **more: Any) -> Any:
            wanted = {
                "implementation": implementation,
                "measure": measure,
                "hosts": server.hosts,
                **more,
            }
            print(f"  {measure} of {implementation} {more}", flush=True)
            done = subprocess.run(
                [python, Path(__file__).parent / "dict_work.py", json.dumps(wanted)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                check=True,
                timeout=900,
            )
            return json.loads(done.stdout.splitlines()[-1])

        work(OURS, "sizes", keys=keys, times=1)  # the just-in-time compiler warms up
        found["calls"] = {name: work(name, "calls", keys=keys) for name in ("dict", *DICTS)}
        found["memory"] = {name: work(name, "memory", keys=keys) for name in ("dict", *DICTS)}
        found["burst"] = {
            name: work(name, "burst", keys=burst_keys, seconds=seconds) for name in DICTS
        }
        found["many"] = {
            name: {str(count): work(name, "many", dicts=count) for count in many}
            for name in (OURS, "TreeCache")
        }
    found["sizes"] = {name: {} for name in DICTS}
    for size in sizes:
        for name in DICTS if size <= KEYS else (OURS,):
            with LiveZooKeeper(tick_time=2000, jvm_options=()) as server:
                times = TIMES_RELOADING[size] if name in RELOADING else TIMES
                found["sizes"][name][str(size)] = work(name, "sizes", keys=size, times=times)
    return found
