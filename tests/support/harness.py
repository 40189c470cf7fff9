"""What the fake's tests share: a core on a clock of the test's own, and clients that are bytes.

Nothing here uses a socket or a real clock. Frames are built and taken apart by the raw client of
the differential tests, which shares no line with `zkfake.jute` or `zkfake.protocol`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkfake.connection import Connection
from zkfake.ensemble import Ensemble
from zkfake.replica import Replica
from zkfake.settings import Settings

from . import wire
from .wire import OPS, i32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkfake.protocol import Id

START = 1_700_000_000_000
TICK = 2000

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


class Client:
    """One connection to the core. Everything it got and nobody asked for yet is in `inbox`."""

    def __init__(self, world: World, connection: Connection) -> None:
        self.world = world
        self.connection = connection
        self.inbox: list[bytes] = []
        self.raw = bytearray()
        self.session = 0
        self.password = b""
        self.timeout = 0
        self._xid = 0

    # -- bytes

    def send(self, data: bytes) -> None:
        self.connection.receive(data)
        self.collect()

    def collect(self) -> None:
        """Takes what the connection has to send, frame by frame, into `inbox`."""
        self.raw += self.connection.take_output()
        frames = wire.Frames()
        while frames.take(self.raw):
            pass
        self.inbox += frames.list

    def take(self) -> list[Reply | Event]:
        """Every reply and event that has come since the last look, in order."""
        self.collect()
        found = [take_apart(payload) for payload in self.inbox]
        self.inbox.clear()
        return found

    def events(self) -> list[tuple[int, str]]:
        """The events among what has come: types and paths. There must be no reply."""
        found = []
        for item in self.take():
            assert isinstance(item, Event), item
            found.append((item.type, item.path))
        return found

    @property
    def closed(self) -> bool:
        return self.connection.closing

    # -- the handshake

    def shake(self, **arguments: Any) -> bytes:
        """Sends a connect request and returns the response's payload, empty where none came."""
        self.send(wire.frame(wire.connect(**arguments)))
        return self.inbox.pop(0) if self.inbox else b""

    def connect(self, **arguments: Any) -> Client:
        """A handshake that has to succeed."""
        response = self.shake(**{"timeout": 30_000, **arguments})
        assert response, "the connect request was not answered"
        _, self.timeout, self.session = struct.unpack_from(">iiq", response)
        self.password = response[20:36]
        return self

    # -- requests

    def request(self, op: str | int, body: bytes = b"", *, xid: int | None = None) -> bytes:
        """The frame of a request, not sent."""
        if xid is None:
            self._xid += 1
            xid = self._xid
        return wire.request(xid, OPS[op] if isinstance(op, str) else op, body)

    def call(self, op: str | int, body: bytes = b"", *, xid: int | None = None) -> Reply:
        """Sends a request and returns its reply, which has to be all that comes."""
        found = self.ask(op, body, xid=xid)
        assert len(found) == 1, found
        reply = found[0]
        assert isinstance(reply, Reply)
        return reply

    def ask(
        self, op: str | int, body: bytes = b"", *, xid: int | None = None
    ) -> list[Reply | Event]:
        """Sends a request and returns everything that comes."""
        self.send(self.request(op, body, xid=xid))
        return self.take()

    def create(self, path: str, data: bytes | None = b"", flags: int = 0, **more: Any) -> str:
        """The path that was made."""
        reply = self.call("create", wire.create(path, data, flags=flags, **more))
        assert reply.error == OK, reply
        return reply.text

    def delete(self, path: str) -> None:
        assert self.call("delete", wire.path_version(path)).error == OK

    def set(self, path: str, data: bytes | None) -> Stat:
        reply = self.call("setData", wire.set_data(path, data))
        assert reply.error == OK, reply
        return reply.stat

    def get(self, path: str, watch: int = 0) -> bytes | None:
        reply = self.call("getData", wire.path_watch(path, watch))
        assert reply.error == OK, reply
        return reply.data

    def stat(self, path: str, watch: int = 0) -> Stat | None:
        reply = self.call("exists", wire.path_watch(path, watch))
        return reply.stat if reply.error == OK else None

    def children(self, path: str, watch: int = 0) -> list[str]:
        reply = self.call("getChildren", wire.path_watch(path, watch))
        assert reply.error == OK, reply
        return reply.strings

    def ping(self) -> Reply:
        return self.call("ping", xid=wire.PING_XID)

    def close(self) -> Reply:
        return self.call("closeSession")


class World:
    """A standalone server of the core, and time that moves when the test says so."""

    def __init__(self, settings: Mapping[str, object] | None = None, version: str = "3.9") -> None:
        self.ensemble = Ensemble(Settings.parse(settings, version), START)
        self.replica = Replica(self.ensemble)
        self.replica.start()
        self.now = START
        self._ports = 40_000

    def accept(self, host: str = "127.0.0.1", ids: tuple[Id, ...] = ()) -> Client:
        """A connection before its handshake."""
        self._ports += 1
        connection = Connection(self.replica, (host, self._ports), lambda _: None, ids)
        return Client(self, connection)

    def client(self, **arguments: Any) -> Client:
        """A connection with a session."""
        return self.accept().connect(**arguments)

    def advance(self, milliseconds: int) -> None:
        """Time passes, with everything that is due on the way, each at its own time."""
        end = self.now + milliseconds
        while (due := self.ensemble.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.ensemble.advance(self.now)
        self.now = end
        self.ensemble.advance(end)

    @property
    def zxid(self) -> int:
        return self.replica.zxid


def error_body(code: int) -> bytes:
    """One failed operation among the results of a multi."""
    return wire.multi_header(-1, 0, code) + i32(code)
