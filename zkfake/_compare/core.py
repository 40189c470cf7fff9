"""The fake's core as a server without sockets: for comparing the fake with itself, quickly.

Rules that live here: one channel is one sans-IO connection, time moves a millisecond a request, and
a peer that has nothing more to say will never say more: waiting for it is an error at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zkfake._compare.channels import Frames, RawChannel, SilenceError
from zkfake._connection.connection import Connection
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CoreServer"]


class CoreServer:
    """A standalone server of the core."""

    def __init__(self, version: str, settings: Mapping[str, object]) -> None:
        """``version`` and ``settings``: as for a `FakeZooKeeper`."""
        self.name = f"fake {version}"
        self.version = version
        self._now = int(time.time() * 1000)
        self._ensemble = Ensemble(Settings.parse(settings, version), self._now)
        self._replica = Replica(self._ensemble)
        self._replica.start()
        self._ports = 40_000

    def channel(self) -> RawChannel:
        self._ports += 1
        return CoreChannel(self, Connection(self._replica, ("127.0.0.1", self._ports), _ignore))

    def stop(self) -> None:
        self._replica.stop()

    def tick(self) -> None:
        """Time passes between two requests."""
        self._now += 1
        self._ensemble.advance(self._now)


class CoreChannel:
    """A `RawChannel` that ends in a connection of the core."""

    def __init__(self, server: CoreServer, connection: Connection) -> None:
        self._server = server
        self._connection = connection
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        self._server.tick()
        if not self._connection.closing:
            self._connection.receive(data)

    def read(self, pings: int) -> tuple[list[bytes], bool]:
        return self._frames(pings, 1 << 30)

    def read_frame(self) -> tuple[list[bytes], bool]:
        return self._frames(1 << 30, 1)

    def finish(self) -> list[bytes]:
        self._connection.lost()
        return self._frames(1 << 30, 1 << 30)[0]

    def read_raw(self) -> bytes:
        self._buffer += self._connection.take_output()
        return bytes(self._buffer)

    def abandon(self) -> None:
        self._connection.lost()

    def _frames(self, pings: int, count: int) -> tuple[list[bytes], bool]:
        frames = Frames()
        self._buffer += self._connection.take_output()
        while frames.pings < pings and len(frames.list) < count:
            if not frames.take(self._buffer):
                if self._connection.closing:
                    return frames.list, True
                raise SilenceError(f"nothing more to come after {frames.list}")
        return frames.list, False


def _ignore(connection: Connection) -> None:
    """Output is taken when it is read."""
