"""What reports say of mistakes that are planted in small applications.

``python -m tests.plugin.planted [words of a title]`` writes the texts of docs/pytest_explained.md
anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OPTIONS", "PAGE", "Planted", "read", "shown"]

PAGE = Path(__file__).parents[2] / "docs" / "pytest_explained.md"
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:xdist", "--zk-backend=fake")

_FILE = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
_TEXT = re.compile(r"```text\n(.*?)```", re.DOTALL)


class Planted(NamedTuple):
    """A section of the page. ``mended``: its files; ``wrong``: those with the mistake."""

    title: str
    mended: dict[str, str]
    wrong: dict[str, str]
    text: list[str]


def read() -> list[Planted]:
    """The sections of the page that have a mistake."""
    sections = PAGE.read_text("utf-8").split("\n## ")[1:]
    return [_planted(section) for section in sections]


def _planted(section: str) -> Planted:
    files = dict(_FILE.findall(section))
    found = re.search(r"```diff\n(.*?)```", section, re.DOTALL)
    text = _TEXT.search(section)
    assert found
    assert text
    old, new = (
        "".join(line[1:] for line in found[1].splitlines(True) if line[0] == sign) for sign in "-+"
    )
    wrong = {name: each.replace(old, new) for name, each in files.items()}
    assert wrong != files, section.splitlines()[0]
    return Planted(section.splitlines()[0], files, wrong, text[1].splitlines())


def shown(output: Sequence[str], test: str) -> list[str]:
    """What the page shows of the output of pytest."""
    lines = iter(output)
    failed = next(line for line in lines if line.startswith(">"))
    error = next(line for line in lines if line.startswith("E "))
    section = []
    for line in lines:
        if line.strip("- ") == "zk_explore":
            section.append(line)
        elif section and re.match(r"zookeeper: |===|-{3,} .* -{3,}$", line):
            break
        elif section:
            section.append(line.rstrip())
    while section and not section[-1]:
        section.pop()
    return [f"$ pytest {test}", "...", failed, error, "...", *section, "..."]


def _printed(planted: Planted) -> list[str]:
    (test,) = (name for name in planted.wrong if name.startswith("test_"))
    with tempfile.TemporaryDirectory() as directory:
        for name, text in planted.wrong.items():
            Path(directory, name).write_text(text, "utf-8")
        command = [sys.executable, "-m", "pytest", *OPTIONS, test]
        result = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False, timeout=600
        )
    return shown(result.stdout.splitlines(), test)


def _main(words: str) -> None:
    for planted in read():
        if words in planted.title:
            page = PAGE.read_text("utf-8")
            at = page.index(f"\n## {planted.title}\n")
            new = "\n".join(["```text", *_printed(planted), "```"])
            section = _TEXT.sub(lambda _, new=new: new, page[at:], count=1)  # type: ignore[misc]
            PAGE.write_text(page[:at] + section, "utf-8")


if __name__ == "__main__":
    _main(" ".join(sys.argv[1:]))
