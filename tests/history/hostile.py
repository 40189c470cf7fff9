"""``python -m tests.history.hostile --seeds N --servers 3``: hostile worlds, all judged.

Each seed makes two worlds with every fault, one program in each, recorded from its beginning to its
end. Each is judged twice: with the log of what was committed, and by what clients saw alone. A
finding is told with the line that runs its world again, and the campaign goes on. The last line
says how many worlds, events and transactions there were; the exit status is 1 where anything was
broken.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
import traceback
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.garbage import only_new_garbage
from zkfake._history.checking import check

from .runs import busy, hostile

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.simulation import Simulation

__all__ = ["Campaign"]

_LATE = 600.0
"""Seconds after which a view has to have what was committed: no fault lasts so long."""

_OFTEN = 250
"""Worlds from one line that says how far it is to the next."""


class Campaign:
    """Worlds of one number of servers, one after the other."""

    def __init__(self, servers: int) -> None:
        self.servers = servers
        self.done: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()
        """How often each judge had something to judge."""
        self.undecided: Counter[str] = Counter()

    def run(self, seed: int) -> None:
        """The worlds of a seed. Tells what is broken, a program that raises included."""
        with only_new_garbage():
            for world in (hostile, busy):
                self._run(world, seed)

    def _run(self, world: Callable[[int, int], Simulation], seed: int) -> None:
        self.done["worlds"] += 1
        try:
            history = world(seed, self.servers).history
            verdict = history.check(timely=_LATE)
            verdict.raise_if_broken()
            check(iter(history), has_log=False, complete=True).raise_if_broken()
        except Exception:
            self.done["failed"] += 1
            _tell(traceback.format_exc().rstrip())
            _tell(
                f"again: python -m tests.history.hostile --first {seed} --seeds 1 "
                f"--servers {self.servers}"
            )
        else:
            self.done["events"] += verdict.events
            self.done["transactions"] += verdict.transactions or 0
            for each in verdict.checked:
                self.checked[each.judge] += each.times
                self.undecided[each.judge] += sum(count for _, count in each.undecided)
        gc.collect()  # a simulation leaves circles, and keeps the collector off while it lasts

    def table(self) -> str:
        return "\n".join(
            f"{judge:34} {self.checked[judge]:12,} checked {self.undecided[judge]:10,} undecided"
            for judge in self.checked
        )

    def summary(self, seconds: float) -> str:
        done = self.done
        return (
            f"{done['worlds']} worlds on {self.servers} server(s) in {seconds:.0f} s of processor "
            f"time, {done['worlds'] / seconds:.2f} a second: {done['events']:,} events, "
            f"{done['transactions']:,} transactions, {done['failed']} failed"
        )


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.history.hostile", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--servers", type=int, default=1, help="of each world (default: 1)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # kazoo warns about every connection that a fault breaks
    campaign, began = Campaign(options.servers), time.process_time()
    for seed in range(options.first, options.first + options.seeds):
        campaign.run(seed)
        if campaign.done["worlds"] % _OFTEN == 0:
            _tell(campaign.summary(time.process_time() - began))
    _tell(campaign.table())
    _tell(campaign.summary(time.process_time() - began))
    return 1 if campaign.done["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
