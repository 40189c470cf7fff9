"""The campaign of hostile worlds counts what it judged, and tells of what it found."""

from __future__ import annotations

import pytest

from zkfake._history.checking import AMONG_SERVERS, GUARANTEES

from . import hostile as campaigns
from .mistakes import mistake


@pytest.mark.parametrize("servers", [1, 3])
def test_a_campaign_judges_its_worlds(servers: int) -> None:
    campaign = campaigns.Campaign(servers)
    for seed in range(5):
        campaign.run(seed)
    assert campaign.done["worlds"] == 10
    assert not campaign.done["failed"]
    judged = {judge for judge, times in campaign.checked.items() if times}
    with_log = {judge.name for judge in GUARANTEES if not judge.needs_no_log}
    of_several = {judge.name for judge in AMONG_SERVERS}
    assert with_log <= judged | (of_several if servers == 1 else set())
    assert campaign.summary(1.0).endswith(", 0 failed")


def test_a_campaign_tells_what_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = campaigns.Campaign(1)
    with mistake("tells_of_events_late").planted():
        campaign.run(0)
    assert campaign.done["failed"] == 2
    out = capsys.readouterr().out
    assert "watches are told" in out
    assert out.endswith("again: python -m tests.history.hostile --first 0 --seeds 1 --servers 1\n")


@pytest.mark.parametrize("seed", [674, 1609, 1730])
def test_worlds_in_which_a_judge_was_wrong(seed: int) -> None:
    """What a leader has sent arrives after it has stopped; and a session that a leader has begun to
    expire goes on where the leader is replaced before that is committed.
    """
    campaign = campaigns.Campaign(3)
    campaign.run(seed)
    assert not campaign.done["failed"]
