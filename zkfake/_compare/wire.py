"""A raw client's requests, as plain bytes.

Everything here is written from the protocol's description alone and shares no line with
`zkfake._protocol`: a mistake made there cannot hide behind the same mistake here.

Rules that live here: the framing of requests, the layout of each request record, and the password
that a server derives from a session id.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "MULTI_END",
    "OPEN_ACL",
    "OPS",
    "OP_NAMES",
    "PERM_ADMIN",
    "PERM_ALL",
    "PERM_CREATE",
    "PERM_DELETE",
    "PERM_READ",
    "PERM_WRITE",
    "PING",
    "PING_FRAME",
    "PING_XID",
    "Acl",
    "acls",
    "auth",
    "boolean",
    "buffer",
    "connect",
    "create",
    "create_ttl",
    "digest",
    "frame",
    "i32",
    "i64",
    "multi",
    "multi_header",
    "path_version",
    "path_watch",
    "request",
    "session_password",
    "set_acl",
    "set_data",
    "string",
    "strings",
]

PING_XID = -2
PING = 11

# Request types by name, so that a printed program reads like one.
OPS = {
    "notification": 0,
    "create": 1,
    "delete": 2,
    "exists": 3,
    "getData": 4,
    "setData": 5,
    "getACL": 6,
    "setACL": 7,
    "getChildren": 8,
    "sync": 9,
    "ping": PING,
    "getChildren2": 12,
    "check": 13,
    "multi": 14,
    "create2": 15,
    "reconfig": 16,
    "checkWatches": 17,
    "removeWatches": 18,
    "createContainer": 19,
    "deleteContainer": 20,
    "createTTL": 21,
    "multiRead": 22,
    "auth": 100,
    "setWatches": 101,
    "sasl": 102,
    "getEphemerals": 103,
    "getAllChildrenNumber": 104,
    "setWatches2": 105,
    "addWatch": 106,
    "whoAmI": 107,
    "createSession": -10,
    "closeSession": -11,
}
OP_NAMES = {number: name for name, number in OPS.items()}

PERM_READ, PERM_WRITE, PERM_CREATE, PERM_DELETE, PERM_ADMIN, PERM_ALL = 1, 2, 4, 8, 16, 31

Acl = tuple[int, "str | None", "str | None"]
OPEN_ACL: tuple[Acl, ...] = ((PERM_ALL, "world", "anyone"),)


# -- primitives ------------------------------------------------------------------------------------


def i32(value: int) -> bytes:
    return struct.pack(">i", value)


def i64(value: int) -> bytes:
    return struct.pack(">q", value)


def boolean(value: int) -> bytes:
    """One byte; any non-zero byte is true to the server."""
    return struct.pack(">B", value)


def buffer(value: bytes | None) -> bytes:
    return i32(-1) if value is None else i32(len(value)) + value


def string(value: str | bytes | None) -> bytes:
    """A string; bytes stand for text that is not valid UTF-8."""
    return buffer(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def strings(values: Sequence[str | bytes | None] | None) -> bytes:
    if values is None:
        return i32(-1)
    return i32(len(values)) + b"".join(map(string, values))


def acls(values: Sequence[Acl] | None) -> bytes:
    if values is None:
        return i32(-1)
    return i32(len(values)) + b"".join(
        i32(perms) + string(scheme) + string(ident) for perms, scheme, ident in values
    )


def frame(payload: bytes) -> bytes:
    return i32(len(payload)) + payload


# -- request records -------------------------------------------------------------------------------


def connect(
    *,
    protocol: int = 0,
    last_zxid: int = 0,
    timeout: int = 30_000,
    session: int = 0,
    password: bytes | None = bytes(16),
    read_only: int | None = 0,
) -> bytes:
    """The payload of the first frame; `read_only=None` leaves the trailing byte out."""
    head = i32(protocol) + i64(last_zxid) + i32(timeout) + i64(session) + buffer(password)
    return head if read_only is None else head + boolean(read_only)


def request(xid: int, op: int, body: bytes = b"") -> bytes:
    return frame(i32(xid) + i32(op) + body)


def create(
    path: str | bytes | None,
    data: bytes | None = b"",
    acl: Sequence[Acl] | None = OPEN_ACL,
    flags: int = 0,
) -> bytes:
    return string(path) + buffer(data) + acls(acl) + i32(flags)


def create_ttl(
    path: str | bytes | None,
    data: bytes | None,
    acl: Sequence[Acl] | None,
    flags: int,
    ttl: int,
) -> bytes:
    return create(path, data, acl, flags) + i64(ttl)


def path_version(path: str | bytes | None, version: int = -1) -> bytes:
    """The record of delete, check, checkWatches, removeWatches and addWatch alike."""
    return string(path) + i32(version)


def path_watch(path: str | bytes | None, watch: int = 0) -> bytes:
    return string(path) + boolean(watch)


def set_data(path: str | bytes | None, data: bytes | None, version: int = -1) -> bytes:
    return string(path) + buffer(data) + i32(version)


def set_acl(path: str | bytes | None, acl: Sequence[Acl] | None, version: int = -1) -> bytes:
    return string(path) + acls(acl) + i32(version)


def multi_header(op: int, done: int = 0, err: int = -1) -> bytes:
    return i32(op) + boolean(done) + i32(err)


MULTI_END = multi_header(-1, 1, -1)


def multi(operations: Iterable[tuple[int, bytes]], end: bytes = MULTI_END) -> bytes:
    return b"".join(multi_header(op) + body for op, body in operations) + end


def auth(scheme: str | None, credential: bytes | None, kind: int = 0) -> bytes:
    return i32(kind) + string(scheme) + buffer(credential)


def digest(credential: str) -> str:
    """The id the digest scheme makes of `user:password`."""
    user = credential.split(":", 1)[0]
    return f"{user}:{base64.b64encode(hashlib.sha1(credential.encode()).digest()).decode()}"


def session_password(session: int) -> bytes:
    """The 16 bytes a server hands out with this session id (java.util.Random, fixed salt)."""
    seed = ((session ^ 0xB3415C00) ^ 0x5DEECE66D) & ((1 << 48) - 1)
    out = b""
    for _ in range(4):
        seed = (seed * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
        out += struct.pack("<I", (seed >> 16) & 0xFFFFFFFF)
    return out


PING_FRAME = request(PING_XID, PING)
