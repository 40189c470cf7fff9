"""The events of a run, as named tuples.

Every event's first field is the time in seconds since the start of the run. ``repr`` of an event
depends on the run only, so two runs can be compared. An event keeps whole frames; ``repr`` shortens
them (`zkfake._history.shown`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zkfake._history import shown

if TYPE_CHECKING:
    from zkfake._database.log import Transaction
    from zkfake._protocol.records import Acls

__all__ = [
    "Claimed",
    "Committed",
    "Connected",
    "Disconnected",
    "Event",
    "Fault",
    "Logged",
    "Note",
    "Recorded",
    "Released",
    "Reply",
    "Restored",
    "Scalar",
    "Sent",
    "ServerEvent",
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
    """A client found its connection closed, or closed it (``by`` is then ``"client"``)."""

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
    """A client's connection state changed: CONNECTED, SUSPENDED or LOST."""

    time: float
    client: str
    state: str


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


class TaskEnded(NamedTuple):
    """A task ended; ``error`` is the type of the exception that ended it, or empty."""

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
    """A test restored another state, which is not a transaction of the log. It is in `History.log`,
    too.
    """

    time: float
    zxid: int
    znodes: tuple[Kept, ...]

    def __repr__(self) -> str:
        return f"Restored({self.time!r}, zxid={self.zxid:#x}, {len(self.znodes)} znodes)"


Logged = Committed | Restored
"""An entry of `History.log`."""

Event = (
    Claimed
    | Connected
    | Disconnected
    | Sent
    | Reply
    | WatchEvent
    | StateChange
    | Fault
    | ServerEvent
    | Note
    | Recorded
    | Released
    | TaskEnded
)


def _and(text: str) -> str:
    return f", {text}" if text else ""
