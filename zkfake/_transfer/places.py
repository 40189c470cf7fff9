"""What a word of a command line names: a tree file, or a tree on servers.

The rule that lives here: what exists as a file, ends as a tree file does, or begins with a slash
or a dot, is a file; ``-`` is standard input; everything else is a connect string, with the path of
a znode behind it.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.paths import ROOT, is_valid
from zkfake._trees import files

if TYPE_CHECKING:
    from zkfake._trees.plain import PlainZnode

__all__ = ["FilePlace", "ServersPlace", "place"]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)


class FilePlace(NamedTuple):
    """``name``: ``-`` for standard input, in ``format``."""

    name: str
    format: str

    def read(self) -> dict[str, PlainZnode]:
        """Raises `OSError` and `ValueError`."""
        if self.name != "-":
            return files.read(self.name)
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
