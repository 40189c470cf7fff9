"""What every detector is: a subscriber that looks for one habit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from zkfake._history.diagnosis import Habit
from zkfake._history.subscriber import Subscriber
from zkfake._history.verdict import shown_evidence

if TYPE_CHECKING:
    from collections.abc import Hashable

    from zkfake._history.events import Event, Logged

__all__ = ["KEPT", "PAGE", "Detector", "keep"]

PAGE = "docs/doctor.md"

KEPT = 10_000
"""Paths, znodes or clients that a detector remembers at one time; the oldest are forgotten."""

_MOST = 10
"""Findings of one detector that are shown."""


class Detector(Subscriber):
    """Looks for one habit. The docstring says exactly what is matched, and what is not."""

    name: ClassVar[str]
    advice: ClassVar[str]
    without_client: ClassVar[str] = ""
    """What it does not look for, and why, where the client's own side was not recorded."""
    without_log: ClassVar[str] = ""
    """The same where there is no log of what was committed."""

    def __init__(self) -> None:
        self.found: list[Habit] = []
        self.more = 0
        self._told: set[Hashable] = set()

    @property
    def link(self) -> str:
        return f"{PAGE}#{self.name.replace(' ', '-')}"

    def detected(self, key: Hashable, text: str, *evidence: Event | Logged | None) -> None:
        """The habit was found. ``key``: whose, and where; it is told once of each. ``evidence``:
        what shows it; what is ``None`` is left out.
        """
        if key in self._told:
            return
        if len(self.found) < _MOST:
            self._told.add(key)
            self.found.append(
                Habit(self.name, text, self.advice, self.link, shown_evidence(evidence))
            )
        else:
            self.more += 1


def keep(memory: dict[Any, Any], key: Hashable, value: Any) -> None:
    """Put something into a memory, and forget the oldest where there is too much."""
    memory[key] = value
    if len(memory) > KEPT:
        del memory[next(iter(memory))]
