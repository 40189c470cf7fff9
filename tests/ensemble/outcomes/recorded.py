"""What live servers have shown so far: for each version and scenario, how often each outcome.

The file is data; `python -m tests.ensemble.outcomes` adds to it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import Outcome

FILE = Path(__file__).with_name("recorded.json")
_BETWEEN = " | "

Runs = dict[str, dict[str, dict[str, int]]]


def load(file: Path = FILE) -> Runs:
    """By version, scenario and outcome."""
    runs: Runs = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return runs


def outcomes(scenario: str) -> Counter[Outcome]:
    """Those of one scenario, on any version."""
    found: Counter[Outcome] = Counter()
    for scenarios in load().values():
        for text, times in scenarios.get(scenario, {}).items():
            found[tuple(text.split(_BETWEEN))] += times
    return found


def add(version: str, scenario: str, outcome: Outcome, file: Path = FILE) -> bool:
    """One more run. Whether the outcome is new."""
    runs = load(file)
    found = runs.setdefault(version, {}).setdefault(scenario, {})
    text = _BETWEEN.join(outcome)
    new = text not in found
    found[text] = found.get(text, 0) + 1
    file.write_text(json.dumps(runs, indent=1, sort_keys=True) + "\n", "utf-8")
    return new
