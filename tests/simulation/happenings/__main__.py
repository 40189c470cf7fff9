"""Counts what happens in worlds of each profile, and writes the table of ``docs/worlds.md``:
``python -m tests.simulation.happenings --seeds 1000``.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.garbage import only_new_garbage
from zkfake._search.happenings import happenings
from zkfake.history import Fault

from .table import COLUMNS, PROBES, Counts, put, unexplained, written
from .world import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkfake.simulation import Simulation


def faults(sim: Simulation) -> set[str]:
    """The names of the faults that struck, and not that they were stopped where nothing got on."""
    names = {event.name for event in sim.history.of(Fault)}
    return {name for name in names if not name.endswith(" healed") and name != "by chance"}


def count(profile: str, servers: int, seeds: Iterable[int]) -> tuple[Counter[str], Counter[str]]:
    """In how many worlds each happening, and each fault, was seen."""
    happened: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    with only_new_garbage():
        for seed in seeds:
            world = run(profile, servers, seed)
            happened.update(happenings(world.history))
            struck.update(faults(world))
            del world
            gc.collect()  # a simulation leaves circles, and keeps the collector off while it lasts
    return happened, struck


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.happenings", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many worlds of each profile")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    counted = []
    for profile, servers in COLUMNS:
        counted.append(count(profile, servers, range(options.seeds)))
        sys.stderr.write(f"{profile}, {servers}\n")
    happened: Counts = {
        name: tuple(
            found[name] if servers >= each.servers else None
            for (_, servers), (found, _) in zip(COLUMNS, counted, strict=True)
        )
        for name, each in PROBES.items()
    }
    unknown = {name for found, _ in counted for name in found} - PROBES.keys()
    assert not unknown, unknown
    struck: Counts = {
        name: tuple(found[name] for _, found in counted)
        for name in {name for _, found in counted for name in found}
    }
    put(written(options.seeds, happened, struck))
    if names := unexplained(happened):
        sys.exit(f"the reasons in table.py are not right for {', '.join(names)}")


if __name__ == "__main__":
    main()
