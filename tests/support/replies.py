"""What a server says, as the raw client reads it: replies, events, Stats, and the error codes.

Like `wire`, written from the protocol's description alone: nothing here comes from `zkfake`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from . import wire

OK, MARSHALLING, UNIMPLEMENTED, BAD_ARGUMENTS = 0, -5, -6, -8
NO_NODE, NO_AUTH, BAD_VERSION, NO_CHILDREN_FOR_EPHEMERALS = -101, -102, -103, -108
NODE_EXISTS, NOT_EMPTY, INVALID_ACL, AUTH_FAILED, NO_WATCHER = -110, -111, -114, -115, -121
QUOTA_EXCEEDED = -125

CREATED, DELETED, DATA_CHANGED, CHILDREN_CHANGED = 1, 2, 3, 4


@dataclass(frozen=True)
class Stat:
    """The 68 bytes, field by field."""

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    owner: int
    length: int
    children: int
    pzxid: int

    @classmethod
    def read(cls, body: bytes) -> Stat:
        """The Stat at the end of ``body``."""
        return cls(*struct.unpack(">qqqqiiiqiiq", body[-68:]))


@dataclass(frozen=True)
class Reply:
    xid: int
    zxid: int
    error: int
    body: bytes

    @property
    def stat(self) -> Stat:
        return Stat.read(self.body)

    @property
    def text(self) -> str:
        """The string that the body starts with."""
        return _take_string(self.body, 0)[0]

    @property
    def strings(self) -> list[str]:
        """The vector of strings that the body starts with."""
        (count,) = struct.unpack_from(">i", self.body)
        found, at = [], 4
        for _ in range(count):
            text, at = _take_string(self.body, at)
            found.append(text)
        return found

    @property
    def data(self) -> bytes | None:
        """The buffer that the body starts with."""
        (length,) = struct.unpack_from(">i", self.body)
        return None if length == -1 else self.body[4 : 4 + length]


@dataclass(frozen=True)
class Event:
    zxid: int
    type: int
    path: str


def _take_string(body: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">i", body, at)
    return body[at + 4 : at + 4 + length].decode(), at + 4 + length


def take_apart(payload: bytes) -> Reply | Event:
    """What a frame after the handshake says."""
    xid, zxid, error = struct.unpack_from(">iqi", payload)
    if xid == -1:
        type_, state = struct.unpack_from(">ii", payload, 16)
        assert (error, state) == (0, 3)
        return Event(zxid, type_, _take_string(payload, 24)[0])
    return Reply(xid, zxid, error, payload[16:])


def error_body(code: int) -> bytes:
    """One failed operation among the results of a multi."""
    return wire.multi_header(-1, 0, code) + wire.i32(code)
