"""Habits that hurt when a connection is lost: writes that nobody looks after."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zkfake._history.detector import Detector, keep
from zkfake._history.detectors.seen import READS, asked_writes, parent_of

if TYPE_CHECKING:
    from zkfake._history.events import Disconnected, Queued, Reply, Sent
    from zkfake._history.reading import ConnectionSeen, Exchange, WriteSeen

__all__ = ["UncheckedWrite"]

GOES_ON = 10
"""Requests without a look, after which a client does not mean to look any more."""


class _Unknown:
    """A write that was on its way when the connection ended."""

    __slots__ = ("ended", "goes_on", "paths", "sent", "session")

    def __init__(
        self, sent: Sent, paths: frozenset[str], ended: Disconnected | None, session: int
    ) -> None:
        self.sent = sent
        self.paths = paths
        self.session = session
        self.ended = ended
        self.goes_on = 0
        """Requests since."""


class _Early(NamedTuple):
    """A write that was asked for while there was no connection."""

    queued: Queued
    sent: Sent
    since: float
    """When the connection was lost."""


class UncheckedWrite(Detector):
    """A client writes while its connection is lost, SUSPENDED for kazoo, and does not look
    afterwards.

    Matched: a write was not answered before its connection ended, the client goes on with its
    session, and sends ten requests on later connections without having read the znode, asked for
    the children of its parent, written it once more, or asked for something below it: whether it
    was carried out is not known. Of a multi one of its znodes is enough. Or, in simulations: a
    ``setData`` with version -1 was asked for while there was no connection, so it is carried out
    later than the program thinks; another client has written the znode since the connection was
    lost, or does so later; and the client's next request on it is not a read.

    Not matched: a client that never comes back, or sends less after it, or loses its session; a
    ``delete`` or a ``create`` that waited; a write of what no other client writes, or with a
    version.
    """

    name = "a write without a look after an outage"
    advice = (
        "After ConnectionLoss, or SUSPENDED, read what you wanted to write before you go on; and "
        "write with a version, which is refused where it comes too late."
    )

    without_client = (
        "writes that waited for a connection were not looked at: only simulations record them"
    )

    def __init__(self) -> None:
        super().__init__()
        self._unknown: dict[str, list[_Unknown]] = {}
        self._lost: dict[str, float] = {}
        self._queued: dict[str, tuple[Queued, int]] = {}
        self._early: dict[str, dict[str, _Early]] = {}
        self._writers: dict[str, dict[int, WriteSeen]] = {}

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._queued.pop(connection.client, None)
        session = 0 if connection.session is None else connection.session.id
        if connection.ended is not None:
            keep(self._lost, connection.client, connection.ended.time)
        for exchange in connection.pending:
            paths = frozenset(one.path for one in asked_writes(exchange))
            if paths:
                if connection.client not in self._unknown:
                    keep(self._unknown, connection.client, [])
                unknown = _Unknown(exchange.sent, paths, connection.ended, session)
                self._unknown[connection.client].append(unknown)

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        mine = self._unknown.get(connection.client)
        if mine and any(each.session != session_id for each in mine):
            del self._unknown[connection.client]

    def on_queued(self, event: Queued) -> None:
        self._queued[event.client] = (event, event.waiting)

    def on_sent(self, exchange: Exchange) -> None:
        sent, client = exchange.sent, exchange.sent.client
        if self._unknown:
            self._look_for_unknown(exchange)
        if sent.operation in READS or not (self._queued or self._early):
            return
        early = self._take(client)
        for one in asked_writes(exchange):
            before = self._early.get(one.path, {}).pop(client, None)
            if before is not None:
                self._judge(one.path, before)
            if early is None or one.guarded or one.kind != "setData":
                continue
            if one.path not in self._early:
                keep(self._early, one.path, {})
            since = self._lost.get(client, sent.time)
            keep(self._early[one.path], client, _Early(early, sent, since))

    def _take(self, client: str) -> Queued | None:
        """Whether the request that is sent had waited for the connection."""
        found = self._queued.get(client)
        if found is None:
            return None
        event, left = found
        if left > 1:
            self._queued[client] = (event, left - 1)
        else:
            del self._queued[client]
        return event

    def _look_for_unknown(self, exchange: Exchange) -> None:
        sent = exchange.sent
        mine = self._unknown.get(sent.client)
        if not mine or sent.operation in ("connect", "auth", "closeSession", "setWatches"):
            return
        looked = {sent.paths[0]} if sent.operation in READS and sent.paths else set()
        looked.update(one.path for one in asked_writes(exchange))
        above = sent.operation.startswith("getChildren")
        left = []
        for unknown in mine:
            shows = unknown.paths | {parent_of(path) for path in unknown.paths if above}
            if looked & shows or any(_is_above(path, looked) for path in unknown.paths):
                continue
            unknown.goes_on += 1
            if unknown.goes_on < GOES_ON:
                left.append(unknown)
                continue
            lost = unknown.sent
            self.detected(
                (sent.client, lost.paths),
                f"{sent.client} lost the reply to {lost.operation} {' '.join(lost.paths)}, and "
                "went on without a look at it",
                lost,
                unknown.ended,
                sent,
            )
        if left:
            self._unknown[sent.client] = left
        else:
            del self._unknown[sent.client]

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if self._early and reply.operation in READS:
            for path in reply.paths:
                self._early.get(path, {}).pop(reply.client, None)

    def on_write(self, write: WriteSeen) -> None:
        if not write.session:
            return
        writers = self._writers.get(write.path)
        if writers is None:
            writers = {}
            keep(self._writers, write.path, writers)
        writers[write.session] = write
        if len(writers) > 2:
            del writers[next(iter(writers))]

    def on_end(self) -> None:
        for path, mine in self._early.items():
            for early in mine.values():
                self._judge(path, early)

    def _judge(self, path: str, early: _Early) -> None:
        for session, write in self._writers.get(path, {}).items():
            seen = self.reading.sessions.get(session)
            other = seen is None or seen.client != early.sent.client
            if other and write.by.time >= early.since:
                self.detected(
                    (early.sent.client, path),
                    f"{early.sent.client} asked for {early.sent.operation} {path} while it had no "
                    "connection, and did not look at it afterwards; another session writes it as "
                    "well",
                    early.queued,
                    early.sent,
                    write.by,
                )
                return


def _is_above(path: str, others: set[str]) -> bool:
    """Whether one of the others is below ``path``: its reply tells whether that is there."""
    return any(other.startswith(f"{path}/") for other in others)
