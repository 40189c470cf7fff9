"""Runs the tests as CI does, again and again, and tells which failed how often: `make flakes`.

    python -m tests.release.flakes 10 [--pauses] [arguments of pytest]

Whatever is not the same in each run shows here: threads and processes of the system, live servers,
time. Chance does not: in CI the same examples and seeds are drawn each time. A run takes as long as
the tests of CI. With ``--pauses`` workers and servers are stopped now and then (`Pauses`). One such
run finds what would take many on an idle machine. Exit status 0 if no test ever failed.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import subprocess
import sys
import time

from .pauses import Pauses

DEFAULT = ("-n", "4", "--dist", "worksteal", "-m", "not nightly")


def failures(said: str) -> list[str]:
    """The tests that pytest's short summary names as failed, in setup and teardown included."""
    return re.findall(r"^(?:FAILED|ERROR) (\S+?::.*?)(?: - .*)?$", said, re.MULTILINE)


def main() -> None:
    runs, *arguments = sys.argv[1:]
    with_pauses = "--pauses" in arguments
    arguments = [each for each in arguments if each != "--pauses"] or list(DEFAULT)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    failed: collections.Counter[str] = collections.Counter()
    for run in range(1, int(runs) + 1):
        began = time.monotonic()
        tests = subprocess.Popen(
            command,
            env={**os.environ, "CI": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with Pauses(tests.pid, seed=run) if with_pauses else contextlib.nullcontext():
            said, _ = tests.communicate()
        names = failures(said) or ["the run itself"] * bool(tests.returncode)
        failed.update(set(names))
        last = said.strip().splitlines()[-1:]
        sys.stdout.write(f"run {run}, {time.monotonic() - began:.0f} s: {' '.join(last)}\n")
        if names:
            sys.stdout.write(said + "\n")
        sys.stdout.flush()
    for name, times in failed.most_common():
        sys.stdout.write(f"{times} of {runs}: {name}\n")
    if failed:
        sys.exit(1)
    sys.stdout.write(f"no test failed in {runs} runs\n")


if __name__ == "__main__":
    main()
