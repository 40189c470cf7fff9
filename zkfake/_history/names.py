"""Long random names, such as those of kazoo's locks, cut where that leaves them different."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zkfake._history.events import Event, Logged, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LongNames"]

_LONG_NAME = re.compile(r"(?<![0-9a-fx])[0-9a-f]{16,}(?![0-9a-f])")
_KEPT = 6
"""Characters of a random name that are shown; more, if that would leave two the same."""


class LongNames:
    """Those of one history."""

    def __init__(self, entries: Iterable[Event | Logged]) -> None:
        """Cost: linear in the history."""
        paths = {path for event in entries if isinstance(event, Sent) for path in event.paths}
        names = set(_LONG_NAME.findall("\n".join(paths)))
        kept = _KEPT
        while len({name[:kept] for name in names}) < len(names):
            kept += 1
        self._kept = kept

    def shortened(self, text: str) -> str:
        """The text, with its long names cut."""
        return _LONG_NAME.sub(lambda found: f"{found[0][: self._kept]}~", text)
