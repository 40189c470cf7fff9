"""The program's own promises about what it did: `History.record`.

A record has a name, such as ``"sent"``, a key, and a value. What a program cannot know, because the
reply to a request was lost, it records under a name of its own: both outcomes are right then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.errors import PromiseBroken
from zkfake._history.judge import Judge

if TYPE_CHECKING:
    from zkfake._history.events import Recorded, Scalar

__all__ = ["AddsUp", "AtLeastOnce", "ExactlyOnce", "InOrder"]


class _Delivered(Judge):
    """What was done, beside what was asked for."""

    name = "delivered"
    error = PromiseBroken

    def __init__(self, name: str, of: str | None, maybe: str | None) -> None:
        super().__init__()
        self._name, self._of, self._maybe = name, of, maybe
        self._done: dict[Scalar, Recorded] = {}
        self._asked: dict[Scalar, Recorded] = {}
        self._perhaps: dict[Scalar, Recorded] = {}

    def on_recorded(self, event: Recorded) -> None:
        if event.name == self._name:
            self.times += 1
            before = self._done.setdefault(event.key, event)
            if before is not event:
                self._again(before, event)
        elif event.name == self._of:
            self._asked.setdefault(event.key, event)
        elif event.name == self._maybe:
            self._perhaps.setdefault(event.key, event)

    def _again(self, before: Recorded, event: Recorded) -> None:
        """It was done a second time."""

    def on_end(self) -> None:
        if self._of is None:
            return
        for key, event in self._asked.items():
            if key not in self._done:
                self.broken(
                    f"{key!r} is recorded as {self._of!r} and never as {self._name!r}",
                    event,
                    unfinished=True,
                )
        for key, event in self._done.items():
            if key not in self._asked and key not in self._perhaps:
                self.broken(f"{key!r} is recorded as {self._name!r} and not as {self._of!r}", event)


class ExactlyOnce(_Delivered):
    """Each key that was recorded under ``of`` is recorded once under ``name``, and no other is."""

    def __init__(self, name: str, of: str | None = None, maybe: str | None = None) -> None:
        super().__init__(name, of, maybe)
        self.title = f"exactly once {name}"

    @property
    def promise(self) -> str:
        return (
            f"what is recorded as {self._of!r} is recorded as {self._name!r} once."
            if self._of
            else f"nothing is recorded as {self._name!r} twice."
        )

    def _again(self, before: Recorded, event: Recorded) -> None:
        self.broken(f"{event.key!r} is recorded as {self._name!r} twice", before, event)


class AtLeastOnce(_Delivered):
    """Each key that was recorded under ``of`` is recorded under ``name``, and no other is."""

    def __init__(self, name: str, of: str, maybe: str | None = None) -> None:
        super().__init__(name, of, maybe)
        self.title = f"at least once {name}"

    @property
    def promise(self) -> str:
        return (
            f"what is recorded as {self._of!r} is recorded as {self._name!r}, once or more often."
        )


class InOrder(Judge):
    """The values that are recorded for one key never fall."""

    name = "in order"
    error = PromiseBroken

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.title = f"in order {name}"
        self._last: dict[Scalar, Recorded] = {}

    @property
    def promise(self) -> str:
        return f"the values of {self._name} never fall, each key for itself."

    def on_recorded(self, event: Recorded) -> None:
        if event.name != self._name:
            return
        self.times += 1
        before = self._last.get(event.key)
        self._last[event.key] = event
        if before is None:
            return
        try:
            falls = event.value < before.value  # type: ignore[operator]
        except TypeError:
            self.broken(
                f"{self._name} {event.key!r}: {before.value!r} and {event.value!r} have no order",
                before,
                event,
            )
            return
        if falls:
            self.broken(
                f"{self._name} {event.key!r}: {event.value!r} after {before.value!r}", before, event
            )


class AddsUp(Judge):
    """The last value that is recorded under ``total`` for a key is the sum of those under ``of``,
    and of any of those under ``maybe``.

    With ``maybe`` only the bounds are checked: none of what would make the sum smaller, or none of
    what would make it larger, is missing.
    """

    name = "adds up"
    error = PromiseBroken

    def __init__(self, total: str, of: str, maybe: str | None = None) -> None:
        super().__init__()
        self._total, self._of, self._maybe = total, of, maybe
        self.title = f"adds up {total}"

        self._totals: dict[Scalar, Recorded] = {}
        self._low: dict[Scalar, float] = {}
        self._high: dict[Scalar, float] = {}
        self._last: dict[Scalar, Recorded] = {}

    @property
    def promise(self) -> str:
        return f"the last {self._total!r} of each key is the sum of its {self._of!r}."

    def on_recorded(self, event: Recorded) -> None:
        key, value = event.key, event.value
        if event.name == self._total:
            self._totals[key] = event
        elif event.name in (self._of, self._maybe):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                self.broken(f"{event.name} {key!r}: {value!r} is no number", event)
                return
            sure = event.name == self._of
            self._low[key] = self._low.get(key, 0) + (value if sure else min(value, 0))
            self._high[key] = self._high.get(key, 0) + (value if sure else max(value, 0))
            self._last[key] = event

    def on_end(self) -> None:
        for key, event in self._totals.items():
            self.times += 1
            low, high, value = self._low.get(key, 0), self._high.get(key, 0), event.value
            expected = f"{low}" if low == high else f"{low} to {high}"
            if not isinstance(value, (int, float)) or not low <= value <= high:
                self.broken(
                    f"the last {self._total!r} of {key!r} is {value!r}; the sum of its "
                    f"{self._of!r} is {expected}",
                    self._last.get(key),
                    event,
                )
