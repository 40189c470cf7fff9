"""What a word of a command line names: a tree file, or a tree on servers.

The rule that lives here: what exists as a file, ends as a tree file does, or begins with a slash
or a dot, is a file; ``-`` is standard input; everything else is a connect string, with the path of
a znode behind it. A host without a port may be the mistyped name of a file, so nobody waits there
for a server that does not run.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.paths import ROOT, is_valid
from zkfake._trees import files

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._trees.plain import PlainZnode

__all__ = ["FilePlace", "ServersPlace", "place"]

_PORT = 2181
"""Of a host without one."""

_PATIENCE = 2.0
"""Seconds in which a host may refuse a connection."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)


class FilePlace(NamedTuple):
    """``name``: ``-`` for standard input, in ``format``."""

    name: str
    format: str

    def read(self, note: Callable[[str], object]) -> dict[str, PlainZnode]:
        """``note``: as `files.read` has it. Raises `OSError` and `ValueError`."""
        if self.name != "-":
            return files.read(self.name, note)
        try:
            return files.parse(sys.stdin.read(), self.format)
        except ValueError as error:  # also bytes that are not UTF-8
            raise files.TreeFileError(f"standard input: {error}") from None


class ServersPlace(NamedTuple):
    """A tree below the znode ``path``."""

    hosts: str
    path: str

    def __str__(self) -> str:
        return self.hosts + (self.path if self.path != ROOT else "")

    def look_up(self) -> None:
        """Raises `ValueError` where none of the hosts exists, or those that have no port refuse
        connections.
        """
        wrong = [_absent(host.strip()) for host in self.hosts.split(",")]
        if all(wrong):
            file = "" if ":" in self.hosts else "there is no such file, and "
            raise ValueError(f"{self}: {file}{wrong[0]}")


def _absent(host: str) -> str | None:
    """Why no server can be at a host, if that is known at once."""
    found = _HOST.fullmatch(host)
    assert found is not None
    name, port = found[1].strip("[]"), int((found[2] or f":{_PORT}")[1:])
    try:
        socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name is too long
        return f"no such host: {getattr(error, 'strerror', None) or error}"
    if found[2] is None:
        try:
            socket.create_connection((name, port), _PATIENCE).close()
        except ConnectionRefusedError:
            return f"no server at {name}:{port}"
        except OSError:
            pass  # it may have an answer later
    return None


def place(text: str, format_: str = "json") -> FilePlace | ServersPlace:
    """What ``text`` names. ``format_``: of standard input. Raises `ValueError`."""
    if text == "-" or os.path.exists(text) or files.is_tree_file(text) or text[:1] in ("/", "."):
        return FilePlace(text, format_)
    return servers(text)


def servers(text: str) -> ServersPlace:
    """Servers and a path. Raises `ValueError`."""
    hosts, slash, path = text.partition("/")
    path = slash + path.rstrip("/") or ROOT
    for host in hosts.split(","):
        found = _HOST.fullmatch(host.strip())
        if found is None or int((found[2] or ":1")[1:]) > 0xFFFF:
            raise ValueError(
                f"{text!r} is neither a file nor HOST:PORT,.../PATH, such as zk1:2181,zk2:2181/app"
            )
    if not is_valid(path):
        raise ValueError(f"{text!r}: {path!r} is not a valid path of a znode")
    return ServersPlace(hosts, path)
