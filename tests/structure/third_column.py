"""The tests of the client and of the dict that do not run in the simulation, as CONTRIBUTING.md
lists them with their reasons.

``python -m tests.structure.third_column --write CONTRIBUTING.md`` puts them there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- third column: begin -->\n", "<!-- third column: end -->\n"
FOLDERS = ("tests/client", "tests/dict")


class Columns(NamedTuple):
    """How many tests each backend has, and which ones the simulation does not, and why."""

    tests: Counter[str]
    left_out: dict[str, str]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tells, in the process that `columns` starts, what was collected."""
    tests: Counter[str] = Counter()
    left_out = {}
    for item in session.items:
        target = getattr(getattr(item, "callspec", None), "params", {}).get("_zk_target")
        if target is not None:
            tests[target.backend] += 1
            if (mark := item.get_closest_marker("in_real_time")) is not None:
                left_out[f"{item.path.relative_to(ROOT)}::{item.originalname}"] = mark.args[0]  # type: ignore[attr-defined]
    sys.stdout.write(f"\ncolumns: {json.dumps([tests, left_out])}\n")


@cache
def columns() -> Columns:
    """Collects the tests, in a process of its own. Cost: some seconds."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-p", __spec__.name, "--zk-backend=all", *FOLDERS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("columns: ")]
    tests, left_out = json.loads(line.partition(": ")[2])
    return Columns(Counter(tests), left_out)


def table() -> str:
    """The list, as it is to be."""
    rows = [f"| `{test}` | {why} |\n" for test, why in sorted(columns().left_out.items())]
    return f"| in real time only | because |\n| --- | --- |\n{''.join(rows)}"


def written(text: str) -> str:
    """What a page has."""
    return text.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    page = Path(sys.argv[sys.argv.index("--write") + 1])
    before = page.read_text("utf-8")
    page.write_text(before.replace(written(before), table()), "utf-8")
