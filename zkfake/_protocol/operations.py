"""The operations: for every operation code its name, how its record is read, and where it is
carried out.

`OPERATIONS` is the table, `operations_of` what one version has of it. Everything a client can tell
about the shape of a request is decided here; what the request *does* is not. Records are read as
the real server reads them, down to what it trips over: a path that is null, the creates of a multi.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
from typing import Any

from zkfake._protocol.jute import JuteError, Reader, pack_int
from zkfake._protocol.records import (
    CREATE_FLAGS,
    Acl,
    AuthRequest,
    CreateRequest,
    CreateSessionRequest,
    EmptyRequest,
    MultiRequest,
    Op,
    PathAndInt,
    PathRequest,
    ReconfigRequest,
    SaslRequest,
    SetAclRequest,
    SetDataRequest,
    SetWatchesRequest,
    SubRequest,
    VersionedPath,
    WatchableRead,
)
from zkfake._versions import Version

_OPEN = [Acl(31, "world", "anyone")]
_OPEN_PACKED = pack_int(1) + _OPEN[0].pack()
_NO_TTL = -1
_create = partial(tuple.__new__, CreateRequest)  # what its constructor ends with


def _read_create(reader: Reader) -> CreateRequest:
    path, data = reader.read_string(), reader.read_buffer()
    acl = _OPEN if reader.skip(_OPEN_PACKED) else _read_acls(reader)  # that of nearly every create
    return _create((path, data, acl, reader.read_int(), _NO_TTL))


def _read_create_ttl(reader: Reader) -> CreateRequest:
    return CreateRequest(
        reader.read_string(),
        reader.read_buffer(),
        _read_acls(reader),
        reader.read_int(),
        reader.read_long(),
    )


def _read_acls(reader: Reader) -> list[Acl] | None:
    return reader.read_vector(
        lambda: Acl(reader.read_int(), reader.read_string(), reader.read_string())
    )


def _read_versioned(reader: Reader) -> VersionedPath:
    return VersionedPath(reader.read_string(), reader.read_int())


def _read_watchable(reader: Reader) -> WatchableRead:
    return WatchableRead(reader.read_string(), reader.read_bool())


def _read_path(reader: Reader) -> PathRequest:
    return PathRequest(reader.read_string())


def _read_named_path(reader: Reader) -> PathRequest:
    path = reader.read_string()
    if path is None:
        raise JuteError("the path is null")
    return PathRequest(path)


def _read_frame_as_path(reader: Reader) -> PathRequest:
    return PathRequest(reader.whole().decode("utf-8", "zkfake.java"))


def _read_set_data(reader: Reader) -> SetDataRequest:
    return SetDataRequest(reader.read_string(), reader.read_buffer(), reader.read_int())


def _read_set_acl(reader: Reader) -> SetAclRequest:
    return SetAclRequest(reader.read_string(), _read_acls(reader), reader.read_int())


def _read_reconfig(reader: Reader) -> ReconfigRequest:
    return ReconfigRequest(
        reader.read_string(), reader.read_string(), reader.read_string(), reader.read_long()
    )


def _read_path_and_int(reader: Reader) -> PathAndInt:
    return PathAndInt(reader.read_string(), reader.read_int())


def _watch_reader(lists: int) -> Callable[[Reader], SetWatchesRequest]:
    def read(reader: Reader) -> SetWatchesRequest:
        zxid = reader.read_long()
        return SetWatchesRequest(
            zxid, tuple(reader.read_vector(reader.read_string) for _ in range(lists))
        )

    return read


def _read_auth(reader: Reader) -> AuthRequest:
    return AuthRequest(reader.read_int(), reader.read_string(), reader.read_buffer())


def _read_sasl(reader: Reader) -> SaslRequest:
    return SaslRequest(reader.read_buffer())


def _read_create_session(reader: Reader) -> CreateSessionRequest:
    return CreateSessionRequest(reader.read_int())


def _read_empty(_reader: Reader) -> EmptyRequest:
    return EmptyRequest()


class NullAclError(JuteError):
    """A create without an ACL list in a multi: the real server fails while it reads it."""


def read_multi(reader: Reader, *, by_mode_alone: bool = False) -> MultiRequest:
    """Headers and operations in turn until a header says done. All must be writes, or all reads.

    In a multi the create mode has a say in what is made (``org.apache.zookeeper.Op.Create``).
    ``by_mode_alone``: nothing else has, so every create is answered as ``create``; one that asks
    for a TTL without having room for it becomes an operation nobody can carry out. Otherwise a mode
    that does not exist, or that its operation cannot have, makes the multi unreadable.
    """
    operations: list[SubRequest] = []
    kinds = set()
    take = _create_by_mode if by_mode_alone else _create_by_operation
    while True:
        code, done, _error = reader.read_int(), reader.read_bool(), reader.read_int()
        if done:
            return MultiRequest(tuple(operations))
        read = MULTI_WRITES.get(code) or MULTI_READS.get(code)
        if read is None:
            raise JuteError(f"operation {code} cannot be part of a multi")
        sub = SubRequest(Op(code), read(reader))
        operations.append(take(sub) if isinstance(sub.record, CreateRequest) else sub)
        kinds.add(code in MULTI_READS)
        if len(kinds) == 2:
            raise JuteError("a multi cannot mix reads and writes")


def _create_by_mode(sub: SubRequest) -> SubRequest:
    mode = CREATE_FLAGS.get(sub.record.flags, CREATE_FLAGS[0])
    if mode.ttl:
        return sub if sub.op is Op.CREATE_TTL else SubRequest(Op.ERROR, sub.record)
    op = Op.CREATE_CONTAINER if mode.container else Op.CREATE
    return SubRequest(op, sub.record._replace(ttl=-1))


def _create_by_operation(sub: SubRequest) -> SubRequest:
    op, record = sub
    if op is Op.CREATE_TTL:  # a mode without a TTL, or no mode at all, reads as a plain create
        return _create_by_mode(sub)
    mode = CREATE_FLAGS.get(record.flags)
    if mode is None:
        raise JuteError(f"{record.flags} is not a create mode")
    if record.acl is None:
        raise NullAclError("a create in a multi needs an ACL list")
    if mode.ttl:
        raise JuteError("a TTL node needs the createTTL operation")
    return SubRequest(Op.CREATE_CONTAINER if mode.container else op, record)


MULTI_WRITES: dict[int, Callable[[Reader], Any]] = {
    Op.CREATE: _read_create,
    Op.CREATE2: _read_create,
    Op.CREATE_CONTAINER: _read_create,
    Op.CREATE_TTL: _read_create_ttl,
    Op.DELETE: _read_versioned,
    Op.SET_DATA: _read_set_data,
    Op.CHECK: _read_versioned,
}
MULTI_READS: dict[int, Callable[[Reader], Any]] = {
    Op.GET_DATA: _read_watchable,
    Op.GET_CHILDREN: _read_watchable,
}


class OperationKind(Enum):
    """Where an operation is carried out."""

    WRITE = "write"
    """By the leader, as one transaction of the log."""
    READ = "read"
    """By the connected server, from its own tree, at its place in the connection's order."""
    CONNECTION = "connection"
    """By the connection itself, ahead of whatever is still waiting in it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the operation table: what a client may send.

    ``name`` is ZooKeeper's own; ``label`` the four-letter label that the ``cons`` command shows for
    it.
    """

    op: Op
    name: str
    kind: OperationKind
    label: str
    read: Callable[[Reader], Any]


OPERATIONS: dict[int, Operation] = {
    row.op: row
    for row in (
        Operation(Op.CREATE, "create", OperationKind.WRITE, "CREA", _read_create),
        Operation(Op.CREATE2, "create2", OperationKind.WRITE, "CREA", _read_create),
        Operation(
            Op.CREATE_CONTAINER, "createContainer", OperationKind.WRITE, "CREA", _read_create
        ),
        Operation(Op.CREATE_TTL, "createTTL", OperationKind.WRITE, "CREA", _read_create_ttl),
        Operation(Op.DELETE, "delete", OperationKind.WRITE, "DELE", _read_versioned),
        Operation(
            Op.DELETE_CONTAINER, "deleteContainer", OperationKind.WRITE, "DELE", _read_named_path
        ),
        Operation(Op.SET_DATA, "setData", OperationKind.WRITE, "SETD", _read_set_data),
        Operation(Op.SET_ACL, "setACL", OperationKind.WRITE, "SETA", _read_set_acl),
        Operation(Op.MULTI, "multi", OperationKind.WRITE, "MULT", read_multi),
        Operation(Op.RECONFIG, "reconfig", OperationKind.WRITE, "RECO", _read_reconfig),
        Operation(
            Op.CREATE_SESSION, "createSession", OperationKind.WRITE, "SESS", _read_create_session
        ),
        Operation(Op.CLOSE_SESSION, "closeSession", OperationKind.WRITE, "CLOS", _read_empty),
        Operation(Op.CHECK, "check", OperationKind.WRITE, "CHEC", _read_versioned),
        Operation(Op.EXISTS, "exists", OperationKind.READ, "EXIS", _read_watchable),
        Operation(Op.GET_DATA, "getData", OperationKind.READ, "GETD", _read_watchable),
        Operation(Op.GET_ACL, "getACL", OperationKind.READ, "GETA", _read_path),
        Operation(Op.GET_CHILDREN, "getChildren", OperationKind.READ, "GETC", _read_watchable),
        Operation(Op.GET_CHILDREN2, "getChildren2", OperationKind.READ, "GETC", _read_watchable),
        Operation(
            Op.GET_ALL_CHILDREN_NUMBER,
            "getAllChildrenNumber",
            OperationKind.READ,
            "GETACN",
            _read_path,
        ),
        Operation(Op.GET_EPHEMERALS, "getEphemerals", OperationKind.READ, "GETE", _read_path),
        Operation(Op.MULTI_READ, "multiRead", OperationKind.READ, "MLTR", read_multi),
        Operation(Op.SYNC, "sync", OperationKind.READ, "SYNC", _read_path),
        Operation(Op.PING, "ping", OperationKind.READ, "PING", _read_empty),
        Operation(Op.SET_WATCHES, "setWatches", OperationKind.READ, "SETW", _watch_reader(3)),
        Operation(Op.SET_WATCHES2, "setWatches2", OperationKind.READ, "STW2", _watch_reader(5)),
        Operation(Op.ADD_WATCH, "addWatch", OperationKind.READ, "ADDW", _read_path_and_int),
        Operation(Op.CHECK_WATCHES, "checkWatches", OperationKind.READ, "CHKW", _read_path_and_int),
        Operation(
            Op.REMOVE_WATCHES, "removeWatches", OperationKind.READ, "REMW", _read_path_and_int
        ),
        Operation(Op.WHO_AM_I, "whoAmI", OperationKind.READ, "HOMI", _read_empty),
        Operation(Op.AUTH, "auth", OperationKind.CONNECTION, "NA", _read_auth),
        Operation(Op.SASL, "sasl", OperationKind.CONNECTION, "NA", _read_sasl),
    )
}
"""The operation table, by operation code."""


@cache
def operations_of(version: Version) -> Mapping[int, Operation]:
    """The operations of a server of that version, by operation code."""
    table = dict(OPERATIONS)
    if not version.check_is_an_operation:
        del table[Op.CHECK]
    readers: dict[Op, Callable[[Reader], Any]] = {}
    if version.delete_container_takes_the_frame:
        readers[Op.DELETE_CONTAINER] = _read_frame_as_path
    if version.multi_create_by_mode_alone:
        by_mode = partial(read_multi, by_mode_alone=True)
        readers |= {Op.MULTI: by_mode, Op.MULTI_READ: by_mode}
    for op, read in readers.items():
        table[op] = replace(table[op], read=read)
    return table
