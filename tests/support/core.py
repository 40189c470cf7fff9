"""A core on a clock of the test's own, and clients that are bytes: no socket, no real clock."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from zkfake._connection.connection import Connection
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._settings import Settings

from . import wire
from .replies import OK, Event, Reply, Stat, take_apart
from .wire import OPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkfake._protocol.records import Id

START = 1_700_000_000_000
TICK = 2000


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
