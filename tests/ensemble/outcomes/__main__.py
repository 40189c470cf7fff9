"""`python -m tests.ensemble.outcomes`: records what live servers show, or tells what ours do."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from . import ours, recorded
from .live import live
from .scenarios import SCENARIOS
from .world import DisturbedError


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _record(home: str | None, names: list[str], runs: int, seconds: float, file: Path) -> None:
    """Rounds of all scenarios, so that an end by ``seconds`` leaves each with as many runs."""
    end = time.monotonic() + seconds
    to_do = [name for _ in range(runs) for name in names]
    while to_do and time.monotonic() < end:
        with live(home) as servers:
            while to_do and time.monotonic() < end:
                name = to_do.pop(0)
                try:
                    outcome = servers.run(SCENARIOS[name])
                except DisturbedError as disturbed:
                    places = traceback.extract_tb(disturbed.__traceback__)
                    where = [place.line for place in places if place.filename.endswith("arios.py")]
                    _tell(f"{servers.version} {name}: disturbed: {disturbed} ({where})")
                    break  # what is the matter with these servers may last
                if recorded.add(servers.version, name, outcome, file):
                    _tell(f"{servers.version} {name}: {outcome}")


def _show(names: list[str], seeds: int, version: str) -> None:
    for name in names:
        began = time.perf_counter()
        found: Counter[tuple[str, ...]] = Counter()
        first: dict[tuple[str, ...], int] = {}
        for seed in range(seeds):
            try:
                outcome = ours.run(SCENARIOS[name], seed, version)
            except DisturbedError:
                outcome = ("disturbed",)
            found[outcome] += 1
            first.setdefault(outcome, seed)
        live_ones = recorded.outcomes(name)
        _tell(f"{name}  ({(time.perf_counter() - began) / seeds * 1000:.1f} ms a run)")
        for outcome in sorted({*found, *live_ones}):
            seen = f"live {live_ones.get(outcome, 0):4}  ours {found[outcome]:5}"
            _tell(f"    {seen}  {outcome}  {first.get(outcome, '')}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.ensemble.outcomes", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios (default: all)")
    parser.add_argument("--zk-home", help="the live servers' home (default: Debian's package)")
    parser.add_argument("--runs", type=int, default=10, help="of each scenario, live")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="when to stop, live")
    parser.add_argument("--to", type=Path, default=recorded.FILE, help="the file to add to")
    parser.add_argument("--ours", type=int, metavar="SEEDS", help="show ours instead")
    parser.add_argument("--version", default="3.9", help="of ours: 3.8 or 3.9")
    options = parser.parse_args()
    names = options.names or list(SCENARIOS)
    if options.ours:
        _show(names, options.ours, options.version)
    else:
        _record(options.zk_home, names, options.runs, options.seconds, options.to)


if __name__ == "__main__":
    main()
