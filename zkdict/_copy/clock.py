"""The two clocks of the package, in one place, so that a simulation can put its own here."""

from __future__ import annotations

import time

__all__ = ["monotonic", "wall"]


def monotonic() -> float:
    """Seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def wall() -> float:
    """Seconds since the epoch."""
    return time.time()
