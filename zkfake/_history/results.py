"""What replies say, as far as judges ask for it, and which request a transaction carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._database.log import Create, SetData
from zkfake._protocol.frames import REPLY_BODY
from zkfake._protocol.jute import JuteError, Reader
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import (
    ANY_VERSION,
    CREATE_FLAGS,
    STAT,
    Acl,
    Acls,
    Code,
    Op,
    Stat,
    read_stat,
)

if TYPE_CHECKING:
    from zkfake._database.log import Transaction
    from zkfake._history.events import Reply
    from zkfake._history.reading import Exchange, SessionSeen

__all__ = [
    "Found",
    "Read",
    "Written",
    "asks_for",
    "children_of",
    "found",
    "read_of",
    "take_asked",
    "written",
]


class Read(NamedTuple):
    """What a reply says of one znode. ``data`` is ``None`` in the reply to ``exists`` too."""

    data: bytes | None
    czxid: int
    mzxid: int
    version: int
    owner: int
    children: int
    pzxid: int
    cversion: int


class Found(NamedTuple):
    """What a reply says that a client found at one path. What it does not say is ``None``."""

    path: str
    missing: bool
    """Whether nothing was there."""
    read: Read | None = None
    has_data: bool = False
    """Whether the data in ``read`` are what was found."""
    names: list[str | None] | None = None
    acls: Acls | None = None


class Written(NamedTuple):
    """One write that was acknowledged. ``version`` is -1 where the reply does not tell it."""

    kind: str
    path: str
    data: bytes | None
    sequential: bool
    ephemeral: bool
    version: int


def _stat(frame: bytes, at: int, data: bytes | None) -> Read | None:
    if len(frame) < at + STAT.size:
        return None
    czxid, mzxid, _, _, version, cversion, _, owner, _, children, pzxid = STAT.unpack_from(
        frame, at
    )
    return Read(data, czxid, mzxid, version, owner, children, pzxid, cversion)


def found(exchange: Exchange, reply: Reply) -> list[Found]:
    """What a read found, at one path or several; nothing for what was refused or is unreadable."""
    operation, paths = reply.operation, reply.paths
    if operation == "multiRead":
        return [] if reply.error or exchange.record is None else _many(exchange.record, reply)
    if operation not in _READS or len(paths) != 1 or reply.error not in (Code.OK, Code.NO_NODE):
        return []
    path = paths[0] or "/"
    if reply.error:
        return [Found(path, True)]
    if operation == "getChildren":
        names = children_of(reply.frame)
        return [] if names is None else [Found(path, False, names=names)]
    if operation == "getACL":
        return _acls_of(path, reply.frame)
    read = read_of(operation, reply.frame)
    if read is None:
        return []
    names = children_of(reply.frame) if operation == "getChildren2" else None
    return [Found(path, False, read, operation == "getData", names)]


_READS = frozenset({"exists", "getData", "getChildren", "getChildren2", "getACL"})


def _acls_of(path: str, frame: bytes) -> list[Found]:
    try:
        reader = Reader(frame, REPLY_BODY)
        acls = reader.read_vector(
            lambda: Acl(reader.read_int(), reader.read_string(), reader.read_string())
        )
    except JuteError:
        return []
    read = _stat(frame, len(frame) - reader.left, None)
    return [Found(path, False, read, acls=tuple(acls or ()))]


def _many(record: Any, reply: Reply) -> list[Found]:
    """The parts of a ``multiRead`` that were not refused."""
    reader, many = Reader(reply.frame, REPLY_BODY), []
    try:
        for part in record.operations:
            path = part.record.path or "/"
            op, done, _ = reader.read_int(), reader.read_bool(), reader.read_int()
            if done:
                break
            if op == Op.ERROR:
                if reader.read_int() == Code.NO_NODE:
                    many.append(Found(path, True))
            elif op == Op.GET_DATA:
                data, stat = reader.read_buffer(), read_stat(reader)
                many.append(Found(path, False, _read(data, stat), True))
            else:
                many.append(Found(path, False, names=reader.read_vector(reader.read_string)))
    except (JuteError, ValueError):
        return []
    return many


def _read(data: bytes | None, stat: Stat) -> Read:
    return Read(
        data,
        stat.czxid,
        stat.mzxid,
        stat.version,
        stat.ephemeral_owner,
        stat.num_children,
        stat.pzxid,
        stat.cversion,
    )


def read_of(operation: str, frame: bytes) -> Read | None:
    """What ``exists``, ``getData`` or ``getChildren2`` found; ``None`` for what is unreadable."""
    if operation == "exists":
        return _stat(frame, REPLY_BODY, None)
    try:
        reader = Reader(frame, REPLY_BODY)
        data = None
        if operation == "getData":
            data = reader.read_buffer()
        else:
            reader.read_vector(reader.read_buffer)
    except JuteError:
        return None
    return _stat(frame, len(frame) - reader.left, data)


def children_of(frame: bytes) -> list[str | None] | None:
    """What ``getChildren`` or ``getChildren2`` found."""
    try:
        reader = Reader(frame, REPLY_BODY)
        return reader.read_vector(reader.read_string)
    except JuteError:
        return None


def written(exchange: Exchange, reply: Reply) -> list[Written]:
    """What an acknowledged write did; nothing for what is unreadable or refused."""
    record = exchange.record
    if record is None or reply.error:
        return []
    reader = Reader(reply.frame, REPLY_BODY)
    try:
        if reply.operation == "multi":
            return _multi(record, reader)
        found = _one(reply.operation, record, reader, with_stat=reply.operation != "create")
    except (JuteError, ValueError):
        return []
    return [] if found is None else [found]


def _multi(record: Any, reader: Reader) -> list[Written]:
    found = []
    for sub in record.operations:
        op, done, _ = reader.read_int(), reader.read_bool(), reader.read_int()
        if done or op == Op.ERROR:
            return []
        one = _one(_NAMES.get(sub.op, ""), sub.record, reader, with_stat=op == Op.CREATE2)
        if one is not None:
            found.append(one)
    return found


_NAMES: dict[int, str] = {
    Op.CREATE: "create",
    Op.CREATE2: "create",
    Op.CREATE_CONTAINER: "create",
    Op.CREATE_TTL: "create",
    Op.DELETE: "delete",
    Op.SET_DATA: "setData",
    Op.CHECK: "check",
}


def _one(operation: str, record: Any, reader: Reader, *, with_stat: bool) -> Written | None:
    if operation.startswith("create"):
        path = reader.read_string() or ""
        if with_stat:
            read_stat(reader)
        mode = CREATE_FLAGS.get(record.flags, CREATE_FLAGS[0])
        return Written("create", path, record.data, mode.sequential, mode.ephemeral, 0)
    if operation == "setData":
        version = read_stat(reader).version
        return Written("setData", record.path or "", record.data, False, False, version)
    if operation in ("delete", "deleteContainer"):
        return Written("delete", record.path or "", None, False, False, -1)
    return None


_OP_NAMES = {int(op): row.name for op, row in OPERATIONS.items()}


def asks_for(exchange: Exchange, done: Transaction) -> bool:
    """Whether this transaction is what was asked for; of one that failed only the operation is
    known.
    """
    if _OP_NAMES.get(done.op) != exchange.sent.operation:
        return False
    record = exchange.record
    if record is None or done.error:
        return True
    if done.op is Op.MULTI:
        parts = record.operations
        return len(parts) == len(done.operations) and all(
            _is(sub.record, operation)
            for sub, operation in zip(parts, done.operations, strict=True)
        )
    if done.op is Op.RECONFIG:
        return True
    return len(done.operations) == 1 and _is(record, done.operations[0])


def take_asked(session: SessionSeen, done: Transaction) -> Exchange | None:
    """The request of the session that this transaction carries out, if there is one. It is taken
    out of `SessionSeen.sent`, with those whose time is over: what was sent before it, on the same
    connection or on one that its connection was made after.
    """
    sent = session.sent
    if sent and asks_for(sent[0], done):  # mostly
        return sent.popleft()
    place = next((place for place, each in enumerate(sent) if asks_for(each, done)), None)
    if place is None:
        return None
    before = [sent.popleft() for _ in range(place)]
    exchange = sent.popleft()
    connection = exchange.connection
    sent.extendleft(
        each
        for each in reversed(before)
        if each.connection is not connection and not connection.is_behind(each.connection)
    )
    return exchange


def _is(record: Any, operation: Any) -> bool:
    kind, path = type(operation), record.path or ""
    there: str = operation.path
    fields = record._fields
    if ("flags" in fields) != (kind is Create):
        return False
    if ("data" in fields) != (kind in (Create, SetData)):
        return False
    if kind in (Create, SetData) and operation.data != getattr(record, "data", b""):
        return False
    # Versions count in 32 bits.
    if kind is SetData and record.version not in (
        ANY_VERSION,
        operation.version - 1,
        operation.version - 1 + 2**32,
    ):
        return False
    mode = CREATE_FLAGS.get(record.flags) if kind is Create else None
    # The request that makes a container makes one where it asks for an ephemeral znode, too.
    if mode is not None and mode.ephemeral and not (operation.owner or operation.reap):
        return False
    return there.startswith(path) if mode is not None and mode.sequential else there == path
