"""A history as what is to be drawn: marks on lanes, messages between them, and what lasts.

Rules that live here:

- Every event and every entry of the log is one mark, at the same place as in `History.in_order`.
- What an event says is what the story says of it, but shorter. Its paths are whole. Frames,
  passwords and long data are not in it.
- The form is made for size: a column for each field, every text once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._history import events, shown
from zkfake._history.events import Committed, Reply, ServerEvent, WatchEvent
from zkfake._history.inside import INSIDE
from zkfake._history.telling import Telling, kind_name
from zkfake._history.timeline.bands import Bands
from zkfake._history.timeline.findings import findings
from zkfake._history.timeline.lanes import ENSEMBLE, Lanes, server
from zkfake._history.timeline.messages import Messages
from zkfake._history.timeline.texts import cut, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkfake._history.events import Event, Logged
    from zkfake._history.verdict import Verdict

__all__ = ["picture"]

_LONGEST = 400
"""Characters of a text."""
_LONGEST_LABEL = 80
_MOST_PATHS = 8
"""Paths of one event by which it can be found."""


def picture(entries: Sequence[Event | Logged], verdict: Verdict) -> dict[str, Any]:
    """What the page is given, as JSON has it. Cost: linear in the history."""
    return _Picture(entries, verdict).as_json()


def _names(entries: Sequence[Any]) -> dict[int, str]:
    """The last name that the client of each connection has."""
    return {
        event.connection: event.client
        for event in entries
        if hasattr(event, "connection") and hasattr(event, "client")
    }


def _named(event: Any, names: dict[int, str]) -> Any:
    """The event with that name: in real time a client is called by its session, and the first
    events of a connection are from when it had none.
    """
    name = names.get(getattr(event, "connection", -1))
    same = name is None or getattr(event, "client", name) == name
    return event if same else event._replace(client=name)


class _Texts:
    """Every text once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __getitem__(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        return list(self._numbers)


class _Picture:
    def __init__(self, entries: Sequence[Event | Logged], verdict: Verdict) -> None:
        self._entries = entries
        self._verdict = verdict
        self._telling = Telling(entries)
        self._texts = _Texts()
        self._kinds: dict[str, int] = {}
        self._lanes = Lanes()
        self._leader = ENSEMBLE
        self._marks: dict[str, list[Any]] = {
            name: [] for name in ("time", "lane", "kind", "label", "text", "zxid", "paths")
        }
        kinds = {type(entry) for entry in entries}
        clients = self._telling.clients
        self._messages = Messages(clients)
        self._bands = Bands(self._lanes, clients, events.StateChange in kinds, Committed in kinds)
        self._told: list[tuple[int, int, int]] = []
        self._steps: list[tuple[int, int, str]] = []
        self._commits: dict[int, int] = {}
        self._events: dict[tuple[str, str], int] = {}
        """The last watch event of a client and a path."""
        self._read()

    def _read(self) -> None:
        servers = {
            number
            for event in self._entries
            if isinstance(number := getattr(event, "server", 0), int)
        } - {0}
        for number in sorted(servers):
            self._lanes[server(number)]
        if len(servers) == 1:
            self._leader = server(*servers)
        names = _names(self._entries)
        for place, event in enumerate(_named(event, names) for event in self._entries):
            if isinstance(event, ServerEvent) and event.name == "leads":
                self._leader = server(event.server)
            self._mark(event)
            self._messages.read(place, event)
            self._bands.read(place, event)
            self._follow(place, event)

    def _mark(self, event: Any) -> None:
        marks = self._marks
        who, what = self._telling(event)
        marks["time"].append(event.time)
        marks["lane"].append(self._lanes.of(event, self._leader))
        marks["kind"].append(self._kinds.setdefault(kind_of(event), len(self._kinds)))
        marks["label"].append(self._texts[cut(short(_label(event, what)), _LONGEST_LABEL)])
        marks["text"].append(self._texts[cut(short(f"{who} {what}"), _LONGEST)])
        marks["zxid"].append(_zxid(event))
        paths = [self._texts[cut(path, _LONGEST)] for path in _paths(event)[:_MOST_PATHS]]
        marks["paths"].append(paths[0] if len(paths) == 1 else paths)

    def _follow(self, place: int, event: Any) -> None:
        """Where the news in an event came from."""
        if isinstance(event, Committed):
            self._commits[event.transaction.zxid] = place
        elif isinstance(event, WatchEvent):
            self._events[event.client, event.path] = place
            number = self._telling.servers.get(event.connection)
            if number is not None:
                lane = self._lanes[server(number)]
                self._told.append((place, lane, self._commits.get(event.zxid, -1)))
        elif hasattr(event, "server") and hasattr(event, "zxid"):
            source = self._commits.setdefault(event.zxid, place)
            if self._marks["lane"][source] != self._marks["lane"][place]:
                self._steps.append((source, place, "commit"))
        elif hasattr(event, "function") and hasattr(event, "path"):
            heard = self._events.get((event.client, event.path))
            if heard is not None:
                self._steps.append((heard, place, "event"))

    def as_json(self) -> dict[str, Any]:
        marks = self._marks
        bands = self._bands.all()
        exchanges = [
            (
                each.sent,
                each.end,
                self._lane_of_server(each.connection),
                each.commit,
                each.outcome,
            )
            for each in self._messages.exchanges
        ]
        lanes, places = self._lanes.in_order()
        zxids = sorted({zxid for zxid in marks["zxid"] if zxid > 0})
        ranks = {zxid: rank for rank, zxid in enumerate(zxids)}
        transactions = self._verdict.transactions
        return {
            "summary": {
                "events": self._verdict.events,
                "transactions": transactions,
                "undecided": sum(
                    count for each in self._verdict.checked for _, count in each.undecided
                ),
            },
            "lanes": lanes,
            "kinds": list(self._kinds),
            "marks": {
                **marks,
                "lane": [places[lane] for lane in marks["lane"]],
                "zxid": [ranks.get(zxid, -1) for zxid in marks["zxid"]],
            },
            "zxids": [f"{zxid:#x}" for zxid in zxids],
            "exchanges": [
                (sent, end, places[lane] if lane >= 0 else -1, commit, outcome)
                for sent, end, lane, commit, outcome in exchanges
            ],
            "told": [(place, places[lane], commit) for place, lane, commit in self._told],
            "steps": self._steps,
            "bands": [
                (places[lane], kind, self._texts[cut(short(text), _LONGEST_LABEL)], first, last)
                for lane, kind, text, first, last in bands
            ],
            "findings": findings(self._entries, self._verdict, self._telling),
            "texts": self._texts.all(),
        }

    def _lane_of_server(self, connection: int) -> int:
        opened = self._messages.connected.get(connection)
        return -1 if opened is None else self._lanes[server(opened.server)]


# -- what an event is called


_KINDS = {
    "Claimed": "claim",
    "Committed": "commit",
    "Connected": "connection",
    "Disconnected": "connection",
    "Queued": "request",
    "Recorded": "record",
    "Released": "claim",
    "Restored": "commit",
    "Sent": "request",
    "StateChange": "state",
    "TaskEnded": "task",
}


_SHORT = ("callback", "dict")
"""Of their events the first word is enough."""


def kind_of(event: Any) -> str:
    """What the page calls an event's kind: the name of its class in words, if nothing shorter."""
    words = kind_name(event)
    first = words.partition(" ")[0]
    if type(event) in INSIDE:
        return "among servers"
    return _KINDS.get(type(event).__name__) or (first if first in _SHORT else words)


def _label(event: Any, what: str) -> str:
    """A few words. What an event of an unknown kind says begins with the words for its kind."""
    make = _LABELS.get(type(event).__name__)
    return what if make is None else str(make(event))


def _reply(event: Reply) -> str:
    return shown.reply(event.operation, event.frame) or "done"


def _asked(event: Any) -> str:
    return " ".join([event.operation, *event.paths[:1]])


_LABELS: dict[str, Any] = {
    "Claimed": lambda event: f"has {event.name}",
    "Committed": lambda event: shown.outcome(event.transaction),
    "Connected": lambda event: f"connects to {event.server}",
    "Disconnected": lambda event: "closes" if event.by == "client" else "disconnected",
    "Fault": lambda event: f"{event.name}: {event.text}",
    "LogLine": lambda event: event.text,
    "Note": lambda event: event.text,
    "Queued": lambda event: f"{event.waiting} waited",
    "Recorded": lambda event: f"{event.name} {event.key!r}",
    "Released": lambda event: f"gives {event.name} back",
    "Reply": _reply,
    "Sent": _asked,
    "ServerEvent": lambda event: event.name,
    "StateChange": lambda event: event.state,
    "TaskEnded": lambda event: f"ends with {event.error}" if event.error else "ends",
    "WatchEvent": lambda event: f"{event.type} {event.path}",
}


def _zxid(event: Any) -> int:
    if isinstance(event, Committed):
        return event.transaction.zxid
    return int(getattr(event, "zxid", 0))


def _paths(event: Any) -> list[str]:
    if isinstance(event, Committed):
        return [each.path for each in event.transaction.operations]
    paths = list(getattr(event, "paths", ()))
    return paths + [
        str(path)
        for field in ("path", "znode")
        if (path := getattr(event, field, None)) is not None
    ]
