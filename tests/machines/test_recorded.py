"""The machine judges every planted mistake, by a program of a few steps for each."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from ..support.mistakes import Mistake, RottenMistakeError, caught
from . import recorded
from .dict_mistakes import MISTAKES

PROGRAMS = recorded.read()
PAGE = Path(__file__).parents[2] / "docs/pytest_state_machines.md"


def test_every_mistake_has_a_program() -> None:
    assert list(PROGRAMS) == list(MISTAKES)
    assert len(MISTAKES) >= 30


@MISTAKES.each
def test_the_program_shows_the_mistake_and_passes_without_it(mistake: Mistake) -> None:
    program = PROGRAMS[mistake.name].program
    assert mistake.is_found([lambda: recorded.replay(program)])
    recorded.replay(program)


def test_the_programs_are_short() -> None:
    assert statistics.median(len(each.steps) for each in PROGRAMS.values()) <= 6
    assert statistics.median(len(each.faults) for each in PROGRAMS.values()) <= 2


def test_the_page_has_the_programs_as_they_are() -> None:
    assert recorded.table(PROGRAMS.values()) in PAGE.read_text("utf-8")


def test_a_program_that_does_not_fit_is_no_find() -> None:
    """A rule that has another name now shows nothing of a mistake."""
    with pytest.raises(RottenMistakeError):
        caught(lambda: recorded.replay("state = ZooKeeperDictMachine()\nstate.no_such_rule()\n"))
