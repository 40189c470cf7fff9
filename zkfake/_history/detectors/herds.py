"""Many watchers that one change wakes, of which one can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.detector import Detector, keep
from zkfake._history.detectors.seen import asked_writes, parent_of
from zkfake._history.results import written

if TYPE_CHECKING:
    from zkfake._history.events import Event, Reply, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange, WriteSeen
    from zkfake._history.states import Key

__all__ = ["Herd"]

HERD = 10
"""Clients that one change wakes in vain."""


class _Woken:
    """Who was woken by the end of one znode, and what they did then."""

    __slots__ = ("clients", "event", "tried")

    def __init__(self, event: WatchEvent) -> None:
        self.event = event
        self.clients: dict[ConnectionSeen, None] = {}
        self.tried: dict[ConnectionSeen, Event] = {}


class Herd(Detector):
    """One change wakes many clients, of which one can go on; the others have asked in vain, and
    wait for the next.

    Matched: ten clients are told that a znode was deleted, and then ask to create it. Or: ten
    clients that have a sequential ephemeral znode of their own below one parent, as in a queue, are
    told that its children have changed, because the first in this queue was deleted.

    Not matched: fewer; what all of those who are woken need, as new data, a barrier that was taken
    away, or the members of a group, whose znodes are not sequential; persistent watches.
    """

    name = "a herd"
    advice = (
        "Let each client watch the one znode right before its own, as kazoo's Lock does, so that a "
        "change wakes one."
    )

    def __init__(self) -> None:
        super().__init__()
        self._woken: dict[str, _Woken] = {}
        self._queues: dict[str, dict[str, ConnectionSeen]] = {}
        self._left: dict[str, tuple[Event, dict[ConnectionSeen, WatchEvent]]] = {}

    # -- all want to create what was deleted

    def on_watch_told(
        self, connection: ConnectionSeen, key: Key, event: WatchEvent, reply: Reply
    ) -> None:
        if event.type == "DELETED":
            woken = self._woken.get(event.path)
            if woken is None or woken.event.zxid != event.zxid:
                woken = _Woken(event)
                keep(self._woken, event.path, woken)
            woken.clients[connection] = None
        elif event.type == "CHILDREN_CHANGED" and event.path in self._left:
            self._is_told_of_queue(connection, event)

    def on_sent(self, exchange: Exchange) -> None:
        if not self._woken or not exchange.sent.operation.startswith("create"):
            return
        for one in asked_writes(exchange):
            woken = self._woken.get(one.path)
            if woken is None or exchange.connection not in woken.clients:
                continue
            woken.tried.setdefault(exchange.connection, exchange.sent)
            if len(woken.tried) == HERD:
                first, second, *_, last = woken.tried.values()
                self.detected(
                    one.path,
                    f"{len(woken.clients)} clients were told of the end of {one.path}, and "
                    f"{HERD} of them tried to create it",
                    woken.event,
                    first,
                    second,
                    last,
                )

    # -- all watch one queue

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if not reply.operation.startswith("create"):
            return
        for one in written(exchange, reply):
            if one.sequential and one.ephemeral:
                parent = parent_of(one.path)
                queue = self._queues.get(parent)
                if queue is None:
                    queue = {}
                    keep(self._queues, parent, queue)
                keep(queue, one.path, exchange.connection)

    def on_write(self, write: WriteSeen) -> None:
        if write.kind != "delete":
            return
        parent = parent_of(write.path)
        queue = self._queues.get(parent)
        if queue is None or write.path not in queue:
            return
        # In the order of the replies, which is that of the numbers, or nearly.
        if len(queue) > HERD and write.path == next(iter(queue)):
            keep(self._left, parent, (write.by, {}))
        else:
            self._left.pop(parent, None)
        del queue[write.path]
        if not queue:
            del self._queues[parent]

    def _is_told_of_queue(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        by, told = self._left[event.path]
        if connection not in self._queues.get(event.path, {}).values():
            return
        told[connection] = event
        if len(told) == HERD:
            first, second, *_, last = told.values()
            self.detected(
                event.path,
                f"{HERD} clients that wait below {event.path} were woken when the first of them "
                "left",
                by,
                first,
                second,
                last,
            )
