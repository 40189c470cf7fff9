"""The connect string of the servers that a proxy stands in front of."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.paths import is_valid

if TYPE_CHECKING:
    from typing import Any

__all__ = ["ServerAddress", "parse", "resolve"]

_PORT = 2181
"""ZooKeeper's own."""


class ServerAddress(NamedTuple):
    """A server's address from the connect string."""

    host: str
    port: int


def parse(hosts: str) -> tuple[tuple[ServerAddress, ...], str]:
    """The servers of a connect string such as ``"zk1:2181,[::1]:2182/base"``, and its chroot,
    ``""`` without one. Raises `ValueError` for an invalid one, `TypeError` if it
    is not a text.
    """
    if not isinstance(hosts, str):
        raise TypeError(f"hosts={hosts!r}; expected a connect string such as '127.0.0.1:2181'")
    listed, slash, below = hosts.partition("/")
    chroot = (slash + below).rstrip("/")
    if chroot and not is_valid(chroot):
        raise ValueError(f"the chroot {chroot!r} of {hosts!r} is not a valid path")
    return tuple(_target(each.strip(), hosts) for each in listed.split(",")), chroot


def _target(text: str, hosts: str) -> ServerAddress:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(_PORT)
    bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if bracketed else host
    if not name or (":" in name and not bracketed) or not port.isascii() or not port.isdigit():
        raise ValueError(
            f"{text!r} in {hosts!r} is not host:port; an IPv6 address is written [::1]:2181"
        )
    if not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} in {hosts!r} has no valid port: expected 1 to 65535")
    return ServerAddress(name, int(port))


def resolve(target: ServerAddress) -> tuple[socket.AddressFamily, Any]:
    """The address to connect to. May query a name server. Raises `OSError` with the host's name."""
    try:
        found = socket.getaddrinfo(*target, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"cannot find the address of {target.host!r}: {error.strerror}") from None
    family, _, _, _, where = found[0]
    return family, where
