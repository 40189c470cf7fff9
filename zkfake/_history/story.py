"""The story of a finding: what a person wants to read after a failure, in about thirty lines.

The rules that live here:

- First what was promised and what happened instead, then why, then the events, in order, with the
  time and who it happened to. The events that show the finding are marked with ``>``, those of a
  cause with its number.
- Only what has to do with it is told: the evidence, the causes, the same paths, clients and names
  between the first and the last of them, and the faults and changes of leader meanwhile. What
  matters less is left out first, and the last lines say how much that is and how to see it.
- A request, its commit and its answer are one line where nothing that is told came in between. What
  a client asks again and again, with the same answer, is one line as well.
- Long random names are cut where that leaves them different; data goes before a line is cut.
- The words for each event are those of `telling`.
"""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from zkfake._history.causes import Circumstances
from zkfake._history.errors import GuaranteeBroken
from zkfake._history.events import (
    CallbackBegan,
    CallbackEnded,
    Claimed,
    Committed,
    Connected,
    DictAnswered,
    DictAsked,
    DictOpened,
    DictSent,
    DictShown,
    Disconnected,
    Event,
    Fault,
    Logged,
    LogLine,
    Note,
    Queued,
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
from zkfake._history.inside import Inside
from zkfake._history.names import LongNames
from zkfake._history.scope import NEAR, SAME, Scope
from zkfake._history.telling import Telling
from zkfake._history.verdict import Finding
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkfake._history.verdict import Verdict

__all__ = ["LINES", "about", "story"]

LINES = 30
"""How long a story is at most."""

_FEW = 12
"""Lines of events that are told, whatever they have to do with the finding."""

_BEFORE = 15
"""Events ahead of the first one that matters, where the program did something wrong."""

_LONGEST = 118
"""Characters of a line."""

_EVIDENCE, _CAUSE, _FILLS = 100, 90, 10
"""What an event weighs that shows the finding; that shows a cause; that is there to fill up."""

_FAULT = 80
"""What a fault weighs in a world that has only those that it needs."""

_LATE, _LAST = 2_000, 20
"""Events at the end of a history in which nothing is broken that are looked at; lines of them."""

_LANES = 6
"""Who comes later stands with the last of them."""

_NUMBER = re.compile(r"\d{1,9}")

_AS_OF = re.compile(r"; answer as of 0x[0-9a-f]+")

_NO_CAUSE = (
    "Why: no answer was lost, no server was behind, no watch or session ended that has to do with "
    "it. It is the order of the events."
)


def story(
    entries: Iterable[Event | Logged],
    verdict: Verdict,
    lines: int = LINES,
    *,
    roots: Iterable[str] = (),
) -> str:
    """The story of the first finding. ``roots``: paths below them are told without them, as clients
    with such a chroot see them. Cost: linear in the history.
    """
    if not verdict.broken:
        return _ending(list(entries), verdict.events, lines, roots)
    finding = verdict.broken[0]
    told = _Story(list(entries), finding, has_log=verdict.transactions is not None)
    told.roots = tuple(roots)
    text = [f"Broken: {finding.judge}."]
    for part in (f"Promised: {finding.promise}", f"What happened: {finding.text}.", *told.why()):
        text += told.wrapped(part)
    end = []
    if others := verdict.broken[1:]:
        judges = ", ".join(dict.fromkeys(each.judge for each in others))
        end = told.wrapped(f"{len(others)} more: {judges}.")
    events = told.lines(lines - len(text) - len(end) - 3)
    return "\n".join([*text, "", *events, "", *end, told.rest])


def about(entries: Iterable[Event | Logged], events: tuple[Event | Logged, ...]) -> str:
    """What has to do with these events, from the beginning to the end of a history; they are marked
    with ``>``. For a failure that is none of what the judges look for. Cost: linear in the history.
    """
    told = _About(list(entries), events)
    return "\n".join([*told.lines(_LAST), "", told.rest])


def _ending(entries: list[Event | Logged], events: int, lines: int, roots: Iterable[str]) -> str:
    """How a history ends in which nothing is broken."""
    head = f"Nothing is broken in {events} events."
    if not entries:
        return head
    told = _Ending(entries)
    told.roots = tuple(roots)
    last = told.lines(min(lines - 4, _LAST))
    return "\n".join([f"{head} The last ones that matter:", "", *last, "", told.rest])


class _Line(NamedTuple):
    """A line before it is laid out. ``brief``: what is told where there is no room for all."""

    weight: int
    place: int
    events: int
    time: float
    who: str
    what: str
    brief: str
    mark: str


class _Story:
    """What is told of one finding."""

    def __init__(self, entries: list[Event | Logged], finding: Finding, *, has_log: bool) -> None:
        self._entries = entries
        self._telling = Telling(entries)
        self._scope = scope = Scope(entries, finding, self._telling)
        places = {id(event): place for place, event in enumerate(entries)}
        shown = [places[id(event)] for event in finding.evidence if id(event) in places]
        if not shown:  # the verdict is of another reading of the same history
            shown = [0, len(entries) - 1]
        self._last = len(entries) - 1 if finding.unfinished else max(shown)
        seen = Circumstances(entries[: self._last + 1], has_log=has_log)
        self._done = {id(entry): number for number, entry in seen.done.items()}
        self._answered = {event.number for event in entries if isinstance(event, Reply)}
        self._causes = seen.causes(finding, scope)
        self._marks: dict[int, str] = {}
        for number, cause in enumerate(self._causes, 1):
            self._marks.update(dict.fromkeys(map(id, cause.events), str(number)))
            scope.who.add(cause.client)
            scope.paths.update(cause.paths)
        self._marks.update(dict.fromkeys(map(id, finding.evidence), ">"))
        self._first = min([*shown, *(places[each] for each in self._marks if each in places)])
        if scope.program:
            self._first = max(0, self._first - _BEFORE)
        self._behind = {cause.server for cause in self._causes}
        self._names = LongNames(entries)
        self.roots: tuple[str, ...] = ()
        self._offset = 0
        self.rest = ""

    def why(self) -> list[str]:
        """The causes."""
        if not self._causes:
            return [_NO_CAUSE] if self._scope.program else []
        return [f"Why ({number}): {cause.text}" for number, cause in enumerate(self._causes, 1)]

    def wrapped(self, text: str) -> list[str]:
        """A paragraph."""
        text = self._shortened(" ".join(text.split()))
        return wrap(text, _LONGEST, subsequent_indent="  ", break_on_hyphens=False)

    def _shortened(self, text: str) -> str:
        for root in self.roots:
            text = text.replace(f"{root}/", "/").replace(root, "/")
        return self._names.shortened(text)

    # -- what is told

    def _weight(self, event: Event | Logged) -> int:
        """How much it matters; 0 for what does not."""
        mark = self._marks.get(id(event))
        if mark is not None:
            return _EVIDENCE if mark == ">" else _CAUSE
        fills = self._scope.program and isinstance(event, (Sent, Reply, Committed, Recorded))
        return self._own_weight(event) or _FILLS * fills

    def _own_weight(self, event: Event | Logged) -> int:
        scope = self._scope
        if isinstance(event, (Claimed, Released, Recorded)):
            return 70 if event.name in scope.names else 0
        if isinstance(event, Committed):
            return self._weight_of_commit(event)
        if isinstance(event, Fault):
            return self._weight_of_fault(event)
        if isinstance(event, ServerEvent):
            return self._weight_of_server(event)
        if isinstance(event, Restored):
            return 60
        if isinstance(event, (Note, TaskEnded)):
            return 15
        if isinstance(event, LogLine):  # what kazoo logs is among the events
            return 5 if event.logger.partition(".")[0] == "kazoo" else 15
        if isinstance(event, (DictOpened, DictAsked, DictSent, DictAnswered, DictShown)):
            return 40 if event.dict in scope.dicts else 0
        if isinstance(event, Inside):
            return 0  # what a person wants to know of it servers tell as well
        if event.client not in scope.who:
            return 0
        if isinstance(event, StateChange):
            return 50 if event.state != "CONNECTED" else 0
        if isinstance(event, (CallbackBegan, CallbackEnded, Queued)):
            return 0  # the requests and replies that follow say more
        if isinstance(event, Disconnected):
            return 35
        if isinstance(event, Connected):
            return 0  # the handshake says it
        if isinstance(event, (Sent, Reply)) and event.operation == "connect":
            return 46 if isinstance(event, Reply) or event.number not in self._answered else 0
        relation = scope.relation((event.path,) if isinstance(event, WatchEvent) else event.paths)
        return 40 if relation == SAME else 36 if relation == NEAR else 0

    def _weight_of_fault(self, event: Fault) -> int:
        if "server" in f"{event.name} {event.text}":
            number = _NUMBER.search(event.text)
            return 47 if number and int(number[0]) in self._behind else 30
        return 45 if any(name in event.text for name in self._scope.who) else 30

    def _weight_of_commit(self, event: Committed) -> int:
        done = event.transaction
        relation = self._scope.relation(each.path for each in done.operations)
        if relation == SAME:
            return 60
        mine = self._telling.clients.get(done.session_id) in self._scope.who
        return 55 if mine and done.op is Op.CLOSE_SESSION else 36 * (relation == NEAR)

    def _weight_of_server(self, event: ServerEvent) -> int:
        if event.name in ("leads", "steps down", "stops", "starts"):
            return 32
        if self._scope.program and event.name != "expires session":
            return 0  # what clients see says it
        who = self._scope.who
        mine = [session for session, client in self._telling.clients.items() if client in who]
        return 42 if any(f"{session:#x}" in event.text for session in mine) else 0

    def _chosen(self, told: list[_Line], budget: int) -> list[_Line]:
        """What matters most; of what matters as much, what is nearer to the end."""
        ranked = sorted(told, key=lambda line: (line.weight, line.place), reverse=True)
        matter = sum(line.weight > _FILLS for line in ranked)
        return ranked[: min(max(budget, 6), max(matter, _FEW))]

    def lines(self, budget: int) -> list[str]:
        """At most so many lines."""
        first, last = self._first, self._last
        told = _without_repeats(self._told(self._entries[first : last + 1]))
        chosen = self._chosen(told, budget)
        left = last + 1 - first - sum(line.events for line in chosen)
        begin, end = self._entries[first].time, self._entries[last].time
        self.rest = (
            f"Left out: {left} of {last + 1 - first} events between {begin:.3f} s and {end:.3f} s; "
            f"list(history.in_order())[{self._offset + first}:{self._offset + last + 1}] has all."
        )
        return self._laid_out(sorted(chosen, key=lambda line: line.place))

    def _told(self, window: Sequence[Event | Logged]) -> list[_Line]:
        """A line for every event that matters, or for several that belong together."""
        lines: list[_Line] = []
        weights = [self._weight(event) for event in window]
        joined: set[int] = set()
        for index, event in enumerate(window):
            if index in joined or not weights[index]:
                continue
            together, what, brief = self._joined(window, weights, index)
            joined.update(together)
            marks = {self._marks.get(id(window[each]), " ") for each in together}
            lines.append(
                _Line(
                    weight=max(weights[each] for each in together),
                    place=index,
                    events=len(together),
                    time=event.time,
                    who=self._telling(event)[0],
                    what=what,
                    brief=brief,
                    mark=">" if ">" in marks else max(marks),
                )
            )
        return lines

    def _joined(
        self, window: Sequence[Event | Logged], weights: list[int], index: int
    ) -> tuple[list[int], str, str]:
        """The events that are told together with the one at ``index``, what happened, and the same
        in brief.
        """
        event, telling = window[index], self._telling
        if isinstance(event, Sent) and event.number not in self._answered:
            return [index], telling.unanswered(event), telling.unanswered(event, brief=True)
        if isinstance(event, Sent):
            together = self._with_answer(window, weights, index)
            reply = window[together[-1]]
            if isinstance(reply, Reply):
                numbered = self._marks.get(id(event), ">") != ">"
                what = telling.exchange(event, reply, numbered=numbered)
                return together, what, telling.exchange(event, reply, numbered=numbered, brief=True)
        _, what = telling(event)
        behind = next((at for at in range(index + 1, len(window)) if weights[at]), index)
        then = window[behind]
        if (
            isinstance(event, Disconnected)
            and isinstance(then, StateChange)
            and then.client == event.client
        ):
            what = f"{what}: {then.state}"
            return [index, behind], what, what
        return [index], what, what

    def _with_answer(
        self, window: Sequence[Event | Logged], weights: list[int], index: int
    ) -> list[int]:
        """The request at ``index``, its commit and its answer, if nothing came in between that
        matters; else the request.
        """
        sent, together = window[index], [index]
        assert isinstance(sent, Sent)
        for place in range(index + 1, len(window)):
            event = window[place]
            if isinstance(event, Reply) and event.number == sent.number:
                return [*together, place]
            if self._done.get(id(event)) == sent.number:
                together.append(place)
            elif weights[place]:
                break
        return [index]

    def _laid_out(self, lines: Sequence[_Line]) -> list[str]:
        """The lines, with a lane for each who."""
        names = list(dict.fromkeys(line.who for line in lines))
        lanes = {name: "  " * min(place, _LANES) + name for place, name in enumerate(names)}
        width = max(map(len, lanes.values()), default=0)
        laid_out = []
        for line in lines:
            head = f"{line.mark} {line.time:10.3f}  {lanes[line.who]:<{width}}  "
            text = head + self._shortened(line.what)
            if len(text) > _LONGEST:
                text = head + self._shortened(line.brief)
            laid_out.append(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...")
        return laid_out


def _without_repeats(lines: Iterable[_Line]) -> list[_Line]:
    """The lines, where a client that asks the same again, and is answered the same, with nothing
    else of its own in between, has one for all of that. Those with a mark stay as they are.
    """
    groups: list[list[_Line]] = []
    of_each: dict[str, list[_Line]] = {}
    """The lines that are to be one, the last ones of each client."""
    for line in lines:
        alike = of_each.get(line.who)
        if alike is not None and _repeats(alike[0], line):
            alike.append(line)
        else:
            of_each[line.who] = alike = [line]
            groups.append(alike)
    return [_as_one(alike) for alike in groups]


def _repeats(line: _Line, later: _Line) -> bool:
    return (
        line.mark == later.mark == " "
        and _AS_OF.search(later.what) is not None
        and _AS_OF.sub("", line.what) == _AS_OF.sub("", later.what)
    )


def _as_one(alike: list[_Line]) -> _Line:
    first, last = alike[0], alike[-1]
    if first is last:
        return first
    often = f", {len(alike)} times until {last.time:.3f} s: "
    what, brief = (
        _AS_OF.sub("; answer", text).replace(": ", often, 1) for text in (first.what, first.brief)
    )
    return first._replace(
        weight=max(line.weight for line in alike),
        events=sum(line.events for line in alike),
        what=what,
        brief=brief,
    )


_ROUTINE = ("opens session", "moves session", "closes session", "drops client", "commits")
"""What a server says, and clients are told as well."""


class _Ending(_Story):
    """The last events of a history, but for what others say as well."""

    def __init__(self, entries: list[Event | Logged]) -> None:
        nothing = Finding("", "", "", (), GuaranteeBroken, unfinished=True)
        super().__init__(entries[-_LATE:], nothing, has_log=True)
        self._first, self._offset = 0, max(0, len(entries) - _LATE)

    def _weight(self, event: Event | Logged) -> int:
        if isinstance(event, (Connected, Inside)):
            return 0
        if isinstance(event, ServerEvent):
            return 0 if event.name in _ROUTINE else 1
        if isinstance(event, StateChange):
            return 0 if event.state == "CONNECTED" else 1
        if isinstance(event, Sent) and event.operation == "connect":
            return 0 if event.number in self._answered else 1
        if isinstance(event, Committed):
            return 0 if event.transaction.op is Op.CREATE_SESSION else 1
        return 1

    def _chosen(self, told: list[_Line], budget: int) -> list[_Line]:
        return told[-budget:]


class _About(_Story):
    """What has to do with some events."""

    def __init__(self, entries: list[Event | Logged], events: tuple[Event | Logged, ...]) -> None:
        finding = Finding("", "", "", events, GuaranteeBroken, unfinished=True)
        super().__init__(entries, finding, has_log=True)
        self._first = 0
        self._marks = dict.fromkeys(map(id, events), ">")  # why, its reader knows already

    def _own_weight(self, event: Event | Logged) -> int:
        if isinstance(event, ServerEvent) and event.name in _ROUTINE:
            return 0
        if isinstance(event, Fault):
            # What is done upon a request is a fault of its own.
            return 0 if event.name.startswith("upon: ") else _FAULT
        return super()._own_weight(event)
