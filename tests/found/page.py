"""docs/found.md: its programs, and what each of them is told to print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PAGE", "Program", "read", "rewritten", "shown"]

PAGE = Path(__file__).parents[2] / "docs" / "found.md"

_INSTALL = re.compile(r"^    pip install (.*)\n", re.MULTILINE)
_PROGRAM = re.compile(r"```python\n# (test_\w+\.py)\n(.*?)```", re.DOTALL)
_TOLD = re.compile(r"```text\n(.*?)```", re.DOTALL)
_CHAINED = ("The above exception was", "During handling of the above")
_WITHOUT = ("The runs are the same", "The judges find", "To run it again:", "The last events")
"""Where the part of a report ends that says what fails, where first, why, and what it needs."""


class Program(NamedTuple):
    """A program of the page. ``told``: the lines that the page says it prints."""

    library: str
    install: tuple[str, ...]
    title: str
    name: str
    text: str
    told: tuple[str, ...]


def read(page: str) -> list[Program]:
    """The programs of the page, in its order."""
    found = []
    for section in page.split("\n## ")[1:]:
        library, *parts = section.split("\n### ")
        for part in parts:
            install, program, told = (
                each.search(text)
                for each, text in ((_INSTALL, library), (_PROGRAM, part), (_TOLD, part))
            )
            title = part.splitlines()[0]
            if install is None or program is None or told is None:
                raise ValueError(f"{title}: what is to be installed, a program, or what it prints")
            words = tuple(word.strip('"') for word in re.findall(r'"[^"]*"|\S+', install[1]))
            lines = tuple(told[1].splitlines())
            found.append(Program(library.splitlines()[0], words, title, *program.groups(), lines))
    return found


def shown(output: Sequence[str], name: str) -> tuple[str, ...]:
    """What the page shows of pytest's output: the failure, and how its report begins."""
    reports = [n for n, line in enumerate(output) if line.strip("- ") == "zk_explore"]
    report = reports[0] if reports else len(output)
    # The last traceback is that of the test, and the others are what it came from.
    before = [n for n, line in enumerate(output[:report]) if line.startswith(_CHAINED)]
    lines = iter(output[max(before, default=0) : report])
    failed = next((line for line in lines if line.startswith(">")), "")
    error = next((line for line in lines if line.startswith("E ")), "")
    section = [line.strip() for line in output[report : report + 1]]
    for line in output[report + 1 :]:
        if line.startswith((*_WITHOUT, "---", "===", "zookeeper: ")):
            break
        section.append(line.rstrip())
    while section and not section[-1]:
        section.pop()
    return (f"$ pytest {name}", "...", failed, error, "...", *section, "...")


def rewritten(page: str, name: str, printed: Sequence[str]) -> str:
    """The page, with what the program of this name has printed."""
    told = _TOLD.search(page, page.index(f"```python\n# {name}\n"))
    if told is None:
        raise ValueError(f"{name}: no text")
    return page[: told.start(1)] + "\n".join([*printed, ""]) + page[told.end(1) :]
