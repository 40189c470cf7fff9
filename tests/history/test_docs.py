"""The examples of the page of histories run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from zkfake import history
from zkfake._history.checking import GUARANTEES
from zkfake._history.judges.sessions import ViewsAreTimely
from zkfake._history.reading import WINDOW

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "history.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(example: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "docs/history.md", "exec"), names)
    return names


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_an_example(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # one of them writes a file
    run(example)


def test_the_story_is_what_the_example_prints() -> None:
    (told,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert told == run(EXAMPLES[1])["text"]


def test_the_page_says_how_much_is_remembered() -> None:
    assert f"the last {WINDOW:,} transactions" in PAGE


def test_every_picture_is_there_and_small() -> None:
    """`python -m tests.history.screenshots` takes them, and `python -m tests.web.screenshots`."""
    shown = [
        DOCS / name
        for page in ("history.md", "stories.md", "console.md", "benchmarks.md", "capacity.md")
        for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", (DOCS / page).read_text("utf-8"))
    ]
    assert {*shown} == {*(DOCS / "images").rglob("*.png")}
    assert all(0 < path.stat().st_size < 150_000 for path in shown)


def test_every_check_and_promise_is_on_the_page() -> None:
    for judge in (*GUARANTEES, ViewsAreTimely):
        assert f"| {judge.name} |" in PAGE
    for name in ("adds_up", "at_least_once", "at_most", "exactly_once", "in_order", "register"):
        assert name in history.__all__
        assert f"`{name}(" in PAGE
