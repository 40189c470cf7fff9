"""What the doctor says: the habits of a program that will hurt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkfake._history.events import Event, Logged

__all__ = ["Diagnosis", "Habit"]


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that a program does, and that will hurt, with the events that show it, in their
    order, at most six.
    """

    name: str
    """The habit's name, as in the documentation."""
    text: str
    """Who does it, and where."""
    advice: str
    """What to do instead, in a sentence."""
    link: str
    """The section of the documentation, from the root of the project."""
    evidence: tuple[Event | Logged, ...]
    """The events that show it, at most six."""

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.text}", *(f"    {event!r}" for event in self.evidence)]
        return "\n".join([*lines, f"  advice: {self.advice}", f"  see {self.link}"])


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found in one history. ``str`` of it is for people. Like a `Verdict`, one without a
    finding is true.
    """

    events: int
    """How many events were looked at."""
    habits: tuple[Habit, ...]
    """In the order of their last events; at most ten of each name."""
    more: tuple[tuple[str, int], ...] = ()
    """How many were found beyond these ten, by name."""
    unseen: tuple[tuple[str, str], ...] = ()
    """What was not looked for, and why, by name."""

    def __bool__(self) -> bool:
        return not self.habits

    def __str__(self) -> str:
        if self.habits:
            names = dict.fromkeys(habit.name for habit in self.habits)
            lines = [f"found: {', '.join(names)} ({self.events} events)"]
            lines += [str(habit) for habit in self.habits]
        else:
            lines = [f"no habit was found that will hurt ({self.events} events)"]
        lines += [f"  {name}: {count} more" for name, count in self.more]
        lines += [f"  {name}: {why}" for name, why in self.unseen]
        return "\n".join(lines)
