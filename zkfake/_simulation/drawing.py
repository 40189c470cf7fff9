"""Random numbers whose order of magnitude is not known before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["log_uniform"]


def log_uniform(random: Random, low: float, high: float) -> float:
    """A number between ``low``, above 0, and ``high``: each order of magnitude is as likely as the
    others. Draws once.
    """
    return float(low * (high / low) ** random.random())
