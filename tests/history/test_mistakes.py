"""Mistakes planted in the ensemble are seen by the judge that should."""

from __future__ import annotations

import pytest

from ..ensemble.mistakes import MISTAKES, OF_MEMBERS
from .mistakes import SEEN, find, mistake
from .test_docs import PAGE


def test_every_planted_mistake_is_seen_by_some_judge() -> None:
    assert {*SEEN} == {*MISTAKES, *OF_MEMBERS}


@pytest.mark.parametrize("name", SEEN)
def test_a_planted_mistake_is_seen_by_its_judge(name: str) -> None:
    finding = find(name)
    assert finding is not None
    assert 1 <= len(finding.evidence) <= 6
    words = (mistake(name).plant.__doc__ or name.replace("_", " ")).strip().rstrip(".")
    assert f"| {words[0].upper()}{words[1:]} | {finding.judge} |" in PAGE
