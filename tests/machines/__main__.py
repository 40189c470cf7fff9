# ruff: noqa: T201  it is a command
"""Searches for planted mistakes: `python -m tests.machines [--seed N] [--write] [NAME ...]`.

``--right`` runs the dict without a mistake: `python -m tests.machines --right --examples 3000`.
"""

from __future__ import annotations

import argparse
import statistics

from . import recorded
from .dict_mistakes import MISTAKES
from .measuring import search

RIGHT = "the dict as it is"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many are tried")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--right", action="store_true")
    parser.add_argument("--programs", action="store_true", help="print each program")
    parser.add_argument("--write", action="store_true", help="keep what is found: programs.txt")
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args()
    found = []
    for name, mistake in ({RIGHT: None} if chosen.right else MISTAKES).items():
        if chosen.names and name not in chosen.names:
            continue
        for seed in range(chosen.seed, chosen.seed + chosen.seeds):
            find = search(mistake, seed=seed, max_examples=chosen.examples)
            if find.error is not None:
                break
            print(f"{name}: NOT FOUND with seed {seed} in {find.examples}", flush=True)
        else:
            continue
        found.append(find)
        print(
            f"{name}: {len(find.steps)} steps, {len(find.faults)} faults; "
            f"{str(find.error).splitlines()[0][:150]}",
            flush=True,
        )
        if chosen.programs:
            print(find.program, flush=True)
        if chosen.write and mistake is not None:
            known = recorded.read()
            known[name] = recorded.Recorded(name, seed, find.first, find.pasted)
            recorded.write(known[each] for each in MISTAKES if each in known)
    if found:
        print(
            f"{len(found)} found; medians: {statistics.median(len(f.steps) for f in found)} steps, "
            f"{statistics.median(len(f.faults) for f in found)} faults"
        )


main()
