"""The clients of a run: they speak bytes, and go on at another server, as a client library does."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkfake._connection.connection import Connection
from zkfake._ensemble.leading import Leading

from ..support import wire
from ..support.replies import Event, take_apart

if TYPE_CHECKING:
    from .recording import Line
    from .watched import Watched

START = 1_700_000_000_000
TICK = 200
TIMEOUT = 4 * TICK
PAIR = ("/a", "/b")
"""Two znodes that are written together or not at all."""
CLOCKS = 10**9
"""Milliseconds. The servers' clocks differ by a multiple of it, so a run can tell the true time."""
PATHS = (*PAIR, "/c")
EPHEMERALS = ("/e0", "/e1", "/e2")


@dataclass
class Sent:
    """One request, and what came of it."""

    client: int
    session: int
    op: str
    paths: tuple[str, ...]
    value: bytes
    watch: bool
    time: int
    committed: int
    """The last zxid that was committed when it was sent."""
    server: int
    answered: bool = False
    deposed: bool = False
    """Whether the server followed a leader, when it answered, that another one had replaced."""
    led: bool = False
    """Whether the server led when it answered."""
    zxid: int = 0
    error: int = 0
    body: bytes = b""


@dataclass
class Stream:
    """Everything that came through one connection, in order."""

    client: int
    server: int
    items: list[Sent | Event] = field(default_factory=list)


@dataclass
class Heard:
    """A session was opened or went on: the leader heard of it no earlier than ``time``."""

    session: int
    time: int


class Client:
    """A client with one session at a time."""

    def __init__(self, run: Watched, number: int) -> None:
        self.run = run
        self.number = number
        self.session = 0
        self.password = b""
        self.last_zxid = 0
        self.silent = False
        self.connection: Connection | None = None
        self._line: Line
        self.stream = Stream(number, 0)
        self._raw = bytearray()
        self._deposed = False
        """Whether what was not taken in yet came of a server whose leader had been replaced."""
        self._held: list[bytes] = []
        """What was sent to a server that stands still."""
        self._sent: deque[Sent] = deque()
        self._connected = False
        self._asked = 0
        self._last_sent = 0
        self._xid = 0

    @property
    def connected(self) -> bool:
        return self.connection is not None and self._connected and not self.connection.closing

    def connect(self, server: int) -> None:
        """Goes to ``server`` with the session it has."""
        run = self.run
        self.disconnect()
        replica = run.servers[server - 1]
        if not replica.running:
            return
        self.connection = Connection(replica, ("10.0.0.1", 4000 + self.number), self._answered)
        self._line = run.recording.open(f"client-{self.number}", server)
        self._deposed = False
        self.stream = Stream(self.number, server)
        run.streams.append(self.stream)
        self._raw.clear()
        self._held.clear()
        self._sent.clear()
        self._connected = False
        self._asked = run.now
        self._bring(
            wire.frame(
                wire.connect(
                    last_zxid=self.last_zxid,
                    timeout=TIMEOUT,
                    session=self.session,
                    password=self.password or bytes(16),
                )
            )
        )

    def _bring(self, data: bytes) -> None:
        """The server reads ``data``, once it does not stand still."""
        self._line.sent(data)
        self._held.append(data)
        self.deliver()

    def deliver(self) -> None:
        """The server reads what was sent, unless it stands still."""
        if not self.run.servers[self.stream.server - 1].paused:
            while self._held and self.connection is not None:
                self.connection.receive(self._held.pop(0))
                self.collect()

    def _answered(self, _connection: Connection) -> None:
        self._deposed = self._deposed or not self.run.follows_the_leader(self.stream.server)

    def disconnect(self) -> None:
        if self.connection is not None:
            self.collect()
            self.connection.lost()
            self._line.closed("client")
            self.connection = None
            self._connected = False

    def send(
        self,
        op: str,
        body: bytes,
        paths: tuple[str, ...] = (),
        value: bytes = b"",
        watch: bool = False,
    ) -> None:
        """Sends a request without waiting for the replies of those before."""
        if self.connection is None or not self.connected:
            return
        run = self.run
        self._xid += 1
        xid = wire.PING_XID if op == "ping" else self._xid
        sent = Sent(
            self.number,
            self.session,
            op,
            paths,
            value,
            watch,
            run.now,
            run.committed,
            self.stream.server,
        )
        self._sent.append(sent)
        self._last_sent = run.now
        if op != "ping":
            run.sent.append(sent)
        self._bring(wire.request(xid, wire.OPS[op], body))

    def keep_alive(self) -> None:
        if self.connected and not self.silent and self.run.now - self._last_sent >= TIMEOUT // 3:
            self.send("ping", b"")

    def collect(self) -> None:
        """Takes in what the connection has to say."""
        if self.connection is None:
            return
        self._raw += self.connection.take_output()
        frames = wire.Frames()
        while frames.take(self._raw):
            pass
        self._answered(self.connection)
        for payload in frames.list:
            self._line.got(wire.frame(payload))
            if not self._connected:
                self._shaken(payload)
            else:
                self._got(payload)
        self._deposed = False
        if self.connection.closing:
            self._line.closed("server")
            self.connection = None
            self._connected = False

    def _shaken(self, payload: bytes) -> None:
        _, timeout, session = struct.unpack_from(">iiq", payload)
        if not timeout:
            self.session, self.password = 0, b""
            return
        self._connected = True
        self._last_sent = self.run.now
        self.session, self.password = session, payload[20:36]
        if self.run.follows_the_leader(self.stream.server):
            self.run.heard.append(Heard(session, self._asked))

    def _got(self, payload: bytes) -> None:
        item = take_apart(payload)
        if isinstance(item, Event):
            self.stream.items.append(item)
            self.last_zxid = max(self.last_zxid, item.zxid)
            return
        sent = self._sent.popleft()
        sent.answered, sent.zxid, sent.error, sent.body = True, item.zxid, item.error, item.body
        sent.deposed = self._deposed
        sent.led = isinstance(self.run.servers[self.stream.server - 1].role, Leading)
        self.stream.items.append(sent)
        self.last_zxid = max(self.last_zxid, item.zxid)
