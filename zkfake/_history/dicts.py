"""What a `ZooKeeperDict` tells a history: `zkdict` calls it, and knows no more than its methods."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zkfake._history.events import DictAnswered, DictAsked, DictSent, DictShown, ShownKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from itertools import count

    from zkfake._history.events import Event

__all__ = ["DictEvents"]

_GONE = (None, 0, 0, 0)


class DictEvents:
    """The events of one dict."""

    def __init__(
        self,
        number: int,
        calls: count[int],
        append: Callable[[Event], None],
        clock: Callable[[], float],
        task: Callable[[], str],
    ) -> None:
        """``number``: of the dict. ``calls``: counts the calls of all dicts."""
        self._number = number
        self._calls = calls
        self._append = append
        self._clock = clock
        self._task = task
        self._open: dict[str, list[int]] = defaultdict(list)
        """The calls that each task is in, the innermost last."""

    def asked(self, call: str) -> int:
        """A call begins; its number."""
        number, task = next(self._calls), self._task()
        self._open[task].append(number)
        self._append(DictAsked(self._clock(), task, self._number, number, call))
        return number

    def sent(self, session: int, writes: Mapping[str, bytes | None]) -> None:
        """A write is sent: the data of each child after it; ``None``: it is gone."""
        task = self._task()
        calls = self._open.get(task)
        call = calls[-1] if calls else 0
        parts = tuple(writes.items())
        self._append(DictSent(self._clock(), task, self._number, call, session, parts))

    def answered(self, number: int, outcome: str) -> None:
        """The call ends."""
        task = self._task()
        calls = self._open[task]
        calls.remove(number)
        if not calls:
            del self._open[task]
        self._append(DictAnswered(self._clock(), task, self._number, number, outcome))

    def shown(
        self,
        zxid: int,
        updated: int,
        exact: bool,
        changes: Mapping[str, tuple[bytes | None, int, int, int] | None],
    ) -> None:
        """Reads find this state from now on."""
        keys = tuple(ShownKey(name, *(znode or _GONE)) for name, znode in changes.items())
        self._append(DictShown(self._clock(), self._number, zxid, updated, exact, keys))
