"""`make hunt`: properties on fresh seeds for as long as wanted, on every core.

Quiet while nothing is found. A world that fails is told with its traceback and the line that runs
it again; the hunt goes on, and ends with a table and the exit status 1. Ctrl-C ends it with the
table so far. Each process runs one
property for some time, under a PYTHONHASHSEED of its own. A world that takes longer than
`PATIENCE` is told with the stack of every thread.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import logging
import os
import random
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter

from .properties import PROPERTIES

PATIENCE = 300.0  # seconds for one world
SLICE = 20.0  # seconds for one process
_RUNNING = "world"


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# -- one process


def run(name: str, numbers: list[int], seconds: float) -> int:
    """Run worlds until one fails or the time is up; says each one's number before it."""
    end = time.monotonic() + seconds
    gc.freeze()  # what was imported stays: a world's collections need not look at it again
    for number in numbers:
        tell(f"{_RUNNING} {number}")
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            PROPERTIES[name](number)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            faulthandler.cancel_dump_traceback_later()
        if time.monotonic() >= end:
            break
    return 0


def fresh(most: int) -> list[int]:
    """As many seeds as one process may need."""
    dice = random.SystemRandom()
    return [dice.randrange(2**32) for _ in range(most)]


# -- all of them


class Hunt:
    """Worlds of each property in turn, until time is up or each had its number.

    Args:
        names: of the properties.
        seconds: how long; None: until each had its worlds.
        worlds: how many of each; None: until the time is up.
        jobs: processes at a time.
    """

    def __init__(
        self, names: list[str], seconds: float | None, worlds: int | None, jobs: int
    ) -> None:
        self.names = names
        self.jobs = jobs
        self.slice = SLICE if seconds is None else min(SLICE, seconds * jobs / len(names))
        self.worlds = worlds
        self.began = time.monotonic()
        self.end = None if seconds is None else self.began + seconds
        self.done: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.spent: dict[str, float] = dict.fromkeys(names, 0.0)
        self._given: Counter[str] = Counter()
        self._interrupted = False
        self._lock = threading.Lock()

    def _next(self) -> tuple[str, int] | None:
        """The property that had the least time, and how many worlds it may run now."""
        with self._lock:
            if self._interrupted or (self.end is not None and time.monotonic() >= self.end):
                return None
            wanting = [
                name
                for name in self.names
                if self.worlds is None or self._given[name] < self.worlds
            ]
            if not wanting:
                return None
            name = min(wanting, key=lambda name: self.spent[name])
            most = 1000 if self.worlds is None else min(1000, self.worlds - self._given[name])
            self._given[name] += most
            self.spent[name] += self.slice  # until it is known
            return name, most

    def work(self) -> None:
        """One core's share."""
        while (given := self._next()) is not None:
            name, most = given
            left = self.slice if self.end is None else min(self.slice, self.end - time.monotonic())
            hash_seed = str(random.SystemRandom().randrange(2**32))
            began = time.monotonic()
            process = subprocess.run(
                [sys.executable, "-m", "tests.hunt", name, f"--slice={left}", f"--most={most}"],
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            lines = process.stdout.splitlines()
            numbers = [line.split()[1] for line in lines if line.startswith(f"{_RUNNING} ")]
            with self._lock:
                self.spent[name] += time.monotonic() - began - self.slice
                self._given[name] += len(numbers) - most
                self.done[name] += len(numbers)
                # Ctrl-C reaches the processes as well: that is not the world's failure.
                if process.returncode != 0 and not self._interrupted:
                    self.failures[name] += 1
                    again = f"{name} {numbers[-1]}" if numbers else name
                    tell(process.stderr.rstrip())
                    python = os.path.relpath(sys.executable)
                    tell(f"again: PYTHONHASHSEED={hash_seed} {python} -m tests.hunt {again}\n")

    def wait(self, workers: list[threading.Thread]) -> None:
        for worker in workers:
            worker.join()

    def run(self) -> int:
        workers = [threading.Thread(target=self.work) for _ in range(self.jobs)]
        for worker in workers:
            worker.start()
        try:
            self.wait(workers)
        except KeyboardInterrupt:
            self._interrupted = True
            self.wait(workers)
        tell(f"{time.monotonic() - self.began:.0f} s")
        for name in self.names:
            tell(f"{name:20} {self.done[name]:8} worlds {self.failures[name]:6} failed")
        return 1 if self.failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hunt", description=__doc__)
    parser.add_argument("property", nargs="?", choices=PROPERTIES, help="run it in this process")
    parser.add_argument("seed", nargs="*", type=int, help="of the worlds to run again")
    parser.add_argument("--seconds", type=float, help="how long to hunt")
    parser.add_argument("--worlds", type=int, help="how many worlds of each property")
    parser.add_argument("--only", help="properties, with commas between (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="default: every core")
    parser.add_argument("--slice", type=float, default=SLICE, help=argparse.SUPPRESS)
    parser.add_argument("--most", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.property is not None:
        logging.disable(logging.CRITICAL)  # kazoo warns about every connection that a fault breaks
        if options.seed:
            return run(options.property, options.seed, float("inf"))
        return run(options.property, fresh(options.most), options.slice)
    names = options.only.split(",") if options.only else list(PROPERTIES)
    unknown = sorted({*names} - {*PROPERTIES})
    if unknown:
        parser.error(
            f"there is no property {', '.join(unknown)}; there are {', '.join(PROPERTIES)}"
        )
    if options.seconds is None and options.worlds is None:
        parser.error("say --seconds or --worlds")
    return Hunt(names, options.seconds, options.worlds, options.jobs).run()


if __name__ == "__main__":
    sys.exit(main())
