"""Clients that behave, know what every answer has to be, and how long it took to come.

Each has a part of the tree to itself, so it knows what is there: it keeps a model of it, and every
reply and every watch event is compared with that.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ..support import wire
from ..support.wire import OPS

if TYPE_CHECKING:
    from random import Random

PATIENCE = 120.0
"""Seconds after which an answer counts as lost."""

_NO_NODE, _BAD_VERSION, _NOT_EMPTY, _NODE_EXISTS = -101, -103, -111, -110


class WrongAnswerError(AssertionError):
    """The server said something else than it has to."""


class Honest:
    """One client with a session. ``slowest``: seconds that the slowest answer took."""

    def __init__(
        self,
        address: tuple[str, int],
        home: str,
        random: Random,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``home``: the path of a znode that is this client's; it is made here."""
        self.slowest = self.slowest_ping = 0.0
        self.answers = 0
        self.checked_events = 0
        self._random = random
        self._home = home
        self._buffer = b""
        self._xid = 0
        self._zxid = 0
        self._model: dict[str, tuple[bytes, int]] = {}
        self._watched: set[str] = set()
        self._socket = socket.create_connection(address, timeout=PATIENCE)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=address[0])
        self._socket.sendall(wire.frame(wire.connect(timeout=120_000)))
        self.session = struct.unpack_from(">iiq", self._frame())[2]
        if self.session == 0:
            raise WrongAnswerError("no session")
        self._call("create", wire.create(home), (0, -110))

    # -- frames

    def _frame(self) -> bytes:
        while len(self._buffer) < 4 or len(self._buffer) < 4 + self._length():
            data = self._socket.recv(1 << 16)
            if not data:
                raise WrongAnswerError("an honest connection was closed")
            self._buffer += data
        end = 4 + self._length()
        payload, self._buffer = self._buffer[4:end], self._buffer[end:]
        return payload

    def _length(self) -> int:
        return int(struct.unpack_from(">i", self._buffer)[0])

    def _call(
        self,
        op: str,
        body: bytes,
        errors: tuple[int, ...] = (0,),
        events: list[tuple[int, str]] | None = None,
    ) -> tuple[int, bytes]:
        """The error and the body of the reply; ``events`` have to come before it, in this order."""
        if op == "ping":
            xid = wire.PING_XID
        else:
            self._xid += 1
            xid = self._xid
        start = time.monotonic()
        self._socket.sendall(wire.request(xid, OPS[op], body))
        for expected in events or ():
            payload = self._frame()
            self._expect(payload, ">i", (-1,))
            kind, state, length = struct.unpack_from(">iii", payload, 16)
            found = kind, payload[28 : 28 + length].decode()
            if found != expected or state != 3:
                raise WrongAnswerError(f"the event {found}, expected {expected}")
            self.checked_events += 1
        payload = self._frame()
        took = time.monotonic() - start
        self.slowest = max(self.slowest, took)
        if op == "ping":
            self.slowest_ping = max(self.slowest_ping, took)
        self._expect(payload, ">i", (xid,))
        zxid, error = struct.unpack_from(">qi", payload, 4)
        if zxid < self._zxid:
            raise WrongAnswerError(f"zxid {zxid} after {self._zxid}")
        self._zxid = zxid
        if error not in errors:
            raise WrongAnswerError(f"{op}: error {error}, expected one of {errors}")
        self.answers += 1
        return error, payload[16:]

    def _expect(self, payload: bytes, layout: str, expected: tuple[int, ...]) -> None:
        found = struct.unpack_from(layout, payload)
        if found != expected:
            raise WrongAnswerError(f"found {found}, expected {expected}: {payload[:200]!r}")

    # -- what it does

    def pause(self, seconds: float) -> None:
        """Does nothing for a while; nothing may come that nobody asked for."""
        if not self._buffer and select.select([self._socket], [], [], seconds)[0]:
            self._socket.settimeout(0)
            with suppress(BlockingIOError, ssl.SSLWantReadError):  # only TLS's own
                self._buffer += self._socket.recv(1 << 16)
            self._socket.settimeout(PATIENCE)
        if self._buffer:
            raise WrongAnswerError("something came that nobody asked for")

    def step(self) -> None:
        """One operation, and what has to come of it."""
        random = self._random
        path = f"{self._home}/{random.randrange(8)}"
        known = self._model.get(path)
        act = random.randrange(9)
        if act == 0:
            self._call("ping", b"")
        elif act == 1:
            data = random.randbytes(random.choice((0, 10, 1000)))
            error = _NODE_EXISTS if known else 0
            events = [] if known else self._fired((1, path), (4, self._home))
            self._call("create", wire.create(path, data), (error,), events)
            if known is None:
                self._model[path] = data, 0
        elif act == 2:
            data = random.randbytes(random.choice((0, 10, 1000)))
            version = random.choice((-1, known[1] if known else 0, 10**6))
            error = 0 if known else _NO_NODE
            if known and version == 10**6:
                error = _BAD_VERSION
            events = [] if error else self._fired((3, path))
            self._call("setData", wire.set_data(path, data, version), (error,), events)
            if known and not error:
                self._model[path] = data, known[1] + 1
        elif act == 3:
            events = self._fired((2, path), (4, self._home)) if known else []
            error = 0 if known else _NO_NODE
            self._call("delete", wire.path_version(path), (error,), events)
            self._model.pop(path, None)
        elif act == 4:
            watch = random.randrange(2)
            error = 0 if known else _NO_NODE
            _, body = self._call("exists", wire.path_watch(path, watch), (error,))
            if watch:
                self._watched.add(path)
            if known:
                self._check_stat(path, body, known)
        elif act == 5:
            _, body = self._call("getData", wire.path_watch(path), (0 if known else _NO_NODE,))
            if known:
                data = known[0]
                if body[: 4 + len(data)] != wire.buffer(data):
                    raise WrongAnswerError(f"{path} has {body!r}, expected {data!r}")
                self._check_stat(path, body[4 + len(data) :], known)
        elif act == 6:
            watch = random.randrange(2)
            _, body = self._call("getChildren", wire.path_watch(self._home, watch))
            if watch:
                self._watched.add(self._home)
            found, at = [], 4
            for _ in range(struct.unpack_from(">i", body)[0]):
                (length,) = struct.unpack_from(">i", body, at)
                found.append(f"{self._home}/" + body[at + 4 : at + 4 + length].decode())
                at += 4 + length
            if sorted(found) != sorted(self._model):
                raise WrongAnswerError(f"the children {found}, expected {sorted(self._model)}")
        elif act == 7:
            error = _NOT_EMPTY if self._model else None
            if error:
                self._call("delete", wire.path_version(self._home), (error,))
        else:
            self._call("sync", wire.string(path))

    def _check_stat(self, path: str, stat: bytes, known: tuple[bytes, int]) -> None:
        version, length = struct.unpack_from(">i", stat, 32)[0], struct.unpack_from(">i", stat, 52)
        if len(stat) != 68 or (version, *length) != (known[1], len(known[0])):
            raise WrongAnswerError(f"{path}: version {version}, length {length}: not {known}")

    def _fired(self, *changes: tuple[int, str]) -> list[tuple[int, str]]:
        fired = [(kind, path) for kind, path in changes if path in self._watched]
        self._watched.difference_update(path for _, path in fired)
        return fired

    def close(self) -> None:
        """Ends the session; every answer up to here has come."""
        self._call("closeSession", b"")
        self._socket.close()
