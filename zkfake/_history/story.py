"""The story of a finding: what a person wants to read after a failure, in about thirty lines.

The rules that live here:

- First what was promised and what happened instead, then the events, in order, with the time and
  who it happened to. The events that show the finding are marked with ``>``.
- Only what has to do with it is told: the evidence, the same paths, clients and names between its
  first and its last event, and the faults and changes of leader meanwhile. What matters less is
  left out first, and the last lines say how much that is and how to see it.
- The words for each event are those of `telling`.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from zkfake._history.events import (
    Claimed,
    Committed,
    Connected,
    Disconnected,
    Event,
    Fault,
    Logged,
    Note,
    Recorded,
    Released,
    Reply,
    Restored,
    Sent,
    ServerEvent,
    StateChange,
    TaskEnded,
    WatchEvent,
)
from zkfake._history.telling import Telling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkfake._history.verdict import Finding, Verdict

__all__ = ["LINES", "story"]

LINES = 30
"""How long a story is at most."""

_BEFORE = 15
"""Events ahead of the first one that shows what is wrong, where the program did something wrong."""

_LONGEST = 118
"""Characters of a line."""


def story(entries: Iterable[Event | Logged], verdict: Verdict, lines: int = LINES) -> str:
    """The story of the first finding. Cost: linear in the history."""
    if not verdict.broken:
        return f"Nothing is broken in {verdict.events} events."
    finding = verdict.broken[0]
    told = _Story(list(entries), finding)
    text = [f"Broken: {finding.judge}.", *_wrapped(f"Promised: {finding.promise}")]
    text += [*_wrapped(f"What happened: {finding.text}."), ""]
    others = len(verdict.broken) - 1
    end = [""]
    if others:
        judges = ", ".join(dict.fromkeys(each.judge for each in verdict.broken[1:]))
        end += _wrapped(f"{others} more: {judges}.")
    return "\n".join([*text, *told.lines(lines - len(text) - len(end) - 2), *end, told.rest])


def _wrapped(text: str) -> list[str]:
    return wrap(" ".join(text.split()), _LONGEST, subsequent_indent="  ")


class _Story:
    """What is told of one finding."""

    def __init__(self, entries: list[Event | Logged], finding: Finding) -> None:
        self._entries = entries
        self._evidence = {id(event) for event in finding.evidence}
        self._telling = Telling(entries)
        self._clients = self._telling.clients
        self._paths: set[str] = set()
        self._names: set[str] = set()
        self._who: set[str] = set()
        self.rest = ""
        self._program = any(isinstance(event, (Claimed, Recorded)) for event in finding.evidence)
        """Whether it is the program that broke a promise: then all that clients did matters."""
        for event in finding.evidence:
            self._involve(event)

    def _involve(self, event: Event | Logged) -> None:
        if isinstance(event, (Sent, Reply)):
            self._who.add(event.client)
            self._paths.update(event.paths)
        elif isinstance(event, WatchEvent):
            self._who.add(event.client)
            self._paths.add(event.path)
        elif isinstance(event, Committed):
            done = event.transaction
            self._paths.update(each.path for each in done.operations[:4])
            if done.session_id in self._clients:
                self._who.add(self._clients[done.session_id])
        elif isinstance(event, (Claimed, Released, Recorded)):
            self._names.add(event.name)
            if isinstance(event, Claimed) and event.znode is not None:
                self._paths.add(event.znode)

    # -- what is told

    def _weight(self, event: Event | Logged) -> int:
        """How much it matters; 0 for what does not."""
        if id(event) in self._evidence:
            return 100
        weight = self._own_weight(event)
        if not weight and self._program and not isinstance(event, (ServerEvent, Connected)):
            return 10
        return weight

    def _own_weight(self, event: Event | Logged) -> int:
        if isinstance(event, (Claimed, Released, Recorded)):
            return 70 if event.name in self._names else 0
        if isinstance(event, Committed):
            return self._weight_of_commit(event)
        if isinstance(event, Fault):
            return 45 if any(name in event.text for name in self._who) else 30
        if isinstance(event, ServerEvent):
            return self._weight_of_server(event)
        if isinstance(event, Restored):
            return 60
        if isinstance(event, (Note, TaskEnded)):
            return 15
        if event.client not in self._who:
            return 0
        if isinstance(event, StateChange):
            return 50
        if isinstance(event, (Connected, Disconnected)):
            return 35
        if isinstance(event, WatchEvent):
            return 40 if event.path in self._paths else 0
        return 40 if self._paths.intersection(event.paths) else 20 * (event.operation == "connect")

    def _weight_of_commit(self, event: Committed) -> int:
        done = event.transaction
        if any(each.path in self._paths for each in done.operations):
            return 60
        mine = self._clients.get(done.session_id) in self._who
        return 55 if mine and done.op.name == "CLOSE_SESSION" else 0

    def _weight_of_server(self, event: ServerEvent) -> int:
        if event.name in ("leads", "steps down", "stops", "starts"):
            return 32
        sessions = [session for session, who in self._clients.items() if who in self._who]
        return 42 if any(f"{session:#x}" in event.text for session in sessions) else 0

    def lines(self, budget: int) -> list[str]:
        """At most so many lines."""
        entries = self._entries
        places = [place for place, event in enumerate(entries) if id(event) in self._evidence]
        if not places:  # the verdict is of another reading of the same history
            self._evidence = set()
            places = [0, len(entries) - 1]
        first, last = places[0], places[-1]
        if self._program:
            first = max(0, first - _BEFORE)
        weights = [(self._weight(entries[place]), place) for place in range(first, last + 1)]
        told = [each for each in weights if each[0]]
        # What matters most; of what matters as much, what is nearer to the end.
        chosen = sorted(sorted(told, reverse=True)[: max(budget, 6)], key=lambda each: each[1])
        left = last + 1 - first - len(chosen)
        self.rest = (
            f"Left out: {left} events between {entries[first].time:.3f} s and "
            f"{entries[last].time:.3f} s; list(history.in_order())[{first}:{last + 1}] has all."
        )
        return [self._line(entries[place]) for _, place in chosen]

    def _line(self, event: Event | Logged) -> str:
        who, what = self._telling(event)
        mark = ">" if id(event) in self._evidence else " "
        line = f"{mark} {event.time:10.3f}  {who:<10} {what}"
        return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
