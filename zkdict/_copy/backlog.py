"""Batches of changes that were not fetched yet.

The rules that live here:

- A batch is what changed from one published state to the next. Several batches in a row are what
  changed from the first state to the last: at most one change for each key in either. So a backlog
  is bounded: when `MOST` batches wait, they become one.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkdict.entries import Change

__all__ = ["MOST", "Backlog", "merged"]

V = TypeVar("V")

MOST: Final = 1000
"""Batches that wait, at most."""


class Backlog(Generic[V]):
    """A queue of batches. Not thread-safe."""

    def __init__(self, first: list[Change[V]]) -> None:
        self._batches = deque([first] if first else [])

    def __len__(self) -> int:
        return len(self._batches)

    def put(self, batch: list[Change[V]]) -> None:
        """Add the newest. Costs O(1), but for once in `MOST` times."""
        if len(self._batches) >= MOST:
            one = merged(self._batches)
            self._batches.clear()
            if one:
                self._batches.append(one)
        self._batches.append(batch)

    def get(self) -> list[Change[V]]:
        """Take the oldest. Raises IndexError."""
        return self._batches.popleft()


def merged(batches: Iterable[list[Change[V]]]) -> list[Change[V]]:
    """What changed from the state before these batches to the one after them."""
    news: list[Change[V]] = []
    changes: dict[str, Change[V]] = {}
    zxid = 0
    for batch in batches:
        for change in batch:
            zxid = change.zxid
            if change.kind == "resynced":
                news = [change]
                continue
            before = changes.pop(change.key, None)  # the last that changed comes last
            both = change if before is None else _both(before, change)
            if both is not None:
                changes[change.key] = both
    return [dataclasses.replace(change, zxid=zxid) for change in [*news, *changes.values()]]


def _both(first: Change[V], then: Change[V]) -> Change[V] | None:
    """One change for two that follow each other; None where the key came and went."""
    was, is_ = first.kind != "added", then.kind != "removed"
    if not was and not is_:
        return None
    return dataclasses.replace(
        then,
        kind="changed" if was and is_ else "removed" if was else "added",
        old=first.old,
        local=first.local and then.local,
    )
