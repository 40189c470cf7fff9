"""The page of stories: ``python -m tests.history.stories`` writes all below its head anew."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from .failures import FAILURES, run

if TYPE_CHECKING:
    from .failures import Failure

__all__ = ["PAGE", "PICTURES", "page", "told"]

PAGE = Path(__file__).parents[2] / "docs" / "stories.md"

PICTURES = {"paused": "light", "behind": "light", "deaf": "dark"}
"""The failures whose timelines are on the page, by their causes, and the theme of each:
`tests.history.screenshots` takes them.
"""


def told(failure: Failure) -> str:
    """The story of a failure."""
    logging.disable(logging.CRITICAL)
    try:
        sim, verdict = run(failure)
    finally:
        logging.disable(logging.NOTSET)
    return sim.history.story(verdict)


def page() -> str:
    """What the page is to be."""
    head = PAGE.read_text(encoding="utf-8").partition("\n## ")[0]
    parts = [head]
    for number, failure in enumerate(FAILURES, 1):
        does = " ".join((inspect.getdoc(failure.program) or "").split())
        does = fill(f"{does} (`{failure.cause}` in [the study](recipes.md).)", 118)
        parts.append(f"## {number}. {failure.title}\n\n{does}\n\n```text\n{told(failure)}\n```\n")
        if failure.cause in PICTURES:
            text = f"The same as a timeline: {failure.title}"
            parts.append(f"![{text}](images/timeline_{failure.cause}.png)\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
