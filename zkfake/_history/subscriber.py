"""What hears of a history, event by event: judges, and what looks for habits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkfake._history.events import (
        CallbackBegan,
        CallbackEnded,
        Claimed,
        Committed,
        DictAnswered,
        DictAsked,
        DictOpened,
        DictSent,
        DictShown,
        Fault,
        Queued,
        Recorded,
        Released,
        Reply,
        Restored,
        ServerEvent,
        StateChange,
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
    from zkfake._history.reading import ConnectionSeen, Exchange, Reading, WriteSeen
    from zkfake._history.states import Changed, Key

__all__ = ["Subscriber"]


class Subscriber:
    """Hears of what happens in a history, in order. A subclass has those of the methods ``on_...``
    that it wants to be called.

    Each call costs O(1) or O(log n), and what is kept is bounded by what `Reading` keeps.
    """

    reading: Reading

    def begin(self, reading: Reading) -> None:
        """Called before the first event. From now on it hears of what it has a method for."""
        self.reading = reading
        for name in vars(Subscriber):
            if name.startswith("on_") and getattr(type(self), name) is not getattr(
                Subscriber, name
            ):
                reading.listen(name, getattr(self, name))

    # -- what happens

    def on_connected(self, connection: ConnectionSeen) -> None:
        """A connection was made."""

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        """A client saw the end of a connection."""

    def on_handshake(
        self, connection: ConnectionSeen, exchange: Exchange, reply: Reply, session_id: int
    ) -> None:
        """The first request was answered; ``session_id`` is 0 where the session is over."""

    def on_sent(self, exchange: Exchange) -> None:
        """A client sent a request."""

    def on_overtaken(self, first: Exchange, exchange: Exchange, reply: Reply) -> None:
        """``exchange`` was answered before ``first``, which was sent before it."""

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        """A client got a reply. What its connection and session have seen is as before it."""

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        """A client got a watch event."""

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        """The ensemble committed a transaction; ``changes`` are in `Reading.states` already."""

    def on_restored(self, entry: Restored) -> None:
        """A test went back to another state; it is in `Reading.states` already."""

    def on_server_event(self, event: ServerEvent) -> None:
        """A server did something."""

    def on_fault(self, event: Fault) -> None:
        """A fault began, ended or struck."""

    def on_claimed(self, event: Claimed) -> None:
        """The program claims something."""

    def on_released(self, event: Released) -> None:
        """The program gives it back."""

    def on_recorded(self, event: Recorded) -> None:
        """The program recorded something."""

    def on_state_change(self, event: StateChange) -> None:
        """A client was told of another state of its connection. Simulations only."""

    def on_queued(self, event: Queued) -> None:
        """A client is about to send what waited for a connection. Simulations only."""

    def on_callback_began(self, event: CallbackBegan) -> None:
        """A client calls a function that watches. Simulations only."""

    def on_callback_ended(self, event: CallbackEnded) -> None:
        """The function has returned. Simulations only."""

    def on_dict_opened(self, event: DictOpened) -> None:
        """The program makes a dict."""

    def on_dict_asked(self, event: DictAsked) -> None:
        """A call of a dict begins."""

    def on_dict_sent(self, event: DictSent) -> None:
        """A dict sends a write."""

    def on_dict_answered(self, event: DictAnswered) -> None:
        """A call of a dict ends."""

    def on_dict_shown(self, event: DictShown) -> None:
        """A dict shows another state."""

    # -- what servers do among themselves

    def on_elected(self, event: Elected) -> None:
        """A server was elected."""

    def on_followed(self, event: Followed) -> None:
        """Others follow a leader, or its quorum is another one. Virtual time only."""

    def on_last_heard(self, event: LastHeard) -> None:
        """A leader lets a session expire that another server had told it of. Virtual time only."""

    def on_configured(self, event: Configured) -> None:
        """A server takes a configuration for committed, or proposes it."""

    def on_applied_next(self, event: AppliedNext) -> None:
        """A server applies what does not have the next number."""

    def on_link_changed(self, event: LinkChanged) -> None:
        """A link between servers was cut, or mended."""

    def on_server_paused(self, event: ServerPaused) -> None:
        """A server stands still, or is awake again."""

    # -- what `zkfake._history.detectors.seen` tells detectors

    def on_write(self, write: WriteSeen) -> None:
        """A change of a znode took effect."""

    def on_watch_set(
        self, connection: ConnectionSeen, key: Key, reply: Reply, before: Reply | None
    ) -> None:
        """A watch that is called once was set. ``before``: what set it already."""

    def on_watch_told(
        self, connection: ConnectionSeen, key: Key, event: WatchEvent, reply: Reply
    ) -> None:
        """It was called. ``reply``: what had set it."""

    def on_watch_removed(self, connection: ConnectionSeen, key: Key) -> None:
        """It was taken away."""

    def on_watch_added(self, connection: ConnectionSeen, exchange: Exchange, reply: Reply) -> None:
        """A persistent watch was set. Of the other watches of this connection nothing is told any
        more.
        """

    # -- the end

    def on_end(self) -> None:
        """The history is over."""
