"""Mistakes that are planted in the servers are seen by the judge that should."""

from __future__ import annotations

import pytest

from ..differential.mistakes import MISTAKES as OF_REQUESTS
from ..ensemble.mistakes import MISTAKES, OF_MEMBERS
from . import request_mistakes
from .mistakes import SEEN, find, mistake, said
from .test_docs import PAGE


def test_every_planted_mistake_is_seen_by_some_judge() -> None:
    assert {*SEEN} == {*MISTAKES, *OF_MEMBERS}


@pytest.mark.parametrize("name", SEEN)
def test_a_planted_mistake_is_seen_by_its_judge(name: str) -> None:
    finding = find(name)
    assert finding is not None
    assert 1 <= len(finding.evidence) <= 6
    assert f"| {said(mistake(name))} | {finding.judge} |" in PAGE


def test_every_mistake_with_requests_is_seen_by_some_judge_or_has_a_reason() -> None:
    names = [*request_mistakes.SEEN, *request_mistakes.UNJUDGED]
    assert sorted(names) == sorted(OF_REQUESTS)


@pytest.mark.parametrize(
    "program", dict.fromkeys(seen.program for seen in request_mistakes.SEEN.values())
)
def test_nothing_is_seen_where_none_is_planted(program: request_mistakes.Program) -> None:
    request_mistakes.verdict_of(program).raise_if_broken()


@pytest.mark.parametrize("name", request_mistakes.SEEN)
def test_a_mistake_with_requests_is_seen_by_its_judge(name: str) -> None:
    finding = request_mistakes.find(name)
    assert finding is not None
    assert 1 <= len(finding.evidence) <= 6
    assert f"{request_mistakes.row(name, finding)}\n" in PAGE


@pytest.mark.parametrize("name", request_mistakes.UNJUDGED)
def test_the_page_says_why_no_judge_sees_it(name: str) -> None:
    assert f"{request_mistakes.row(name, None)}\n" in PAGE
