"""Mutants that no test can find, since they are the same program, each with its reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str], str] = {}
"""By the line as it is and as it would be, without indents: it stays known when it moves."""


def reason(diff: str) -> str:
    """Why the mutant with this diff is equivalent; "" where it is not known to be."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    old = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    new = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return EQUIVALENT.get((old, new), "")
