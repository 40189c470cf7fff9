"""The promises can be broken: each planted mistake is caught by its program within few seeds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from zkfake._ensemble.applying import Applying
from zkfake._ensemble.links import Links

from ..ensemble.mistakes import MISTAKES
from . import promises

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = 25
"""As many as the tests of the promises try."""


PLANTED = {
    "answers_syncs_itself": promises.a_sync_ends_staleness,
    "ignores_last_zxid_seen": promises.a_wandering_client,
    "tells_of_events_late": promises.a_hostile_world,
    "elects_the_least_complete_log": promises.elections,
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_mistake_breaks_a_promise(planted: str) -> None:
    programs = (partial(PLANTED[planted], seed) for seed in range(SEEDS))
    assert MISTAKES[planted].is_found(programs)


def test_servers_without_a_lag_show_no_stale_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What demands a stale read would see that there is none."""

    def at_once(self: Applying, action: Callable[..., None], *args: object) -> None:
        action(*args)

    monkeypatch.setattr(Applying, "put", at_once)
    monkeypatch.setattr(Links, "draw_latency", lambda *_: 0)
    assert sum(map(promises.stale_reads, range(10))) == 0
