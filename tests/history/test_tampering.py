"""What is wrong in a recording of a live ensemble is seen by the judge that should."""

from __future__ import annotations

import pytest

from zkfake._history.checking import check

from .tampering import RECORDING, TAMPERINGS, Entries, Tampering, find, recording
from .test_docs import PAGE


@pytest.fixture(scope="module")
def entries() -> Entries:
    return recording()


def test_the_recording_is_small_and_nothing_in_it_is_wrong(entries: Entries) -> None:
    assert RECORDING.stat().st_size < 200_000
    assert len(entries) > 5_000
    check(entries, has_log=False, complete=True).raise_if_broken()


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda each: each.spoil.__name__)
def test_what_is_wrong_is_seen_by_its_judge(tampering: Tampering, entries: Entries) -> None:
    finding = find(tampering, entries)
    assert finding is not None
    assert 1 <= len(finding.evidence) <= 6
    assert f"| {tampering.words} | {finding.judge} | {len(finding.evidence)} |" in PAGE
