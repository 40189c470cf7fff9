"""Mistakes planted in the ensemble: each has to be caught by the properties within few seeds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from ..support.mistakes import caught
from . import worlds
from .mutants import MUTANTS, OF_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = 100


def check(seed: int) -> None:
    worlds.judge(worlds.troubled(seed))
    worlds.judge_calm(worlds.calm(seed))
    worlds.judge(worlds.wandering(seed))
    worlds.judge(worlds.cornered(seed))
    worlds.judge(worlds.deposed(seed))
    worlds.judge(worlds.relapsing(seed))
    worlds.judge(worlds.rotating(seed))
    worlds.judge(worlds.lingering(seed))


@pytest.mark.parametrize("plant", MUTANTS, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert any(caught(partial(check, seed)) for seed in range(SEEDS))


def check_changes(seed: int) -> None:
    worlds.judge(worlds.changing(seed))
    worlds.judge(worlds.torn(seed))


@pytest.mark.parametrize("plant", OF_MEMBERS, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_about_members_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert any(caught(partial(check_changes, seed)) for seed in range(SEEDS))
