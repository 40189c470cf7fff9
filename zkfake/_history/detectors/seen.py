"""What detectors hear of besides what judges do: watches as they are set and told, and writes that
took effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._database.log import Create, Delete, SetData
from zkfake._database.paths import split
from zkfake._history.reading import WriteSeen
from zkfake._history.results import written
from zkfake._history.states import CHILD, DATA
from zkfake._history.subscriber import Subscriber
from zkfake._protocol.records import CREATE_FLAGS, Code, Op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._history.events import Committed, Reply, StateChange, WatchEvent
    from zkfake._history.reading import ConnectionSeen, Exchange, Reading
    from zkfake._history.states import Changed, Key

__all__ = [
    "READS",
    "AskedWrite",
    "ClientSide",
    "TellsOfWatches",
    "TellsOfWrites",
    "asked_writes",
    "parent_of",
]

READS = {"getData": DATA, "exists": DATA, "getChildren": CHILD, "getChildren2": CHILD}
"""The reads that can set a watch, and in which table."""

_TABLES: dict[str, tuple[str, ...]] = {
    "CREATED": (DATA,),
    "DATA_CHANGED": (DATA,),
    "CHILDREN_CHANGED": (CHILD,),
    "DELETED": (DATA, CHILD),
}


class AskedWrite(NamedTuple):
    """One write that a client asks for. ``guarded``: it names the version that it is for, or
    another part of its multi does.
    """

    kind: str
    path: str
    guarded: bool
    sequential: bool


def parent_of(path: str) -> str:
    """The path above; that of the root is itself."""
    return split(path)[0] if path.startswith("/") and len(path) > 1 else "/"


def asked_writes(exchange: Exchange) -> Iterator[AskedWrite]:
    """What a request would write; nothing for what cannot be read."""
    record, operation = exchange.record, exchange.sent.operation
    if record is None:
        return
    if operation == "multi":
        checked = {sub.record.path for sub in record.operations if sub.op is Op.CHECK}
        for sub in record.operations:
            one = _asked(_KINDS.get(sub.op, ""), sub.record)
            if one is not None:
                yield one._replace(guarded=one.guarded or one.path in checked)
    else:
        one = _asked(operation, record)
        if one is not None:
            yield one


_KINDS: dict[int, str] = {
    Op.CREATE: "create",
    Op.CREATE2: "create",
    Op.CREATE_CONTAINER: "create",
    Op.CREATE_TTL: "create",
    Op.DELETE: "delete",
    Op.SET_DATA: "setData",
}


def _asked(operation: str, record: Any) -> AskedWrite | None:
    path = getattr(record, "path", None)
    if path is None:
        return None
    if operation.startswith("create"):
        mode = CREATE_FLAGS.get(record.flags, CREATE_FLAGS[0])
        return AskedWrite("create", path, False, mode.sequential)
    if operation in ("setData", "delete"):
        return AskedWrite(operation, path, record.version != -1, False)
    return None


class TellsOfWrites(Subscriber):
    """Tells of every write that took effect, ``on_write``: by the log of what was committed, or
    where there is none by what was acknowledged.
    """

    def begin(self, reading: Reading) -> None:
        super().begin(reading)
        self._tell = reading.tell

    def on_committed(self, entry: Committed, changes: list[Changed]) -> None:
        session = entry.transaction.session_id
        for operation in entry.transaction.operations:
            kind = _WRITES.get(type(operation))
            if kind is not None:
                self._tell("on_write", WriteSeen(kind, operation.path, session, entry))

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        if self.reading.has_log or reply.operation not in _ACKNOWLEDGED:
            return
        session = exchange.connection.session
        number = 0 if session is None else session.id
        for one in written(exchange, reply):
            self._tell("on_write", WriteSeen(one.kind, one.path, number, reply))


_WRITES: dict[type, str] = {Create: "create", SetData: "setData", Delete: "delete"}

_ACKNOWLEDGED = frozenset(
    {"create", "create2", "createContainer", "createTTL", "delete", "deleteContainer", "setData",
     "multi"}
)  # fmt: skip


class TellsOfWatches(Subscriber):
    """Tells of watches that are called once: when they are set, ``on_watch_set``, when their event
    arrives, ``on_watch_told``, and when they are taken away, ``on_watch_removed``. What goes with
    its connection is not told of.

    Nothing is told of a connection that has persistent watches, from the first of them on.
    """

    def __init__(self) -> None:
        self._set: dict[ConnectionSeen, dict[Key, Reply]] = {}

    def begin(self, reading: Reading) -> None:
        super().begin(reading)
        self._tell = reading.tell

    def on_connected(self, connection: ConnectionSeen) -> None:
        self._set[connection] = {}

    def on_disconnected(self, connection: ConnectionSeen) -> None:
        self._set.pop(connection, None)

    def on_reply(self, exchange: Exchange, reply: Reply) -> None:
        operation = reply.operation
        table = READS.get(operation)
        if table is not None:
            record = exchange.record
            if record is None or not record.watch:
                return
            if reply.error and not (operation == "exists" and reply.error == Code.NO_NODE):
                return
            watches = self._set.get(exchange.connection)
            if watches is not None:
                key = (table, record.path)
                before = watches.get(key)
                watches[key] = reply
                self._tell("on_watch_set", exchange.connection, key, reply, before)
        elif reply.error:
            return
        elif operation == "addWatch":
            self._set.pop(exchange.connection, None)
            self._tell("on_watch_added", exchange.connection, exchange, reply)
        elif operation == "removeWatches" and exchange.record is not None:
            for table, kind in ((CHILD, 1), (DATA, 2)):
                if exchange.record.value in (3, kind):
                    self._forget(exchange.connection, (table, exchange.record.path))

    def _forget(self, connection: ConnectionSeen, key: Key) -> None:
        watches = self._set.get(connection)
        if watches is not None and watches.pop(key, None) is not None:
            self._tell("on_watch_removed", connection, key)

    def on_watch_event(self, connection: ConnectionSeen, event: WatchEvent) -> None:
        watches = self._set.get(connection)
        if not watches:
            return
        for table in _TABLES.get(event.type, ()):
            key = (table, event.path)
            reply = watches.pop(key, None)
            if reply is not None:
                self._tell("on_watch_told", connection, key, event, reply)


class ClientSide(Subscriber):
    """Knows whether the history has what only clients can tell."""

    recorded = False

    def on_state_change(self, event: StateChange) -> None:
        self.recorded = True
