"""Draws small numbers: the one way in which programs come about.

Everything is drawn through `Pick`, one small number at a time, so that Hypothesis can drive (and
shrink) the drawing, and so can a plain random source where a million steps are wanted. Choices are
ordered from plain to odd: shrinking goes to the front.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pick", "RandomPick", "one_of", "rarely"]

T = TypeVar("T")


class Pick(Protocol):
    """A source of small numbers."""

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1; 0 is the simplest."""


class RandomPick:
    """`Pick` from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        return int(self._random.random() * bound)


def one_of(pick: Pick, values: Sequence[T]) -> T:
    return values[pick.below(len(values))]


def rarely(pick: Pick, times_in_100: int) -> bool:
    return pick.below(100) >= 100 - times_in_100
