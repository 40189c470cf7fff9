"""Clients that do not behave: a crowd of connections that send hostile frames, each in its way.

One thread drives them all. What a server answers is of no interest here; the honest clients look at
that.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

from .frames import Grammar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

Address = tuple[str, int]

KINDS = ("talker", "flooder", "deaf", "slow", "resetter", "half-closer", "stranger")
"""Reads all it is told; asks for much at once; never reads; sends a few bytes at a time; resets the
connection; closes its half of it first; does not even begin with a connect request.
"""

CROWD = 40
"""Connections at a time."""

_STUCK = 2.0
"""Seconds without progress after which an attacker gives up."""


class Attacker:
    """One connection."""

    def __init__(
        self, grammar: Grammar, address: Address, tls: ssl.SSLContext | None, kind: str
    ) -> None:
        random = grammar.random
        self.kind = kind
        self.sent = 0
        self.last = time.monotonic()
        self.socket = socket.create_connection(address, timeout=30)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        self.socket.setblocking(False)
        self._frames: deque[bytes] = deque()
        self._out = b""
        if kind == "stranger":
            self._out = grammar.strange_opening()
        else:
            self._frames.append(grammar.connect())
            count = random.choice((5, 50, 500))
            while len(self._frames) < count:
                if kind in ("flooder", "deaf") and random.random() < 0.3:
                    self._frames += grammar.flood()
                else:
                    self._frames.append(grammar.request())
        self._piece = random.randrange(1, 200) if kind == "slow" else 1 << 16
        self._random = random

    @property
    def events(self) -> int:
        write = selectors.EVENT_WRITE if self._out or self._frames else 0
        return write | (0 if self.kind == "deaf" and write else selectors.EVENT_READ)

    def ready(self, mask: int) -> bool:
        """Goes on; whether the connection is of any use still."""
        try:
            if mask & selectors.EVENT_READ and not self._read():
                return False
            if mask & selectors.EVENT_WRITE:
                return self._write()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except (OSError, ValueError):
            return False
        return True

    def _read(self) -> bool:
        for _ in range(16):
            if not self.socket.recv(1 << 18):
                return False
            self.last = time.monotonic()
        return True

    def _write(self) -> bool:
        while self._frames and len(self._out) < self._piece:
            self._out += self._frames.popleft()
            self.sent += 1
        sent = self.socket.send(self._out[: self._piece])
        self._out = self._out[sent:]
        self.last = time.monotonic()
        if self._out or self._frames:
            return True
        if self.kind == "half-closer":
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        # A deaf one stays until somebody loses patience.
        return self.kind == "deaf" or self._random.random() < 0.5

    def close(self) -> None:
        if self.kind == "resetter":
            with suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()


def attack(
    random: Random,
    plain: Sequence[Address],
    secure: Sequence[Address],
    tls: ssl.SSLContext,
    frames: int,
) -> Counter[str]:
    """Sends as many frames; gives how many of them and how many connections of each kind."""
    grammar = Grammar(random)
    selector = selectors.DefaultSelector()
    counted: Counter[str] = Counter()
    crowd: dict[Attacker, None] = {}

    def leave(attacker: Attacker) -> None:
        del crowd[attacker]
        counted["frames"] += attacker.sent
        selector.unregister(attacker.socket)
        attacker.close()

    def join() -> None:
        kind = random.choice(KINDS)
        over_tls = random.random() < 0.25
        address = random.choice(secure if over_tls else plain)
        # Some strangers at the TLS port do not speak TLS.
        speaks = over_tls and (kind != "stranger" or random.random() < 0.5)
        try:
            attacker = Attacker(grammar, address, tls if speaks else None, kind)
        except OSError:
            counted["refused"] += 1
            return
        crowd[attacker] = None
        counted[kind] += 1
        counted["TLS"] += over_tls
        selector.register(attacker.socket, attacker.events, attacker)

    while counted["frames"] + sum(attacker.sent for attacker in crowd) < frames:
        while len(crowd) < CROWD:
            join()
        for key, mask in selector.select(0.1):
            attacker: Attacker = key.data
            if not attacker.ready(mask):
                leave(attacker)
            elif attacker.events != key.events:
                selector.modify(attacker.socket, attacker.events, attacker)
        now = time.monotonic()
        for attacker in [one for one in crowd if now - one.last > _STUCK]:
            leave(attacker)
    for attacker in list(crowd):
        leave(attacker)
    selector.close()
    return counted
