"""The picture of the layers in `docs/design.md`, made from the contracts in `pyproject.toml`.

``python -m tests.structure.layers --write docs/design.md`` puts it there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- layers: begin -->\n", "<!-- layers: end -->\n"

_CONTRACT = re.compile(
    r'^type = "layers"\ncontainers = \["([\w.]+)"\]\n(.*?)^layers = \[\n(.*?)^\]', re.M | re.S
)
"""Python 3.10 has no `tomllib`; the contracts are laid out alike."""


def contracts() -> dict[str, tuple[bool, list[list[str]]]]:
    """By package: whether its contract is exhaustive, and its layers from the top, each with the
    modules and packages that it consists of.
    """
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    return {
        package: ("exhaustive = true" in options, _layers(layers))
        for package, options, layers in _CONTRACT.findall(text)
    }


def _layers(text: str) -> list[list[str]]:
    return [re.split(r" [|:] ", line) for line in re.findall(r'"(.*)"', text)]


def picture() -> str:
    """A block for each package: a line imports from the lines below it only."""
    blocks = []
    for package, (_, layers) in sorted(contracts().items()):
        lines = ["   ".join(layer) for layer in layers]
        width = max(map(len, [*lines, package + "  "]))
        rule = "─" * (width + 2)
        blocks += [
            f"┌─ {package} {'─' * (width - len(package) - 1)}┐",
            *(f"│ {line.ljust(width)} │" for line in lines),
            f"└{rule}┘",
        ]
    return "```text\n" + "\n".join(blocks) + "\n```\n"


def main(page: Path) -> None:
    text = page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + picture() + END + after, "utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        main(Path(sys.argv[2]))
    else:
        sys.stdout.write(picture())
