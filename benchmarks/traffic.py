"""Counts what kazoo's clients of this process send and get: `Traffic`.

It sits in kazoo itself, so the same code counts on a live server, on the fake and in a simulation,
and for other dicts on kazoo. It needs nothing but kazoo. Pings are counted apart: how many there
are depends on how long something takes, and not on what it asks for.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from kazoo.protocol.connection import PING_XID, WATCH_XID, ConnectionHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from typing_extensions import Self

PING = 12
"""Bytes of a ping, with its length in front."""


class Traffic:
    """A context manager: what is sent and got while it is entered."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.only: Container[Any] | None = None
        """The clients whose traffic counts; all by default."""
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.requests: Counter[str] = Counter()
            """Requests, by kazoo's names of them."""
            self.events = 0
            self.pings = 0
            self.sent = self.received = 0
            """Bytes."""
            self.last = self._clock()
            """When something came that is no answer to a ping."""

    def figures(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        with self._lock:
            return {
                "requests": dict(self.requests),
                "events": self.events,
                "sent": self.sent,
                "received": self.received,
            }

    def wait_until_quiet(self, pause: float) -> None:
        """Wait until nothing has come for ``pause`` seconds: what comes late belongs to what was
        done last.
        """
        last = -1
        while last != self.received:
            last = self.received
            time.sleep(pause)

    def _counts(self, connection: ConnectionHandler) -> bool:
        return self.only is None or connection.client in self.only

    def __enter__(self) -> Self:
        handler = ConnectionHandler
        self._real = {name: getattr(handler, name) for name in ("_submit", "_write", "_read")}
        self._real["_read_header"] = handler._read_header  # noqa: SLF001
        real, traffic = self._real, self

        def submit(self: Any, request: Any, *args: Any) -> None:
            if traffic._counts(self):
                with traffic._lock:
                    kind = type(request).__name__
                    if kind == "Ping":
                        traffic.pings += 1
                        traffic.sent -= PING
                    else:
                        traffic.requests[kind] += 1
            real["_submit"](self, request, *args)

        def write(self: Any, message: bytes, timeout: float) -> None:
            if traffic._counts(self):
                with traffic._lock:
                    traffic.sent += len(message)
            real["_write"](self, message, timeout)

        def read(self: Any, length: int, timeout: float) -> bytes:
            data: bytes = real["_read"](self, length, timeout)
            if traffic._counts(self):
                with traffic._lock:
                    traffic.received += length
            return data

        def read_header(self: Any, timeout: float) -> Any:
            header, buffer, offset = real["_read_header"](self, timeout)
            if traffic._counts(self):
                with traffic._lock:
                    if header.xid == PING_XID:
                        traffic.received -= 4 + len(buffer)
                    else:
                        traffic.last = traffic._clock()
                        traffic.events += header.xid == WATCH_XID
            return header, buffer, offset

        for name, function in zip(self._real, (submit, write, read, read_header), strict=True):
            setattr(handler, name, function)
        return self

    def __exit__(self, *_error: object) -> None:
        for name, function in self._real.items():
            setattr(ConnectionHandler, name, function)
