"""The wire protocol: operation codes, error codes and the records of requests and replies.

Everything a client can tell about the shape of a message is decided here; what a message *does* is
not. A request is an 8-byte header (xid, operation code) and a record; `OPERATIONS` names, for every
operation code, the record and how the server treats it. A reply is a 16-byte header (xid, zxid,
error) and a body, which an error leaves out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from struct import Struct
from typing import Any, NamedTuple

from zkfake.jute import JuteError, Reader, pack_buffer, pack_int, pack_string

PASSWORD_LENGTH = 16
PING_XID = -2
EVENT_XID = -1
ANY_VERSION = -1


class Op(IntEnum):
    """Operation codes, named as ``ZooDefs.OpCode`` names them."""

    CREATE = 1
    DELETE = 2
    EXISTS = 3
    GET_DATA = 4
    SET_DATA = 5
    GET_ACL = 6
    SET_ACL = 7
    GET_CHILDREN = 8
    SYNC = 9
    PING = 11
    GET_CHILDREN2 = 12
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    RECONFIG = 16
    CHECK_WATCHES = 17
    REMOVE_WATCHES = 18
    CREATE_CONTAINER = 19
    DELETE_CONTAINER = 20
    CREATE_TTL = 21
    MULTI_READ = 22
    AUTH = 100
    SET_WATCHES = 101
    SASL = 102
    GET_EPHEMERALS = 103
    GET_ALL_CHILDREN_NUMBER = 104
    SET_WATCHES2 = 105
    ADD_WATCH = 106
    WHO_AM_I = 107
    CREATE_SESSION = -10
    CLOSE_SESSION = -11
    ERROR = -1


class Code(IntEnum):
    """Error codes, named as ``KeeperException.Code`` names them."""

    OK = 0
    SYSTEM_ERROR = -1
    RUNTIME_INCONSISTENCY = -2
    DATA_INCONSISTENCY = -3
    CONNECTION_LOSS = -4
    MARSHALLING_ERROR = -5
    UNIMPLEMENTED = -6
    OPERATION_TIMEOUT = -7
    BAD_ARGUMENTS = -8
    NEW_CONFIG_NO_QUORUM = -13
    RECONFIG_IN_PROGRESS = -14
    API_ERROR = -100
    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NO_CHILDREN_FOR_EPHEMERALS = -108
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    SESSION_EXPIRED = -112
    INVALID_CALLBACK = -113
    INVALID_ACL = -114
    AUTH_FAILED = -115
    SESSION_MOVED = -118
    NOT_READONLY = -119
    EPHEMERAL_ON_LOCAL_SESSION = -120
    NO_WATCHER = -121
    RECONFIG_DISABLED = -123
    SESSION_CLOSED_REQUIRE_SASL_AUTH = -124
    QUOTA_EXCEEDED = -125
    THROTTLED_OP = -127


class EventType(IntEnum):
    CREATED = 1
    DELETED = 2
    DATA_CHANGED = 3
    CHILDREN_CHANGED = 4


class ZooKeeperError(Exception):
    """A request that the server answers with an error code instead of a body."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class Acl(NamedTuple):
    """One entry of an access control list. ``scheme`` and ``id`` are ``None`` where the wire said
    null.
    """

    perms: int
    scheme: str | None
    id: str | None

    def pack(self) -> bytes:
        return pack_int(self.perms) + pack_string(self.scheme) + pack_string(self.id)


Acls = tuple[Acl, ...]


class Id(NamedTuple):
    """One identity of a connection: ``("ip", "127.0.0.1")``, ``("digest", "bob:hash")``, ..."""

    scheme: str
    id: str


_STAT = Struct(">qqqqiiiqiiq")


class Stat(NamedTuple):
    """A znode's statistics as clients see them: 68 bytes on the wire. Times are milliseconds since
    the epoch.
    """

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    data_length: int
    num_children: int
    pzxid: int

    def pack(self) -> bytes:
        return _STAT.pack(*self)


class CreateRequest(NamedTuple):
    path: str | None
    data: bytes | None
    acl: list[Acl] | None
    flags: int
    ttl: int = -1


class VersionedPath(NamedTuple):
    """delete and check: a path and the version it must have."""

    path: str | None
    version: int


class WatchableRead(NamedTuple):
    path: str | None
    watch: bool


class PathRequest(NamedTuple):
    path: str | None


class SetDataRequest(NamedTuple):
    path: str | None
    data: bytes | None
    version: int


class SetAclRequest(NamedTuple):
    path: str | None
    acl: list[Acl] | None
    version: int


class ReconfigRequest(NamedTuple):
    joining: str | None
    leaving: str | None
    members: str | None
    config_id: int


class PathAndInt(NamedTuple):
    """addWatch (a mode), checkWatches and removeWatches (a watcher type)."""

    path: str | None
    value: int


class SetWatchesRequest(NamedTuple):
    """``lists``: data, exist and child paths; setWatches2 adds persistent and persistent-recursive
    ones.
    """

    relative_zxid: int
    lists: tuple[list[str | None] | None, ...]


class AuthRequest(NamedTuple):
    type: int
    scheme: str | None
    auth: bytes | None


class SaslRequest(NamedTuple):
    token: bytes | None


class CreateSessionRequest(NamedTuple):
    timeout: int


class EmptyRequest(NamedTuple):
    """Operations whose body is not read."""


class SubRequest(NamedTuple):
    """One operation of a multi; ``record`` is what its single form would carry."""

    op: Op
    record: Any


class MultiRequest(NamedTuple):
    operations: tuple[SubRequest, ...]


class ConnectRequest(NamedTuple):
    """``read_only`` is ``None`` where the client left the byte out; the reply then leaves it out
    too.
    """

    last_zxid_seen: int
    timeout: int
    session_id: int
    password: bytes | None
    read_only: bool | None


def _read_create(reader: Reader) -> CreateRequest:
    return CreateRequest(
        reader.read_string(), reader.read_buffer(), _read_acls(reader), reader.read_int()
    )


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
    """A create without an ACL list in a multi: the server trips over it while it reads."""


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
        raise JuteError(f"{record.flags} is no create mode")
    if record.acl is None:
        raise NullAclError("a create in a multi needs an ACL list")
    if mode.ttl:
        raise JuteError("a TTL node needs the createTTL operation")
    return SubRequest(Op.CREATE_CONTAINER if mode.container else op, record)


class CreateMode(NamedTuple):
    ephemeral: bool = False
    sequential: bool = False
    container: bool = False
    ttl: bool = False


CREATE_FLAGS = {
    0: CreateMode(),
    1: CreateMode(ephemeral=True),
    2: CreateMode(sequential=True),
    3: CreateMode(ephemeral=True, sequential=True),
    4: CreateMode(container=True),
    5: CreateMode(ttl=True),
    6: CreateMode(ttl=True, sequential=True),
}

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


class Kind(Enum):
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
    kind: Kind
    label: str
    read: Callable[[Reader], Any]


OPERATIONS: dict[int, Operation] = {
    row.op: row
    for row in (
        Operation(Op.CREATE, "create", Kind.WRITE, "CREA", _read_create),
        Operation(Op.CREATE2, "create2", Kind.WRITE, "CREA", _read_create),
        Operation(Op.CREATE_CONTAINER, "createContainer", Kind.WRITE, "CREA", _read_create),
        Operation(Op.CREATE_TTL, "createTTL", Kind.WRITE, "CREA", _read_create_ttl),
        Operation(Op.DELETE, "delete", Kind.WRITE, "DELE", _read_versioned),
        Operation(Op.DELETE_CONTAINER, "deleteContainer", Kind.WRITE, "DELE", _read_named_path),
        Operation(Op.SET_DATA, "setData", Kind.WRITE, "SETD", _read_set_data),
        Operation(Op.SET_ACL, "setACL", Kind.WRITE, "SETA", _read_set_acl),
        Operation(Op.MULTI, "multi", Kind.WRITE, "MULT", read_multi),
        Operation(Op.RECONFIG, "reconfig", Kind.WRITE, "RECO", _read_reconfig),
        Operation(Op.CREATE_SESSION, "createSession", Kind.WRITE, "SESS", _read_create_session),
        Operation(Op.CLOSE_SESSION, "closeSession", Kind.WRITE, "CLOS", _read_empty),
        Operation(Op.CHECK, "check", Kind.WRITE, "CHEC", _read_versioned),
        Operation(Op.EXISTS, "exists", Kind.READ, "EXIS", _read_watchable),
        Operation(Op.GET_DATA, "getData", Kind.READ, "GETD", _read_watchable),
        Operation(Op.GET_ACL, "getACL", Kind.READ, "GETA", _read_path),
        Operation(Op.GET_CHILDREN, "getChildren", Kind.READ, "GETC", _read_watchable),
        Operation(Op.GET_CHILDREN2, "getChildren2", Kind.READ, "GETC", _read_watchable),
        Operation(
            Op.GET_ALL_CHILDREN_NUMBER, "getAllChildrenNumber", Kind.READ, "GETACN", _read_path
        ),
        Operation(Op.GET_EPHEMERALS, "getEphemerals", Kind.READ, "GETE", _read_path),
        Operation(Op.MULTI_READ, "multiRead", Kind.READ, "MLTR", read_multi),
        Operation(Op.SYNC, "sync", Kind.READ, "SYNC", _read_path),
        Operation(Op.PING, "ping", Kind.READ, "PING", _read_empty),
        Operation(Op.SET_WATCHES, "setWatches", Kind.READ, "SETW", _watch_reader(3)),
        Operation(Op.SET_WATCHES2, "setWatches2", Kind.READ, "STW2", _watch_reader(5)),
        Operation(Op.ADD_WATCH, "addWatch", Kind.READ, "ADDW", _read_path_and_int),
        Operation(Op.CHECK_WATCHES, "checkWatches", Kind.READ, "CHKW", _read_path_and_int),
        Operation(Op.REMOVE_WATCHES, "removeWatches", Kind.READ, "REMW", _read_path_and_int),
        Operation(Op.WHO_AM_I, "whoAmI", Kind.READ, "HOMI", _read_empty),
        Operation(Op.AUTH, "auth", Kind.CONNECTION, "NA", _read_auth),
        Operation(Op.SASL, "sasl", Kind.CONNECTION, "NA", _read_sasl),
    )
}
"""The operation table, by operation code."""


class Request(NamedTuple):
    """One request on its way: who asks, what, and the identities its connection had when it
    arrived.

    ``record`` is ``None`` where the body could not be read; ``spends_zxid`` tells whether such a
    write uses a zxid all the same. ``session_fault`` is the leader's: why the session may not write
    here any more.
    """

    session_id: int
    xid: int
    op: Op
    record: Any
    ids: tuple[Id, ...]
    spends_zxid: bool = False
    session_fault: Code | None = None


def read_connect_request(reader: Reader) -> ConnectRequest:
    """Raises `JuteError`. The protocol version is not looked at, as the server does not."""
    reader.read_int()
    zxid, timeout, session_id = reader.read_long(), reader.read_int(), reader.read_long()
    password = reader.read_buffer()
    return ConnectRequest(
        zxid, timeout, session_id, password, reader.read_bool() if reader.left else None
    )


def pack_connect_response(
    timeout: int, session_id: int, password: bytes, read_only: bool | None
) -> bytes:
    body = _CONNECT.pack(0, timeout, session_id) + pack_buffer(password)
    return body if read_only is None else body + (b"\x01" if read_only else b"\x00")


_CONNECT = Struct(">iiq")
_REPLY = Struct(">iqi")
_MULTI_HEADER = Struct(">i?i")


def pack_reply(xid: int, zxid: int, error: int, body: bytes = b"") -> bytes:
    return _REPLY.pack(xid, zxid, error) + body


def pack_event(type_: EventType, path: str, zxid: int) -> bytes:
    """A watch event. Its state is always 3, SyncConnected: the others never travel."""
    return _EVENT.pack(EVENT_XID, zxid, 0, type_, 3) + pack_string(path)


_EVENT = Struct(">iqiii")

MULTI_END = _MULTI_HEADER.pack(-1, True, -1)


def pack_multi_result(op: int, body: bytes) -> bytes:
    return _MULTI_HEADER.pack(op, False, 0) + body


def pack_multi_error(code: int) -> bytes:
    return _MULTI_HEADER.pack(Op.ERROR, False, code) + pack_int(code)
