"""The fake's ensemble shows what live ones show, and nothing else: by sets of outcomes.

`outcomes/scenarios.py` has the scenarios, `outcomes/recorded.json` what live servers of 3.8.0 and
3.9.5 have shown in many runs of each, `outcomes/argued.py` what else is legal, and why.
`python -m tests.ensemble.outcomes` records more.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

import pytest

from .mistakes import MISTAKES
from .outcomes import ours, recorded
from .outcomes.argued import ARGUED, RULES
from .outcomes.live import LiveWorld, live
from .outcomes.scenarios import SCENARIOS
from .outcomes.world import DisturbedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .outcomes.world import Outcome

SEEDS = 15
"""How many seeds of each scenario are run at least."""
MOST = 600
"""Within how many seeds every outcome that live servers have shown has to be shown."""
LIVE = ("a_deposed_leader_is_asked", "a_follower_is_asked_when_it_goes_on")
"""What is run on live servers each time."""


def allowed(name: str) -> set[Outcome]:
    return {*recorded.outcomes(name), *ARGUED.get(name, ())}


def shown(name: str, seeds: range, version: str = "3.9") -> Iterator[tuple[int, Outcome]]:
    """What ours shows, by the seed. A seed whose world is too slow for its sessions shows none."""
    for seed in seeds:
        try:
            yield seed, ours.run(SCENARIOS[name], seed, version)
        except DisturbedError:  # noqa: PERF203
            continue


@pytest.mark.parametrize("name", SCENARIOS)
def test_ours_shows_what_live_servers_show_and_nothing_else(name: str) -> None:
    missing, legal = {*recorded.outcomes(name)}, allowed(name)
    assert missing, "record it: python -m tests.ensemble.outcomes"
    for seed, outcome in shown(name, range(MOST)):
        assert outcome in legal, f"seed {seed}"
        missing.discard(outcome)
        if seed >= SEEDS and not missing:
            break
    assert not missing, "no seed shows what live servers have shown"


def test_what_is_argued_has_a_rule() -> None:
    assert {*ARGUED} <= {*SCENARIOS}
    assert {rule for outcomes in ARGUED.values() for rule in outcomes.values()} == {*RULES}
    for name, outcomes in ARGUED.items():
        assert not {*outcomes} & {*recorded.outcomes(name)}, f"live servers showed it: {name}"


def test_live_servers_show_nothing_else(live_home: str | None) -> None:
    # One test, so that there is one live ensemble, however the tests are spread over processes.
    with live(live_home) as servers:
        for name in LIVE:
            outcome = None
            for _ in range(20):  # other work on the machine may disturb a run
                try:
                    outcome = servers.run(SCENARIOS[name])
                    break
                except DisturbedError:
                    continue
            assert outcome in allowed(name), f"{name} on {servers.version}"


def test_a_run_that_cannot_begin_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[MagicMock] = []

    def connected(*_: object) -> MagicMock:
        lines.append(MagicMock())
        lines[-1].recv.side_effect = TimeoutError
        return lines[-1]

    monkeypatch.setattr(LiveWorld, "_line", connected)
    monkeypatch.setattr(LiveWorld, "_places", lambda _: (1, 2, 3))
    with pytest.raises(DisturbedError):
        LiveWorld(MagicMock(), Random(1), "/run")
    assert len(lines) > 1  # and the nudge made some
    for line in lines:
        line.close.assert_called_once_with()


PLANTED = {
    "elects_the_least_complete_log": "a_follower_that_missed_a_write_may_not_lead",
    "ignores_last_zxid_seen": "a_client_that_has_seen_more_comes_to_a_follower",
    "keeps_ephemerals": "an_ephemeral_is_over_on_a_follower_that_stands_still",
    "deposed_leader_commits": "a_deposed_leader_is_told_to_check",
    "commits_without_a_quorum": "a_leader_is_deposed_with_a_write",
    "applies_half_a_multi": "a_leader_dies_with_a_multi",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_mistake_shows(planted: str) -> None:
    name = PLANTED[planted]
    legal = allowed(name)

    def check() -> None:
        for seed, outcome in shown(name, range(100)):
            assert outcome in legal, f"seed {seed}"

    assert MISTAKES[planted].is_found([check])
