"""The events of a run, as named tuples.

Every event's first field is the time in seconds since the start of the run. ``repr`` of an event
depends on the run only, so two runs can be compared. An event keeps whole frames; ``repr`` shortens
them (`zkfake._history.shown`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zkfake._history import shown
from zkfake._history.inside import Inside

if TYPE_CHECKING:
    from zkfake._database.log import Transaction
    from zkfake._protocol.records import Acls

__all__ = [
    "CallbackBegan",
    "CallbackEnded",
    "Claimed",
    "Committed",
    "Connected",
    "DictAnswered",
    "DictAsked",
    "DictOpened",
    "DictSent",
    "DictShown",
    "Disconnected",
    "Event",
    "Fault",
    "LogLine",
    "Logged",
    "Note",
    "Queued",
    "Recorded",
    "Released",
    "Reply",
    "Restored",
    "Scalar",
    "Sent",
    "ServerEvent",
    "ShownKey",
    "StateChange",
    "TaskEnded",
    "WatchEvent",
]


class Connected(NamedTuple):
    """A client's network connection, numbered in ``connection``, was accepted by a server."""

    time: float
    client: str
    connection: int
    server: int


class Disconnected(NamedTuple):
    """A client found its connection closed (``by`` is ``"server"``), or closed it
    (``"client"``).
    """

    time: float
    client: str
    connection: int
    by: str


class Sent(NamedTuple):
    """A client sent a request. ``number`` counts the requests of the whole run, without pings, from
    1.
    """

    time: float
    client: str
    connection: int
    number: int
    xid: int
    operation: str
    paths: tuple[str, ...]
    frame: bytes

    def __repr__(self) -> str:
        return (
            f"Sent({self.time!r}, {self.client!r}, connection={self.connection}, "
            f"number={self.number}, xid={self.xid}, {self.operation}, {self.paths!r}"
            f"{_and(shown.request(self.operation, self.frame))})"
        )


class Reply(NamedTuple):
    """The reply to request ``number`` reached its client. ``frame`` is the whole reply."""

    time: float
    client: str
    connection: int
    number: int
    xid: int
    operation: str
    paths: tuple[str, ...]
    zxid: int
    error: int
    frame: bytes

    def __repr__(self) -> str:
        return (
            f"Reply({self.time!r}, {self.client!r}, connection={self.connection}, "
            f"number={self.number}, xid={self.xid}, {self.operation}, {self.paths!r}, "
            f"zxid={self.zxid:#x}{_and(shown.reply(self.operation, self.frame))})"
        )


class WatchEvent(NamedTuple):
    """A watch event reached its client. ``zxid`` is -1 from servers before 3.9."""

    time: float
    client: str
    connection: int
    type: str
    path: str
    zxid: int

    def __repr__(self) -> str:
        return (
            f"WatchEvent({self.time!r}, {self.client!r}, connection={self.connection}, "
            f"{self.type}, {self.path!r}, zxid={self.zxid:#x})"
        )


class StateChange(NamedTuple):
    """A client's connection state changed: CONNECTED, SUSPENDED or LOST. Recorded in
    simulations.
    """

    time: float
    client: str
    state: str


class Queued(NamedTuple):
    """A client is connected, and sends next the ``waiting`` requests that the program made while it
    was not. Recorded in simulations.
    """

    time: float
    client: str
    waiting: int


class CallbackBegan(NamedTuple):
    """A client calls a function that watches. Recorded in simulations.

    ``number`` counts the calls of the client, from 1. ``function``: its qualified name. ``type`` is
    ``"NONE"`` for an event of the connection.
    """

    time: float
    client: str
    number: int
    function: str
    type: str
    path: str


class CallbackEnded(NamedTuple):
    """The function of call ``number`` has returned, or raised. Recorded in simulations."""

    time: float
    client: str
    number: int


class Fault(NamedTuple):
    """A fault began, ended or hit something."""

    time: float
    name: str
    text: str


class ServerEvent(NamedTuple):
    """A server did something by itself: looked for a leader, won an election, opened a session.
    ``epoch`` is the newest one that it follows or leads, 0 without an ensemble; ``name`` is one of
    `zkfake._ensemble.events.Name`.
    """

    time: float
    server: int
    epoch: int
    name: str
    text: str

    def __repr__(self) -> str:
        return (
            f"ServerEvent({self.time!r}, server={self.server}, epoch={self.epoch}, "
            f"{self.name}{': ' if self.text else ''}{self.text})"
        )


class Note(NamedTuple):
    """A mark that the program made with `History.note`."""

    time: float
    task: str
    text: str


class LogLine(NamedTuple):
    """A program logged something, and the simulation wanted it. ``logger``: the name of the logger.
    ``level``: the name of the level. ``text``: the message, and the error that goes with it.
    """

    time: float
    task: str
    logger: str
    level: str
    text: str


class TaskEnded(NamedTuple):
    """A task failed; ``error`` is the name of the exception's type. Recorded in simulations."""

    time: float
    task: str
    error: str


Scalar = str | bytes | int | float | bool | None
"""The values that a program may record. Each has one form in a file, and is equal to what is read
back.
"""


class Claimed(NamedTuple):
    """A program believes from now on that it holds ``name``: `History.claim`.

    ``number`` counts the claims of the run, from 1. ``znode``: the path of the znode that stands
    for it, if there is one; the claim is good while that znode exists. ``client``: who has to have
    made it, if the program says so.
    """

    time: float
    task: str
    number: int
    name: str
    znode: str | None
    client: str | None = None


class Released(NamedTuple):
    """A program began to release what it had claimed, or knows that it has lost it."""

    time: float
    task: str
    number: int
    name: str


class Recorded(NamedTuple):
    """A program did ``name`` to ``key``: `History.record`."""

    time: float
    task: str
    name: str
    key: Scalar
    value: Scalar


class DictOpened(NamedTuple):
    """A program made a `ZooKeeperDict` of the znode at ``path``. ``dict`` counts them, from 1."""

    time: float
    task: str
    dict: int
    path: str


class DictAsked(NamedTuple):
    """A program calls a method of a dict. ``number`` counts the calls of the run, from 1."""

    time: float
    task: str
    dict: int
    number: int
    call: str


class DictSent(NamedTuple):
    """A dict sends a write, for the call ``number``; 0 for none. ``writes``: the data of each
    child after it, ``None`` for one that is gone.
    """

    time: float
    task: str
    dict: int
    number: int
    session: int
    writes: tuple[tuple[str, bytes | None], ...]

    def __repr__(self) -> str:
        return (
            f"DictSent({self.time!r}, {self.task!r}, dict={self.dict}, number={self.number}, "
            f"session={self.session:#x}, {shown.writes(self.writes)})"
        )


class DictAnswered(NamedTuple):
    """A call of a dict ends. ``outcome``: "returned", "uncertain", or the name of an error."""

    time: float
    task: str
    dict: int
    number: int
    outcome: str


class ShownKey(NamedTuple):
    """A child as a dict shows it: ``czxid`` is 0 where it is gone, -1 where it may not be read."""

    name: str
    data: bytes | None
    version: int
    czxid: int
    mzxid: int


class DictShown(NamedTuple):
    """Reads of a dict find another state from now on. ``updated``: what `last_updated` says.
    ``exact``: whether it is the state at ``zxid``, and not only as new as that. ``changes``: the
    children that differ from the state before.
    """

    time: float
    dict: int
    zxid: int
    updated: int
    exact: bool
    changes: tuple[ShownKey, ...]

    def __repr__(self) -> str:
        return (
            f"DictShown({self.time!r}, dict={self.dict}, zxid={self.zxid:#x}, "
            f"updated={self.updated:#x}, {'exact' if self.exact else 'not exact'}, "
            f"{len(self.changes)} changes)"
        )


class Committed(NamedTuple):
    """The ensemble committed a transaction. It is in `History.log`, not among the events, because
    clients cannot see it.

    ``on_disk``: the servers that had it on their disks then. ``voters``: those of which it took
    more than half; none where there is one server, or a quorum is something else than that.
    """

    time: float
    transaction: Transaction
    on_disk: tuple[int, ...] = ()
    voters: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"Committed({self.time!r}, {shown.transaction(self.transaction)})"


class Kept(NamedTuple):
    """A znode of a restored state."""

    path: str
    data: bytes | None
    acl: Acls
    czxid: int
    mzxid: int
    version: int
    owner: int


class Restored(NamedTuple):
    """The ensemble goes on from another state, which no transaction of the log has made: a test has
    restored it, or the history begins with it. It is in `History.log`, too.
    """

    time: float
    zxid: int
    znodes: tuple[Kept, ...]

    def __repr__(self) -> str:
        return f"Restored({self.time!r}, zxid={self.zxid:#x}, {len(self.znodes)} znodes)"


Logged = Committed | Restored
"""An entry of `History.log`."""

Event = (
    Inside
    | CallbackBegan
    | CallbackEnded
    | Claimed
    | Connected
    | DictAnswered
    | DictAsked
    | DictOpened
    | DictSent
    | DictShown
    | Disconnected
    | Sent
    | Reply
    | WatchEvent
    | StateChange
    | Fault
    | ServerEvent
    | LogLine
    | Note
    | Queued
    | Recorded
    | Released
    | TaskEnded
)


def _and(text: str) -> str:
    return f", {text}" if text else ""
