"""How far the reading of a copy has come: a slow server is told from a silent one.

The rules that live here:

- An answer to a read is progress. It counts when it has come, not when its batch is handed over: on
  a slow link a batch takes long.
- A new connection begins anew. Its answers are progress where the connection before it came farther
  than any before that one, and else from where it comes farther itself. So one connection that is
  lost does no harm, and connections that are lost again and again do not look like progress.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkdict._copy.callbacks import SentBatch

__all__ = ["LoadProgress"]


class LoadProgress:
    """See the module's rules. The caller holds the dict's lock.

    `taken` is in each call how many answers of the present connection the copy has taken over.
    """

    __slots__ = ("_connection", "_counts", "_most", "_reached", "_under_way")

    def __init__(self) -> None:
        self._under_way: deque[SentBatch] = deque()
        self._connection = 0
        self._most = 0  # answers on a connection that is gone, at most
        self._counts = True  # whether each answer of this connection is progress
        self._reached = (0, 0)

    def sent(self, batch: SentBatch) -> None:
        """These reads were sent."""
        self._under_way.append(batch)

    def handed_over(self, batch: SentBatch) -> None:
        """The answers to these reads are about to be taken over."""
        if self._under_way and self._under_way[0] is batch:
            self._under_way.popleft()

    def lost(self, taken: int) -> None:
        """The connection is gone."""
        came = self._came(taken)
        self._under_way.clear()
        if came:  # else there was none that answered
            self._connection += 1
            self._counts = came > self._most
            self._most = max(self._most, came)

    def reached(self, taken: int) -> tuple[int, int]:
        """A value that grows with each answer that is progress. Costs O(reads under way)."""
        came = self._came(taken)
        if came and (self._counts or came > self._most):
            self._reached = max(self._reached, (self._connection, came))
        return self._reached

    def _came(self, taken: int) -> int:
        return taken + sum(
            bool(read.successful()) for each in self._under_way for read in each.results
        )
