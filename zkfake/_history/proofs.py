"""Whether the znodes of claims were there at one time, without the log: by what clients saw.

Rules that live here:

- A write that was sent after a moment comes after everything that had been committed by then. So a
  znode that is shown as of that write's zxid or a newer one, unmade since before the moment, was
  there at the moment, whatever servers were behind.
- What is not shown so is not decided: neither that the znode was there, nor that it was not.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zkfake._history.reading import is_acknowledged
from zkfake._history.results import found, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkfake._history.events import Reply
    from zkfake._history.reading import Exchange, Reading

__all__ = ["Moment", "Proofs"]

_KEPT = 10_000
"""Znodes that are remembered."""

_MOST = 100
"""Moments that wait for proofs at a time."""


class Moment:
    """A moment at which some znodes may have been there, by path and the zxid of their creation."""

    def __init__(
        self, znodes: Iterable[tuple[str, int]], on_proof: Callable[[Moment], None]
    ) -> None:
        """``on_proof`` is called when one of them is proved."""
        self.number = 0
        """Of the last request that was sent before it."""
        self.waiting = dict.fromkeys(znodes)
        self.on_proof = on_proof
        self.after: Reply | None = None
        """The first write, by its zxid, that was sent after the moment."""
        self.proofs: dict[tuple[str, int], Reply] = {}


class Proofs:
    """Listens to what clients see."""

    def __init__(self, reading: Reading) -> None:
        self._created: dict[str, tuple[int, str | None]] = {}
        """The zxid, and the client that was told that it made it."""
        self._moments: deque[Moment] = deque(maxlen=_MOST)
        self._sent = 0
        reading.listen("on_sent", self.on_sent)
        reading.listen("on_reply", self.on_reply)

    def created(self, path: str, client: str | None) -> int:
        """The zxid of the creation of a znode, as far as it is known, by ``client`` unless that is
        ``None``; 0 for none.
        """
        zxid, maker = self._created.get(path, (0, None))
        return zxid if client in (None, maker) else 0

    def wait_for(self, moment: Moment) -> None:
        """The moment is now: looks for proofs from here on."""
        moment.number = self._sent
        self._moments.append(moment)

    def on_sent(self, exchange: Exchange) -> None:
        self._sent = exchange.sent.number

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if is_acknowledged(reply):
            for each in written(exchange, reply):
                if each.kind == "create":
                    self._put(each.path, reply.zxid, reply.client)
                elif each.kind == "delete":
                    self._created.pop(each.path, None)
            for moment in self._moments:
                if exchange.sent.number > moment.number and (
                    moment.after is None or reply.zxid < moment.after.zxid
                ):
                    moment.after = reply
            return
        for path, _, read, *_ in found(exchange, reply):
            if read is not None:
                self._put(path, read.czxid, None)
                for moment in self._moments:
                    self._look(moment, (path, read.czxid), reply)

    def _put(self, path: str, zxid: int, client: str | None) -> None:
        if zxid > self.created(path, None):
            self._created.pop(path, None)
            self._created[path] = zxid, client
            if len(self._created) > _KEPT:
                del self._created[next(iter(self._created))]

    @staticmethod
    def _look(moment: Moment, znode: tuple[str, int], reply: Reply) -> None:
        after = moment.after
        if znode in moment.waiting and after is not None and reply.zxid >= after.zxid:
            del moment.waiting[znode]
            moment.proofs[znode] = reply
            moment.on_proof(moment)
