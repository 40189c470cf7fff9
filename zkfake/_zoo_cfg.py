"""``zoo.cfg`` files: what the fake takes from one, and the names of what it leaves.

A file is read as the server reads it, in the form of Java's properties. Taken are the settings that
the fake has, the addresses and ports of clients, and the number of servers; their own addresses
mean nothing, as all of them are in one process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zkfake import _settings as settings

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ConfigFile", "read"]

_SERVER = re.compile(r"server\.\d+")
_ADDRESS = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+):\d+:\d+(:(participant|observer))?", re.IGNORECASE)
"""One address of a server, for the other servers."""
_PYTHON = ("sasl.users",)
"""How the names of settings begin whose values are Python objects."""

_CLASS = "authProvider."
"""How the names of settings begin whose values are classes; those of one's own are ignored."""


@dataclass(slots=True)
class ConfigFile:
    """What a ``zoo.cfg`` says, as far as it concerns the fake."""

    settings: dict[str, object] = field(default_factory=dict)
    """Values by the names that `zkfake._settings.Settings.parse` takes."""
    host: str | None = None
    """``clientPortAddress``."""
    port: int | None = None
    """``clientPort``."""
    secure_port: int | None = None
    """``secureClientPort``."""
    voters: list[int | None] = field(default_factory=list)
    """One for each ``server.N`` that has a vote: its client port, where its line has one."""
    observers: list[int | None] = field(default_factory=list)
    """The same for observers."""
    ignored: list[str] = field(default_factory=list)
    """The names that the fake has no use for."""


def read(path: str) -> ConfigFile:
    """The file at ``path`` and the ``dynamicConfigFile`` that it names, if any.

    Raises `OSError` for a file that cannot be read, `ValueError` that names file and line for a
    value that cannot be.
    """
    found = ConfigFile()
    _read(path, found)
    return found


def _read(path: str, found: ConfigFile) -> None:
    where = path
    try:
        for entry in _properties(path):
            where = f"{path}, line {entry.line}"
            _take(found, entry)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _take(found: ConfigFile, entry: _Property) -> None:
    name, value = entry.name, entry.value
    plain = name.removeprefix("zookeeper.")
    if name == "clientPort":
        found.port = _port(name, value)
    elif name == "secureClientPort":
        found.secure_port = _port(name, value)
    elif name == "clientPortAddress":
        if not value:
            raise ValueError(f"{name} is empty: expected an address")
        found.host = value
    elif _SERVER.fullmatch(name):
        # host:port:port[:role][|more of that][;[address:]client port]
        server, _, client = value.partition(";")
        if not all(_ADDRESS.fullmatch(address.strip()) for address in server.split("|")):
            raise ValueError(f"{name} = {value!r}: expected host:port:port, as zoo1:2888:3888")
        observes = server.strip().lower().endswith(":observer")
        port = _port(name, client.rpartition(":")[2].strip()) if client.strip() else None
        (found.observers if observes else found.voters).append(port)
    elif name == "dynamicConfigFile":
        for inner in _properties(value):
            try:
                _take_dynamic(found, inner)
            except ValueError as error:  # noqa: PERF203  # each has a line of its own
                raise ValueError(f"{value}, line {inner.line}: {error}") from None
    elif settings.is_setting(name) and not plain.startswith(_PYTHON) and _is_known(plain, value):
        settings.read(name, value)
        found.settings[name] = value
    else:
        found.ignored.append(name)


def _take_dynamic(found: ConfigFile, entry: _Property) -> None:
    if entry.name == "dynamicConfigFile":
        raise ValueError("a dynamicConfigFile must not name another one")
    _take(found, entry)


def _is_known(plain: str, value: str) -> bool:
    return not plain.startswith(_CLASS) or settings.is_provider(value)


def _port(name: str, value: str) -> int:
    if value.isdecimal() and int(value) <= 0xFFFF:
        return int(value)
    raise ValueError(f"{name} = {value!r}: expected a port, 0 to 65535")


class _Property(NamedTuple):
    line: int
    name: str
    value: str


_BLANK = " \t\f"
_TRIMMED = "".join(map(chr, range(33)))
"""What Java's ``String.trim()`` takes off both ends."""
_GOES_ON = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
"""The end of a line that goes on in the next one: an odd number of backslashes."""
_PARTS = re.compile(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
"""Between name and value is the first ``=``, ``:`` or blank without a backslash."""


def _properties(path: str) -> Iterable[_Property]:
    """A name that comes twice has its last value."""
    found: dict[str, _Property] = {}
    line, start = "", 0
    pieces = re.split(r"\r\n|\r|\n", Path(path).read_bytes().decode("latin-1"))
    for number, piece in enumerate(pieces, start=1):
        piece = piece.lstrip(_BLANK)
        if not line:
            start = number
            if not piece or piece[0] in "#!":
                continue
        line += piece
        if _GOES_ON.search(line):
            line = line[:-1]
            if number < len(pieces) or not line:
                continue
        parts = _PARTS.fullmatch(line)
        assert parts is not None  # it matches anything
        name = _unescape(parts[1])
        found[name] = _Property(start, name, _unescape(parts[2]).strip(_TRIMMED))
        line = ""
    return found.values()


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def _unescape(text: str) -> str:
    return _ESCAPE.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _CONTROLS.get(found[2], found[2]),
        text,
    )
