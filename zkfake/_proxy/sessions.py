"""Ending a session that belongs to somebody else.

ZooKeeper's handshake takes a session up again for whoever knows its id and its password; both pass
through the proxy. Closed that way the session ends for its owner as if it had expired: the next
connection is told so, and its ephemeral znodes are gone.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING

from zkfake._protocol.frames import request_frame, resuming_frame, session_given
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from typing import Any

    from zkfake._protocol.frames import Handshake

__all__ = ["close_session"]

_PATIENCE = 5.0
"""Seconds that a server has for each answer."""

_LENGTH = Struct(">i")


def close_session(
    servers: Sequence[tuple[socket.AddressFamily, Any, str]],
    handshake: Handshake,
    tls: ssl.SSLContext | None,
) -> bool:
    """Closes the session by the first of ``servers`` (family, address, name) that answers; False
    where it has ended already. Blocks for as long as that takes. Raises `OSError` where no server
    answers.
    """
    failure: OSError = OSError("the proxy has no server to ask")
    for family, address, name in servers:
        try:
            return _close(family, address, name, handshake, tls)
        except OSError as error:  # noqa: PERF203  # each server has its own reason
            failure = error
    raise OSError(f"no server could close session {handshake.session_id:#x}: {failure}")


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
