"""The study of kazoo's recipes, as a table: ``python -m tests.simulation.recipes --seeds 1000``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from typing import TYPE_CHECKING

import kazoo

from .kinds import KINDS, Kind, is_expected
from .programs import RECIPES, run

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 where something unexplained was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.recipes", description=__doc__)
    parser.add_argument("--recipe", choices=RECIPES, action="append", help="default: all")
    parser.add_argument("--servers", type=int, action="append", help="default: 1 and 3")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--history", action="store_true", help="write all that happened")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    write = sys.stdout.write
    write(f"kazoo {kazoo.__version__}, {options.seeds} seeds from {options.first}\n\n")
    write("| recipe | servers | found: in how many seeds (the first ones) | seconds |\n")
    write("| --- | --- | --- | --- |\n")
    wrong = False
    for recipe in options.recipe or RECIPES:
        for servers in options.servers or (1, 3):
            begin = time.process_time()
            seeds: dict[Kind, list[int]] = {}
            for seed in range(options.first, options.first + options.seeds):
                sim, findings = run(recipe, servers, seed)
                for kind in findings:
                    seeds.setdefault(kind, []).append(seed)
                    wrong = wrong or not is_expected(kind, recipe, servers)
                if options.history:
                    write(f"{sim.history}\n")
            spent = time.process_time() - begin
            found = ", ".join(
                f"{'' if is_expected(kind, recipe, servers) else 'WRONG '}{kind.name}: "
                f"{len(seeds[kind])} ({' '.join(map(str, seeds[kind][:3]))})"
                for kind in KINDS
                if kind in seeds
            )
            write(f"| {recipe} | {servers} | {found} | {spent:.0f} |\n")
            sys.stdout.flush()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
