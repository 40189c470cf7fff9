"""Mistakes planted in the ensemble are seen by the judge that should, in what clients saw."""

from __future__ import annotations

import pytest

from .mistakes import SEEN, find, mistake
from .test_docs import PAGE


@pytest.mark.parametrize("name", SEEN)
def test_a_planted_mistake_is_seen_by_its_judge(name: str) -> None:
    finding = find(name)
    assert finding is not None
    assert 1 <= len(finding.evidence) <= 6
    words = (mistake(name).plant.__doc__ or name.replace("_", " ")).strip().rstrip(".")
    assert f"| {words[0].upper()}{words[1:]} | {finding.judge} |" in PAGE
