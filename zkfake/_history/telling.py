"""What an event says, in words: who it happened to, and what.

Rules that live here: a session is called by its client, a request by its number, a server by the
connection that leads to it. Who is who is known once the whole history was met.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from zkfake._history import shown
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
from zkfake._history.inside import (
    AppliedNext,
    Configured,
    Elected,
    Followed,
    LastHeard,
    LinkChanged,
    ServerPaused,
)
from zkfake._history.reading import WRITES
from zkfake._protocol.jute import JuteError, Reader
from zkfake._protocol.records import read_connect_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Telling", "kind_name"]


def kind_name(event: object) -> str:
    """The name of an event's class in words: "watch event"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(event).__name__).lower()


_SESSION = re.compile(r"(?:session )?(-?0x[0-9a-f]+)")


class Telling:
    """The words for the events of one history."""

    def __init__(self, entries: Iterable[Event | Logged]) -> None:
        """``entries``: those of the history so far. Cost: linear in it."""
        self.servers: dict[int, int] = {}
        """The server of each connection."""
        self.clients: dict[int, str] = {}
        """The client of each session."""
        self.dicts: dict[int, str] = {}
        """The path of each dict."""
        self._resumed: dict[int, bool] = {}
        """Whether a handshake, by its number, asks for a session that there is."""
        for event in entries:
            self.meet(event)

    def meet(self, event: Event | Logged) -> None:
        """The next event of the history."""
        if isinstance(event, Connected):
            self.servers[event.connection] = event.server
        elif isinstance(event, DictOpened):
            self.dicts[event.dict] = event.path
        elif isinstance(event, Sent) and event.operation == "connect":
            self._resumed[event.number] = _session_asked_for(event.frame) != 0
        elif isinstance(event, Reply) and event.operation == "connect":
            session = int.from_bytes(event.frame[12:20], "big", signed=True)
            if session:
                self.clients[session] = event.client

    def __call__(self, event: Event | Logged) -> tuple[str, str]:
        """Who it happened to, and what."""
        return self._words.get(type(event), Telling._other)(self, event)

    def _server(self, event: Any) -> str:
        server = self.servers.get(event.connection)
        return "a server" if server is None else f"server {server}"

    def exchange(
        self, sent: Sent, reply: Reply, *, numbered: bool = False, brief: bool = False
    ) -> str:
        """A request and its answer, where nothing came in between. ``brief``: without data."""
        if sent.operation == "connect":
            return self._shaken(reply)
        asked = _asked(sent, brief)
        number = f" (request {sent.number})" if numbered else ""
        answer = "answer"
        if reply.zxid > 0:
            done = reply.operation in WRITES and not reply.error
            answer = f"{'done at' if done else 'answer as of'} {reply.zxid:#x}"
        said = _said(reply)
        return f"asks {self._server(sent)}{number}: {asked}; {answer}{': ' * bool(said)}{said}"

    def unanswered(self, sent: Sent, *, brief: bool = False) -> str:
        """A request that was never answered."""
        number = f"(request {sent.number}, never answered)"
        if sent.operation == "connect":
            return f"{self._sent(sent)[1].rpartition(' (')[0]} {number}"
        return f"asks {self._server(sent)} {number}: {_asked(sent, brief)}"

    def _sent(self, event: Sent) -> tuple[str, str]:
        if event.operation == "connect":
            resumed = self._resumed.get(event.number)
            asked = "to go on with its session" if resumed else "for a session"
            return event.client, f"asks {self._server(event)} {asked} (request {event.number})"
        return event.client, f"asks {self._server(event)} (request {event.number}): {_asked(event)}"

    def _reply(self, event: Reply) -> tuple[str, str]:
        if event.operation == "connect":
            return event.client, self._shaken(event)
        said = _said(event)
        as_of = f", as of {event.zxid:#x}" if event.zxid > 0 else ""
        asked = " ".join([event.operation, *event.paths])
        return (
            event.client,
            f"is answered request {event.number} ({asked}): {said or 'done'}{as_of}",
        )

    def _shaken(self, event: Reply) -> str:
        """What a handshake comes to."""
        server, frame = self._server(event), event.frame
        if len(frame) < 20:
            return f"is answered by {server}: {len(frame)} bytes, no handshake"
        if int.from_bytes(frame[12:20], "big") == 0:
            return f"is told by {server} that its session is over"
        if self._resumed.get(event.number):
            return f"goes on with its session at {server}"
        timeout = int.from_bytes(frame[8:12], "big", signed=True) / 1000
        return f"opens a session at {server}, timeout {timeout:g} s"

    def _watch_event(self, event: WatchEvent) -> tuple[str, str]:
        at = f", at {event.zxid:#x}" if event.zxid > 0 else ""
        return event.client, f"is told by {self._server(event)}: {event.type} {event.path}{at}"

    def _committed(self, event: Committed) -> tuple[str, str]:
        done = event.transaction
        client = self.clients.get(done.session_id)
        whose = f" for {client}" if client else ""
        return "ensemble", f"commits {done.zxid:#x}{whose}: {shown.outcome(done)}"

    def _restored(self, event: Restored) -> tuple[str, str]:
        return "ensemble", f"goes back to another state, at {event.zxid:#x}"

    def _connected(self, event: Connected) -> tuple[str, str]:
        return event.client, f"connects to server {event.server}"

    def _disconnected(self, event: Disconnected) -> tuple[str, str]:
        by = "closes its connection" if event.by == "client" else "loses its connection"
        return event.client, f"{by} to {self._server(event)}"

    def _state_change(self, event: StateChange) -> tuple[str, str]:
        return event.client, f"is {event.state}"

    def _queued(self, event: Queued) -> tuple[str, str]:
        return event.client, f"sends next what waited for the connection: {event.waiting}"

    def _callback_began(self, event: CallbackBegan) -> tuple[str, str]:
        return (
            event.client,
            f"calls {event.function} (callback {event.number}): {event.type} {event.path}".rstrip(),
        )

    def _callback_ended(self, event: CallbackEnded) -> tuple[str, str]:
        return event.client, f"returns from callback {event.number}"

    def _fault(self, event: Fault) -> tuple[str, str]:
        # A rule that calls a nameless function: what that does is the next event.
        name = event.name.removesuffix(": <lambda>")
        return "fault", f"{name}{' ' if name != event.name else ': '}{event.text}"

    def _server_event(self, event: ServerEvent) -> tuple[str, str]:
        text = _SESSION.sub(self._session, event.text)
        return f"server {event.server}", f"{event.name}{': ' if text else ''}{text}"

    def _session(self, found: re.Match[str]) -> str:
        client = self.clients.get(int(found[1], 16))
        return found[0] if client is None else f"the session of {client}"

    def _note(self, event: Note) -> tuple[str, str]:
        return event.task, f"notes: {event.text}"

    def _log_line(self, event: LogLine) -> tuple[str, str]:
        return event.task, f"logs {event.level}: {' '.join(event.text.split())}"

    def _task_ended(self, event: TaskEnded) -> tuple[str, str]:
        return event.task, f"ends with {event.error}"

    def _claimed(self, event: Claimed) -> tuple[str, str]:
        by = f" with {event.znode}" if event.znode is not None else ""
        return event.task, f"believes that it holds {event.name!r}{by}"

    def _released(self, event: Released) -> tuple[str, str]:
        return event.task, f"gives {event.name!r} back"

    def _recorded(self, event: Recorded) -> tuple[str, str]:
        value = "" if event.value is None else f", {event.value!r}"
        return event.task, f"records {event.name}: {event.key!r}{value}"

    def _other(self, event: Any) -> tuple[str, str]:
        """An event of a kind that is not known here, by its fields."""
        fields = event._asdict()
        del fields["time"]
        who = next((name for name in ("task", "client", "server") if name in fields), "")
        whose = str(fields.pop(who, "")) if who else ""
        values = [
            f"{name}={value:#x}" if name == "zxid" else f"{name}={value!r}"
            for name, value in fields.items()
            if not isinstance(value, bytes)  # a frame: long, and it may have a password
        ]
        kind = kind_name(event)
        return f"server {whose}" if who == "server" else whose, ": ".join([kind, ", ".join(values)])

    def _dict_opened(self, event: DictOpened) -> tuple[str, str]:
        return event.task, f"makes dict {event.dict}, of {event.path}"

    def _dict_asked(self, event: DictAsked) -> tuple[str, str]:
        return event.task, f"calls {event.call} of dict {event.dict} (call {event.number})"

    def _dict_sent(self, event: DictSent) -> tuple[str, str]:
        of = f", for call {event.number}" if event.number else ""
        return f"dict {event.dict}", f"sends{of}: {shown.writes(event.writes)}"

    def _dict_answered(self, event: DictAnswered) -> tuple[str, str]:
        return f"dict {event.dict}", f"ends call {event.number}: {event.outcome}"

    def _dict_shown(self, event: DictShown) -> tuple[str, str]:
        how = "" if event.exact else ", or newer"
        changes = [(each.name, each.data if each.czxid else None) for each in event.changes]
        text = f": {shown.writes(changes)}" if changes else ""
        return f"dict {event.dict}", f"shows the state of {event.zxid:#x}{how}{text}"

    # -- what servers do among themselves

    def _elected(self, event: Elected) -> tuple[str, str]:
        votes = _numbers(vote.server for vote in event.votes)
        of = "; and ".join(_numbers(voters) for voters in event.quorums)
        of = f", of the voters {of}" if of else ""
        return (
            f"server {event.server}",
            f"gets the votes of {votes} to lead epoch {event.epoch}{of}",
        )

    def _followed(self, event: Followed) -> tuple[str, str]:
        others = _numbers(number for number in event.followers if number != event.server)
        return f"server {event.server}", f"has {others or 'nobody'} with it, in epoch {event.epoch}"

    def _last_heard(self, event: LastHeard) -> tuple[str, str]:
        who = self.clients.get(event.session, f"session {event.session:#x}")
        ago = event.time - event.since
        return (
            f"server {event.server}",
            f"heard from server {event.source} of {who} {ago:.3f} s ago",
        )

    def _configured(self, event: Configured) -> tuple[str, str]:
        who, version = f"server {event.server}", f"the configuration {event.version:#x}"
        if event.proposed:
            return who, f"proposes {version}"
        return who, f"goes by {version}{', as an observer' * event.observer}"

    def _applied_next(self, event: AppliedNext) -> tuple[str, str]:
        return f"server {event.server}", f"applies {event.zxid:#x} next to {event.after:#x}"

    def _link_changed(self, event: LinkChanged) -> tuple[str, str]:
        does = "is cut" if event.cut else "has one cut less"
        return f"server {event.server}", f"its link to server {event.target} {does}"

    def _server_paused(self, event: ServerPaused) -> tuple[str, str]:
        return f"server {event.server}", "stands still" if event.paused else "is awake again"

    _words: ClassVar[dict[type, Callable[[Telling, Any], tuple[str, str]]]] = {
        AppliedNext: _applied_next,
        CallbackBegan: _callback_began,
        CallbackEnded: _callback_ended,
        Claimed: _claimed,
        Committed: _committed,
        Configured: _configured,
        Connected: _connected,
        DictAnswered: _dict_answered,
        DictAsked: _dict_asked,
        DictOpened: _dict_opened,
        DictSent: _dict_sent,
        DictShown: _dict_shown,
        Disconnected: _disconnected,
        Elected: _elected,
        Fault: _fault,
        Followed: _followed,
        LastHeard: _last_heard,
        LinkChanged: _link_changed,
        LogLine: _log_line,
        Note: _note,
        Queued: _queued,
        Recorded: _recorded,
        Released: _released,
        Reply: _reply,
        Restored: _restored,
        Sent: _sent,
        ServerEvent: _server_event,
        ServerPaused: _server_paused,
        StateChange: _state_change,
        TaskEnded: _task_ended,
        WatchEvent: _watch_event,
    }


def _numbers(servers: Iterable[int]) -> str:
    return " ".join(map(str, sorted(servers)))


def _asked(sent: Sent, brief: bool = False) -> str:
    more = shown.request(sent.operation, sent.frame, brief=brief)
    return " ".join([sent.operation, *sent.paths]) + (f", {more}" if more else "")


def _said(reply: Reply) -> str:
    """What a reply says that its request does not."""
    said = shown.reply(reply.operation, reply.frame)
    return "" if said in [f"path={path!r}" for path in reply.paths] else said


def _session_asked_for(frame: bytes) -> int:
    try:
        return read_connect_request(Reader(frame, 4)).session_id
    except JuteError:
        return 0
