"""What every judge is: it hears of what happens in a history, in order, and says what it found."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from zkfake._history.verdict import MOST_EVIDENCE, Checked, Finding

if TYPE_CHECKING:
    from zkfake._history.errors import GuaranteeBroken
    from zkfake._history.events import (
        Claimed,
        Committed,
        DictAnswered,
        DictAsked,
        DictOpened,
        DictSent,
        DictShown,
        Event,
        Fault,
        Logged,
        Recorded,
        Released,
        Reply,
        Restored,
        ServerEvent,
        StateChange,
        WatchEvent,
    )
    from zkfake._history.reading import ConnectionSeen, Exchange, Reading
    from zkfake._history.states import Changed

__all__ = ["Judge"]

_MOST_FINDINGS = 10

NO_LOG = "there is no log of what was committed"


class Judge:
    """One named check. A subclass has those of the methods ``on_...`` that it wants to be called.

    Each call costs O(1) or O(log n), and what is kept is bounded by what `Reading` keeps.
    """

    name: ClassVar[str]
    error: ClassVar[type[GuaranteeBroken]]
    needs_log: ClassVar[bool] = False
    """Whether nothing can be decided without the log of what was committed."""
    why_log: ClassVar[str] = NO_LOG
    """Why not, for people."""
    needs_no_log: ClassVar[bool] = False
    """Whether nothing is left to be decided where there is one."""

    def __init__(self) -> None:
        self.title = self.name
        self.times = 0
        """What was checked so far."""
        self.found: list[Finding] = []
        self.remarks: list[Finding] = []
        self._undecided: Counter[str] = Counter()
        self.reading: Reading

    def begin(self, reading: Reading) -> None:
        """Called before the first event. From now on the judge hears of what it has a method for,
        unless it can decide nothing.
        """
        self.reading = reading
        if self.needs_log and not reading.has_log:
            self.undecided(self.why_log)
            return
        for name in vars(Judge):
            if name.startswith("on_") and getattr(type(self), name) is not getattr(Judge, name):
                reading.listen(name, getattr(self, name))

    @property
    def promise(self) -> str:
        """What the judge holds the history to: the first sentence of its docstring."""
        text = inspect.getdoc(type(self)) or ""
        return " ".join(text.split("\n\n")[0].split())

    @property
    def checked(self) -> Checked:
        return Checked(self.title, self.times, tuple((+self._undecided).items()))

    def broken(
        self,
        text: str,
        *evidence: Event | Logged | None,
        error: type[GuaranteeBroken] | None = None,
        unfinished: bool = False,
    ) -> None:
        """A guarantee is broken, ``error`` where it is not the judge's own. ``evidence``: what
        shows it; what is ``None`` is left out. ``unfinished``: something never came.
        """
        if len(self.found) < _MOST_FINDINGS:
            self.found.append(self._finding(text, evidence, error or self.error, unfinished))

    def remark(self, text: str, *evidence: Event | Logged | None) -> None:
        """Something is worth to be known."""
        if len(self.remarks) < _MOST_FINDINGS:
            self.remarks.append(self._finding(text, evidence, self.error))

    def _finding(
        self,
        text: str,
        evidence: tuple[Event | Logged | None, ...],
        error: type[GuaranteeBroken],
        unfinished: bool = False,
    ) -> Finding:
        events = {id(each): each for each in evidence if each is not None}
        shown = sorted(events.values(), key=lambda event: event.time)
        first = tuple(shown[:MOST_EVIDENCE])
        return Finding(self.title, self.promise, text, first, error, unfinished)

    def undecided(self, why: str, count: int = 1) -> None:
        """Something could not be decided."""
        self._undecided[why] += count

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

    def on_state_change(self, event: StateChange) -> None:
        """A client's connection state changed."""

    def on_claimed(self, event: Claimed) -> None:
        """The program claims something."""

    def on_released(self, event: Released) -> None:
        """The program gives it back."""

    def on_recorded(self, event: Recorded) -> None:
        """The program recorded something."""

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

    def on_end(self) -> None:
        """The history is over."""
