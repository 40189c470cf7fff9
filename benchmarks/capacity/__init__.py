"""How many dicts, keys and changes a ZooKeeper bears: the study behind ``docs/capacity.md``.

`measure` runs `scenarios` on a live ensemble of three with few dicts, and in a simulation with few
and with many, in which a request takes a server as long as it took the live one.
"""

from __future__ import annotations

import logging
from typing import Any

from benchmarks.capacity import live
from benchmarks.capacity.scenarios import simulate

LIVE = (1, 10, 50)
GRID = (
    *((dicts, 10) for dicts in (1, 10, 50, 100, 1_000, 10_000)),
    *((dicts, 100) for dicts in (10, 100)),
    (10, 1_000),
)
"""Dicts, and keys of each."""
KEYS = 10
"""Of each dict, where there is a live ensemble beside."""


def measure(quick: bool) -> dict[str, Any]:
    """The figures, by where they are from, and by dicts and keys: ``"10 dicts, 100 keys"``."""
    for name in ("kazoo", "zkfake.simulation", "zkdict"):  # they tell of what is done to them
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with live.ensemble() as servers:
        costs = live.costs(servers, **({"rounds": 2, "count": 8_000} if quick else {}))
        election = live.election(servers)
        print(f"  {costs}, an election: {election:.2f} s", flush=True)
        observed = {
            place(dicts, KEYS): live.observe(servers, dicts, KEYS)
            for dicts in (LIVE[:2] if quick else LIVE)
        }
        version = servers.version
    simulated = {}
    for dicts, keys in GRID:
        if not quick or dicts * keys <= 1_000:
            print(f"  simulated: {dicts:,} dicts of {keys:,} keys", flush=True)
            simulated[place(dicts, keys)] = simulate(dicts, keys, costs, election)
    return {
        "version": version,
        "costs": costs._asdict(),
        "election": election,
        "live": observed,
        "simulated": simulated,
    }


def place(dicts: int, keys: int) -> str:
    """Under which name their figures stand."""
    return f"{dicts} dicts, {keys} keys"
