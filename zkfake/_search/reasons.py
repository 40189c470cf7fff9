"""Why a run failed, in a sentence, where no judge says it: what a client took for true.

Rules that live here:

- A reason is a fact of the history. Which of them is told first depends on what the world needs: in
  one that needs a fault, what that fault comes to; in one that needs none, what two clients did to
  each other.
- What is told is in the smallest world that fails, so there is little in it that has nothing to do
  with the failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.log import Create
from zkfake._history.causes import Circumstances
from zkfake._history.detectors.callbacks import BLOCKED
from zkfake._history.detectors.seen import READS, asked_writes
from zkfake._history.names import LongNames
from zkfake._history.reading import WINDOW, Reading
from zkfake._history.states import CHILD, DATA, Changed, is_judged
from zkfake._history.subscriber import Subscriber
from zkfake._protocol.records import Op
from zkfake._search.causes import HANGS
from zkfake._search.ephemerals import outliving, staying
from zkfake._search.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkfake._history.events import (
        CallbackBegan,
        CallbackEnded,
        Committed,
        Event,
        Logged,
        Reply,
        WatchEvent,
    )
    from zkfake._history.reading import ConnectionSeen, Exchange
    from zkfake._history.recorder import History
    from zkfake._history.states import Key

__all__ = ["Reason", "reasons"]

_MOST = 3

_OF_FAULTS: tuple[str, ...] = (
    "at once", "stays", "done twice", "outlives", "lost watch", "blocked", "lost answer", "gap",
    "torn", "late server", "gone", "ended session", "overwrites", "forgets", "outdated", "waits",
)  # fmt: skip
_OF_ORDER: tuple[str, ...] = (
    "at once", "stays", "overwrites", "torn", "gap", "forgets", "blocked", "outdated",
    "late server", "waits", "done twice", "outlives", "lost watch", "lost answer", "gone",
    "ended session",
)  # fmt: skip
_OF_HANGS: tuple[str, ...] = ("blocked", "gap", "waits")
"""The kinds of reasons, the first one to be told first. Who hangs has most often missed what it
waits for.
"""


def reasons(
    history: History, error: BaseException, *, faults: bool, passing: History | None = None
) -> list[Reason]:
    """The one that explains most first; at most three. ``faults``: the failure needs a fault or a
    delay. ``passing``: a run that is much the same, and passes. Cost: linear in the histories.
    """
    entries = list(history.in_order())
    seen = Circumstances(entries, has_log=True)
    hangs = isinstance(error, HANGS)
    # Where all that is left is to wait, no event may come after that one.
    mistakes = _Mistakes(seen.done, patience=0.0 if hangs else BLOCKED)
    mistakes.read(entries)
    found = [*mistakes.found(), *outliving(entries, seen)]
    for kind, causes in seen.all_causes().items():
        for cause in causes:
            twice = kind == "lost answer" and cause.text.count("done at") > 1
            of = "done twice" if twice else kind
            found.append(Reason(of, cause.time, cause.text, cause.events))
    if passing is not None:
        found += staying(entries, passing.in_order(), seen)
    order = _OF_FAULTS if faults else _OF_ORDER
    if hangs:
        order = (*_OF_HANGS, *order)
    # Of one kind the last ones: they are nearest to the failure.
    found.sort(key=lambda each: (order.index(each.kind), -each.time))
    told = {each.text.partition(" (")[0] for each in found if each.kind in ("outlives", "gone")}
    found = [
        each
        for each in found
        if each.kind != "ended session" or each.text.partition(" (")[0] not in told
    ]
    if found and not hangs:  # what is watched at the end says little, where something else does
        found = [each for each in found if each.kind != "waits"] or found[:1]
    names = LongNames(entries)
    return [each._replace(text=names.shortened(each.text)) for each in found[:_MOST]]


class _Look(NamedTuple):
    """A read, and what it was of."""

    reply: Reply
    watches: bool


class _OpenCallback:
    """A function that watches, which was called."""

    __slots__ = ("began", "kept_waiting")

    def __init__(self, began: CallbackBegan) -> None:
        self.began = began
        self.kept_waiting: list[WatchEvent] = []
        """What its client was told of before it returned."""


class _Mistakes(Subscriber):
    """What a client took for true that another one had changed."""

    def __init__(self, done: dict[int, Committed], patience: float) -> None:
        """``patience``: seconds that a watch event may wait for a callback to return."""
        self._done = done
        self._patience = patience
        self._reasons: list[Reason] = []
        self._looks: dict[tuple[str, Key], _Look] = {}
        """The last read of each client and key."""
        self._since_write: dict[str, dict[Key, Reply]] = {}
        """What each client has read since its last write."""
        self._told: dict[tuple[str, Key], WatchEvent] = {}
        self._acts: list[tuple[Exchange, dict[Key, Reply]]] = []
        self._together: dict[str, list[Committed]] = {}
        """The transactions that have changed each znode together with another one."""
        self._calls: dict[str, _OpenCallback] = {}
        self._unanswered: dict[tuple[str, str, str], Exchange] = {}
        """The writes under way, by client, kind and path."""

    def read(self, entries: Sequence[Event | Logged]) -> None:
        """Read a history."""
        self.begin(reading := Reading(True, False, WINDOW))
        reading.read(entries)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        for write in [write for write, each in self._unanswered.items() if each is exchange]:
            del self._unanswered[write]
        table, record = READS.get(reply.operation), exchange.record
        if table is None or record is None or not is_judged(path := record.path):
            return
        key, client = (table, path), reply.client
        before = self._looks.get((client, key))
        self._looks[client, key] = _Look(reply, record.watch)
        self._since_write.setdefault(client, {})[key] = reply
        self._torn(path, reply)
        if before is None or before.watches or not record.watch or reply.operation != "exists":
            return
        # It keeps what it had read before it set its watch.
        missed = self._change(key, before.reply.zxid, client)
        if missed is not None and missed.zxid <= reply.zxid:
            self._add(
                "gap",
                reply.time,
                f"{client} read {path} as of {before.reply.zxid:#x}, and set a watch with another "
                f"request, as of {reply.zxid:#x}; {self._what(missed)} came in between. The read "
                "was too early to show it, and the watch was set too late to be called for it: "
                "only the answer to the second request shows it.",
                *(before.reply, missed.by, reply),
            )

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        paths = {each.path for each in changes if each.table == DATA}
        if len(paths) > 1:
            for path in paths:
                self._together.setdefault(path, []).append(entry)

    def on_callback_began(self, event: CallbackBegan) -> None:
        self._calls[event.client] = _OpenCallback(event)

    def on_callback_ended(self, event: CallbackEnded) -> None:
        call = self._calls.pop(event.client, None)
        if call is not None:
            self._blocked(call, event.time, event)

    def on_watch_event(self, _connection: ConnectionSeen, event: WatchEvent) -> None:
        if event.client in self._calls:
            self._calls[event.client].kept_waiting.append(event)
        for key in [(table, event.path) for table in set(READS.values())]:
            look = self._looks.get((event.client, key))
            if look is not None and look.watches:
                self._told[event.client, key] = event

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        for key in [key for key in self._unanswered if key[0] == connection.client]:
            del self._unanswered[key]

    def on_sent(self, exchange: Exchange) -> None:
        for one in asked_writes(exchange):
            if not one.sequential:
                self._at_once(one.kind, one.path, exchange)
        if any(asked_writes(exchange)):
            read = self._since_write.pop(exchange.sent.client, {})
            self._acts.append((exchange, read))

    def found(self) -> list[Reason]:
        """The reasons, once all was read."""
        for exchange, read in self._acts:
            done = self._done.get(exchange.sent.number)
            if done is not None:
                self._act(exchange, read, done)
        for (client, key), event in self._told.items():
            self._forgotten(client, key, event)
        for call in self._calls.values():
            self._blocked(call, self.reading.time, None)
        return self._reasons

    def _at_once(self, kind: str, path: str, exchange: Exchange) -> None:
        """What a client asks for while it waits for the answer to the same."""
        sent = exchange.sent
        first = self._unanswered.setdefault((sent.client, kind, path), exchange)
        if first is not exchange and kind != "setData":
            self._add(
                "at once",
                sent.time,
                f"{sent.client} asked twice at the same time for {kind} {path}: request "
                f"{sent.number} was sent before request {first.sent.number} was answered. Two of "
                "its threads do the same, or one does not wait for the answer.",
                *(first.sent, sent),
            )

    def _torn(self, path: str, reply: Reply) -> None:
        """What a client has read before a transaction, and this after it, which changed both."""
        client = reply.client
        for entry in reversed(self._together.get(path, ())):
            zxid = entry.transaction.zxid
            if zxid > reply.zxid:
                continue
            for other in sorted({each.path for each in entry.transaction.operations} - {path}):
                look = self._looks.get((client, (DATA, other)))
                change = look and self._change((DATA, other), look.reply.zxid, client)
                if look and change and change.zxid == zxid:
                    self._add(
                        "torn",
                        reply.time,
                        f"{client} read {other} as of {look.reply.zxid:#x}, and {path} as of "
                        f"{reply.zxid:#x}. {self._client(change)} changed both in one transaction, "
                        f"{zxid:#x}, after the first read and before the second: {client} has the "
                        f"old {other} and the new {path}.",
                        *(look.reply, entry, reply),
                    )
            return

    def _blocked(self, call: _OpenCallback, until: float, ended: CallbackEnded | None) -> None:
        """What a client was told of, and its program was not, as it was in a callback."""
        began, events = call.began, call.kept_waiting
        if not events or until - events[0].time < self._patience:
            return
        client, first = began.client, events[0]
        told = " and ".join(f"{each.type} {each.path}" for each in events[:2])
        more = f" and {len(events) - 2} more" if len(events) > 2 else ""
        returned = "has not returned" if ended is None else f"returned at {ended.time:.3f} s"
        self._add(
            "blocked",
            first.time,
            f"{client} called {began.function} at {began.time:.3f} s ({began.type} {began.path}). "
            f"It {returned}. A client calls such functions one after another, in one thread: "
            f"meanwhile nothing was called for {told}{more}, which came at {first.time:.3f} s.",
            *(began, *events[:2], ended),
        )

    def _act(self, exchange: Exchange, read: dict[Key, Reply], done: Committed) -> None:
        """What a write took for true that was not, when it was carried out."""
        client, zxid = exchange.sent.client, done.transaction.zxid
        for one in asked_writes(exchange):
            look = read.get((DATA, one.path))
            if one.kind == "setData" and not one.guarded and look is not None:
                change = self._change((DATA, one.path), look.zxid, client)
                if change is not None and change.zxid < zxid:
                    self._add(
                        "overwrites",
                        done.time,
                        f"{client} read {one.path} as of {look.zxid:#x}, and set it at {zxid:#x} "
                        f"without the version that it had read; {self._what(change)} came in "
                        "between, and was overwritten.",
                        *(look, change.by, done),
                    )
                    return
        for key, look in read.items():
            change = self._change(key, look.zxid, client)
            if change is not None and change.zxid < zxid:
                self._add(
                    "outdated",
                    done.time,
                    f"{client} read {key[1]} ({look.operation}) as of {look.zxid:#x}, and acted on "
                    f"it at {zxid:#x} ({_asked(exchange)}). By then it was out of date: "
                    f"{self._what(change)} came in between.",
                    *(look, change.by, done),
                )
                return

    def _forgotten(self, client: str, key: Key, event: WatchEvent) -> None:
        """What was told of once, and is not watched any more."""
        look = self._looks[client, key]
        if look.watches and look.reply.time >= event.time:
            return
        looked = look.reply.time >= event.time
        since = look.reply.zxid if looked else event.zxid
        missed = self._change(key, since, client)
        if missed is None:
            return
        what = "set no watch when it read it again" if looked else "did not read it again"
        self._add(
            "forgets",
            self._time(missed),
            f"{client} got a watch event for {event.path} ({event.zxid:#x}), and {what}: it got no "
            f"watch event for {self._what(missed)}.",
            *(event, *((look.reply,) if looked else ()), missed.by),
        )

    def _change(self, key: Key, zxid: int, client: str) -> Changed | None:
        """The first change above ``zxid`` that another client has made."""
        while True:
            change = self.reading.states.next_change(key[1], key[0], zxid)
            if change is None or self._client(change) != client:
                return change
            zxid = change.zxid

    def _client(self, change: Changed) -> str:
        transaction = getattr(change.by, "transaction", None)
        session = self.reading.sessions.get(getattr(transaction, "session_id", 0))
        return "" if session is None else session.client

    def _time(self, change: Changed) -> float:
        return 0.0 if change.by is None else change.by.time

    def _what(self, change: Changed) -> str:
        """A change, and whose it was."""
        transaction = getattr(change.by, "transaction", None)
        client = self._client(change)
        if transaction is None:
            return f"{change.zxid:#x}"
        if transaction.op is Op.CLOSE_SESSION:
            return f"the end of {client}'s session ({change.zxid:#x})"
        whose = f"{client}'s " if client else ""
        for each in transaction.operations if change.table == CHILD else ():
            if each.path.rpartition("/")[0] == change.path.rstrip("/"):
                kind = "create" if isinstance(each, Create) else "delete"
                return f"{whose}{kind} {each.path} ({change.zxid:#x})"
        return f"{whose}{_KINDS.get(change.type.name, 'change')} {change.path} ({change.zxid:#x})"

    def _add(self, kind: str, time: float, text: str, *events: Event | Logged | None) -> None:
        shown = tuple(event for event in events if event is not None)
        self._reasons.append(Reason(kind, time, text, shown))


_KINDS = {
    "CREATED": "create",
    "DELETED": "delete",
    "DATA_CHANGED": "setData",
    "CHILDREN_CHANGED": "change of the children of",
}


def _asked(exchange: Exchange) -> str:
    return " ".join([exchange.sent.operation, *exchange.sent.paths[:1]])
