"""What must differ between two servers, taken out of their answers; everything else stays as sent.

Both servers start fresh and are sent the same bytes, so zxids, versions, counters, the order of
child lists and of events are compared as they are. Mapped are only:

- session ids: a server derives its first from the clock; ids become their distance to it;
- session passwords: the server's function of the id; checked here, then replaced by a mark;
- ctime and mtime: the clock; a server must give one time per zxid, so each becomes its zxid (and
  stays as it is, for everyone to see, when two answers name different times for one zxid);
- in four-letter words: ports, latencies, dates, directories (see `WORDS`).
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable

from ...support.wire import OPS, PING_XID, session_password

PASSWORD_HOLDS = b"<the id's value>"
SESSIONS_OF_A_SERVER = 1_000_000
A_DAY_MS = 86_400_000
_STAT_SIZE = 68


class UndecodableError(Exception):
    """A reply that does not have its request's layout; it is then compared as it is."""


class Mapping:
    """The mapping of one server's answers; lives as long as the server."""

    def __init__(self) -> None:
        self._first_sessions: dict[int, int] = {}
        self._times: dict[int, int] = {}

    def forget_times(self) -> None:
        """Drop what was learnt about times (between examples, to stay small)."""
        self._times.clear()

    # -- values --

    def session(self, session: int) -> int:
        """A session id as its distance to its server's first, counted from 1; 0 stays 0."""
        if session == 0:
            return 0
        server = session >> 56
        first = self._first_sessions.setdefault(server, session)
        return session - first + 1 + self.place(server) * SESSIONS_OF_A_SERVER

    def place(self, server: int) -> int:
        """Which of the servers that are compared has this number; 0 for the first."""
        return 0

    def time(self, zxid: int, at: int) -> int:
        known = self._times.setdefault(zxid, at)
        if known == at and abs(at - time.time() * 1000) < A_DAY_MS:
            return zxid
        return at

    # -- frames --

    def connect_response(self, payload: bytes) -> bytes:
        if len(payload) not in (36, 37):
            return payload
        protocol, timeout, session, length = struct.unpack_from(">iiqi", payload)
        password = payload[20:36]
        if session != 0 and password == session_password(session):
            password = PASSWORD_HOLDS
        head = struct.pack(">iiqi", protocol, timeout, self.session(session), length)
        return head + password + payload[36:]

    def reply(self, op: int, payload: bytes) -> bytes:
        """A reply to a request of type `op`, its header included."""
        if op == OPS["createSession"] and len(payload) in (36, 37):
            return self.connect_response(payload)
        layout = LAYOUTS.get(op)
        if layout is None or len(payload) <= 16:
            return payload
        copy = bytearray(payload)
        try:
            end = layout(self, copy, 16)
        except (struct.error, UndecodableError):
            return payload
        return bytes(copy) if end == len(copy) else payload

    def stat(self, data: bytearray, at: int) -> int:
        czxid, mzxid, ctime, mtime = struct.unpack_from(">qqqq", data, at)
        if ctime:
            struct.pack_into(">q", data, at + 16, self.time(czxid, ctime))
        if mtime:
            struct.pack_into(">q", data, at + 24, self.time(mzxid, mtime))
        (owner,) = struct.unpack_from(">q", data, at + 44)
        if owner:
            struct.pack_into(">q", data, at + 44, self.session(owner))
        if at + _STAT_SIZE > len(data):
            raise UndecodableError
        return at + _STAT_SIZE

    # -- four-letter words --

    def word(self, word: bytes, text: bytes) -> bytes:
        """A four-letter word's output."""
        rules = WORDS.get(word)
        return rules(self, text) if rules else text

    def hexadecimal_sessions(self, text: bytes) -> bytes:
        return re.sub(
            rb"0x([1-9a-f][0-9a-f]{14})\b",
            lambda match: b"0x<session %d>" % self.session(int(match.group(1), 16)),
            text,
        )


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


def _int(_: Mapping, data: bytearray, at: int) -> int:
    return at + 4


def _nothing(_: Mapping, data: bytearray, at: int) -> int:
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


# -- four-letter words: (pattern, replacement) in order, then whether lines are sorted -------------


def _masked(*rules: tuple[bytes, bytes], sort: bool = False) -> Callable[[Mapping, bytes], bytes]:
    def mask(mapping: Mapping, text: bytes) -> bytes:
        text = mapping.hexadecimal_sessions(text)
        for pattern, replacement in rules:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        return b"\n".join(sorted(text.split(b"\n"))) if sort else text

    return mask


_VERSION = (rb"^Zookeeper version: \S+, built on .*$", b"Zookeeper version: <version>")
_LATENCY = (
    rb"^Latency min/avg/max: \d+/\d+(\.\d+)?/\d+$",
    b"Latency min/avg/max: <latency>",
)
# Of all connections so far. A request or reply in flight when a connection ends may count or not;
# each open connection's own counts are compared (`stat`, `cons`).
_TRAFFIC = (rb"^(Received|Sent|Outstanding): -?\d+$", rb"\1: <count>")
_PORT = (rb"/127\.0\.0\.1:\d+", b"/127.0.0.1:<port>")
_CLOCKS = (rb"\b(est|lresp|llat|minlat|avglat|maxlat)=\d+", rb"\1=<clock>")
# How many expire together depends on when in the tick each spoke last.
_DATES = (rb"^\d+ expire at .*:\n", b"")
# A reply just read here may still stand in the server's queue, uncounted.
_QUEUE = (
    rb"\[[0-9a-f]+\]\(queued=\d+,recved=(\d+),sent=\d+",
    rb"[<ops>](queued=<count>,recved=\1,sent=<count>",
)
_BUCKETS = (rb"^((Session|Connections) Sets )\(\d+\)/", rb"\1(<buckets>)/")
_DIRECTORIES = ((rb"^(dataDir|dataLogDir|dataDirSize|dataLogSize|clientPort)=.*$", rb"\1=<place>"),)

# Of the figures of `mntr` those that tell of znodes, watches and sessions.
_MONITORED = (
    *(b"zk_server_state", b"zk_znode_count", b"zk_watch_count", b"zk_ephemerals_count"),
    *(b"zk_num_alive_connections", b"zk_global_sessions", b"zk_local_sessions"),
)


def _monitored(_: Mapping, text: bytes) -> bytes:
    lines = text.split(b"\n")
    return b"\n".join(sorted(line for line in lines if line.split(b"\t")[0] in _MONITORED))


WORDS: dict[bytes, Callable[[Mapping, bytes], bytes]] = {
    b"srvr": _masked(_VERSION, _LATENCY, _TRAFFIC),
    b"stat": _masked(_VERSION, _LATENCY, _TRAFFIC, _PORT, _QUEUE, sort=True),
    b"cons": _masked(_PORT, _QUEUE, _CLOCKS, sort=True),
    b"conf": _masked(*_DIRECTORIES),
    b"dump": _masked(_DATES, _BUCKETS, _PORT, sort=True),
    b"mntr": _monitored,
    b"wchc": _masked(sort=True),
    b"wchp": _masked(sort=True),
}


def is_event(payload: bytes) -> bool:
    """Whether a frame is a watch event: xid -1 (the machine gives no request that xid)."""
    return payload[:4] == b"\xff\xff\xff\xff"


def is_ping_reply(payload: bytes) -> bool:
    return len(payload) >= 4 and struct.unpack_from(">i", payload)[0] == PING_XID
