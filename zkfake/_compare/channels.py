"""Connections of a raw client, which carry frames.

Rules that live here: the framing of replies, and what it means for a connection to be quiet (a ping
sent last has been answered, or the peer has closed).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Protocol

from zkfake._compare.wire import PING_XID, i32

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Frames", "RawChannel", "SilenceError", "SocketChannel"]


class SilenceError(AssertionError):
    """The peer neither answered nor closed in time; says what it did send."""


class RawChannel(Protocol):
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
    """A `RawChannel` over TCP."""

    def __init__(self, address: tuple[str, int], patience: float = 5.0) -> None:
        self._begin(_connected(address, patience))

    def _begin(self, plain: socket.socket) -> None:
        self._socket = plain
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self.port: int = self._socket.getsockname()[1]
        """This end's."""
        self.on_silence: Callable[[], None] | None = None
        """Called when the peer is silent for longer than patience lasts, before giving up."""
        self.nudges = 1
        """How often it is called, while nothing comes."""

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
        return self._frames(lambda _: False)[0]

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

    def _receive(self, *, nudges: int = 0) -> bool:
        try:
            data = self._socket.recv(1 << 18)
        except TimeoutError:
            if self.on_silence is None or nudges >= self.nudges:
                raise SilenceError(f"no answer; received so far {bytes(self._buffer)!r}") from None
            self.on_silence()
            return self._receive(nudges=nudges + 1)
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


_PING_XID = i32(PING_XID)


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
        if payload[:4] == _PING_XID:
            self.pings += 1
        return True
