"""The recorder: an append-only list of events, in the order in which they happened. A digest covers
them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, TypeVar, overload

from zkfake.history.events import Event, Note

__all__ = ["History"]

E = TypeVar("E")


class History(Sequence[Any]):
    """The events of one simulation. Reading it costs what reading a list costs."""

    def __init__(self, clock: Callable[[], float], task: Callable[[], str]) -> None:
        self._events: list[Event] = []
        self._clock = clock
        self._task = task
        self.append = self._events.append
        """Add an event; for the simulation itself and for extensions of it."""

    def note(self, text: str) -> None:
        """Put a mark of the program's own into the history, with the time and the running task's
        name.
        """
        self.append(Note(self._clock(), self._task(), text))

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self._events if isinstance(event, kind)]

    def digest(self) -> str:
        """SHA-256 of every event's ``repr`` and frame: equal for equal runs."""
        digest = sha256()
        for event in self._events:
            digest.update(f"{type(event).__name__}{tuple.__repr__(event)}\n".encode())
        return digest.hexdigest()

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __str__(self) -> str:
        return "\n".join(map(repr, self._events))

    def __repr__(self) -> str:
        return f"<History of {len(self)} events>"
