"""Hostile bytes: requests of every kind, some of them as they should be, most of them not quite.

A request is drawn by the grammar of its operation, field by field, from values that are near the
edges of what may be; then some are broken further, as bytes. Everything happens below ``/h``, but
for the paths that every server has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..support import wire
from ..support.wire import OPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

ROOT = "/h"

_PATHS: tuple[str | bytes | None, ...] = (
    *("/h", "/h/a", "/h/b", "/h/a/a", "/h/a/b", "/h/a/b/c", "/h/é", "/h/\U0001f600"),
    *("/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota", "/zookeeper/quota/h"),
    *("/zookeeper/quota/h/zookeeper_limits", "/zookeeper/quota/h/zookeeper_stats"),
    *("", "h", "//", "/h/", "/h/.", "/h/../h", "/h//a", "/h/\0", "/h/\ud800", "/h/\x1f"),
    *(None, b"/h/\xff\xfe", b"/h/\xed\xa0\x80", b"\x80", b"/h/" + b"x" * 5000, b"/h" * 3000),
)
_INTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, -1, -2, 2**31 - 1, -(2**31), 127, 255, 31)
_LONGS = (0, 1, -1, 2**63 - 1, -(2**63), 2**32, 0x100000001)
_ACLS: tuple[wire.Acl, ...] = (
    *((31, "world", "anyone"), (1, "world", "anyone"), (31, "auth", ""), (0, "world", "anyone")),
    *((31, "ip", "127.0.0.1"), (31, "ip", "10.0.0.0/8"), (31, "ip", "::1/64"), (31, "ip", "1/2")),
    *((31, "digest", "a:b"), (31, "digest", "a"), (31, "x509", "CN=a"), (31, "sasl", "a@b")),
    *((31, "ip", "1.2.3.4/" + "9" * 5000), (31, "ip", "9" * 5000 + ".2.3.4")),
    *((31, "", ""), (31, None, None), (-1, "world", None), (31, "digest", None), (31, "super", "")),
)
_SCHEMES = ("digest", "ip", "x509", "sasl", "world", "auth", "super", "", None, "nobody")
_WORDS = (
    *(b"ruok", b"stat", b"srvr", b"mntr", b"cons", b"conf", b"envi", b"dump", b"wchs", b"wchc"),
    *(b"wchp", b"crst", b"srst", b"isro", b"dirs", b"gtmk", b"stmk", b"hash", b"lsnr"),
)
_IN_A_MULTI = ("create", "create2", "createContainer", "createTTL", "delete", "setData", "check")

OPERATIONS = (*OPS, "unknown")


class Grammar:
    """Draws from one random source."""

    def __init__(self, random: Random) -> None:
        self.random = random
        choice = random.choice
        path_version = lambda: wire.path_version(self.path(), choice(_INTS))  # noqa: E731
        path_watch = lambda: wire.path_watch(self.path(), choice((0, 1, 1, 255)))  # noqa: E731
        path_int = lambda: wire.string(self.path()) + wire.i32(choice(_INTS))  # noqa: E731
        path = lambda: wire.string(self.path())  # noqa: E731
        self._bodies: dict[str, Callable[[], bytes]] = {
            "create": self._create,
            "create2": self._create,
            "createContainer": self._create,
            "createTTL": lambda: self._create() + wire.i64(choice(_LONGS)),
            "delete": path_version,
            "check": path_version,
            "deleteContainer": path,
            "exists": path_watch,
            "getData": path_watch,
            "getChildren": path_watch,
            "getChildren2": path_watch,
            "getACL": path,
            "getEphemerals": path,
            "getAllChildrenNumber": path,
            "sync": path,
            "setData": lambda: wire.set_data(self.path(), self.data(), choice(_INTS)),
            "setACL": lambda: wire.set_acl(self.path(), self.acl(), choice(_INTS)),
            "multi": lambda: self._multi(_IN_A_MULTI),
            "multiRead": lambda: self._multi(("getData", "getChildren")),
            "reconfig": lambda: (
                wire.string(choice((None, "", "server.9=a:1:2", "x")))
                + wire.string(choice((None, "", "1", "1,2,3", "x")))
                + wire.string(choice((None, "", "server.1=a:1:2")))
                + wire.i64(choice(_LONGS))
            ),
            "addWatch": path_int,
            "checkWatches": path_int,
            "removeWatches": path_int,
            "setWatches": lambda: self._set_watches(3),
            "setWatches2": lambda: self._set_watches(5),
            "auth": lambda: wire.auth(choice(_SCHEMES), self.data(), choice(_INTS)),
            "sasl": lambda: wire.buffer(self.data()),
            "createSession": lambda: wire.i32(choice(_INTS)),
        }

    # -- fields

    def path(self) -> str | bytes | None:
        random = self.random
        if random.random() < 0.5:
            return f"/h/{random.choice('abcdefgh')}" + random.choice(("", "", "/x", "/y/z"))
        return random.choice(_PATHS)

    def data(self) -> bytes | None:
        random = self.random
        size = random.choice((None, 0, 0, 1, 10, 100, 1000, 100_000))
        return None if size is None else random.choice((b"\0", b"a=", b" ", b'"', b":")) * size

    def acl(self) -> list[wire.Acl] | None:
        random = self.random
        if random.random() < 0.5:
            return list(wire.OPEN_ACL)
        return random.choice((None, [], random.choices(_ACLS, k=random.choice((1, 2, 50)))))

    def _create(self) -> bytes:
        flags = self.random.choice((0, 0, 0, 1, 2, 3, *_INTS))
        return wire.create(self.path(), self.data(), self.acl(), flags)

    def _multi(self, names: tuple[str, ...]) -> bytes:
        random = self.random
        if random.random() < 0.1:
            names = (*OPERATIONS,)
        parts = [
            (OPS.get(name, 99), self.body(name))
            for name in random.choices(names, k=random.choice((0, 1, 2, 3, 20)))
            if name not in ("multi", "multiRead")
        ]
        if random.random() < 0.1:
            return wire.multi(parts, end=b"")
        return wire.multi(parts)

    def _set_watches(self, lists: int) -> bytes:
        random = self.random
        return wire.i64(random.choice(_LONGS)) + b"".join(
            wire.strings(
                None
                if random.random() < 0.1
                else [self.path() for _ in range(random.choice((0, 1, 5, 100)))]
            )
            for _ in range(lists)
        )

    def body(self, name: str) -> bytes:
        """The record of an operation."""
        draw = self._bodies.get(name)
        return b"" if draw is None else draw()

    # -- frames

    def request(self) -> bytes:
        """One request, as it should be or not quite."""
        random = self.random
        name = random.choice(OPERATIONS)
        if name == "closeSession" and random.random() < 0.9:
            name = "ping"  # or hardly a connection would live to see what comes after
        op = OPS.get(name)
        if op is None:
            op = random.choice((*_INTS, 10, 18, 98, 99, 108, 10_000))
        xid = random.choice((wire.PING_XID, -4, -1, -8, 0, 1, 2, 3, *_INTS))
        frame = wire.request(xid, op, self.body(name))
        return self.broken(frame) if random.random() < 0.3 else frame

    def broken(self, frame: bytes) -> bytes:
        """``frame`` with something wrong; most of the time its length is right."""
        random = self.random
        kind = random.randrange(7)
        payload = bytearray(frame[4:])
        at = random.randrange(len(payload)) if payload else 0
        if kind == 0:
            del payload[at:]
        elif kind == 1 and payload:
            payload[at] ^= 1 << random.randrange(8)
        elif kind == 2:
            payload[at:at] = random.randbytes(random.choice((1, 4, 100)))
        elif kind == 3 and len(payload) > 8:
            at = random.randrange(8, len(payload))
            payload[at : at + 4] = wire.i32(random.choice(_INTS))  # a length, with some luck
        elif kind == 4:
            payload += payload[at:]
        elif kind == 5:
            payload = bytearray(random.randbytes(random.choice((0, 1, 7, 8, 50))))
        else:
            length = random.choice((0, 1, 4, 8, len(payload) - 1, len(payload) + 1, *_INTS))
            return wire.i32(length) + bytes(payload)
        return wire.frame(bytes(payload))

    def connect(self) -> bytes:
        """A connect request that a server takes."""
        random = self.random
        return wire.frame(
            wire.connect(
                protocol=random.choice((0, 0, 1, -1)),
                timeout=random.choice((0, 1, 1000, 30_000, 2**31 - 1, -1)),
                password=random.choice((bytes(16), b"", None, b"x" * 100)),
                read_only=random.choice((0, 0, 1, None, 2)),
            )
        )

    def strange_opening(self) -> bytes:
        """What may come instead of a connect request."""
        random = self.random
        kind = random.randrange(6)
        if kind == 0:
            return random.choice(_WORDS) + random.randbytes(random.choice((0, 0, 8)))
        if kind == 1:
            return self.broken(self.connect())
        if kind == 2:
            return b"\x16\x03\x01\x02\x00" + random.randbytes(512)
        if kind == 3:
            return b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        if kind == 4:
            session = random.choice((1, -1, 2**56, 2**56 + random.getrandbits(40)))
            return wire.frame(
                wire.connect(
                    session=session,
                    password=random.choice((wire.session_password(session), bytes(16))),
                    last_zxid=random.choice(_LONGS),
                )
            )
        return random.randbytes(random.choice((1, 3, 4, 5, 100, 5000)))

    def flood(self) -> list[bytes]:
        """Many requests of one kind, of those that ask for most with the least bytes."""
        random = self.random
        kind = random.randrange(12)
        count = random.choice((10, 100, 400))
        if kind == 0:
            frame = wire.request(1, OPS["getChildren"], wire.path_watch("/h/many", 1))
        elif kind == 1:
            frame = wire.request(1, OPS["getData"], wire.path_watch("/h/big"))
        elif kind == 2:
            frame = wire.request(wire.PING_XID, OPS["ping"])
        elif kind == 3:
            body = wire.auth("digest", b"user:%d" % random.getrandbits(40))
            return [
                wire.request(-4, OPS["auth"], wire.auth("digest", b"user:%d" % number))
                if random.random() < 0.99
                else wire.request(-4, OPS["auth"], body)
                for number in range(count)
            ]
        elif kind == 4:
            frame = wire.request(1, OPS["setData"], wire.set_data("/h/a", b"x" * 10_000))
        elif kind == 5:
            reads = [(OPS["getChildren"], wire.path_watch("/h/many"))] * 20
            frame = wire.request(1, OPS["multiRead"], wire.multi(reads))
            count //= 10
        elif kind == 6:
            watched = wire.string("/") + wire.i32(1)
            frame = wire.request(1, OPS["addWatch"], watched)
            return [frame, *(wire.request(2, OPS["setData"], wire.set_data("/h/b", b"")),) * count]
        elif kind == 7:
            frame = wire.request(1, OPS["getAllChildrenNumber"], wire.string("/h"))
        elif kind == 8:
            entries = [(1, "ip", f"10.{n // 256}.{n % 256}.0/24") for n in range(2000)]
            list_ = wire.request(1, OPS["create"], wire.create("/h/acl", b"", entries))
            reads = [(OPS["getData"], wire.path_watch("/h/acl"))] * 1000
            return [list_, *[wire.request(1, OPS["multiRead"], wire.multi(reads))] * 5]
        elif kind == 9:
            parts = [(OPS["check"], wire.path_version("/h"))] * 2000
            frame = wire.request(1, OPS["multi"], wire.multi(parts))
            count = 5
        elif kind == 10:
            watched = wire.strings([f"/h/{number}" for number in range(5000)])
            body = wire.i64(0) + wire.strings([]) + watched + wire.strings([])
            frame = wire.request(1, OPS["setWatches"], body)
            count = 5
        else:
            token = b"a=" + b" " * 20_000 + b'"'
            sasl = wire.request(1, OPS["sasl"], wire.buffer(token))
            return [sasl] * 3
        return [frame] * count
