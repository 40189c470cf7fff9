"""What led to a finding: the few things that come between a program and ZooKeeper.

Rules that live here:

- A cause is a fact of the history, in a sentence, with the events that show it: an answer that was
  lost, a server that was behind, a watch that ended with its connection, a session that ended,
  somebody who waits for a znode that stays.
- It counts where it is about the same paths as the finding. Of many the closest are told, of those
  the last.
- Where it is ZooKeeper that broke a guarantee, what befell others is a cause only where it concerns
  the evidence: the very paths, its servers, no earlier than the first of what it shows. Around a
  program that broke a promise of its own, whoever uses the same paths may have to do with it.
- All are found in one reading of the history, up to the last event that has to do with the finding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.log import Check, Create, Delete, SetAcl, SetData
from zkfake._history.events import Claimed, Committed, Disconnected, Fault, Recorded, StateChange
from zkfake._history.reading import WINDOW, WRITES, Reading
from zkfake._history.results import take_asked
from zkfake._history.states import CHILD, DATA, is_judged
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zkfake._history.events import Event, Logged, Reply, Sent, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange, SessionSeen
    from zkfake._history.scope import Scope
    from zkfake._history.states import Changed
    from zkfake._history.verdict import Finding

__all__ = ["Cause", "Circumstances", "EndedSession"]

_MOST = 3
_number = attrgetter("number")

_TABLES = {"getData": DATA, "exists": DATA, "getChildren": CHILD, "getChildren2": CHILD}


class Cause(NamedTuple):
    """``time``: when it took effect. ``events``: those that show it, in any order. ``server``: the
    one that was behind, if one was.
    """

    text: str
    time: float
    client: str
    paths: tuple[str, ...]
    events: tuple[Event | Logged, ...]
    server: int | None = None


class _LostAnswer(NamedTuple):
    """A write without an answer, and the end of its connection."""

    exchange: Exchange
    end: Disconnected


class _LateAnswer(NamedTuple):
    """An answer that does not know of a change that was committed before the question."""

    exchange: Exchange
    reply: Reply
    change: Changed


class _EndedWatch(NamedTuple):
    """A watch whose connection has ended, and the first change that its client was not told of."""

    reply: Reply
    end: Disconnected
    change: Committed | None


class EndedSession(NamedTuple):
    """A session that its client did not close, and its end."""

    session: SessionSeen
    entry: Committed


_Key = tuple[str, str]
"""Table and path of a watch."""


class Circumstances:
    """Everything in a history that may be a cause."""

    def __init__(self, entries: Sequence[Event | Logged], *, has_log: bool) -> None:
        """``entries``: the history up to the last event that has to do with a finding. Cost:
        linear.
        """
        self._states_of: dict[str, list[StateChange]] = defaultdict(list)
        self._pauses: dict[str, list[Fault]] = defaultdict(list)
        self._ends: dict[int, Disconnected] = {}
        for event in entries:
            if isinstance(event, StateChange):
                self._states_of[event.client].append(event)
            elif isinstance(event, Disconnected):
                self._ends[event.connection] = event
            elif isinstance(event, Fault) and event.name in ("pause", "pause healed"):
                self._pauses[event.text].append(event)
        self._lost: list[_LostAnswer] = []
        self._late: list[_LateAnswer] = []
        self.done: dict[int, Committed] = {}
        """What was committed for each request."""
        self._asked: dict[tuple[str, str, tuple[str, ...]], list[Sent]] = defaultdict(list)
        self._committed_when_sent: dict[int, int] = {}
        self._closing: set[int] = set()
        """The sessions that their clients close."""
        self.ended: list[EndedSession] = []
        self._set: dict[int, dict[_Key, Reply]] = defaultdict(dict)
        """The watches that are set, by connection."""
        self._gone: dict[_Key, dict[str, _EndedWatch]] = defaultdict(dict)
        """Those that went with their connections, by client."""
        self._made: dict[str, str] = {}
        """Who made each ephemeral znode."""
        self._reading = Reading(has_log, False, WINDOW)
        for name in vars(Circumstances):
            if name.startswith("on_"):
                self._reading.listen(name, getattr(self, name))
        self._reading.read(entries)

    # -- what happens

    def on_sent(self, exchange: Exchange) -> None:
        sent = exchange.sent
        self._asked[sent.client, sent.operation, sent.paths].append(sent)
        self._committed_when_sent[sent.number] = self._reading.states.last
        session = exchange.connection.session
        if sent.operation == "closeSession" and session is not None:
            self._closing.add(session.id)
        elif sent.operation in ("setWatches", "setWatches2") and exchange.record is not None:
            for place, paths in enumerate(exchange.record.lists):
                for path in paths or ():
                    key = CHILD if place == 2 else DATA, path or "/"
                    self._gone[key].pop(sent.client, None)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        table = _TABLES.get(reply.operation)
        if table is None or exchange.record is None or reply.zxid <= 0:
            return
        path = exchange.record.path or "/"
        self._gone[table, path].pop(reply.client, None)
        if exchange.record.watch:
            self._set[reply.connection].setdefault((table, path), reply)
        states = self._reading.states
        if self._reading.has_log and is_judged(path) and reply.zxid >= states.horizon:
            change = states.next_change(path, table, reply.zxid)
            if change and change.zxid <= self._committed_when_sent[reply.number]:
                self._late.append(_LateAnswer(exchange, reply, change))

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        for table in (DATA, CHILD):
            self._set[connection.number].pop((table, event.path), None)

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        end = self._ends[connection.number]
        operations = {each.sent.operation for each in connection.pending}
        if "closeSession" not in operations:
            self._lost += [
                _LostAnswer(each, end)
                for each in connection.pending
                if each.sent.operation in WRITES
            ]
        for key, reply in self._set.pop(connection.number, {}).items():
            self._gone[key][connection.client] = _EndedWatch(reply, end, None)

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        done = entry.transaction
        session = self._reading.sessions.get(done.session_id)
        if session is not None and done.op is Op.CLOSE_SESSION:
            if not done.error and session.id not in self._closing:
                self.ended.append(EndedSession(session, entry))
        elif session is not None and not done.error:
            exchange = take_asked(session, done)
            if exchange is not None:
                self.done[exchange.sent.number] = entry
        for operation in done.operations:
            if isinstance(operation, Create) and operation.owner and session is not None:
                self._made[operation.path] = session.client
        for change in changes:
            watches = self._gone.get((change.table, change.path), {})
            for client, watch in watches.items():
                if watch.change is None:
                    watches[client] = watch._replace(change=entry)

    # -- what it comes to

    def causes(self, finding: Finding, scope: Scope) -> list[Cause]:
        """The causes of a finding, in the order of their time."""
        causes = [
            *self._lost_answers(),
            *self._late_servers(),
            *self._lost_watches(scope.who),
            *self._ended_sessions(finding.evidence),
            *(self._waiting(scope.who) if finding.unfinished else ()),
        ]
        ranked = [
            (2 * relation + (cause.client in scope.who), cause.time, place)
            for place, cause in enumerate(causes)
            if (relation := scope.relation(cause.paths))
            and (scope.program or scope.concerns(relation, cause.time, cause.client, cause.server))
        ]
        chosen = [causes[place] for _, _, place in sorted(ranked, reverse=True)[:_MOST]]
        return sorted(chosen, key=lambda cause: cause.time)

    def all_causes(self) -> dict[str, list[Cause]]:
        """Whatever may be a cause, without a finding that it would have to do with; by kind:
        ``lost answer``, ``late server``, ``lost watch``, ``ended session``, ``waits``.
        """
        who = {session.client for session in self._reading.sessions.values()}
        return {
            "lost answer": self._lost_answers(),
            "late server": self._late_servers(),
            "lost watch": self._lost_watches(who),
            "ended session": self._ended_sessions(()),
            "waits": self._waiting(who),
        }

    def client_of(self, entry: Committed) -> str:
        """Whose transaction it is; empty for nobody's."""
        session = self._reading.sessions.get(entry.transaction.session_id)
        return "" if session is None else session.client

    def is_unheard(self, entry: Committed) -> bool:
        """Whether the answer to the request that it was committed for was lost."""
        return any(self.done.get(each.exchange.sent.number) is entry for each in self._lost)

    def stood_still(self, client: str, time: float) -> str:
        """From when to when it did, at that time, in a sentence; empty where it did not."""
        pause = self._paused(client, time)
        if pause is None:
            return ""
        healed = (each.time for each in self._pauses[client] if each.name != "pause")
        until = next((each for each in healed if each >= time), None)
        to = "on" if until is None else f"to {until:.3f} s"
        return f" {client} was paused from {pause.time:.3f} s {to}."

    def _is_there(self, path: str) -> bool:
        return self._reading.states.now(path) is not None

    def _lost_answers(self) -> list[Cause]:
        return [self._lost_answer(each) for each in self._lost]

    def _lost_answer(self, lost: _LostAnswer) -> Cause:
        sent, done = lost.exchange.sent, self.done.get(lost.exchange.sent.number)
        client, asked = sent.client, _named(sent)
        events: list[Event | Logged] = [sent, lost.end]
        paths, stays = sent.paths, ""
        if done is not None:
            events.append(done)
            paths = tuple(each.path for each in done.transaction.operations)
            text = (
                f"{client} did not hear that its {asked} was done at "
                f"{done.transaction.zxid:#x}: its connection broke before the answer came"
            )
            made = [each.path for each in done.transaction.operations if isinstance(each, Create)]
            stays = next(filter(self._is_there, made), "")
        elif self._reading.has_log:
            text = f"{client}'s {asked} was lost with its connection, and never done"
            if sent.operation == "delete":
                stays = next(filter(self._is_there, paths), "")
        else:
            text = f"{client}'s connection broke before an answer to its {asked} came"
        again = self._asked_again(sent, lost.end)
        if again is not None:
            events.append(again)
            text += f". Then {client} asked for the same again: request {again.number}"
            if (second := self.done.get(again.number)) is not None:
                events.append(second)
                text += f", done at {second.transaction.zxid:#x}"
        elif stays:
            text += f". {client} did not ask again, and {stays} is there until the end"
        return Cause(f"{text}.", lost.end.time, client, paths, tuple(events))

    def _asked_again(self, sent: Sent, end: Disconnected) -> Sent | None:
        """The next request like this one, on a later connection."""
        alike = self._asked[sent.client, sent.operation, sent.paths]
        for place in range(bisect_right(alike, sent.number, key=_number), len(alike)):
            if alike[place].time >= end.time:
                return alike[place]
        return None

    def _late_servers(self) -> list[Cause]:
        causes: dict[tuple[int, int, str], Cause] = {}
        for exchange, reply, change in self._late:
            entry, server = change.by, exchange.connection.server
            key = change.zxid, server, reply.client
            if key in causes or not isinstance(entry, Committed):
                continue
            later = reply.time - entry.time
            after = f"{later:.3f} s" if later >= 0.001 else "less than 1 ms"
            text = (
                f"{self._what(entry)} had not reached server {server} when it answered "
                f"{reply.client}'s {_named(exchange.sent)}, {after} after the commit: a stale read."
            )
            events = (entry, exchange.sent, reply)
            causes[key] = Cause(text, reply.time, reply.client, (change.path,), events, server)
        return list(causes.values())

    def _what(self, entry: Committed) -> str:
        """What a transaction did, whose it was, and its number."""
        done = entry.transaction
        session = self._reading.sessions.get(done.session_id)
        if done.op is Op.CLOSE_SESSION:
            whose = "a session" if session is None else f"{session.client}'s session"
            return f"the end of {whose} and of its ephemeral znodes ({done.zxid:#x})"
        whose = "" if session is None else f"{session.client}'s "
        parts = [f"{_KINDS[type(each)]} {each.path}" for each in done.operations[:2]]
        return f"{whose}{' and '.join(parts)} ({done.zxid:#x})"

    def _lost_watches(self, who: Collection[str]) -> list[Cause]:
        causes = []
        gone = [
            (client, path, watch)
            for (_, path), watches in self._gone.items()
            for client, watch in watches.items()
        ]
        for client, path, watch in gone:
            end, change = watch.end, watch.change
            if client not in who or change is None:
                continue
            text = (
                f"{client} watched {path} (request {watch.reply.number}). The watch ended with its "
                f"connection, at {end.time:.3f} s. {client} did not set it again, nor look again: "
                f"it got no watch event for {self._what(change)}."
            )
            events = (watch.reply, end, change)
            causes.append(Cause(text, change.time, client, (path,), events))
        return causes

    def _ended_sessions(self, evidence: Sequence[Event | Logged]) -> list[Cause]:
        causes = []
        for session, entry in self.ended:
            gone = tuple(
                each.path for each in entry.transaction.operations if isinstance(each, Delete)
            )
            if not gone:
                continue
            client = session.client
            events: list[Event | Logged] = [entry]
            text = (
                f"{client}'s session ended at {entry.transaction.zxid:#x} ({entry.time:.3f} s), "
                f"and {_listed(gone)} {'was' if len(gone) == 1 else 'were'} deleted with it."
            )
            if (pause := self._paused(client, entry.time)) is not None:
                events.append(pause)
            text += self.stood_still(client, entry.time)
            text += "".join(_held(event, client, gone, entry) for event in evidence)
            told = [
                each
                for each in self._states_of[client]
                if each.state == "LOST" and each.time >= entry.time
            ]
            if told:
                events.append(told[0])
                text += f" {client} became LOST at {told[0].time:.3f} s."
            else:
                text += f" {client} had not become LOST by then."
            causes.append(Cause(text, entry.time, client, gone, tuple(events)))
        return causes

    def _paused(self, client: str, time: float) -> Fault | None:
        """The pause of a client at that time."""
        before = [each for each in self._pauses[client] if each.time <= time]
        return before[-1] if before and before[-1].name == "pause" else None

    def _waiting(self, who: Collection[str]) -> list[Cause]:
        causes = []
        watches = [item for each in self._set.values() for item in each.items()]
        for (table, path), reply in watches:
            node = self._reading.states.now(path)
            client, maker = reply.client, self._made.get(path)
            if table != DATA or client not in who or node is None:
                continue
            whose = "" if maker is None else f" by {maker}{' itself' * (maker == client)}"
            text = (
                f"{client} waits for {path} to change (watch of request {reply.number}). {path} "
                f"was created at {node.czxid:#x}{whose}, and nobody changes it."
            )
            entry = self._reading.states.entry(node.czxid)
            events = (reply,) if entry is None else (entry, reply)
            causes.append(Cause(text, reply.time, client, (path,), events))
        return causes


_KINDS = {Create: "create", SetData: "setData", Delete: "delete", SetAcl: "setACL", Check: "check"}


def _held(event: Event | Logged, client: str, gone: tuple[str, ...], entry: Committed) -> str:
    """What the program made of what went with a session, if it is that client's program."""
    later = event.time - entry.time
    if isinstance(event, Claimed) and event.znode in gone:
        when = "before" if later < 0 else f"{later:.3f} s later"
        return f" {event.task} claimed {event.name!r} with it {when}."
    if isinstance(event, Recorded) and later >= 0 and event.task.partition("/")[0] == client:
        return f" {event.task} recorded {event.name!r} {later:.3f} s later."
    return ""


def _named(sent: Sent) -> str:
    return f"request {sent.number} ({' '.join([sent.operation, *sent.paths[:1]])})"


def _listed(paths: tuple[str, ...]) -> str:
    return " and ".join(paths[:2]) + (f" and {len(paths) - 2} more" if len(paths) > 2 else "")
