"""Standing still: where in a run a debugger starts.

Rules that live here: an event is named by its number in the history, from 1, or by its kind and,
after a colon, a path, in which ``*`` matches as in `fnmatch`. The debugger starts right after the
event was recorded, in the task that runs by then. Virtual time stands still at its prompt, so no
session expires there.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, get_args

from zkfake._history import events

if TYPE_CHECKING:
    from zkfake._history.events import Event
    from zkfake._history.recorder import History

__all__ = ["BREAK_VARIABLE", "Break", "watch"]

BREAK_VARIABLE = "ZKFAKE_BREAK"
"""The environment variable that names an event for every simulation of the process."""

_KINDS = tuple(sorted(kind.__name__ for kind in get_args(events.Event)))


@dataclass(frozen=True, slots=True)
class Break:
    """An event to stand still at: the one of that ``number``, or each of that ``kind``."""

    number: int = 0
    kind: str = ""
    path: str = ""

    @classmethod
    def parse(cls, event: int | str) -> Break:
        """Raises `ValueError` for what does not name an event."""
        text = str(event)
        kind, _, path = text.partition(":")
        if text.isdecimal() and int(text):
            return cls(int(text))
        if kind not in _KINDS:
            raise ValueError(
                f"{event!r} does not name an event: expected its number, from 1, or its kind, or "
                f"its kind and a path, such as 'Sent:/jobs/*'; the kinds are {', '.join(_KINDS)}"
            )
        return cls(0, kind, path)

    def matches(self, number: int, event: Event) -> bool:
        """Whether it is this event, the ``number``-th of the history."""
        if self.number:
            return number == self.number
        if type(event).__name__ != self.kind:
            return False
        paths = getattr(event, "paths", None) or (getattr(event, "path", ""),)
        return not self.path or any(fnmatchcase(path, self.path) for path in paths)


def watch(simulation: Any, history: History, wanted: Break) -> None:
    """Start a debugger at each event that ``wanted`` names, from now on."""
    append = history.append

    def append_and_look(event: Event) -> None:
        append(event)
        if wanted.matches(len(history), event):
            _stand_still(simulation, event)

    history.append = append_and_look


def _stand_still(sim: Any, event: Event) -> None:  # noqa: ARG001  # both are for the prompt
    """At hand here: ``sim.history``, ``sim.replicas``, ``sim.sessions``, ``sim.watches``,
    ``sim.dump()``, ``sim.at(zxid)``, and ``event``. ``up`` leads to what runs at present.
    """
    __tracebackhide__ = True
    breakpoint()  # it is what the user has asked for
