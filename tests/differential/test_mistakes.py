"""Planted mistakes are found, each within a tenth of what `make nightly` compares.

A mistake is planted in the fake and the fake compared with itself as it was: no JVM, no socket. The
programs are those of the comparison with a live server.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

from zkfake._compare.core import CoreServer
from zkfake._compare.driver import alone

from .engine.servers import fake_settings
from .engine.side import Side
from .mistakes import MISTAKES
from .programs import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._compare.side import Seen

    from ..support.mistakes import Mistake

PROGRAMS, LENGTH = 200, 100
VERSION = "3.9"


@cache
def transcript(seed: int) -> tuple[list[Seen], ...]:
    """What the fake answers as it is."""
    return tuple(answers(seed))


def answers(seed: int) -> Iterator[list[Seen]]:
    server = CoreServer(VERSION, fake_settings())
    return alone(Side(server), program(seed, LENGTH, VERSION))


def steps_to_difference(
    planted: Callable[[], AbstractContextManager[None]], programs: int
) -> int | None:
    """How many steps were compared when an answer was another one than without the mistake.

    What a mistake raises that does not fit the code is raised here: nothing on the way catches it.
    """
    compared = 0
    for seed in range(programs):
        right = transcript(seed)  # before the mistake is planted
        with planted():
            for seen, expected in zip(answers(seed), right, strict=True):
                compared += 1
                if seen != expected:
                    return compared
    return None


def test_the_fake_as_it_is_answers_as_it_did() -> None:
    assert steps_to_difference(nullcontext, programs=20) is None


def test_there_are_enough_mistakes() -> None:
    assert len(MISTAKES) >= 20


@MISTAKES.each
def test_a_planted_mistake_is_found(mistake: Mistake) -> None:
    found = steps_to_difference(mistake.planted, PROGRAMS)
    assert found is not None, f"{PROGRAMS * LENGTH} steps did not find it"
