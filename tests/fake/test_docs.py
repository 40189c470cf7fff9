"""The examples of the documentation run as they are printed."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "zkfake.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FIRST = "".join(line for line in BLOCKS[0].splitlines(True) if "import" in line)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_examples(number: int) -> None:
    exec(compile(FIRST + BLOCKS[number], f"{PAGE.name}, example {number + 1}", "exec"), {})


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 5


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
