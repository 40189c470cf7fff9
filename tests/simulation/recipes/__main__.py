"""The study of kazoo's recipes, as a table: ``python -m tests.simulation.recipes --seeds 1000``."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from typing import TYPE_CHECKING

import kazoo

from tests.support.garbage import only_new_garbage

from .kinds import KINDS, Kind, is_expected
from .programs import RECIPES, FoundError, run, sweep_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _seeds(recipe: str, servers: int, seeds: Iterable[int], history: bool) -> dict[Kind, list[str]]:
    """In which seeds each kind was found."""
    found: dict[Kind, list[str]] = {}
    with only_new_garbage():
        for seed in seeds:
            sim, findings = run(recipe, servers, seed)
            for kind in findings:
                found.setdefault(kind, []).append(str(seed))
            if history:
                _write(str(sim.history))
            del sim
            gc.collect()  # a simulation leaves circles, and keeps the collector off while it lasts
    return found


def _sweep(recipe: str, servers: int) -> tuple[int, dict[Kind, list[str]]]:
    """How many runs that were, and at which requests and faults each kind was found."""
    report = sweep_recipe(recipe, servers)
    found: dict[Kind, list[str]] = {}
    for failure in report.failures:
        if not isinstance(failure.error, FoundError):
            raise failure.error
        for kind in failure.error.kinds:
            found.setdefault(kind, []).append(f"{failure.fault}@{failure.request}")
    return report.runs, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 where something unexplained was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.recipes", description=__doc__)
    parser.add_argument("--recipe", choices=RECIPES, action="append", help="default: all")
    parser.add_argument("--servers", type=int, action="append", help="default: 1 and 3")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--history", action="store_true", help="write all that happened")
    parser.add_argument("--sweep", action="store_true", help="every fault at every request instead")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    seeds = range(options.first, options.first + options.seeds)
    what = "every fault at every request" if options.sweep else f"{seeds}"
    _write(f"kazoo {kazoo.__version__}, {what}\n")
    _write("| recipe | servers | runs | found: in how many runs (the first ones) | seconds |")
    _write("| --- | --- | --- | --- | --- |")
    wrong = False
    for recipe in options.recipe or RECIPES:
        for servers in options.servers or (1, 3):
            begin = time.process_time()
            if options.sweep:
                runs, found = _sweep(recipe, servers)
            else:
                runs, found = len(seeds), _seeds(recipe, servers, seeds, options.history)
            spent = time.process_time() - begin
            text = ", ".join(
                f"{'' if is_expected(kind, recipe, servers) else 'WRONG '}{kind.name}: "
                f"{len(found[kind])} ({' '.join(found[kind][:3])})"
                for kind in KINDS
                if kind in found
            )
            _write(f"| {recipe} | {servers} | {runs} | {text} | {spent:.0f} |")
            wrong = wrong or not all(is_expected(kind, recipe, servers) for kind in found)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
