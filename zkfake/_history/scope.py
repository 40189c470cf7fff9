"""What a finding is about: which clients, which paths, which names of the program.

Rules that live here:

- The events that show a finding say it themselves, but for what a program recorded or claimed
  without a znode. There the requests next to it say what the program was doing: the last one that
  was answered before it, and the next one that was sent.
- A task that is called like a client, or like ``client/...``, is that client's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._database.paths import split
from zkfake._history.events import (
    Claimed,
    Committed,
    Connected,
    DictAnswered,
    DictAsked,
    DictOpened,
    DictSent,
    DictShown,
    Recorded,
    Released,
    Reply,
    Sent,
    WatchEvent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkfake._history.events import Event, Logged
    from zkfake._history.telling import Telling
    from zkfake._history.verdict import Finding

__all__ = ["SAME", "Scope"]

SAME, NEAR, FAR = 3, 2, 1
"""How two paths belong together: the same one; siblings, or parent and child; in one tree."""

_MOST = 4
"""Paths of a multi that count."""


class Scope:
    """What one finding is about."""

    def __init__(
        self, entries: Sequence[Event | Logged], finding: Finding, telling: Telling
    ) -> None:
        """Cost: linear in the history."""
        self.who: set[str] = set()
        """Clients."""
        self.tasks: set[str] = set()
        self.paths: set[str] = set()
        self.names: set[str] = set()
        self.dicts: set[int] = set()
        self.servers: set[int] = set()
        """Those of the connections in the evidence."""
        shown = [event.time for event in finding.evidence if not isinstance(event, Connected)]
        self._begin = min(shown, default=0.0)
        self.program = any(isinstance(event, (Claimed, Recorded)) for event in finding.evidence)
        """Whether it is the program that broke a promise."""
        self._telling = telling
        evidence = {id(event) for event in finding.evidence}
        for event in finding.evidence:
            self._add(event)
        if self.program:
            for place, entry in enumerate(entries):
                if id(entry) in evidence and isinstance(entry, (Claimed, Recorded)):
                    self._add_neighbours(entries, place, entry.task)

    def _add(self, event: Event | Logged) -> None:
        if isinstance(event, (Sent, Reply, WatchEvent)):
            self.who.add(event.client)
            self.paths.update((event.path,) if isinstance(event, WatchEvent) else event.paths)
            if event.connection in self._telling.servers:
                self.servers.add(self._telling.servers[event.connection])
        elif isinstance(event, (DictSent, DictShown)):
            self.dicts.add(event.dict)
            root = self._telling.dicts.get(event.dict, "")
            names = event.writes if isinstance(event, DictSent) else event.changes
            self.paths.update(f"{root}/{each[0]}" for each in names[:_MOST])
            if isinstance(event, DictSent) and event.session in self._telling.clients:
                self.who.add(self._telling.clients[event.session])
        elif isinstance(event, (DictOpened, DictAsked, DictAnswered)):
            self.dicts.add(event.dict)
        elif isinstance(event, Committed):
            done = event.transaction
            self.paths.update(each.path for each in done.operations[:_MOST])
            if done.session_id in self._telling.clients:
                self.who.add(self._telling.clients[done.session_id])
        elif isinstance(event, (Claimed, Released, Recorded)):
            self.names.add(event.name)
            self.tasks.add(event.task)
            if isinstance(event, Claimed) and event.znode is not None:
                self.paths.add(event.znode)

    def _add_neighbours(self, entries: Sequence[Event | Logged], place: int, task: str) -> None:
        own = task if task in self._telling.clients.values() else task.partition("/")[0]
        mine = {own} & set(self._telling.clients.values())
        before = _first(reversed(entries[:place]), Reply, mine)
        behind = _first(entries[place + 1 :], Sent, mine)
        for event in (before, behind):
            if event is not None:
                self._add(event)

    def concerns(self, relation: int, time: float, client: str, server: int | None) -> bool:
        """Whether something that happened to ``client``, on paths that are related so, concerns the
        evidence itself. ``server``: the one that it is about, if it is about one.
        """
        if client in self.who:
            return relation >= NEAR
        mine = server is None or server in self.servers
        return relation == SAME and mine and time >= self._begin

    def relation(self, paths: Iterable[str]) -> int:
        """How closely ``paths`` belong to the finding's; 0 for not at all."""
        return max((_relation(one, other) for one in paths for other in self.paths), default=0)


def _first(
    entries: Iterable[Event | Logged], kind: type[Sent | Reply], clients: set[str]
) -> Sent | Reply | None:
    for event in entries:
        if isinstance(event, kind) and event.paths and (not clients or event.client in clients):
            return event
    return None


def _relation(one: str, other: str) -> int:
    if one == other:
        return SAME
    if "/" in (one, other) or not one or not other:
        return 0
    parents = split(one)[0], split(other)[0]
    if one == parents[1] or other == parents[0] or (parents[0] == parents[1] != "/"):
        return NEAR
    return FAR if one.split("/")[1:2] == other.split("/")[1:2] else 0
