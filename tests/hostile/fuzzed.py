"""What a coverage-guided fuzzer calls: any bytes, and what has to hold whatever they are.

An input is a byte that chooses the setting, and then either a stream as it is or requests in a
short form: which operation, how long a body, the body. The rules:

- nothing raises: a connection answers, or it closes;
- what it says is whole frames, or the text of a four-letter word;
- how the stream is cut into pieces makes no difference;
- another session notices nothing: its ping is answered, its znode is as it was, it gets no event.
"""

from __future__ import annotations

import struct
from random import Random

from zkfake._connection.connection import Connection
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._settings import Settings

from ..support import wire
from ..support.wire import OPS

_NOW = 1_700_000_000_000

_SECRET = "/only-its-owner-knows"

_SETTINGS = {
    "4lw.commands.whitelist": "*",
    "extendedTypesEnabled": True,
    "reconfigEnabled": True,
    "enforceQuota": True,
    "sasl.users": {"bob": "secret"},
    "jute.maxbuffer": 20_000,
}

_CODES = (*sorted(OPS.values()), 98, 99)

_EXAMPLES = ("/", "/a", "/a/b", "/zookeeper/config")


class Server:
    """An ensemble, the connection that is attacked and one that is not."""

    def __init__(self, version: str, servers: int) -> None:
        settings = Settings.parse(_SETTINGS, version)
        ensemble = Ensemble(settings, _NOW, Random(0))
        replicas = [Replica(ensemble, number) for number in range(1, servers + 1)]
        for replica in replicas:
            replica.start()
        ensemble.advance(_NOW)
        self.honest = Connection(replicas[-1], ("127.0.0.1", 1), lambda _: None)
        self._ask(wire.frame(wire.connect()))
        self._ask(wire.request(1, OPS["create"], wire.create(_SECRET, b"mine")))
        self.attacked = Connection(replicas[0], ("127.0.0.1", 2), lambda _: None)

    def _ask(self, frame: bytes) -> bytes:
        self.honest.receive(frame)
        return self.honest.take_output()

    def check(self) -> None:
        """The honest session goes on."""
        assert self._ask(b"") == b"", "something came that nobody asked for"
        pong = self._ask(wire.request(wire.PING_XID, OPS["ping"]))
        assert len(pong) == 20
        assert pong[4:8] == wire.i32(wire.PING_XID)
        reply = self._ask(wire.request(3, OPS["getData"], wire.path_watch(_SECRET)))
        assert reply[16:28] == wire.i32(0) + wire.buffer(b"mine"), reply
        assert not self.honest.closing


def stream(data: bytes) -> bytes:
    """What is sent, from the short form."""
    sent = b""
    while len(data) >= 3:
        code, length = _CODES[data[0] % len(_CODES)], int.from_bytes(data[1:3], "big") % 2048
        sent += wire.request(data[0], code, data[3 : 3 + length])
        data = data[3 + length :]
    return sent


def shortened(frame: bytes) -> bytes:
    """The short form of a request, for the first inputs."""
    (code,) = struct.unpack_from(">i", frame, 8)
    body = frame[12:2059]
    number = _CODES.index(code) if code in _CODES else len(_CODES) - 1
    return bytes([number]) + len(body).to_bytes(2, "big") + body


def check(data: bytes) -> None:
    """Raises for anything that must not be."""
    if not data:
        return
    choice, data = data[0], data[1:]
    version = "3.8" if choice & 1 else "3.9"
    servers = 3 if choice & 2 else 1
    sent = data if choice & 4 else stream(data)
    if not choice & 8:
        prepared = b"".join(
            wire.request(1, OPS["create"], wire.create(path)) for path in _EXAMPLES[1:3]
        )
        sent = wire.frame(wire.connect()) + prepared + sent
    whole, cut = Server(version, servers), Server(version, servers)
    whole.attacked.receive(sent)
    said = whole.attacked.take_output()
    size = 1 + choice // 16 * 16
    in_pieces = b""
    for start in range(0, len(sent), size):
        if cut.attacked.receive(sent[start : start + size], lambda: False):
            while cut.attacked.receive(b"", lambda: False):
                pass
        in_pieces += cut.attacked.take_output()
    assert in_pieces == said or _is_word(sent), (in_pieces, said)
    at = 0
    while at < len(said) and not _is_word(sent):
        (length,) = struct.unpack_from(">i", said, at)
        at += 4 + length
        assert at <= len(said), "half a frame"
    for server in (whole, cut):
        server.check()
        server.attacked.lost()
        server.check()


def _is_word(sent: bytes) -> bool:
    """Whether the answer may be text, which tells of sizes and of what came together with it."""
    return sent[:4].isalpha()
