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

from zkfake._protocol.frames import request_frame, resuming_frame, session_given
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from typing import Any

    from zkfake._protocol.frames import Handshake

__all__ = ["close_session"]

_PATIENCE = 5.0
"""The longest time that a server may take for each answer, seconds."""

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
