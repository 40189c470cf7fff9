"""What lasts: the states of clients, sessions, faults, the roles of servers, claims.

Rules that live here:

- A band is on a lane, from one event to another, or to the end of the history.
- A session is over for the servers before its client knows. What lies between is a band of its own:
  most failures of locks are in it. A claim whose znode is gone likewise.
- Events of one name that begin and end something with one ``number`` are a band, whatever it is.
- A fault that lasts is on the lanes of those that it strikes; where its text names nobody who is
  known, it is on the lane of the faults.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from zkfake._database.log import Create, Delete
from zkfake._history.events import (
    Claimed,
    Committed,
    Connected,
    Disconnected,
    Fault,
    Released,
    Reply,
    Sent,
    ServerEvent,
    StateChange,
)
from zkfake._history.timeline.lanes import ENSEMBLE, FAULTS, Key, Lanes, server
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from zkfake._database.log import Transaction

__all__ = ["Band", "Bands"]


class Band(NamedTuple):
    """``first`` and ``last`` are places of events among the marks; ``last`` is -1 for what has not
    ended.
    """

    lane: int
    kind: str
    text: str
    first: int
    last: int


class _SessionSpan:
    """One session: from when it was open, when it was over and when its client knew."""

    def __init__(self, number: int, client: str, first: int) -> None:
        self.number = number
        self.client = client
        self.first = first
        self.over = -1
        self.known = -1
        self.expired = False
        """Whether it ended without its client having asked for it."""


class Bands:
    """The bands, put together from events that are read in order."""

    def __init__(self, lanes: Lanes, clients: Mapping[int, str], told: bool, has_log: bool) -> None:
        """``clients``: the client of each session. ``told``: whether there are events of clients'
        states; otherwise they are known by their connections.
        """
        self._lanes = lanes
        self._clients = clients
        self._told = told
        self._has_log = has_log
        self._open: dict[Hashable, list[tuple[int, str, str, int]]] = {}
        self._sessions: dict[int, _SessionSpan] = {}
        self._unaware: dict[str, list[_SessionSpan]] = {}
        self._closing: set[str] = set()
        self._claims: dict[str, list[int]] = {}
        self._deleted: set[str] = set()
        self._done: list[Band] = []

    def read(self, place: int, event: Any) -> None:
        """The next event."""
        reader = self._readers.get(type(event), Bands._other)
        reader(self, place, event)

    def all(self) -> list[Band]:
        """Every band, by its beginning."""
        for key in list(self._open):
            self._end(key, -1)
        self._done += self._of_sessions()
        return sorted(self._done, key=lambda band: band.first)

    def _begin(self, key: Hashable, lane: int, kind: str, text: str, place: int) -> None:
        self._open.setdefault(key, []).append((lane, kind, text, place))

    def _end(self, key: Hashable, place: int) -> None:
        for lane, kind, text, first in self._open.pop(key, ()):
            self._done.append(Band(lane, kind, text, first, place))

    # -- clients

    def _state_change(self, place: int, event: StateChange) -> None:
        self._end(("state", event.client), place)
        if event.state != "CONNECTED":
            lane = self._lanes[Key("client", event.client)]
            self._begin(("state", event.client), lane, event.state.lower(), event.state, place)
        if event.state == "LOST":
            self._aware(event.client, place)

    def _aware(self, client: str, place: int) -> None:
        """The client knows that its sessions are over, those that are."""
        for session in self._unaware.pop(client, ()):
            session.known = place

    def _connected(self, place: int, event: Connected) -> None:
        self._end(("connection", event.client), place)

    def _disconnected(self, place: int, event: Disconnected) -> None:
        if not self._told and event.client not in self._closing:
            lane = self._lanes[Key("client", event.client)]
            self._begin(("connection", event.client), lane, "disconnected", "disconnected", place)

    def _sent(self, place: int, event: Sent) -> None:
        if event.operation != "closeSession":
            return
        self._closing.add(event.client)
        for session in () if self._has_log else self._sessions.values():
            if session.client == event.client and session.over < 0:
                session.over = place

    def _reply(self, place: int, event: Reply) -> None:
        if event.operation != "connect":
            return
        self._closing.discard(event.client)
        number = int.from_bytes(event.frame[12:20], "big", signed=True)
        self._aware(event.client, place)  # that session is over, or another one has begun
        if number and not self._has_log and number not in self._sessions:
            self._sessions[number] = _SessionSpan(number, event.client, place)

    # -- what a program does, by the names of the events: callbacks, calls of a dict

    def _other(self, place: int, event: Any) -> None:
        found = _BEGINS_OR_ENDS.fullmatch(type(event).__name__)
        if found is None or not hasattr(event, "number"):
            return
        name, verb = found.groups()
        lane = self._lanes.of(event, ENSEMBLE)
        if verb in ("Ended", "Answered"):
            self._end((name, lane, event.number), place)
        else:
            text = getattr(event, "function", None) or getattr(event, "call", None) or name
            self._begin((name, lane, event.number), lane, name.lower(), str(text), place)

    # -- sessions and claims, by the log

    def _committed(self, place: int, event: Committed) -> None:
        done = event.transaction
        if done.op is Op.CREATE_SESSION:
            client = self._clients.get(done.session_id, "nobody known")
            self._sessions[done.session_id] = _SessionSpan(done.session_id, client, place)
        elif done.op is Op.CLOSE_SESSION:
            self._over(done, place)
        for each in done.operations if not done.error else ():
            if isinstance(each, Create):
                self._deleted.discard(each.path)
            elif isinstance(each, Delete):
                self._deleted.add(each.path)
                for number in self._claims.get(each.path, ()):
                    self._gone(number, each.path, place)

    def _over(self, done: Transaction, place: int) -> None:
        session = self._sessions.get(done.session_id)
        if session is None or session.over >= 0:
            return
        session.over = place
        session.expired = session.client not in self._closing
        if session.expired:
            self._unaware.setdefault(session.client, []).append(session)

    def _claimed(self, place: int, event: Claimed) -> None:
        lane = self._lanes[Key("task", event.task)]
        key = "claim", event.number
        if event.znode in self._deleted:
            text = f"believes in {event.name}, but its znode is gone: {event.znode}"
            self._begin(key, lane, "claim lost", text, place)
            return
        self._begin(key, lane, "claim", f"holds {event.name}", place)
        if event.znode is not None:
            self._claims.setdefault(event.znode, []).append(event.number)

    def _gone(self, number: int, path: str, place: int) -> None:
        for lane, kind, text, first in self._open.pop(("claim", number), ()):
            self._done.append(Band(lane, kind, text, first, place))
            self._begin(("claim", number), lane, "claim lost", f"its znode is gone: {path}", place)

    def _released(self, place: int, event: Released) -> None:
        self._end(("claim", event.number), place)

    def _of_sessions(self) -> list[Band]:
        found = []
        for each in self._sessions.values():
            lane = self._lanes[Key("sessions", each.client)]
            name = f"{each.number & _UNSIGNED:#x}"
            found.append(Band(lane, "session", f"session {name}", each.first, each.over))
            if each.expired:
                text = "over; its client does not know"
                found.append(Band(lane, "expired", text, each.over, each.known))
        return found

    # -- faults

    def _fault(self, place: int, event: Fault) -> None:
        name = event.name.removesuffix(" healed")
        key = ("fault", name, event.text)
        if name != event.name:
            self._end(key, place)
        elif name in _LASTING:
            for lane in self._struck(name, event.text):
                self._begin(key, lane, _LASTING[name], f"{name}: {event.text}", place)

    def _struck(self, name: str, text: str) -> list[int]:
        """The lanes of those that a fault strikes."""
        if name in _OF_SERVERS:
            named = text if name == "lose quorum" else text.partition(",")[0]
            keys = [server(number) for number in re.findall(r"\d+", named)]
        else:
            subject = re.split(r" and (?:every server|server \d+)|, ", text)[0]
            if subject == "every client":
                return self._lanes.clients() or [self._lanes[FAULTS]]
            keys = [Key("client", subject)]
        return [self._lanes[key] for key in keys if key in self._lanes] or [self._lanes[FAULTS]]

    # -- servers

    def _server_event(self, place: int, event: ServerEvent) -> None:
        name, key = event.name, ("server", event.server)
        if name not in _ROLES:
            return
        self._end(key, place)
        kind, text = _ROLES[name]
        if kind:
            self._begin(key, self._lanes[server(event.server)], kind, text, place)

    _readers: ClassVar[dict[type, Callable[[Bands, int, Any], None]]] = {
        Claimed: _claimed,
        Committed: _committed,
        Connected: _connected,
        Disconnected: _disconnected,
        Fault: _fault,
        Released: _released,
        Reply: _reply,
        Sent: _sent,
        ServerEvent: _server_event,
        StateChange: _state_change,
    }


_BEGINS_OR_ENDS = re.compile(r"(\w+)(Began|Ended|Asked|Answered)")

_UNSIGNED = 0xFFFFFFFFFFFFFFFF

_LASTING = {
    "cut power": "stopped",
    "freeze server": "lagging",
    "hold events": "held",
    "hold watches": "held",
    "isolate server": "partitioned",
    "lag": "lagging",
    "lose pings": "held",
    "lose quorum": "stopped",
    "mute server": "held",
    "partition": "partitioned",
    "partition servers": "partitioned",
    "pause": "paused",
    "pause server": "paused",
    "skew clock": "slow",
    "slow disk": "slow",
    "slow link": "slow",
    "slow servers": "slow",
    "stop server": "stopped",
}
"""The faults that last, and the kind of their bands."""

_OF_SERVERS = frozenset(
    {"cut power", "freeze server", "isolate server", "lag", "lose quorum", "mute server",
     "partition servers", "pause server", "skew clock", "slow disk", "slow servers", "stop server"}
)  # fmt: skip

_ROLES = {
    "starts": ("", ""),
    "stops": ("stopped", "stopped"),
    "looks": ("looking", "looks for a leader"),
    "leads": ("leads", "leads"),
    "follows": ("", ""),
    "observes": ("", ""),
    "steps down": ("", ""),
}
