"""Histories on disk, written: whole ones, and ones that still grow.

Rules that live here:

- A line is an event as a list, in ASCII. Bytes are ``{"b": base64}``; named tuples are lists.
- What grows is written in whole lines, in the order in which it happened. Only the last line of the
  file says that nothing is missing, so a program that is killed leaves a file that ends before it.
- What was written is not kept in memory.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from zkfake._database.log import Transaction
from zkfake._history.storage import FORM, TITLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from os import PathLike
    from typing import BinaryIO

    from zkfake._history.events import Event, Logged

__all__ = ["HistoryWriter", "save"]


def save(path: str | PathLike[str], entries: Iterable[Event | Logged], has_log: bool) -> None:
    """Write a history. Raises `OSError`."""
    with open(path, "wb") as file:
        _write_title(file, has_log)
        _write_end(file, _write_events(file, entries))


class HistoryWriter:
    """Writes a history that still grows, in turns.

    Its file is made, or made empty, at the first turn. A turn raises nothing: what goes wrong is
    kept for `close`, and nothing more is written.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        left: Callable[[], bool],
        take: Callable[[], Iterable[Event | Logged]],
        *,
        has_log: bool,
    ) -> None:
        """``take``: returns what has happened since it was last called, and forgets it. ``left``:
        whether that would be anything.
        """
        self._path = path
        self._left = left
        self._take = take
        self._has_log = has_log
        self._file: BinaryIO | None = None
        self._count = 0
        self._error: OSError | None = None

    @property
    def is_behind(self) -> bool:
        """Whether a turn has something to write."""
        return self._left()

    def catch_up(self) -> None:
        """Write what has happened since the last turn. Cost: linear in it, about 3 us an event."""
        entries = self._take()  # also after an error: it would fill the memory
        if self._error is not None:
            return
        try:
            if self._file is None:
                self._file = open(self._path, "wb")  # noqa: SIM115  # `close` closes it
                _write_title(self._file, self._has_log)
            self._count += _write_events(self._file, entries)
            self._file.flush()
        except OSError as error:
            self._error = error

    def close(self) -> None:
        """Write the rest, and the end. Raises the `OSError` that stopped it."""
        self.catch_up()
        file, self._file = self._file, None
        try:
            if file is not None:
                with file:
                    if self._error is None:
                        _write_end(file, self._count)
        except OSError as error:
            self._error = self._error or error
        if self._error is not None:
            raise self._error


def _write_title(file: BinaryIO, has_log: bool) -> None:
    _write_line(file, {TITLE: FORM, "log": has_log})


def _write_events(file: BinaryIO, entries: Iterable[Event | Logged]) -> int:
    """How many there were."""
    count = 0
    for event in entries:
        file.write(f"{_named(event)}\n".encode("ascii"))
        count += 1
    return count


def _write_end(file: BinaryIO, count: int) -> None:
    _write_line(file, {"end": count})


def _write_line(file: BinaryIO, item: object) -> None:
    file.write(json.dumps(item, separators=(",", ":")).encode("ascii") + b"\n")


# -- values, as `json` would write them: it takes twice the time


def _named(fields: tuple[Any, ...]) -> str:
    """A named tuple, with its name."""
    inside = ",".join([_FORMS[type(each)](each) for each in fields])
    return f'["{type(fields).__name__}",{inside}]'


def _list(values: tuple[Any, ...]) -> str:
    return "[" + ",".join([_FORMS[type(each)](each) for each in values]) + "]"


def _bytes(value: bytes) -> str:
    return '{"b":"' + b2a_base64(value, newline=False).decode("ascii") + '"}'


def _transaction(done: Transaction) -> str:
    operations = ",".join(map(_named, done.operations))
    return (
        f"[{done.zxid},{done.time},{done.session_id},{int(done.op)},[{operations}],"
        f"{int(done.error)},{done.failed_at},{done.timeout}]"
    )


class _Forms(dict[type, "Callable[[Any], str]"]):
    """How values of a type are written."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        # What a program records may be of a subclass, such as an enumeration of texts, or a number
        # of numpy. It is written, and read back, as what it is equal to.
        form = next((self[each] for each in _SCALARS if issubclass(kind, each)), None)
        if form is None and not issubclass(kind, tuple):
            raise TypeError(f"a history has no {kind.__name__}")
        self[kind] = form = form or _list
        return form


_SCALARS = (int, float, str, bytes)


_FORMS = _Forms({
    int: int.__repr__,
    float: float.__repr__,
    str: encode_basestring_ascii,
    bytes: _bytes,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
    Transaction: _transaction,
})  # fmt: skip
