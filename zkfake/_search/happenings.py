"""What happened in a world that clients can be hurt by, read from its history and its log.

Rules that live here:

- The history says what clients sent, heard and were told, and what servers did; the committed log
  says what became of a request that was not answered.
- A connection belongs to one role of its server: a server that changes its place drops its clients.
  So a request that was sent while the server, or the leader it follows, was deposed already was
  answered by one that was.
- What is counted did happen. What a request met on its way, after it was sent, may not be seen.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, cast

from zkfake._database.log import Create, Delete, SetData
from zkfake._history.events import (
    Committed,
    Connected,
    Disconnected,
    Fault,
    Reply,
    Sent,
    ServerEvent,
    StateChange,
    WatchEvent,
)
from zkfake._history.reading import Exchange
from zkfake._history.results import asks_for
from zkfake._protocol.records import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._database.log import Transaction
    from zkfake._history.recorder import History

__all__ = ["happenings"]

READS = ("getData", "exists", "getChildren", "getChildren2")
WRITES = ("create", "create2", "setData", "delete", "multi")
_NOBODY = cast("Any", None)


def happenings(history: History) -> set[str]:
    """The names of what happened, of those in `HAPPENINGS`. Cost: linear in the history, about a
    microsecond for an event.
    """
    committed = _ChangesSeen(history)
    seen: set[str] = set()
    elections = _ElectionsSeen(seen)
    sessions = _SessionsSeen(seen, elections)
    requests = _RequestsSeen(seen, committed, elections)
    watches = _WatchesSeen(seen, committed)
    handlers: dict[type, list[Callable[[Any], None]]] = defaultdict(list)
    for part in (elections, sessions, requests, watches):
        for kind, handle in part.handlers.items():
            handlers[kind].append(handle)
    for event in history:
        kind = type(event)
        if kind in handlers:
            for handle in handlers[kind]:
                handle(event)
    sessions.end()
    return seen


def _exchange(event: Sent) -> Exchange:
    return Exchange(event, _NOBODY, 0, None)


def _sets_a_watch(frame: bytes) -> bool:
    """Whether a read sets a watch, which the byte behind its path says."""
    end = 16 + int.from_bytes(frame[12:16], "big")
    return frame[end : end + 1] > b"\0"


def _session(event: Reply) -> tuple[int, float]:
    """The session that a handshake was answered with, 0 for none, and its timeout, in seconds."""
    timeout = int.from_bytes(event.frame[8:12], "big", signed=True)
    return int.from_bytes(event.frame[12:20], "big", signed=True), timeout / 1000


class _ChangesSeen:
    """What the log says of znodes, and of requests that nobody answered."""

    def __init__(self, history: History) -> None:
        self.times: dict[int, float] = {}
        """When each transaction was committed, in virtual seconds, by its zxid."""
        self.changes: dict[str, list[Transaction]] = defaultdict(list)
        self.made: dict[int, Transaction] = {}
        """What was committed for a request, by its number."""
        sent: dict[int, deque[Exchange]] = defaultdict(deque)
        sessions: dict[int, int] = {}
        entries: Iterator[Any] = history.in_order()
        for event in entries:
            kind = type(event)
            if kind is Sent:
                if event.operation in WRITES:
                    sent[sessions.get(event.connection, 0)].append(_exchange(event))
            elif kind is Reply:
                if event.operation == "connect":
                    sessions[event.connection] = _session(event)[0]
            elif kind is Committed:
                self._commit(event, sent[event.transaction.session_id])

    def _commit(self, event: Committed, sent: deque[Exchange]) -> None:
        done = event.transaction
        self.times[done.zxid] = event.time
        if done.error:
            return
        for operation in done.operations:
            if isinstance(operation, (Create, Delete, SetData)):
                self.changes[operation.path].append(done)
        # A session's writes are committed in the order in which it has sent them.
        while sent:
            exchange = sent.popleft()
            if asks_for(exchange, done):
                self.made[exchange.sent.number] = done
                break

    def time(self, transaction: Transaction) -> float:
        """When it was committed, in virtual seconds."""
        return self.times.get(transaction.zxid, 0.0)

    def changed(self, path: str, after: int, until: float) -> int:
        """How many changes of a znode above the zxid ``after`` there were at a time."""
        return sum(
            each.zxid > after and self.time(each) <= until for each in self.changes.get(path, ())
        )


class _ElectionsSeen:
    """Who leads, who follows whom, and how that changes."""

    def __init__(self, seen: set[str]) -> None:
        self.seen = seen
        self.handlers: dict[type, Callable[[Any], None]] = {ServerEvent: self._server}
        self.epoch = 0
        self.leaders: dict[int, int] = {}
        """The epoch of each server that is established as a leader and does not know better."""
        self._follows: dict[int, int] = {}
        self._down: set[int] = set()
        self._deposed: set[int] = set()
        self._committed = True
        self._leaderless = 0.0
        self.shortest = float("inf")
        """The shortest timeout of a session, in seconds."""

    def deposed(self, server: int) -> str:
        """``leader`` or ``follower`` where another leader has replaced the server, or its leader;
        else empty.
        """
        leader = server if server in self.leaders else self._follows.get(server, 0)
        if leader not in self.leaders or self.leaders[leader] == max(self.leaders.values()):
            return ""
        return "leader" if leader == server else "follower"

    def _server(self, event: ServerEvent) -> None:
        seen, server, text = self.seen, event.server, event.text
        if event.name == "leads":
            self._leads(event)
        elif event.name == "commits":
            self._committed = True
        elif event.name == "joins":
            self._follows[server] = int(re.findall(r"\d+", text)[0])
        elif event.name in ("looks", "stops"):
            self._follows.pop(server, None)
            if event.name == "stops":
                self._down.add(server)
                if len(self._down) > 1:
                    seen.add("two servers down")
        elif event.name == "starts":
            self._down.discard(server)
        elif event.name == "steps down":
            self._steps_down(event)
        elif event.name in ("cuts its log", "takes a tree", "takes transactions"):
            seen.add(event.name)

    def _leads(self, event: ServerEvent) -> None:
        seen = self.seen
        if self.epoch:
            seen.add("re-election")
            if self.leaders:
                seen.add("two leaders")
            elif event.time - self._leaderless > self.shortest:
                seen.add("long without a leader")
            if not self._committed:
                seen.add("epoch without a commit")
        if event.server in self._deposed:
            seen.add("deposed leads again")
        if "no proposals" not in event.text:
            seen.add("proposal kept")
        self.epoch, self._committed = event.epoch, False
        self.leaders[event.server] = event.epoch

    def _steps_down(self, event: ServerEvent) -> None:
        self.leaders.pop(event.server, None)
        if not self.leaders:
            self._leaderless = event.time
        if event.text.startswith("server"):
            self._deposed.add(event.server)
            self.seen.add("deposed leader notices")
        elif event.text.startswith("it was never"):
            self.seen.add("leader never established")
        else:
            crashed = event.server in self._down
            self.seen.add("leader crashes" if crashed else "leader without a quorum")


class _SessionsSeen:
    """Where sessions are, and how they end."""

    def __init__(self, seen: set[str], elections: _ElectionsSeen) -> None:
        self.seen = seen
        self.handlers: dict[type, Callable[[Any], None]] = {
            ServerEvent: self._server_event,
            Fault: self._fault,
            Sent: self._sent,
            Connected: self._connected,
            Reply: self._replied,
            Disconnected: self._disconnected,
            StateChange: self._changed,
        }
        self._elections = elections
        self._server: dict[int, int] = {}
        """The server of a connection."""
        self._place: dict[int, tuple[int, int]] = {}
        """Where a session was last given: the server, and the epoch by then."""
        self._session: dict[str, int] = {}
        self._timeouts: dict[str, float] = {}
        self._opened: set[str] = set()
        self._ended: dict[str, float] = {}
        self._newest: dict[str, int] = defaultdict(int)
        """The highest zxid that a client has seen in a session that is over."""
        self._highest: dict[str, int] = defaultdict(int)
        self._shaken: dict[int, str] = {}
        """The connections that were asked for a session and have not answered, with the request."""
        self._dropped: set[str] = set()

    def _fault(self, event: Fault) -> None:
        if event.name.startswith("drop"):
            self._dropped.add(event.text.partition(":")[0])

    def _sent(self, event: Sent) -> None:
        if event.operation == "connect":
            self._shaken[event.connection] = f"request {event.number} of {event.client}"

    def _connected(self, event: Connected) -> None:
        self._server[event.connection] = event.server

    def _replied(self, event: Reply) -> None:
        if event.operation == "connect":
            self._given(event)
            return
        client, zxid = event.client, event.zxid
        if zxid < self._newest[client]:
            self.seen.add("next session goes back")
        self._newest[client] = 0
        self._highest[client] = max(self._highest[client], zxid)

    def _disconnected(self, event: Disconnected) -> None:
        asked = self._shaken.pop(event.connection, "")
        if event.by == "server" and asked and asked not in self._dropped:
            self.seen.add("hung up on")

    def _changed(self, event: StateChange) -> None:
        if event.state == "LOST":
            self._newest[event.client] = self._highest.pop(event.client, 0)
            ended = self._ended.get(f"{self._session.get(event.client, 0):#x}")
            timeout = self._timeouts.get(event.client, 0.0)
            if ended is not None and event.time - ended > timeout:
                self.seen.add("unaware of its end")

    def _server_event(self, event: ServerEvent) -> None:
        session = event.text.partition(",")[0]
        if event.name == "opens session":
            self._opened.add(session)
        elif event.name == "closes session":
            self._ended[session] = event.time
        elif event.name in ("expires session", "refuses client", "refuses request", "drops client"):
            self.seen.add(event.name)

    def _given(self, event: Reply) -> None:
        self._shaken.pop(event.connection, None)
        session, timeout = _session(event)
        if not session:
            self.seen.add("session gone")
            return
        self._timeouts[event.client] = timeout
        self._elections.shortest = min(self._elections.shortest, timeout)
        self._session[event.client] = session
        here = (self._server[event.connection], self._elections.epoch)
        before = self._place.get(session, here)
        if before[0] != here[0]:
            self.seen.add("session moves")
        if before[1] != here[1]:
            self.seen.add("session outlives its leader")
        self._place[session] = here

    def end(self) -> None:
        if self._opened - {f"{session:#x}" for session in self._place}:
            self.seen.add("session never heard of")


class _RequestsSeen:
    """What was asked, and what became of it."""

    def __init__(self, seen: set[str], committed: _ChangesSeen, elections: _ElectionsSeen) -> None:
        self.seen = seen
        self.handlers: dict[type, Callable[[Any], None]] = {
            Connected: self._connected,
            Sent: self._sent,
            Reply: self._replied,
            Disconnected: self._disconnected,
        }
        self._committed = committed
        self._elections = elections
        self._server: dict[int, int] = {}
        self._open: dict[int, dict[int, Sent]] = defaultdict(dict)
        """What was sent on a connection and not answered."""
        self._over: set[int] = set()
        self._deposed: dict[int, str] = {}
        self._acknowledged: dict[str, int] = {}
        """The zxid of the newest write of a path that a client was told of."""
        self._wanted: dict[int, int] = {}
        """What a read, or a sync, should know: acknowledged before it was sent."""
        self._synced: dict[tuple[int, str], int] = {}
        self._own: set[tuple[str, str, str]] = set()
        """Client, operation and path of writes that were applied and not answered."""

    def _connected(self, event: Connected) -> None:
        self._server[event.connection] = event.server

    def _replied(self, event: Reply) -> None:
        if event.connection in self._over:
            self.seen.add("answered too late")
        self._open[event.connection].pop(event.number, None)
        self._answered(event)

    def _disconnected(self, event: Disconnected) -> None:
        self._over.add(event.connection)
        for sent in self._open.pop(event.connection, {}).values():
            if sent.operation in WRITES:
                self._torn(sent, event.time)

    def _sent(self, event: Sent) -> None:
        self._open[event.connection][event.number] = event
        self._deposed[event.number] = self._elections.deposed(self._server[event.connection])
        if event.paths:
            self._wanted[event.number] = self._acknowledged.get(event.paths[0], 0)

    def _answered(self, event: Reply) -> None:
        operation, deposed = event.operation, self._deposed.get(event.number)
        if event.error == Code.SESSION_EXPIRED:
            self.seen.add("told that it expired")
        if operation in READS:
            if deposed:
                self.seen.add(f"read of a deposed {deposed}")
            if event.zxid < self._wanted[event.number]:
                self.seen.add("stale read")
            if event.zxid < self._synced.get((event.connection, event.paths[0]), 0):
                self.seen.add("stale read after sync")
        elif operation == "sync" and not event.error:
            if deposed:
                self.seen.add("sync of a deposed leader")
            self._synced[event.connection, event.paths[0]] = self._wanted[event.number]
        elif operation in WRITES and not event.error:
            for path in event.paths:
                self._acknowledged[path] = max(self._acknowledged.get(path, 0), event.zxid)
        elif operation in WRITES:
            own = (event.client, operation, event.paths[0]) in self._own
            if own and event.error == Code.NODE_EXISTS:
                self.seen.add("its own znode exists")
            if own and event.error == Code.BAD_VERSION:
                self.seen.add("its own version is bad")

    def _torn(self, sent: Sent, when: float) -> None:
        """A connection is lost, and this write was not answered."""
        multi = "multi" if sent.operation == "multi" else "write"
        transaction = self._committed.made.get(sent.number)
        if transaction is None:
            self.seen.add(f"{multi} torn off, lost")
            if self._deposed[sent.number]:
                self.seen.add("write lost at a deposed leader")
            return
        self.seen.add(f"{multi} torn off, applied")
        self._own.add((sent.client, sent.operation, sent.paths[0]))
        if self._committed.time(transaction) > when:
            self.seen.add("applied after it was given up")


class _WatchesSeen:
    """What watches told, and what they did not."""

    def __init__(self, seen: set[str], committed: _ChangesSeen) -> None:
        self.seen = seen
        self.handlers: dict[type, Callable[[Any], None]] = {
            Sent: self._sent,
            Reply: self._answered,
            WatchEvent: self._told,
            Disconnected: self._disconnected,
        }
        self._committed = committed
        self._asked: set[int] = set()
        self._set: dict[int, dict[str, int]] = defaultdict(dict)
        """By connection and path: the zxid at which a watch was set."""
        self._lost: dict[str, dict[str, int]] = defaultdict(dict)
        self._newest: dict[str, int] = defaultdict(int)
        self._over: set[int] = set()

    def _sent(self, event: Sent) -> None:
        if event.operation in READS and _sets_a_watch(event.frame):
            self._asked.add(event.number)

    def _disconnected(self, event: Disconnected) -> None:
        self._over.add(event.connection)
        self._lost[event.client] |= self._set.pop(event.connection, {})

    def _answered(self, event: Reply) -> None:
        if event.operation == "connect":
            lost = self._lost.pop(event.client, {})
            if any(self._committed.changed(path, zxid, event.time) for path, zxid in lost.items()):
                self.seen.add("watch lost with its change")
            return
        if event.connection not in self._over:
            self._newest[event.client] = max(self._newest[event.client], event.zxid)
            if event.number in self._asked:
                self._set[event.connection].setdefault(event.paths[0], event.zxid)

    def _told(self, event: WatchEvent) -> None:
        if event.connection in self._over:
            self.seen.add("event too late")
            return
        others = (zxid for client, zxid in self._newest.items() if client != event.client)
        if any(zxid >= event.zxid for zxid in others):
            self.seen.add("event after others knew")
        if event.time - self._committed.times.get(event.zxid, event.time) > 1:
            self.seen.add("event a second late")
        since = self._set[event.connection].pop(event.path, event.zxid)
        if self._committed.changed(event.path, since, event.time) > 1:
            self.seen.add("two changes, one event")
