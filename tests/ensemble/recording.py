"""The history of a run: what its clients sent and got, what its servers did, what was committed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zkfake._history.recorder import EnsembleHistory
from zkfake._protocol.frames import (
    EVENT_XID,
    PING_XID,
    RequestHead,
    event_of,
    read_reply,
    read_request,
)
from zkfake.history import Connected, Disconnected, Reply, Sent, ServerEvent, WatchEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.events import Name


class Recording:
    """Records one run."""

    def __init__(self, ensemble: Ensemble, clock: Callable[[], float]) -> None:
        """``clock``: the seconds since the run began."""
        self.history = EnsembleHistory(clock)
        self.clock = clock
        self.requests = 0
        self._ensemble = ensemble
        self._connections = 0
        self.history.hear(ensemble)
        ensemble.tell = self._tell

    def _tell(self, server: int, name: Name, text: str) -> None:
        epoch = self._ensemble.replicas[server - 1].store.accepted_epoch
        self.history.append(ServerEvent(self.clock(), server, epoch, name, text))

    def open(self, client: str, server: int) -> Line:
        """A connection is made."""
        self._connections += 1
        self.history.append(Connected(self.clock(), client, self._connections, server))
        return Line(self, client, self._connections)


class Line:
    """One connection. Frames begin with their length."""

    def __init__(self, recording: Recording, client: str, number: int) -> None:
        self._recording = recording
        self._client = client
        self._number = number
        self._pending: deque[tuple[int, RequestHead]] = deque()
        self._shaken = self._over = False

    def sent(self, frame: bytes) -> None:
        head = read_request(frame, not self._shaken)
        self._shaken = True
        if head.xid == PING_XID:
            return
        recording = self._recording
        recording.requests += 1
        self._pending.append((recording.requests, head))
        recording.history.append(
            Sent(recording.clock(), self._client, self._number, recording.requests, *head, frame)
        )

    def got(self, frame: bytes) -> None:
        recording, pending = self._recording, self._pending
        xid, zxid, error = read_reply(frame)
        if pending and pending[0][1].operation == "connect":
            xid = zxid = error = 0
        elif xid == PING_XID:
            return
        elif xid == EVENT_XID:
            kind, path = event_of(frame)
            recording.history.append(
                WatchEvent(recording.clock(), self._client, self._number, kind, path, zxid)
            )
            return
        number, head = next(each for each in pending if each[1].xid == xid)
        pending.remove((number, head))
        recording.history.append(
            Reply(recording.clock(), self._client, self._number, number, *head, zxid, error, frame)
        )

    def closed(self, by: str) -> None:
        if not self._over:
            self._over = True
            recording = self._recording
            recording.history.append(
                Disconnected(recording.clock(), self._client, self._number, by)
            )
