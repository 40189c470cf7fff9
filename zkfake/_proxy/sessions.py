"""Ending the session of a client from outside.

ZooKeeper's handshake resumes a session for any client that knows its id and its password; both pass
through the proxy. A session that is closed this way ends for its client as if it had expired: its
next connection is refused, and its ephemeral znodes are deleted.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING

from zkfake._channel.channel import session_text
from zkfake._protocol.frames import request_frame, resuming_frame, session_given
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from typing import Any

    from zkfake._protocol.frames import Handshake

    Server = tuple[socket.AddressFamily, Any, str]
    """A server's address, and the name that its certificate has to have."""

__all__ = ["PassedSessions"]

_REMEMBERED = 10_000
"""The number of sessions whose passwords are kept: the latest ones."""

_PATIENCE = 5.0
"""The longest time that a server may take for each answer, seconds."""

_LENGTH = Struct(">i")


class PassedSessions:
    """The sessions that have passed through a proxy, by their handshakes."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        """``tls``: for connections to the servers; ``None``: plain ones."""
        self.servers: Sequence[Server] = ()
        self._tls = tls
        self._handshakes: dict[int, Handshake] = {}

    def add(self, handshake: Handshake) -> None:
        """A server has given a client a session, or has resumed one."""
        self._handshakes.pop(handshake.session_id, None)
        self._handshakes[handshake.session_id] = handshake
        if len(self._handshakes) > _REMEMBERED:
            del self._handshakes[next(iter(self._handshakes))]

    def handshake(self, session_id: int) -> Handshake:
        """The latest handshake of a session. Raises `ValueError` where none has passed."""
        if session_id not in self._handshakes:
            raise ValueError(
                f"{session_text(session_id)} has not passed through this ZooKeeperProxy; connect "
                "the client to its hosts"
            )
        return self._handshakes[session_id]

    def close(self, handshake: Handshake) -> bool:
        """Closes the session by the first server that answers; False where it has ended already.
        Blocks for as long as that takes. Raises `OSError` where no server answers.
        """
        return _close_by(self.servers, handshake, self._tls)


def _close_by(servers: Sequence[Server], handshake: Handshake, tls: ssl.SSLContext | None) -> bool:
    failure: OSError = OSError("the proxy has no server to ask")
    for family, address, name in servers:
        try:
            return _close(family, address, name, handshake, tls)
        except OSError as error:  # noqa: PERF203  # each server has its own reason
            failure = error
    raise OSError(f"no server could close {session_text(handshake.session_id)}: {failure}")


def _close(
    family: socket.AddressFamily,
    address: Any,
    name: str,
    handshake: Handshake,
    tls: ssl.SSLContext | None,
) -> bool:
    plain = socket.socket(family, socket.SOCK_STREAM)
    with plain:
        plain.settimeout(_PATIENCE)
        plain.connect(address)
        channel = plain if tls is None else tls.wrap_socket(plain, server_hostname=name)
        with channel:
            channel.sendall(resuming_frame(handshake))
            if not session_given(_receive(channel)):
                return False
            channel.sendall(request_frame(1, Op.CLOSE_SESSION))
            with suppress(ConnectionError):  # the server may close before it has answered
                _receive(channel)
    return True


def _receive(channel: socket.socket) -> bytes:
    """The next frame, with its length in front."""
    head = _read(channel, _LENGTH.size)
    return head + _read(channel, *_LENGTH.unpack(head))


def _read(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            raise ConnectionError("the server has closed the connection")
        data += more
    return data
