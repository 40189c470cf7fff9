"""What the tests of the commands for offline development share."""

from __future__ import annotations

from ..support.programs import interruptible

__all__ = ["interruptible"]
