"""A channel over TCP tells the end of a connection in one way."""

from __future__ import annotations

import socket

import pytest

from .wire import PING_FRAME, SocketChannel


@pytest.mark.parametrize("error", [BrokenPipeError, ConnectionResetError])
def test_a_server_that_resets_at_once_has_closed(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However early the reset comes: while `connect` waits still, too."""
    connect = socket.create_connection
    early = [error]

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        if early:
            raise early.pop()
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", create_connection)
    channel = SocketChannel(("127.0.0.1", 1))
    assert not early
    channel.send(PING_FRAME)
    assert channel.read_frame() == ([], True)


def test_where_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(ConnectionRefusedError):
        SocketChannel(address)
