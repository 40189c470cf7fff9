"""Mistakes planted in the ensemble: each has to be caught by the properties within few seeds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from . import worlds
from .mistakes import MISTAKES, OF_MEMBERS

if TYPE_CHECKING:
    from ..support.mistakes import Mistake

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


@MISTAKES.each
def test_a_planted_mistake_is_caught(mistake: Mistake) -> None:
    assert mistake.is_found(partial(check, seed) for seed in range(SEEDS))


def check_changes(seed: int) -> None:
    worlds.judge(worlds.changing(seed))
    worlds.judge(worlds.torn(seed))


@OF_MEMBERS.each
def test_a_planted_mistake_about_members_is_caught(mistake: Mistake) -> None:
    assert mistake.is_found(partial(check_changes, seed) for seed in range(SEEDS))
