"""`python -m tests.differential`: a run of any length outside the test suite, with its figures.

`--long` is the run of 1,000,000 steps. Without Hypothesis: programs are drawn from seeds, which is
faster, and a divergence is shrunk by `shrink`.
"""

from __future__ import annotations

import argparse
import sys
import time

from zkfake._compare.driver import DivergenceError, Pair

from . import known
from .engine.report import report
from .engine.servers import FakeServer, LiveServer, Server
from .engine.side import Side
from .ensembles import beside
from .ensembles import known as known_of_ensembles
from .programs import Unsafe, program

LONG = 1_000_000
TELL_EVERY = 50_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000, help="how many steps to compare")
    parser.add_argument("--long", action="store_true", help=f"as --steps {LONG}")
    parser.add_argument("--length", type=int, default=100, help="steps in one program")
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--zk-home", help="the live server's home (default: Debian's package)")
    parser.add_argument("--other-home", help="a second live server in the place of the fake")
    parser.add_argument("--ensemble", action="store_true", help="three servers and an observer")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a divergence")
    options = parser.parse_args()
    goal = LONG if options.long else options.steps

    live = LiveServer(options.zk_home)
    version = live.version
    live.stop()

    def other() -> Server:
        return LiveServer(options.other_home) if options.other_home else FakeServer(version)

    def alone() -> Server:
        return LiveServer(options.zk_home)

    unsafe: Unsafe = known.unsafe
    pair = Pair(lambda: Side(other()), lambda: Side(alone()))
    if options.ensemble:
        pair = beside.pair(version, options.zk_home)
        unsafe = known_of_ensembles.unsafe
    found = 0
    start = time.monotonic()
    seed = options.seed
    told = 0
    try:
        while pair.steps < goal and (options.keep_going or not found):
            steps = program(seed, options.length, version, unsafe)
            try:
                pair.run(steps)
            except DivergenceError as divergence:
                found += 1
                sys.stdout.write(f"seed {seed}: {report(pair, steps, divergence)}\n")
            seed += 1
            if pair.steps - told >= TELL_EVERY:
                told = pair.steps
                sys.stderr.write(f"{told} steps in {time.monotonic() - start:.0f} s\n")
    finally:
        pair.discard()
    seconds = time.monotonic() - start
    sys.stdout.write(
        f"{pair.steps} steps, {pair.frames} frames, {pair.examples} examples against {version} in"
        f" {seconds:.0f} s ({pair.steps / seconds:.0f} steps/s): {found} divergences\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
