# ruff: noqa: T201  it is a command
"""Searches for every planted mistake: `python -m tests.machines [--seed N] [NAME ...]`."""

from __future__ import annotations

import argparse
import statistics

from .dict_mistakes import MISTAKES
from .measuring import search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", action="store_true", help="print each program")
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args()
    found = []
    for name, mistake in MISTAKES.items():
        if chosen.names and name not in chosen.names:
            continue
        find = search(mistake, seed=chosen.seed)
        if find.error is None:
            print(f"{name}: NOT FOUND in {find.examples}", flush=True)
            continue
        found.append(find)
        print(
            f"{name}: {len(find.steps)} steps, {len(find.faults)} faults; "
            f"{str(find.error).splitlines()[0][:150]}",
            flush=True,
        )
        if chosen.programs:
            print(find.program, flush=True)
    if found:
        print(
            f"{len(found)} found; medians: {statistics.median(len(f.steps) for f in found)} steps, "
            f"{statistics.median(len(f.faults) for f in found)} faults"
        )


main()
