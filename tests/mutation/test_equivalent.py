"""The list of equivalent mutants speaks of lines that are there, and is found by a diff."""

from __future__ import annotations

from pathlib import Path

from .equivalent import EQUIVALENT, reason

ROOT = Path(__file__).parents[2]
PACKAGES = ("zkdict", "zkfake", "pytest_zkdict")


def test_every_line_is_there() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    lines = {
        (path.name, " ".join(line.split()))
        for path in files
        for line in path.read_text("utf-8").splitlines()
    }
    assert {(name, " ".join(old.split())) for name, old, _ in EQUIVALENT} - lines == set()


def test_a_diff_is_known_by_its_lines() -> None:
    diff = "--- a/zk/clients.py\n+++ b/zk/clients.py\n@@ -1 +1 @@\n f()\n-    raise errors[0]\n"
    assert reason(f"{diff}+    raise errors[1]\n") == ""
    assert reason(f"{diff}+    raise errors[-1]\n") == "There is at most one."
