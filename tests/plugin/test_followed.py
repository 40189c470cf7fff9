"""Whoever follows the tutorial, or a page on how something is done, gets what it shows."""

from __future__ import annotations

import pytest

from .followed import compare, follow

PAGES = {
    "tutorial.md": 7,
    "failing_seed.md": 3,
    "how_the_search_works.md": 1,
    "how_virtual_time_works.md": 1,
    "live_faults.md": 1,
    "lost_replies.md": 1,
    "moving_tests.md": 1,
}
"""The pages, and how many commands each has."""


@pytest.mark.parametrize("page", PAGES)
def test_whoever_follows_a_page_gets_what_it_shows(
    page: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file that is written twice within a second must not be taken from its bytecode.
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert follow(page, pytester) == PAGES[page]


def test_a_line_that_is_not_printed_is_seen() -> None:
    compare(["...", "b in 1.00s", "c"], ["a", "b in 2.13s", "c", "d"])
    with pytest.raises(AssertionError, match="nothing reads"):
        compare(["...", "x"], ["a"])
    with pytest.raises(AssertionError, match="there is more before"):
        compare(["a", "c"], ["a", "b", "c"])
