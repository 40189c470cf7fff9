"""The program's own promise about a znode: whoever syncs before a read finds the newest value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.errors import PromiseBroken
from zkfake._history.judge import Judge
from zkfake._history.reading import is_acknowledged

if TYPE_CHECKING:
    from zkfake._history.events import Reply
    from zkfake._history.reading import ConnectionSeen, Exchange

__all__ = ["Register"]


class Register(Judge):
    """A read of ``path`` after a ``sync`` of its client is as new as every write of the path that
    had been acknowledged, to anybody, when the sync was sent.

    Checked by the zxids of the replies, so with a live server too. ZooKeeper does not promise it
    while a leader is replaced: see the page.
    """

    name = "register"
    error = PromiseBroken

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.title = f"register {path}"

        self._written: Reply | None = None
        self._asked: dict[Exchange, Reply] = {}
        self._synced: dict[ConnectionSeen, Reply] = {}

    @property
    def promise(self) -> str:
        return f"a read of {self._path} after a sync finds what had been written before."

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._synced.pop(connection, None)
        for exchange in connection.pending:
            self._asked.pop(exchange, None)

    def on_sent(self, exchange: Exchange) -> None:
        if exchange.sent.operation == "sync" and self._written is not None:
            self._asked[exchange] = self._written

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        operation, connection = reply.operation, exchange.connection
        if operation == "sync":
            floor = self._asked.pop(exchange, None)
            if floor is not None and not reply.error:
                self._synced[connection] = floor
            return
        if self._path not in reply.paths:
            return
        if is_acknowledged(reply):
            newest = self._written
            if newest is None or reply.zxid > newest.zxid:
                self._written = reply
        elif operation in ("getData", "exists"):
            floor = self._synced.get(connection)
            self.times += 1
            if floor is not None and reply.zxid < floor.zxid:
                self.broken(
                    f"{reply.client} read {self._path} as of {reply.zxid:#x} after a sync; "
                    f"{floor.client} had written it at {floor.zxid:#x} before that",
                    floor,
                    exchange.sent,
                    reply,
                )
