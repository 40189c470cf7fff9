"""A search of so many processes, told as JSON: ``python -m tests.search.processes JOBS``.

The first world stands still until another process has run a later one. So what the processes find
comes in another order than that of the seeds.
"""

from __future__ import annotations

import json
import os
import sys

from zkfake.simulation import Simulation, explore

PARENT = os.getpid()
READER, WRITER = os.pipe()
FORKED = b"f"


def program(sim: Simulation) -> None:
    forked = os.getpid() != PARENT
    if forked and sim.seed == 0:
        os.read(READER, 1)
    elif forked and sim.seed >= 8:
        os.write(WRITER, FORKED)
    sim.sometimes(sim.seed % 5 == 0, "five")
    sim.client().create("/a")
    if sim.seed % 3 == 0:
        raise ValueError
    if sim.seed % 4 == 1:
        raise KeyError


def main(jobs: int) -> None:
    found = explore(program, seeds=40, jobs=jobs, profile="calm", watchdog=None, shrink=False)
    failures = [(each.seed, each.run, each.count, each.program) for each in found.failures]
    report = [str(found), found.runs, found.failed, failures, found.probes]
    os.write(WRITER, b"\0")
    json.dump({"report": report, "forked": os.read(READER, 1) == FORKED}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
