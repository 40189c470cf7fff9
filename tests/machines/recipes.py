# ruff: noqa: T201  it is a command
"""Searches for every mistake in recipes: `python -m tests.machines.recipes [--seed N] [NAME ...]`.

``--right`` runs those without a mistake.
"""

from __future__ import annotations

import argparse
import statistics
import time

from . import own_locks, own_queues  # noqa: F401  # they fill the tables
from .measuring import Find, search
from .own_recipes import MACHINES, RIGHT
from .recorded import FAULTS


def faults_of(find: Find) -> int:
    return sum(step in FAULTS or step == "delay_task" for step in find.steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--programs", action="store_true", help="print each program")
    parser.add_argument("--right", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args()
    found = []
    for name, machine in (RIGHT if chosen.right else MACHINES).items():
        if chosen.names and name not in chosen.names:
            continue
        begin = time.process_time()
        find = search(None, seed=chosen.seed, machine=machine, max_examples=chosen.examples)
        seconds = time.process_time() - begin
        if find.error is None:
            print(f"{name}: nothing found in {find.examples}; {seconds:.0f} s", flush=True)
            continue
        found.append(find)
        print(
            f"{name}: {len(find.steps)} steps, {faults_of(find)} faults; {seconds:.0f} s; "
            f"{type(find.error).__name__}: {' '.join(str(find.error).splitlines()[:3])[:180]}",
            flush=True,
        )
        if chosen.programs:
            print(find.error)
            print(find.program, flush=True)
    if found:
        print(
            f"{len(found)} found; medians: {statistics.median(len(f.steps) for f in found)} steps, "
            f"{statistics.median(faults_of(f) for f in found)} faults"
        )


if __name__ == "__main__":
    main()
