"""Waiting in the endpoint's thread, which everybody shares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ended", "until"]

Ended = asyncio.Event
"""Set when the endpoint ends: then nobody waits any longer."""

_OFTEN = 0.02
"""Seconds. The fake's thread must not call into this one, which may have ended."""


async def until(condition: Callable[[], bool], seconds: float, ended: Ended) -> bool:
    """Waits until the condition holds, for so long at most. Whether it does."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        left = end - loop.time()
        if left <= 0 or ended.is_set():
            return False
        await asyncio.sleep(min(_OFTEN, left))
    return True
