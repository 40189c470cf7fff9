"""Pages that a reader follows from the top: files are written, changed and run, in one directory.

A block of Python that begins with the name of a file writes that file. A ``diff`` changes the file
that has its old lines. A ``text`` that begins with ``$ pytest`` is a command and what it prints;
a line with three dots stands for any lines. ``sh`` is for the reader alone.
"""

from __future__ import annotations

import linecache
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

__all__ = ["DOCS", "Step", "compare", "follow", "steps"]

DOCS = Path(__file__).parents[2] / "docs"
QUIET = ("-p", "no:cacheprovider", "-p", "no:xdist", "-Werror", "--zk-backend=fake")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")
_VARYING = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        (r"fails in \d+ of \d+ worlds", "fails in some worlds"),
        (r"first with seed \d+", "first with some seed"),
        (r"\d+ worlds, 0 failed, .*", "no world failed"),
        (r"\d+\.\d+ ?s\b", "SECONDS"),
        (r"\s+", " "),
    )
)
"""How often a mistake is found, and how long that takes, is not the page's to promise."""


class Step(NamedTuple):
    """One block of a page."""

    kind: str
    text: str


def steps(page: str) -> list[Step]:
    return [Step(*found) for found in _BLOCK.findall((DOCS / page).read_text("utf-8"))]


def _changed(files: dict[str, str], diff: str) -> Iterator[tuple[str, str]]:
    old, new = (
        "".join(line[1:] for line in diff.splitlines(True) if line[0] in signs)
        for signs in ("- ", "+ ")
    )
    for name, text in files.items():
        if old in text:
            yield name, text.replace(old, new)


def compare(shown: Sequence[str], printed: Sequence[str]) -> None:
    """That the lines which a page shows are among those printed, in their order.

    Raises:
        AssertionError: a line is not there, or another one is before it.
    """
    said = [_alike(line) for line in printed]
    at, free = 0, True
    for line in shown:
        if line == "...":
            free = True
            continue
        wanted = _alike(line)
        found = said.index(wanted, at) if wanted in said[at:] else -1
        assert found >= 0, f"nothing reads {wanted!r} after {printed[at - 1 : at]}"
        assert free or found == at, f"there is more before {line!r}: {said[at:found]}"
        at, free = found + 1, False


def _alike(line: str) -> str:
    for pattern, shown in _VARYING:
        line = pattern.sub(shown, line)
    return line.strip()


def follow(page: str, pytester: pytest.Pytester, hidden: Sequence[str] = ()) -> int:
    """Do what the page says; returns how many commands that were. ``hidden``: further options.

    Raises:
        AssertionError: a command prints something else.
        ValueError: a block that cannot be followed.
    """
    files: dict[str, str] = {}
    commands = 0
    pytester.syspathinsert()
    for kind, text in steps(page):
        named = _FILE.match(text)
        if kind == "python" and named:
            files[named[1]] = text
        elif kind == "diff":
            ((name, new),) = _changed(files, text)
            files[name] = new
        elif kind == "text" and text.startswith("$ pytest "):
            for name, content in files.items():
                (pytester.path / name).write_text(content, "utf-8")
            linecache.clearcache()  # it does not look at files that were changed within a second
            shown = text.splitlines()
            _, _, *arguments = shlex.split(shown.pop(0))
            result = pytester.runpytest_inprocess(*QUIET, *hidden, *arguments)
            compare(shown, result.outlines)
            commands += 1
        elif kind != "sh":
            raise ValueError(f"{page}: {kind} that is neither a file nor a command: {text[:60]!r}")
    return commands
