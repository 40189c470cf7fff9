"""`make mutants`: the code is changed in one place, the tests that run that line try it, and so on.

The places are a sample, drawn by a seed; the order of the tests is that of the table in
CONTRIBUTING.md. The work tree is not touched: all happens in a copy, and what was tried is kept
beside it, so that a run that was interrupted goes on. A mutant that no test finds is shown as a
diff: write a test, or say in `equivalent.py` why there cannot be one.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import shutil
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .equivalent import reason
from .nearest import nearest
from .runs import Runs
from .sites import PACKAGES, Mutant, drawn
from .trial import HANGS, LATE, last_test, trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parents[2]
LAUNCHER = "pytest_zkdict/live/"
"""What starts live servers does nothing on the fake."""
PLUGIN = "pytest_zkdict/"
"""Some of its lines run on live servers alone."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="what is kept")
    parser.add_argument("--sample", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="mutants by name, as they are shown; anew")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for the tests of each")
    parser.add_argument("--hangs", type=float, default=60.0, help="seconds for one test")
    options = parser.parse_args()
    times = options.hangs, options.limit

    copy = options.work.resolve() / "copy"
    _make_copy(copy)
    if options.only:
        source: Iterable[Mutant] = map(Mutant.parse, options.only)
    else:
        source = islice(drawn(copy, options.seed), options.sample)
    without = trial(copy, ["tests/fake/test_tree.py"], "fake", *times)
    assert not without, f"without a mutant, too: {without}"
    runs = Runs(copy, options.work.resolve() / f"measured-{_digest(copy)}")
    known = options.work / f"{_digest(copy)}.jsonl"
    tried = {} if options.only else _read(known)
    mutants = []
    for number, mutant in enumerate(source, 1):
        mutants.append(mutant)
        name = str(mutant)
        if name in tried:
            continue
        start = time.monotonic()
        tried[name] = _try(mutant, copy, runs, *times)
        with known.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"mutant": name, **tried[name]}) + "\n")
        _say(f"{number}: {name} {tried[name]['by'] or 'SURVIVES'} {time.monotonic() - start:.0f} s")
    return _report(mutants, tried, options.seed)


def _try(mutant: Mutant, copy: Path, runs: Runs, hangs: float, limit: float) -> dict[str, str]:
    """What has found the mutant, "" if nothing, and its diff."""
    path = copy / mutant.path
    code = path.read_text("utf-8")
    changed = mutant.code(copy)
    assert changed is not None
    # Most are found by the first of the tests, and collecting all of them takes longer than that.
    tests: tuple[list[str], ...] = runs.tests(mutant)
    is_live = mutant.path.startswith(LAUNCHER if any(tests) else PLUGIN)
    if is_live:
        tests = (nearest(copy, mutant),)
    deadline = time.monotonic() + limit

    def run(chosen: Sequence[str]) -> str:
        left = deadline - time.monotonic()
        return trial(copy, chosen, "live" if is_live else "fake", hangs, left)

    def found(chosen: Sequence[str]) -> str:
        """As `trial`; a test counts that fails alone, too, and does not without the mutant."""
        while chosen:
            path.write_text(changed, "utf-8")
            by = run(chosen)
            if by in ("", LATE) or by.startswith(HANGS):
                return by
            test = last_test(copy)
            again = run([test])
            shutil.copy2(ROOT / mutant.path, path)
            if again in ("", LATE) or run([test]):
                chosen = [each for each in chosen if each not in (test, test.partition("::")[0])]
                _say(f"  {mutant}: not by {test}")
            else:
                return by
        return ""

    by = ""
    try:
        for chosen in tests:
            by = by or found(chosen)
    finally:
        shutil.copy2(ROOT / mutant.path, path)  # its time, too: what was compiled of it is kept
    return {"by": by, "tests": f"{sum(map(len, tests))}", "diff": _diff(mutant.path, code, changed)}


def _report(mutants: list[Mutant], tried: dict[str, dict[str, str]], seed: int) -> int:
    equivalent, lost = [], []
    for mutant in mutants:
        outcome = tried[str(mutant)]
        if outcome["by"] in ("", LATE):
            why = reason(outcome["diff"])
            (equivalent if why else lost).append(mutant)
            _say(f"\n{mutant} {outcome['by']}\n{outcome['diff']}{why and f'equivalent: {why}'}")
    for mutant in mutants:
        if (by := tried[str(mutant)]["by"]).startswith(HANGS):
            _say(f"{mutant} {by}: is it a loop without an end?")
    count = len(mutants) - len(equivalent)
    share = 1 - len(lost) / max(count, 1)
    _say(
        f"\n{len(mutants)} mutants, seed {seed}: {len(equivalent)} equivalent, of the other {count}"
    )
    _say(f"{count - len(lost)} were found, {100 * share:.1f} %")
    for package in PACKAGES:
        own, same, missed = (
            sum(mutant.path.startswith(f"{package}/") for mutant in kind)
            for kind in (mutants, equivalent, lost)
        )
        _say(f"  {package}: {own} mutants, {same} equivalent, {missed} not found")
    return 0 if share >= 0.95 else 1


def _make_copy(copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


def _digest(copy: Path) -> str:
    """Changes with the product's code."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((copy / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _read(path: Path) -> dict[str, dict[str, str]]:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return {found.pop("mutant"): found for found in map(json.loads, lines)}


def _diff(path: str, old: str, new: str) -> str:
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", n=2))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
