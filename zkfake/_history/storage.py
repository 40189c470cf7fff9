"""Histories on disk, their form and how they are read: JSON Lines, one line an event.

The rules that live here:

- The first line says what the file is, in which version of the form, and whether it has the log of
  what was committed. The last line counts the lines between: a file without it was cut, or its
  program was killed.
- An event is a list: its kind, and its fields in their order. Bytes are ``{"b": base64}``, lists
  within are tuples. A number, a string, true, false and null are themselves.
- What was saved is loaded as equal objects. A file that is cut gives everything up to there.
- Another version is refused, not guessed at.
"""

from __future__ import annotations

import json
from base64 import b64decode
from math import isfinite
from typing import TYPE_CHECKING, Any

from zkfake._database.log import Check, Create, Delete, SetAcl, SetData, Transaction
from zkfake._history import events, inside
from zkfake._history.events import Kept, ShownKey
from zkfake._history.inside import Vote
from zkfake._protocol.records import Acl, Code, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from typing_extensions import Self

    from zkfake._history.events import Event, Logged

__all__ = ["FORM", "TITLE", "HistoryFileError", "Lines"]

FORM = 3
"""The version of the form that is written here."""

_READABLE = (1, 2, FORM)
"""Forms 1 and 2 have fewer kinds of events."""

TITLE = "zkfake-history"


class HistoryFileError(ValueError):
    """A file is no history, or one that only a newer version can read."""


class Lines:
    """The events of a file and the entries of its log, one after the other, in the memory of one.

    Raises `OSError`, and `HistoryFileError` for what is no history of this version; on the way, for
    a file that is cut or damaged.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._name = str(path)
        # Bytes: text is decoded ahead, and a damaged line would take those before it along.
        self._file = open(path, "rb")  # noqa: SIM115  # closed by the with block
        try:
            self.has_log = self._read_title()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read_title(self) -> bool:
        try:
            title = json.loads(self._file.readline(1000).decode("utf-8"))
            form, has_log = title[TITLE], title["log"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise HistoryFileError(f"{self._name} is not a history of zkfake") from None
        if form not in _READABLE:
            raise HistoryFileError(
                f"{self._name} is a history of form {form!r}; only forms 1 to {FORM} can be read"
            )
        return bool(has_log)

    def __iter__(self) -> Iterator[Event | Logged]:
        count = 0
        lines = enumerate(self._file, 2)
        for number, line in lines:
            if not line.endswith(b"\n"):
                break  # cut, if within a line: even a whole one may be the start of a longer one
            try:
                item = json.loads(line.decode("utf-8"))
                if isinstance(item, dict) and set(item) == {"end"}:
                    self._check_end(item["end"], count, lines)
                    return
                event = _event(item)
            except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
                if isinstance(error, HistoryFileError):
                    raise
                raise self._damaged(number) from None
            yield event
            count += 1
        raise HistoryFileError(
            f"{self._name} ends after {count} events, without its last line: it was cut, or its "
            "program was killed"
        )

    def _check_end(self, end: object, count: int, rest: Any) -> None:
        if end != count:
            raise HistoryFileError(f"{self._name} has {count} events, but says that it has {end}")
        if next(rest, None) is not None:
            raise HistoryFileError(f"{self._name} goes on after its end")

    def _damaged(self, number: int) -> HistoryFileError:
        return HistoryFileError(f"{self._name} is damaged: line {number} is not an event")


# -- fields


def _bytes(value: Any) -> bytes:
    if not isinstance(value, dict) or set(value) != {"b"}:
        raise TypeError(value)
    return b64decode(value["b"].encode("ascii"), validate=True)


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError(value)
        return value

    return read


_int, _bool = _exactly(int), _exactly(bool)
_text, _text_or_none = _exactly(str), _exactly(str, type(None))


def _finite(value: Any) -> Any:
    """JSON has no other numbers, but Python reads them, and 1e999 as infinity."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(value)
    return value


def _time(value: Any) -> float:
    return _finite(_exactly(float, int)(value))  # type: ignore[no-any-return]


def _scalar(value: Any) -> Any:
    if isinstance(value, dict):
        return _bytes(value)
    return _finite(_exactly(str, int, float, bool, type(None))(value))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(each) for each in _exactly(list)(value))


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(_int(each) for each in _exactly(list)(value))


def _bytes_or_none(value: Any) -> bytes | None:
    return None if value is None else _bytes(value)


def _acls(value: Any) -> tuple[Acl, ...]:
    return tuple(
        Acl(_int(perms), _text_or_none(scheme), _text_or_none(id_)) for perms, scheme, id_ in value
    )


def _operation(value: Any) -> Any:
    kind, *fields = value
    make, readers = _OPERATIONS[kind]
    return make(*(read(field) for read, field in zip(readers, fields, strict=True)))


_OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[Callable[[Any], Any], ...]]] = {
    "Create": (Create, (_text, _bytes_or_none, _acls, _int, _int, _int)),
    "Delete": (Delete, (_text,)),
    "SetData": (SetData, (_text, _bytes_or_none, _int)),
    "SetAcl": (SetAcl, (_text, _acls, _int)),
    "Check": (Check, (_text,)),
}


def _transaction(value: Any) -> Transaction:
    zxid, time, session, op, operations, error, failed_at, timeout = value
    return Transaction(
        _int(zxid),
        _int(time),
        _int(session),
        Op(_int(op)),
        tuple(map(_operation, operations)),
        Code(_int(error)),
        _int(failed_at),
        _int(timeout),
    )


def _znodes(value: Any) -> tuple[Kept, ...]:
    return tuple(
        Kept(
            _text(path),
            _bytes_or_none(data),
            _acls(acl),
            _int(czxid),
            _int(mzxid),
            _int(version),
            _int(owner),
        )
        for path, data, acl, czxid, mzxid, version, owner in value
    )


def _writes(value: Any) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((_text(name), _bytes_or_none(data)) for name, data in value)


def _changes(value: Any) -> tuple[ShownKey, ...]:
    return tuple(
        ShownKey(_text(name), _bytes_or_none(data), _int(version), _int(czxid), _int(mzxid))
        for name, data, version, czxid, mzxid in value
    )


def _votes(value: Any) -> tuple[Vote, ...]:
    return tuple(
        Vote(_int(server), _int(epoch), _int(zxid), _bool(observer))
        for server, epoch, zxid, observer in value
    )


def _quorums(value: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(map(_numbers, _exactly(list)(value)))


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "time": _time,
    "number": _int,
    "waiting": _int,
    "connection": _int,
    "xid": _int,
    "zxid": _int,
    "error": _int,
    "server": _int,
    "epoch": _int,
    "paths": _texts,
    "on_disk": _numbers,
    "voters": _numbers,
    "frame": _bytes,
    "znode": _text_or_none,
    "key": _scalar,
    "value": _scalar,
    "transaction": _transaction,
    "znodes": _znodes,
    "dict": _int,
    "session": _int,
    "updated": _int,
    "exact": _bool,
    "writes": _writes,
    "changes": _changes,
    "votes": _votes,
    "quorums": _quorums,
    "followers": _numbers,
    "tick": _time,
    "source": _int,
    "since": _time,
    "version": _int,
    "observer": _bool,
    "proposed": _bool,
    "after": _int,
    "target": _int,
    "cut": _bool,
    "paused": _bool,
}
"""How a field is read, by its name; any other one is text."""

_SPECIAL = {("TaskEnded", "error"): _text, ("Claimed", "client"): _text_or_none}


def _kind(kind: Any) -> tuple[Any, tuple[Callable[[Any], Any], ...]]:
    name = kind.__name__
    return kind, tuple(
        _SPECIAL.get((name, field), _FIELDS.get(field, _text)) for field in kind._fields
    )


_KINDS = {
    name: _kind(getattr(module, name))
    for module in (events, inside)
    for name in module.__all__
    if hasattr(getattr(module, name), "_fields")
}


def _event(item: Any) -> Any:
    kind, *values = item
    make, readers = _KINDS[kind]
    return make(*(read(value) for read, value in zip(readers, values, strict=True)))
