"""A server, the fake, virtual time, zake or a mock, in one run: ``python -m benchmarks choosing``.

The table stands in docs/choosing.md. Each is measured in a process of its own, by one blocking
client in that process (`choosing_work.py`): how long it takes from nothing to the first answer;
what a test takes that makes a client and a znode, reads and deletes it; calls a second; how much
more memory the process has than before, with the JVM of a real server. The best of several bursts
counts: other work on the machine only ever takes time away. zake has an environment of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.scratch import with_zake
from pytest_zkdict.live import LiveUnavailableError, find_installation

WORK = Path(__file__).with_name("choosing_work.py")
KINDS = {
    "live": "a real server",
    "fake": "zkfake, real time",
    "simulation": "zkfake, virtual time",
    "zake": "zake 0.2.2",
    "mock": "unittest.mock",
}
COLUMNS = ("start, ms", "a test, ms", "reads/s", "writes/s", "memory, MB")


def main() -> bool:
    """Measure each and print the table; it has no targets."""
    print("| | " + " | ".join(COLUMNS) + " |")
    print("| --- |" + " ---: |" * len(COLUMNS))
    for kind, name in KINDS.items():
        try:
            figures = " | ".join(
                f"{figure:,.{0 if figure >= 100 else 1}f}" for figure in _run(kind)
            )
        except (LiveUnavailableError, subprocess.CalledProcessError) as error:
            figures = f"not there: {error}"
        print(f"| {name} | {figures} |", flush=True)
    print()
    return True


def _run(kind: str) -> list[float]:
    if kind == "live":
        find_installation()
    python = with_zake() if kind == "zake" else sys.executable
    ran = subprocess.run(
        [python, WORK, kind], check=True, capture_output=True, text=True, timeout=600
    )
    found: list[float] = json.loads(ran.stdout)
    return found


if __name__ == "__main__":
    main()
