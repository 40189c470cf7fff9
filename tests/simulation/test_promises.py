"""The promises can be broken: each planted mistake is caught by its program within few seeds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from zkfake.ensemble.applying import Applying
from zkfake.ensemble.links import Links

from ..ensemble import mutants
from ..support.mistakes import caught
from . import promises

if TYPE_CHECKING:
    from collections.abc import Callable

    Plant = Callable[[pytest.MonkeyPatch], None]

SEEDS = 25
"""As many as the tests of the promises try."""


CASES: list[tuple[Plant, Callable[[int], None]]] = [
    (mutants.answers_syncs_itself, promises.a_sync_ends_staleness),
    (mutants.ignores_last_zxid_seen, promises.a_wandering_client),
    (mutants.tells_of_events_late, promises.a_hostile_world),
    (mutants.elects_the_least_complete_log, promises.elections),
]


@pytest.mark.parametrize(("plant", "program"), CASES, ids=lambda value: value.__name__)
def test_a_planted_mistake_breaks_a_promise(
    plant: Plant, program: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert any(caught(partial(program, seed)) for seed in range(SEEDS))


def test_servers_without_a_lag_show_no_stale_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What demands a stale read would see that there is none."""

    def at_once(self: Applying, action: Callable[..., None], *args: object) -> None:
        action(*args)

    monkeypatch.setattr(Applying, "put", at_once)
    monkeypatch.setattr(Links, "draw_latency", lambda *_: 0)
    assert sum(map(promises.stale_reads, range(10))) == 0
