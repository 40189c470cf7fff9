"""Which items of the copy are to be read: wanted, under way, answered, or to be tried again.

This is the bookkeeping under the rules of `cache`, where the terms are explained.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from zkdict._copy.items import ROOT, Kind, SentRequest

__all__ = ["WINDOW", "CopyReads"]

WINDOW: Final = 1000
"""Reads under way at a time: enough to fill the link, and few enough that a user's own request does
not wait for a whole load."""


class CopyReads:
    """The reads of one copy. The caller holds the dict's lock, as for `Cache`."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._epoch = 0
        self._online = False
        self._sent = 0  # the position of the last request
        self.taken = 0
        """How many answers to reads were taken over on this connection."""
        self._in_flight = 0
        self._want_sync = False
        self._syncing = False  # the sync that opens a connection was not answered yet
        self._latest_sync = 0  # its position
        # In order: reads to be sent. A dict would look for its first key past all that were taken.
        self._wanted: OrderedDict[str, Kind] = OrderedDict()
        self._pending: set[str] = set()
        self._latest: dict[str, int] = {}  # item -> position of its latest read
        self._again: dict[str, Kind] = {}  # what to read at the next retry
        self._sync_again = False
        self._troubles: dict[str, int] = {}  # item -> reads in a row that gave nothing

    @property
    def settled(self) -> bool:
        """Whether nothing is pending on a live connection."""
        return self._online and not self._pending

    @property
    def pending(self) -> int:
        """How many items are pending."""
        return len(self._pending)

    @property
    def epoch(self) -> int:
        """The number of the connection. Needs no lock."""
        return self._epoch

    @property
    def troubles(self) -> int:
        """How often in a row could not be read what a `retry` would read, of the newest of these
        troubles; 0: there is nothing to retry.
        """
        items = [ROOT, *self._again] if self._sync_again else self._again
        return min((self._troubles.get(name, 1) for name in items), default=0)

    @property
    def failing(self) -> bool:
        """Whether an item cannot be read, and is not known to be refused."""
        return self._sync_again or any(name in self._pending for name in self._again)

    @property
    def sent(self) -> int:
        """The position of the last request."""
        return self._sent

    def predicts(self, name: str) -> bool:
        """Whether what is known of `name` is, as far as anybody can know, what the server has."""
        return self._online and name not in self._pending and ROOT not in self._pending

    def next_request(self, floor: int) -> SentRequest | None:
        """The next read to be sent now, or None. `floor`: the last zxid the client has seen."""
        if not self._online or self._in_flight >= self._window:
            return None
        if self._want_sync:
            self._want_sync = False
            self._in_flight += 1
            self._sent = self._latest_sync = position = self._sent + 1
            return SentRequest(position, self._epoch, Kind.SYNC, ROOT, floor)
        if not self._wanted:
            return None
        name, kind = self._wanted.popitem(last=False)
        self._in_flight += 1
        self._sent = self._latest[name] = position = self._sent + 1
        return SentRequest(position, self._epoch, kind, name, floor)

    def mark(self, floor: int) -> SentRequest:
        """A place in the order of requests, for a write or sync that the caller sends itself."""
        self._sent += 1
        return SentRequest(self._sent, self._epoch, Kind.OTHER, ROOT, floor)

    def _forget_reads(self) -> None:
        """The connection is gone: nothing is wanted, or under way, any more."""
        self._epoch += 1
        self._online = False
        self._in_flight = self.taken = 0
        self._want_sync = self._syncing = self._sync_again = False
        self._again.clear()
        self._troubles.clear()
        self._wanted.clear()
        self._pending.clear()
        self._latest.clear()

    def no_reply(self, request: SentRequest) -> int:
        """The answer to a read says nothing: it is read again at the next `retry`.

        How often that was so now, one time after the other; 0 where it does not matter any more.
        """
        name, kind = request.name, request.kind
        if request.epoch != self._epoch:
            return 0
        self._in_flight -= 1
        if kind is Kind.SYNC:
            self._sync_again = True
        elif self._latest.get(name) == request.position:
            self._latest[name] = 0
            self._again[name] = kind
        else:
            return 0
        self._troubles[name] = self._troubles.get(name, 0) + 1
        return self._troubles[name]

    def retry(self) -> None:
        """Read again what could not be read."""
        if not self._online:
            return
        if self._sync_again:
            self._sync_again, self._want_sync = False, True
        for name, kind in list(self._again.items()):
            self._want(name, kind)

    def _want(self, name: str, kind: Kind) -> None:
        # In the order of wanting: what waits longest is read first, however often others change.
        self._pending.add(name)
        self._wanted[name] = kind
        self._latest[name] = 0
        self._again.pop(name, None)

    def _want_all(self, names: list[str], kind: Kind) -> None:
        """As `_want` of each."""
        self._pending.update(names)
        self._wanted.update(dict.fromkeys(names, kind))
        self._latest.update(dict.fromkeys(names, 0))
        if self._again:
            for name in names:
                self._again.pop(name, None)

    def _is_being_read(self, name: str) -> bool:
        return name in self._wanted or self._latest.get(name, 0) != 0

    def _is_read_behind(self, name: str, request: SentRequest) -> bool:
        """Whether the item was read, or will be, by a request that is sent after this one."""
        return name in self._wanted or self._latest.get(name, 0) > request.position
