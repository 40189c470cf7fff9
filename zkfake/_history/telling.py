"""What an event says, in words: who it happened to, and what.

Rules that live here: a session is called by its client, a request by its number, a server by the
connection that leads to it. Who is who is known once the whole history was met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from zkfake._history import shown
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Telling"]


class Telling:
    """The words for the events of one history."""

    def __init__(self, entries: Iterable[Event | Logged]) -> None:
        """Cost: linear in the history."""
        self.servers: dict[int, int] = {}
        """The server of each connection."""
        self.clients: dict[int, str] = {}
        """The client of each session."""
        for event in entries:
            if isinstance(event, Connected):
                self.servers[event.connection] = event.server
            elif isinstance(event, Reply) and event.operation == "connect":
                session = int.from_bytes(event.frame[12:20], "big", signed=True)
                if session:
                    self.clients[session] = event.client

    def __call__(self, event: Event | Logged) -> tuple[str, str]:
        """Who it happened to, and what."""
        return self._words[type(event)](self, event)

    def _server(self, event: Any) -> str:
        server = self.servers.get(event.connection)
        return "a server" if server is None else f"server {server}"

    def _sent(self, event: Sent) -> tuple[str, str]:
        more = shown.request(event.operation, event.frame)
        asked = " ".join([event.operation, *event.paths]) + (f", {more}" if more else "")
        return event.client, f"asks {self._server(event)}: {asked} (request {event.number})"

    def _reply(self, event: Reply) -> tuple[str, str]:
        more = shown.reply(event.operation, event.frame)
        asked = " ".join([event.operation, *event.paths])
        as_of = f", as of {event.zxid:#x}" if event.zxid > 0 else ""
        text = f"is answered {asked}: {more or 'done'}{as_of} (request {event.number})"
        return event.client, text

    def _watch_event(self, event: WatchEvent) -> tuple[str, str]:
        at = f", at {event.zxid:#x}" if event.zxid > 0 else ""
        return event.client, f"is told by {self._server(event)}: {event.type} {event.path}{at}"

    def _committed(self, event: Committed) -> tuple[str, str]:
        done = event.transaction
        client = self.clients.get(done.session_id)
        whose = f", for {client}" if client else ""
        return "ensemble", f"commits {done.zxid:#x}: {shown.outcome(done)}{whose}"

    def _restored(self, event: Restored) -> tuple[str, str]:
        return "ensemble", f"goes back to another state, at {event.zxid:#x}"

    def _connected(self, event: Connected) -> tuple[str, str]:
        return event.client, f"connects to server {event.server}"

    def _disconnected(self, event: Disconnected) -> tuple[str, str]:
        by = "closes its connection" if event.by == "client" else "loses its connection"
        return event.client, f"{by} to {self._server(event)}"

    def _state_change(self, event: StateChange) -> tuple[str, str]:
        return event.client, f"is {event.state}"

    def _fault(self, event: Fault) -> tuple[str, str]:
        return "fault", f"{event.name}: {event.text}"

    def _server_event(self, event: ServerEvent) -> tuple[str, str]:
        text = event.text
        for session, client in self.clients.items():
            text = text.replace(f"{session:#x}", f"that of {client}")
        return f"server {event.server}", f"{event.name}{': ' if text else ''}{text}"

    def _note(self, event: Note) -> tuple[str, str]:
        return event.task, f"notes: {event.text}"

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

    _words: ClassVar[dict[type, Callable[[Telling, Any], tuple[str, str]]]] = {
        Claimed: _claimed,
        Committed: _committed,
        Connected: _connected,
        Disconnected: _disconnected,
        Fault: _fault,
        Note: _note,
        Recorded: _recorded,
        Released: _released,
        Reply: _reply,
        Restored: _restored,
        Sent: _sent,
        ServerEvent: _server_event,
        StateChange: _state_change,
        TaskEnded: _task_ended,
        WatchEvent: _watch_event,
    }
