"""`python -m tests.ensemble`: the ensemble's properties on fresh seeds, for a number of steps.

A step is an action of a client or a fault, drawn from the seed. A world that breaks a promise is
told with the line that runs it again; the end is a table of what happened, and the exit status 1
where a promise was broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from . import checks, worlds

if TYPE_CHECKING:
    from collections.abc import Callable

    from .run import Run

WORLDS: dict[str, Callable[[int], Run]] = {
    "troubled": partial(worlds.troubled, steps=600),
    "wandering": worlds.wandering,
    "cornered": worlds.cornered,
    "deposed": worlds.deposed,
    "relapsing": worlds.relapsing,
    "rotating": worlds.rotating,
    "lingering": worlds.lingering,
}


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Campaign:
    """Worlds of every kind in turn, and what happened in them."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.failures = 0

    def run(self, name: str, seed: int) -> None:
        try:
            run = WORLDS[name](seed)
            worlds.judge(run)
        except Exception:
            self.failures += 1
            traceback.print_exc()
            _tell(f"again: python -m tests.ensemble --world {name} --seed {seed}\n")
            return
        self.steps += run.steps
        self.happened += Counter(
            {
                f"worlds ({name})": 1,
                "requests": len(run.sent),
                "requests without an answer": sum(not sent.answered for sent in run.sent),
                "transactions": len(run.ensemble.log),
                "epochs": run.ensemble.epoch,
                "seconds": (run.now - run.began) // 1000,
                "milliseconds with two leaders": run.two_leaders,
                "reads that were stale": checks.stale_reads(run),
                "reads of a deposed leader that were": checks.reads_of_a_deposed_leader(run),
                "syncs of a deposed leader that were": checks.syncs_of_a_deposed_leader(run),
                "syncs of a leader that were": checks.syncs_of_a_leader(run),
                "whole trees": run.whole_trees,
                "losses to a loss of power": run.lost_to_power,
            }
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.ensemble", description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000, help="default: a million")
    parser.add_argument("--world", choices=WORLDS, help="this kind only (default: all in turn)")
    parser.add_argument("--seed", type=int, help="this world alone")
    options = parser.parse_args()
    names = [options.world] if options.world else list(WORLDS)
    campaign, began = Campaign(), time.monotonic()
    if options.seed is not None:
        for name in names:
            campaign.run(name, options.seed)
    else:
        dice = random.SystemRandom()
        while campaign.steps.total() < options.steps:
            for name in names:
                campaign.run(name, dice.randrange(2**32))
    _tell(f"{campaign.steps.total()} steps in {time.monotonic() - began:.0f} s")
    for counter in (campaign.steps, campaign.happened):
        for what, times in counter.items():
            _tell(f"{times:12} {what}")
    _tell(f"{campaign.failures:12} broken promises")
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
