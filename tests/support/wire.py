"""The raw client: frames as plain bytes, channels that carry them.

Everything here is written from the protocol's description alone and shares no line with
`zkfake._protocol`: a mistake made there cannot hide behind the same mistake here.

Rules that live here: the framing of requests and replies, the layout of each request record, the
password a server derives from a session id, and what it means for a connection to be quiet (a ping
sent last has been answered, or the peer has closed).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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


def digest_md5(challenge: bytes, user: str, password: str) -> bytes:
    """A client's response to a DIGEST-MD5 challenge (RFC 2831) of a ZooKeeper server."""
    nonce = challenge.split(b'nonce="')[1].split(b'"')[0].decode()
    realm, uri, cnonce, count = "zk-sasl-md5", "zookeeper/zk-sasl-md5", "0123456789", "00000001"

    def md5(text: bytes) -> str:
        return hashlib.md5(text).hexdigest()

    login = hashlib.md5(f"{user}:{realm}:{password}".encode()).digest()
    secret = md5(login + f":{nonce}:{cnonce}".encode())
    what = md5(f"AUTHENTICATE:{uri}".encode())
    proof = md5(f"{secret}:{nonce}:{count}:{cnonce}:auth:{what}".encode())
    return (
        f'username="{user}",realm="{realm}",nonce="{nonce}",cnonce="{cnonce}",nc={count},qop=auth,'
        f'digest-uri="{uri}",response={proof},charset=utf-8'
    ).encode()


# -- channels --------------------------------------------------------------------------------------


class SilenceError(AssertionError):
    """The peer neither answered nor closed in time; says what it did send."""


class Channel(Protocol):
    """One connection to one server. Frames come back as payloads, without their length."""

    def send(self, data: bytes) -> None:
        """Send bytes; a peer that has closed already is noticed by the next read."""

    def read(self, pings: int) -> tuple[list[bytes], bool]:
        """Frames up to and with the `pings`-th ping reply, or up to the end; (frames, ended)."""

    def read_frame(self) -> tuple[list[bytes], bool]:
        """One frame, or none and ended."""

    def finish(self) -> list[bytes]:
        """Say that nothing more will be sent, read to the end, close."""

    def read_raw(self) -> bytes:
        """Everything up to the end, for a conversation that is not made of frames; closes."""

    def abandon(self) -> None:
        """Close at once, whatever is on its way."""


def _connected(address: tuple[str, int], patience: float) -> socket.socket:
    """Raises `ConnectionRefusedError` where nobody listens.

    A server may accept a connection and reset it before `connect` here has looked at it: `connect`
    raises what otherwise the first read raises. Both are one thing to whoever uses a channel, the
    end that the first read tells. So a connection to a peer that has gone takes the place.
    """
    try:
        return socket.create_connection(address, timeout=patience)
    except (ConnectionResetError, BrokenPipeError):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            gone = socket.create_connection(listener.getsockname(), timeout=patience)
            listener.accept()[0].close()
        return gone


class SocketChannel:
    """A `Channel` over TCP."""

    def __init__(self, address: tuple[str, int], patience: float = 5.0) -> None:
        self._begin(_connected(address, patience))

    @classmethod
    def over(cls, plain: socket.socket, patience: float) -> SocketChannel:
        """One over a socket that is connected already."""
        channel = cls.__new__(cls)
        plain.settimeout(patience)
        channel._begin(plain)
        return channel

    def _begin(self, plain: socket.socket) -> None:
        self._socket = plain
        opened.add(self)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self.port: int = self._socket.getsockname()[1]
        """This end's."""
        self.on_silence: Callable[[], None] | None = None
        """Called once when the peer is silent for longer than patience lasts, before giving up."""

    def send(self, data: bytes) -> None:
        # What the peer answered before it closed is still to be read.
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def read(self, pings: int) -> tuple[list[bytes], bool]:
        return self._frames(lambda frames: frames.pings >= pings)

    def read_frame(self) -> tuple[list[bytes], bool]:
        return self._frames(lambda frames: len(frames.list) >= 1)

    def finish(self) -> list[bytes]:
        self._half_close()
        return self._frames(lambda frames: False)[0]

    def read_raw(self) -> bytes:
        while self._receive():
            pass
        self._socket.close()
        return bytes(self._buffer)

    def abandon(self) -> None:
        self._socket.close()

    def _half_close(self) -> None:
        # Only the sending half: the server sees the end, forgets the connection and closes its
        # side; when that has arrived here, everything it does at a disconnect has been done.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def _receive(self, *, nudged: bool = False) -> bool:
        try:
            data = self._socket.recv(1 << 18)
        except TimeoutError:
            if self.on_silence is None or nudged:
                raise SilenceError(f"no answer; received so far {bytes(self._buffer)!r}") from None
            self.on_silence()
            return self._receive(nudged=True)
        except ConnectionError:
            return False  # a reset: the server closed with bytes of ours unread
        self._buffer += data
        return bool(data)

    def _frames(self, enough: Callable[[Frames], bool]) -> tuple[list[bytes], bool]:
        frames = Frames()
        while not enough(frames):
            if not frames.take(self._buffer):
                if self._receive():
                    continue
                if self._buffer:
                    frames.list.append(b"torn frame: " + bytes(self._buffer))
                self._socket.close()
                return frames.list, True
        return frames.list, False


opened: weakref.WeakSet[SocketChannel] = weakref.WeakSet()
"""The channels of the running test, closed ones too."""


def close_opened() -> None:
    """For a test that has failed before it closed them. Those of a simulation end with it."""
    for channel in list(opened):
        if isinstance(channel._socket, socket.socket):
            channel.abandon()


class Frames:
    """Frames taken off a buffer one by one, counting the ping replies among them."""

    def __init__(self) -> None:
        self.list: list[bytes] = []
        self.pings = 0

    def take(self, data: bytearray) -> bool:
        """Move one whole frame from the head of `data` to the list; false if there is none."""
        if len(data) < 4:
            return False
        (length,) = struct.unpack_from(">i", data)
        if length < 0 or len(data) < 4 + length:
            return False
        payload = bytes(data[4 : 4 + length])
        del data[: 4 + length]
        self.list.append(payload)
        if payload[:4] == PING_XID_BYTES:
            self.pings += 1
        return True


PING_XID_BYTES = i32(PING_XID)
PING_FRAME = request(PING_XID, PING)
