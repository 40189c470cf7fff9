"""A TCP proxy between a client and its server that cuts the connection at a chosen request.

Rules that live here: bytes pass unchanged and in order, frame by frame. A cut closes both sides at
once. What a client does when it is cut off is up to the client: it may come again at any time.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

CREATE, DELETE, GET_DATA, SET_DATA, GET_CHILDREN, MULTI = 1, 2, 4, 5, 8, 14
"""ZooKeeper's codes of the operations."""


@dataclass
class _Cut:
    operation: int
    path: bytes
    point: Literal["before_request", "before_reply"]
    action: Callable[[], object] | None
    xid: int | None = None


class Proxy:
    """Stands before the server at ``hosts`` ("address:port")."""

    def __init__(self, hosts: str) -> None:
        host, _, port = hosts.partition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.hosts = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._cut: _Cut | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def cut_at(
        self,
        operation: int,
        path: str,
        point: Literal["before_request", "before_reply"],
        action: Callable[[], object] | None = None,
    ) -> None:
        """Cut the connection over which the next such request comes, before the server has the
        request, or when it has carried it out. ``action`` is called first.
        """
        self._cut = _Cut(operation, path.encode(), point, action)

    @property
    def is_armed(self) -> bool:
        """Whether the request to cut at is still to come."""
        return self._cut is not None

    def cut(self) -> None:
        """Cut every connection now."""
        for pair in self._pairs:
            _close(*pair)

    def close(self) -> None:
        with suppress(OSError):  # wakes accept() on Linux; elsewhere closing does
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pairs.append((client, server))
                self._start(self._pump, client, server, self._may_request)
                self._start(self._pump, server, client, self._may_reply)

    def _pump(
        self, source: socket.socket, target: socket.socket, may_pass: Callable[[bytes], bool]
    ) -> None:
        with suppress(OSError):
            while (frame := _read_frame(source)) is not None and may_pass(frame):
                target.sendall(frame)
        _close(source, target)

    def _may_request(self, frame: bytes) -> bool:
        xid, operation = struct.unpack(">ii", frame[4:12])
        cut = self._cut
        if cut is None or operation != cut.operation or cut.path not in frame:
            return True
        if cut.point == "before_reply":
            cut.xid = xid
            return True
        return self._strike(cut)

    def _may_reply(self, frame: bytes) -> bool:
        cut = self._cut
        if cut is None or cut.xid is None or struct.unpack(">i", frame[4:8]) != (cut.xid,):
            return True
        return self._strike(cut)

    def _strike(self, cut: _Cut) -> bool:
        self._cut = None
        if cut.action is not None:
            cut.action()
        return False


def _read_frame(source: socket.socket) -> bytes | None:
    """A length and as many bytes; ``None`` at the end."""
    head = _read(source, 4)
    if head is None:
        return None
    body = _read(source, struct.unpack(">i", head)[0])
    return None if body is None else head + body


def _read(source: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            return None
        data += more
    return data


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
