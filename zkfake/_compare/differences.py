"""What differs between two answers, by operation, and which of it is known.

Rules that live here:

- A difference is a line: the operation, and either what the fake answers and what the server does,
  or the fields that are not the same. No path, number or name of the program is in it, so the same
  line stands for every program that shows it.
- A file of known differences has such lines. ``*`` stands for anything, and what follows ``#`` is
  for people.
- Behind some differences the two servers are apart: what comes after is no news.
"""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from zkfake._compare import wire
from zkfake._compare.side import CONNECT, EVENT, Seen
from zkfake._compare.wire import OP_NAMES, OPS, PING
from zkfake._history.shown import error_name
from zkfake._protocol.frames import event_of
from zkfake._protocol.jute import JuteError, Reader
from zkfake._protocol.records import Op, read_stat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

__all__ = ["AnswerDifference", "KnownDifferences", "differences"]

_READS = frozenset(
    OPS[name]
    for name in (
        *("exists", "getData", "getACL", "getChildren", "getChildren2", "multiRead", "sync"),
        *("getEphemerals", "getAllChildrenNumber", "ping", "checkWatches"),
    )
)


class AnswerDifference(NamedTuple):
    """One difference."""

    line: str
    """What stands for it."""
    apart: bool
    """Whether the servers are in different states behind it."""
    place: int
    """Where it is in what was seen."""
    same: int
    """How many frames before it were equal, on that connection and in that step."""


class KnownDifferences:
    """Those of a file."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Raises `ValueError` for a line that is none."""
        self._patterns: dict[str, int] = {}
        """How often each was met."""
        for number, text in enumerate(lines, 1):
            pattern = text.partition("#")[0].strip()
            if pattern and ": " not in pattern:
                raise ValueError(
                    f"line {number}, {pattern!r}: expected an operation, a colon and what differs, "
                    "as zkfake compare prints it"
                )
            if pattern:
                self._patterns[pattern] = 0

    @classmethod
    def read(cls, path: str | PathLike[str]) -> KnownDifferences:
        """Raises `OSError` and `ValueError`."""
        with open(path, encoding="utf-8") as file:
            try:
                return cls(file)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None

    def has(self, line: str) -> bool:
        """Whether it is one of them; counted."""
        for pattern in self._patterns:
            if fnmatchcase(line, pattern):
                self._patterns[pattern] += 1
                return True
        return False

    @property
    def met(self) -> int:
        """How many of the lines were met."""
        return sum(map(bool, self._patterns.values()))

    def __len__(self) -> int:
        return len(self._patterns)


def differences(fake: list[Seen], server: list[Seen]) -> Iterator[AnswerDifference]:
    """What differs in a step, on one connection after the other. On each only the first difference
    that sets the servers apart.
    """
    for place, (one, other) in enumerate(itertools.zip_longest(fake, server)):
        for found in _on_a_connection(place, one, other):
            yield found
            if found.apart:
                break


def _on_a_connection(
    place: int, fake: Seen | None, server: Seen | None
) -> Iterator[AnswerDifference]:
    sides = [_Answers(each) for each in (fake, server)]
    for same in range(max(len(each.frames) for each in sides) + 1):
        one, other = (each.at(same) for each in sides)
        if one != other:
            line, apart = _difference(one, other)
            yield AnswerDifference(line, apart, place, same)


class _Answer(NamedTuple):
    """One frame; or what is there instead, without a payload."""

    op: int
    payload: bytes = b""
    instead: str = ""

    @property
    def error(self) -> int:
        return int.from_bytes(self.payload[12:16], "big", signed=True)

    @property
    def words(self) -> str:
        if self.instead:
            return self.instead
        if self.op == EVENT:
            return f"event {event_of(wire.frame(self.payload))[0]}"
        if self.op == PING:
            return "goes on"
        if self.op == CONNECT:
            return "let in" if any(self.payload[8:16]) else "refused"
        return error_name(self.error)


class _Answers:
    """What was seen on a connection, and how it goes on behind that."""

    def __init__(self, seen: Seen | None) -> None:
        self.frames = () if seen is None else tuple(zip(seen.ops, seen.frames, strict=True))
        self._end = "closes the connection" if seen is not None and seen.ended else "nothing"

    def at(self, place: int) -> _Answer:
        if place >= len(self.frames):
            return _Answer(EVENT, instead=self._end)
        op, payload = self.frames[place]
        if payload.startswith(b"silence"):
            return _Answer(op, instead="no answer")
        return _Answer(op, payload)


def _difference(fake: _Answer, server: _Answer) -> tuple[str, bool]:
    """The line, and whether they are apart."""
    asked = next((each for each in (fake, server) if each.op != EVENT), fake)
    name = _NAMES.get(asked.op) or OP_NAMES[asked.op]
    if (fake.op == EVENT) != (server.op == EVENT) and not (fake.instead or server.instead):
        words = [each.words if each.op == EVENT else "no event" for each in (fake, server)]
        return f"watches: {words[0]} | {words[1]}", True
    if (fake.op, fake.words) != (server.op, server.words):
        both_answer = fake.op == server.op and not (fake.instead or server.instead)
        apart = not both_answer or (asked.op not in _READS and 0 in (fake.error, server.error))
        return f"{name}: {fake.words} | {server.words}", apart
    if fake.instead:  # both are silent, and say so in their own words
        return f"{name}: {fake.words}", True
    try:
        fields, others = _fields(fake), _fields(server)
    except (JuteError, ValueError):
        return f"{name}: the layout of the answer", True
    parts, apart = dict[str, None](), False
    for key in {**fields, **others}:
        one, other = fields.get(key), others.get(key)
        if one != other:
            where, _, what = key.rpartition("/")
            if one is None or other is None:
                what = what.partition(".")[0]
            elif what == "error":
                what = f"{one} | {other}"
                apart |= "ok" in (one, other)
            parts[f"a part's {what}" if where else what] = None
    return f"{name}: {', '.join(parts) or 'the bytes of the answer'}", apart


# -- the fields of answers


def _fields(answer: _Answer) -> dict[str, str]:
    """By name, those of the parts of a multi with its place in front: ``0/error``."""
    payload, found = answer.payload, dict[str, str]()
    if answer.op == EVENT:
        return {"zxid": str(payload[4:12]), "path": event_of(wire.frame(payload))[1]}
    if answer.op == CONNECT:
        head = {"protocol version": payload[:4], "timeout": payload[4:8], "session": payload[8:16]}
        return {key: str(value) for key, value in (*head.items(), ("password", payload[16:]))}
    found["zxid"] = str(payload[4:12])
    reader = Reader(payload, 16)
    if answer.op in (OPS["multi"], OPS["multiRead"]) and not answer.error:
        _read_parts(reader, found)
    elif not answer.error:
        _read(_LAYOUTS.get(OP_NAMES[answer.op], ()), reader, found, "")
    return found


def _read_parts(reader: Reader, found: dict[str, str]) -> None:
    for place in range(1 << 20):
        kind, done, error = reader.read_int(), reader.read_bool(), reader.read_int()
        if done:
            found["number of parts"] = str(place)
            return
        if kind == Op.ERROR:
            error = reader.read_int()
        found[f"{place}/error"] = error_name(error)
        if kind != Op.ERROR:
            name = "getChildren" if kind == OPS["getChildren"] else OP_NAMES.get(kind, "")
            found[f"{place}/type"] = name
            _read(_LAYOUTS.get(name, ()), reader, found, f"{place}/")


def _read(layout: Iterable[str], reader: Reader, found: dict[str, str], where: str) -> None:
    for field in layout:
        if field == "stat":
            for name, value in read_stat(reader)._asdict().items():
                found[f"{where}stat.{name}"] = str(value)
        elif field == "names":
            names = reader.read_vector(reader.read_string) or []
            found[f"{where}names"] = str(sorted(map(str, names)))
            found[f"{where}the order of names"] = str(names)
        elif field == "acl":
            found[f"{where}acl"] = str(
                reader.read_vector(
                    lambda: (reader.read_int(), reader.read_string(), reader.read_string())
                )
            )
        elif field == "number":
            found[f"{where}number"] = str(reader.read_int())
        else:
            found[f"{where}{field}"] = str(reader.read_buffer())


_LAYOUTS: dict[str, tuple[str, ...]] = {
    "create": ("path",),
    "create2": ("path", "stat"),
    "createContainer": ("path", "stat"),
    "exists": ("stat",),
    "getData": ("data", "stat"),
    "setData": ("stat",),
    "getACL": ("acl", "stat"),
    "setACL": ("stat",),
    "sync": ("path",),
    "getChildren": ("names",),
    "getChildren2": ("names", "stat"),
    "getEphemerals": ("names",),
    "getAllChildrenNumber": ("number",),
}
_NAMES = {EVENT: "watches", CONNECT: "connect", PING: "connection"}
