"""The wire protocol: operation codes, error codes and the records of requests and replies.

The vocabulary of client and server, and how replies are written. A request is an 8-byte header
(xid, operation code) and a record, which `operations` reads. A reply is a 16-byte header (xid,
zxid, error) and a body, which an error leaves out.
"""

from enum import IntEnum
from struct import Struct
from typing import Any, NamedTuple

from zkfake._protocol.jute import Reader, pack_buffer, pack_int, pack_string

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


SESSION_OPS = frozenset((Op.CREATE_SESSION, Op.CLOSE_SESSION))
"""The operations that open and end sessions."""


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


STAT = Struct(">qqqqiiiqiiq")
"""The fields of a `Stat`, in its order."""
pack_stat = STAT.pack


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


def read_stat(reader: Reader) -> Stat:
    """Raises `JuteError` where the record ends inside it."""
    long, number = reader.read_long, reader.read_int
    first = long(), long(), long(), long()
    return Stat(*first, number(), number(), number(), long(), number(), number(), long())


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
_REPLY_FRAME = Struct(">iiqi")
_MULTI_HEADER = Struct(">i?i")


def pack_reply(xid: int, zxid: int, error: int, body: bytes = b"") -> bytes:
    return _REPLY.pack(xid, zxid, error) + body


def pack_reply_frame(xid: int, zxid: int, error: int, body: bytes) -> bytes:
    """A reply with its length in front."""
    return _REPLY_FRAME.pack(_REPLY.size + len(body), xid, zxid, error) + body


def pack_event(type_: EventType, path: str, zxid: int) -> bytes:
    """A watch event. Its state is always 3, SyncConnected: the others never travel."""
    return _EVENT.pack(EVENT_XID, zxid, 0, type_, 3) + pack_string(path)


_EVENT = Struct(">iqiii")

MULTI_END = _MULTI_HEADER.pack(-1, True, -1)


def pack_multi_result(op: int, body: bytes) -> bytes:
    return _MULTI_HEADER.pack(op, False, 0) + body


def pack_multi_error(code: int) -> bytes:
    return _MULTI_HEADER.pack(Op.ERROR, False, code) + pack_int(code)
