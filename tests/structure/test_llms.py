"""llms.txt has the form that llmstxt.org asks for, and its links exist."""

from __future__ import annotations

import re

from .layers import ROOT

TEXT = (ROOT / "llms.txt").read_text("utf-8")


def test_it_begins_with_a_title_and_a_summary() -> None:
    title, empty, summary, *_ = TEXT.splitlines()
    assert title == "# zkdict"
    assert empty == ""
    assert summary.startswith("> ")


def test_every_link_exists() -> None:
    links = re.findall(r"^- \[.+?\]\((.+?)\)", TEXT, re.MULTILINE)
    assert len(links) == len(re.findall(r"^- ", TEXT, re.MULTILINE)) > 10
    assert [link for link in links if not (ROOT / link).is_file()] == []
