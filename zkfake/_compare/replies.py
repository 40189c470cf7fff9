"""What must differ between two servers, taken out of their answers; everything else stays as sent.

Rules that live here: where in a reply the values are that name a session, a zxid or a time. What
becomes of such a value is said by whoever compares: see the methods of `Mapping`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from zkfake._compare.wire import OPS, PING_XID, session_password

__all__ = ["PASSWORD_HOLDS", "Mapping", "is_event", "is_ping_reply", "names_of"]

PASSWORD_HOLDS = b"<the id's value>"
_STAT = struct.Struct(">qqqqiiiqiiq")


class UndecodableError(Exception):
    """A reply that does not have its request's layout; it is then compared as it is."""


class Mapping:
    """The mapping of one server's answers; lives as long as the server is compared. As it stands
    nothing changes but passwords: they become a mark where they are what the server makes of the
    id.
    """

    def forget_times(self) -> None:
        """Drop what was learnt about times (between examples, to stay small)."""

    # -- values: hooks

    def session(self, session: int) -> int:
        """A session's id; 0 stays 0."""
        return session

    def timeout(self, timeout: int) -> int:
        """The timeout of a session, as it is granted."""
        return timeout

    def password(self, session: int, password: bytes) -> bytes:
        """A session's password, of 16 bytes."""
        made = session != 0 and password == session_password(session)
        return PASSWORD_HOLDS if made else password

    def zxid(self, zxid: int) -> int:
        """The zxid of a change: in a `Stat`, or in an event."""
        return zxid

    def replied_zxid(self, op: int, zxid: int, payload: bytes) -> int:
        """The zxid in the header of a reply."""
        return zxid

    def time(self, zxid: int, at: int) -> int:
        """The time of a change."""
        return at

    # -- frames

    def connect_response(self, payload: bytes) -> bytes:
        if len(payload) not in (36, 37):
            return payload
        protocol, timeout, session, length = struct.unpack_from(">iiqi", payload)
        password = self.password(session, payload[20:36])
        head = struct.pack(">iiqi", protocol, self.timeout(timeout), self.session(session), length)
        return head + password + payload[36:]

    def event(self, payload: bytes) -> bytes:
        """A watch event, its header included."""
        if len(payload) < 16:
            return payload
        (zxid,) = struct.unpack_from(">q", payload, 4)
        return payload[:4] + struct.pack(">q", self.zxid(zxid)) + payload[12:]

    def reply(self, op: int, payload: bytes) -> bytes:
        """A reply to a request of type `op`, its header included."""
        if op == OPS["createSession"] and len(payload) in (36, 37):
            return self.connect_response(payload)
        if len(payload) < 16:
            return payload
        (zxid,) = struct.unpack_from(">q", payload, 4)
        copy = bytearray(payload)
        struct.pack_into(">q", copy, 4, self.replied_zxid(op, zxid, payload))
        layout = LAYOUTS.get(op)
        if layout is None or len(payload) == 16:
            return bytes(copy)
        head = bytes(copy[:16])
        try:
            end = layout(self, copy, 16)
        except (struct.error, UndecodableError):
            end = -1
        return bytes(copy) if end == len(copy) else head + payload[16:]

    def stat(self, data: bytearray, at: int) -> int:
        if at + _STAT.size > len(data):
            raise UndecodableError
        czxid, mzxid, ctime, mtime, *versions, owner, length, children, pzxid = _STAT.unpack_from(
            data, at
        )
        if ctime:
            ctime = self.time(czxid, ctime)
        if mtime:
            mtime = self.time(mzxid, mtime)
        zxids = self.zxid(czxid), self.zxid(mzxid)
        _STAT.pack_into(
            *(data, at, *zxids, ctime, mtime, *versions),
            *(self.session(owner), length, children, self.zxid(pzxid)),
        )
        return at + _STAT.size


def _buffer(_: Mapping, data: bytearray, at: int) -> int:
    length: int = struct.unpack_from(">i", data, at)[0]
    end = at + 4 + max(length, 0)
    if length < -1 or end > len(data):
        raise UndecodableError
    return end


def _vector(element: Layout) -> Layout:
    def vector(mapping: Mapping, data: bytearray, at: int) -> int:
        (count,) = struct.unpack_from(">i", data, at)
        at += 4
        if count > len(data):
            raise UndecodableError
        for _ in range(count):
            at = element(mapping, data, at)
        return at

    return vector


def _then(*parts: Layout) -> Layout:
    def record(mapping: Mapping, data: bytearray, at: int) -> int:
        for part in parts:
            at = part(mapping, data, at)
        return at

    return record


def _int(_: Mapping, _data: bytearray, at: int) -> int:
    return at + 4


def _nothing(_: Mapping, _data: bytearray, at: int) -> int:
    return at


def _results(mapping: Mapping, data: bytearray, at: int) -> int:
    while True:
        kind, done, _err = struct.unpack_from(">i?i", data, at)
        at += 9
        if done:
            return at
        layout = RESULTS.get(kind)
        if layout is None:
            raise UndecodableError
        at = layout(mapping, data, at)


Layout = Callable[[Mapping, bytearray, int], int]
_stat: Layout = Mapping.stat
_acl_list = _vector(_then(_int, _buffer, _buffer))
RESULTS: dict[int, Layout] = {
    -1: _int,
    OPS["create"]: _buffer,
    OPS["create2"]: _then(_buffer, _stat),
    OPS["delete"]: _nothing,
    OPS["check"]: _nothing,
    OPS["setData"]: _stat,
    OPS["getData"]: _then(_buffer, _stat),
    OPS["getChildren"]: _vector(_buffer),
}
# Replies that hold something to map; the others are compared as they are.
LAYOUTS: dict[int, Layout] = {
    OPS["create2"]: _then(_buffer, _stat),
    OPS["createContainer"]: _then(_buffer, _stat),
    OPS["createTTL"]: _then(_buffer, _stat),
    OPS["exists"]: _stat,
    OPS["getData"]: _then(_buffer, _stat),
    OPS["setData"]: _stat,
    OPS["getACL"]: _then(_acl_list, _stat),
    OPS["setACL"]: _stat,
    OPS["getChildren2"]: _then(_vector(_buffer), _stat),
    OPS["multi"]: _results,
    OPS["multiRead"]: _results,
}


def is_event(payload: bytes) -> bool:
    """Whether a frame is a watch event: xid -1 (the machine gives no request that xid)."""
    return payload[:4] == b"\xff\xff\xff\xff"


def is_ping_reply(payload: bytes) -> bool:
    return len(payload) >= 4 and struct.unpack_from(">i", payload)[0] == PING_XID


def names_of(payload: bytes) -> list[str]:
    """The names in a getChildren reply."""
    names: list[str] = []
    if len(payload) < 20:
        return names
    at = 20
    for _ in range(struct.unpack_from(">i", payload, 16)[0]):
        (length,) = struct.unpack_from(">i", payload, at)
        names.append(payload[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return names
