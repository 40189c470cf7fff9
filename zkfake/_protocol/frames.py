"""Telling requests, replies and events apart in the two byte streams of a connection.

Only what faults and the history need is read: the transaction id (xid), the operation, its path,
the zxid and the error. A stream whose first four bytes are no frame length (a four-letter word) is
passed on as it is.
"""

from __future__ import annotations

from functools import partial
from struct import Struct
from typing import NamedTuple

from zkfake._protocol.jute import JuteError, Reader, pack_buffer
from zkfake._protocol.operations import OPERATIONS
from zkfake._protocol.records import EVENT_XID, PING_XID, EventType, MultiRequest, Op

__all__ = [
    "EVENT_XID",
    "LONGEST_FRAME",
    "OPERATION_NAMES",
    "PING_XID",
    "REPLY_BODY",
    "FrameSplitter",
    "Handshake",
    "RequestHead",
    "event_of",
    "handshake_of",
    "is_event",
    "read_length_and_xid",
    "read_reply",
    "read_request",
    "request_frame",
    "resuming_frame",
    "session_asked_for",
    "session_given",
]

_LENGTH = Struct(">i")
_REQUEST = Struct(">iii")
_REPLY = Struct(">iiqi")
_EVENT = Struct(">iiqiiii")
_CONNECT_REQUEST = Struct(">iiqiq")
_CONNECT_RESPONSE = Struct(">iiiqi")
_CONNECT_BODY = Struct(">iqiq")
_HEADER = Struct(">ii")

REPLY_BODY = _REPLY.size
"""Where the body of a reply begins, after its length and its header."""

read_length_and_xid = Struct(">Ii").unpack_from
"""The length of a frame, unsigned, and the xid of a reply or an event: of ``(data, start)``, where
there are 8 bytes at least.
"""

LONGEST_FRAME = 0x0FFFFFFF
"""Bytes, without those of the length. Every four-letter word, read as a length, is above it."""

_PATHLESS = frozenset(
    {
        Op.PING,
        Op.CLOSE_SESSION,
        Op.CREATE_SESSION,
        Op.AUTH,
        Op.SASL,
        Op.RECONFIG,
        Op.SET_WATCHES,
        Op.SET_WATCHES2,
        Op.WHO_AM_I,
    }
)
_NAMES = {int(op): row.name for op, row in OPERATIONS.items()}
OPERATION_NAMES = ("connect", *(name for op, name in _NAMES.items() if op != Op.PING))
"""The kinds of requests, except pings."""

_SINGLE_PATH = frozenset(int(op) for op in OPERATIONS if op not in _PATHLESS) - {
    int(Op.MULTI),
    int(Op.MULTI_READ),
}


class RequestHead(NamedTuple):
    """What a request is. ``paths`` has one path for most operations, one for each part of a multi,
    and may be empty.

    The handshake's request is the operation ``connect``.
    """

    xid: int
    operation: str
    paths: tuple[str, ...]


_head = partial(tuple.__new__, RequestHead)  # what its constructor ends with
_CONNECT = RequestHead(0, "connect", ())
_PING_OP, _PING = int(Op.PING), RequestHead(PING_XID, "ping", ())


def read_request(frame: bytes, first: bool) -> RequestHead:
    """Read the head of a request; ``frame`` begins with its length. Never raises: what cannot be
    read has no path.
    """
    if first:
        return _CONNECT
    if len(frame) < 12:
        return RequestHead(0, "malformed", ())
    _, xid, op = _REQUEST.unpack_from(frame)
    if op == _PING_OP:
        return _PING  # whatever number it has: a server answers it with this one
    paths: tuple[str, ...] = ()
    if op in _SINGLE_PATH:
        if len(frame) >= 16:
            (length,) = _LENGTH.unpack_from(frame, 12)
            end = 16 + length if length > 0 else 16
            paths = (frame[16:end].decode("utf-8", "replace"),)
    elif op in (Op.MULTI, Op.MULTI_READ):
        paths = _multi_paths(frame, op)
    return _head((xid, _NAMES.get(op) or f"operation {op}", paths))


def _multi_paths(frame: bytes, op: int) -> tuple[str, ...]:
    try:
        record: MultiRequest = OPERATIONS[op].read(Reader(frame, 12))
    except JuteError:
        return ()
    return tuple(sub.record.path or "" for sub in record.operations)


def read_reply(frame: bytes) -> tuple[int, int, int]:
    """The xid, the zxid and the error of a reply or an event; ``frame`` begins with its length."""
    if len(frame) < REPLY_BODY:
        return 0, 0, 0
    _, xid, zxid, error = _REPLY.unpack_from(frame)
    return xid, zxid, error


class Handshake(NamedTuple):
    """A server's answer when a session is opened or resumed."""

    session_id: int
    timeout: int
    """Milliseconds."""
    password: bytes


def session_asked_for(frame: bytes) -> int:
    """The session in a connect request; 0 for a new one, and if it is unreadable."""
    if len(frame) < _CONNECT_REQUEST.size:
        return 0
    session_id: int = _CONNECT_REQUEST.unpack_from(frame)[4]
    return session_id


def handshake_of(frame: bytes) -> Handshake | None:
    """The fields of the reply to a connect request; ``None`` if it has no session."""
    start = _CONNECT_RESPONSE.size
    if len(frame) < start:
        return None  # an error
    _, _, timeout, session_id, length = _CONNECT_RESPONSE.unpack_from(frame)
    if not session_id or length < 0 or len(frame) < start + length:
        return None
    return Handshake(session_id, timeout, frame[start : start + length])


def resuming_frame(handshake: Handshake) -> bytes:
    """The connect request of somebody who takes a session up. No server is behind what it has
    seen, which is nothing.
    """
    body = _CONNECT_BODY.pack(0, 0, handshake.timeout, handshake.session_id)
    return _framed(body + pack_buffer(handshake.password) + b"\0")


def request_frame(xid: int, op: Op, body: bytes = b"") -> bytes:
    """The whole frame of a request."""
    return _framed(_HEADER.pack(xid, op) + body)


def _framed(payload: bytes) -> bytes:
    return _LENGTH.pack(len(payload)) + payload


def session_given(frame: bytes) -> int:
    """The session in the reply to a connect request; 0 if it has none."""
    handshake = handshake_of(frame)
    return 0 if handshake is None else handshake.session_id


def is_event(frame: bytes) -> bool:
    """Whether a frame with the xid of events is one. It may be the reply to a request that had
    this number.
    """
    if len(frame) < _EVENT.size:
        return False
    _, _, _, error, kind, state, length = _EVENT.unpack_from(frame)
    told = error == 0 and kind in _EVENT_TYPES and state == _CONNECTED
    return told and len(frame) == _EVENT.size + max(length, 0)


def event_of(frame: bytes) -> tuple[str, str]:
    """The type and the path of a watch event."""
    _, _, _, _, kind, _, length = _EVENT.unpack_from(frame)
    name = EventType(kind).name if kind in _EVENT_TYPES else str(kind)
    return name, frame[32 : 32 + max(length, 0)].decode("utf-8", "replace")


_EVENT_TYPES = frozenset(int(kind) for kind in EventType)
_CONNECTED = 3
"""The only state that servers tell of."""


class FrameSplitter:
    """Cuts a byte stream into frames, each with its length in front."""

    __slots__ = ("_longest", "_rest", "raw")

    def __init__(self, longest: int = LONGEST_FRAME) -> None:
        """``longest``: the longest frame that is completed, bytes."""
        self._longest = longest
        self._rest = b""
        self.raw = False
        """True after the stream was found to hold no frames."""

    def take_rest(self) -> bytes:
        """The bytes of an incomplete frame at the end of the stream."""
        rest, self._rest = self._rest, b""
        return rest

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes; all of ``data`` when the stream is raw."""
        if self.raw:
            return [data]
        if self._rest:
            data = self._rest + data
        size = len(data)
        if size >= 4 and _LENGTH.unpack_from(data)[0] + 4 == size:
            self._rest = b""
            return [data]
        frames = []
        start = 0
        while size - start >= 4:
            (length,) = _LENGTH.unpack_from(data, start)
            if not 0 <= length <= self._longest:
                self.raw = True
                frames.append(data[start:])
                start = size
                break
            if size - start < length + 4:
                break
            frames.append(data[start : start + length + 4])
            start += length + 4
        self._rest = data[start:]
        return frames
