"""`python -m tests.hostile.fuzz SECONDS`: the coverage-guided fuzzer, which `make fuzz` runs.

Needs atheris, which is not among the development tools.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["zkfake"]):
    from .fuzzed import check, shortened

from .frames import Grammar

_FIRST_INPUTS = 300


def main(seconds: int) -> None:
    """Ends with an error at the first input that breaks a rule; what it was is kept in a file."""
    grammar = Grammar(Random(0))
    with tempfile.TemporaryDirectory() as directory:
        for number in range(_FIRST_INPUTS):
            requests = [grammar.request() for _ in range(1 + number % 5)]
            data = b"".join(map(shortened, filter(lambda frame: len(frame) >= 12, requests)))
            Path(directory, str(number)).write_bytes(
                bytes([number % 4 + 16 * (number % 16)]) + data
            )
        for number in range(30):
            opening = grammar.strange_opening()
            Path(directory, f"opening-{number}").write_bytes(bytes([12 + number % 4]) + opening)
        options = [
            f"-max_total_time={seconds}",
            "-max_len=4096",
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            "-artifact_prefix=fuzz-",
        ]
        atheris.Setup([sys.argv[0], *options, directory], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]))
