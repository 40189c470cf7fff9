"""`python -m tests.hostile`: a hostile campaign of any length, with its figures."""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from .attackers import attack
from .served import serve

LONGEST_PING = 0.25
"""Seconds."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="what the frames are drawn from")
    options = parser.parse_args()

    from .campaign import WARM_UP, run

    met = True
    with tempfile.TemporaryDirectory() as directory:
        for servers in (1, 3):
            start = time.monotonic()
            figures = run(
                Path(directory),
                servers=servers,
                frames=options.frames // 2,
                seed=options.seed,
                warm_up=max(options.frames // 8, WARM_UP),
            )
            _say(*figures.lines, f"  {time.monotonic() - start:.0f} s")
            met = met and (
                figures.failed is None and figures.slowest_ping < LONGEST_PING and not figures.grown
            )
    _say("as it has to be" if met else "NOT as it has to be")
    return 0 if met else 1


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _attack(trusted: str, options: str) -> None:
    given = json.loads(options)
    plain = [("127.0.0.1", port) for port, _ in given["ports"]]
    secure = [("127.0.0.1", port) for _, port in given["ports"]]
    tls = ssl.create_default_context(cafile=trusted)
    counted = attack(Random(given["seed"]), plain, secure, tls, given["frames"])
    _say(json.dumps(counted))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), *sys.argv[3:])
    elif sys.argv[1:2] == ["attack"]:
        _attack(sys.argv[2], sys.argv[3])
    else:
        sys.exit(main())
