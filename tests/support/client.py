"""A raw client that waits for its answers: one connection to a server of any kind."""

from __future__ import annotations

import struct

from . import wire
from .replies import Event, Reply, take_apart
from .wire import OPS, SocketChannel

PATIENCE = 60.0
LONG = 600_000
"""A session timeout, milliseconds."""


class Client:
    """A blocking client with at most one session."""

    def __init__(self, port: int, **arguments: int | bytes | None) -> None:
        """Connects; `response` is what came back, `None` where the server closed in silence."""
        self.channel = SocketChannel(("127.0.0.1", port), PATIENCE)
        self.channel.send(wire.frame(wire.connect(**{"timeout": LONG, **arguments})))  # type: ignore[arg-type]
        self.response = self._frame()
        self.session, self.password = 0, b""
        if self.response is not None and len(self.response) > 16:
            (self.session,) = struct.unpack_from(">q", self.response, 8)
            self.password = self.response[20:36]
        self._xid = 0

    def _frame(self) -> bytes | None:
        frames, ended = self.channel.read_frame()
        # A server that is killed may leave half a frame.
        return frames[0] if frames and not ended else None

    def send(self, op: str, body: bytes = b"") -> None:
        self._xid += 1
        xid = wire.PING_XID if op == "ping" else self._xid
        self.channel.send(wire.request(xid, OPS[op], body))

    def take(self) -> Reply | Event | None:
        """The next reply or event; `None` where the connection has ended."""
        payload = self._frame()
        return None if payload is None else take_apart(payload)

    def call(self, op: str, body: bytes = b"") -> Reply:
        self.send(op, body)
        reply = self.take()
        assert isinstance(reply, Reply), (op, reply)
        return reply

    def wait_for_the_end(self) -> None:
        """Reads until the server closes."""
        while self.take() is not None:
            pass

    def close(self) -> None:
        self.channel.abandon()

    def end(self) -> list[Reply | Event]:
        """What still comes until the server closes."""
        return list(iter(self.take, None))

    def auth(self, scheme: str, credential: bytes | None) -> Reply:
        self.send("auth", wire.auth(scheme, credential))
        reply = self.take()
        assert isinstance(reply, Reply)
        return reply

    def login(self, user: str, password: str) -> Reply:
        """SASL DIGEST-MD5; the reply to the last token."""
        challenge = self.call("sasl", wire.buffer(b"")).data
        assert challenge is not None
        return self.call("sasl", wire.buffer(wire.digest_md5(challenge, user, password)))

    def create(self, path: str, acl: object = wire.OPEN_ACL, flags: int = 0) -> Reply:
        return self.call("create", wire.create(path, b"", acl, flags))  # type: ignore[arg-type]

    def read(self, path: str) -> int:
        """The error of getData."""
        return self.call("getData", wire.path_watch(path)).error
