"""Transactions and znodes as bytes.

Rules that live here: what was packed is unpacked as equal objects. Bytes that are none of these
raise `DamagedError`, though whoever stores them has checked that they are unchanged. Numbers are
big-endian; a text is its length and UTF-8, lone surrogates included; a length of -1 is ``None``.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, error
from typing import TYPE_CHECKING, TypeVar

from zkfake._database.log import Check, Create, Delete, Outcome, SetAcl, SetData, Transaction
from zkfake._database.tree import Znode
from zkfake._protocol.records import Acl, Acls, Code, Op

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DamagedError",
    "Source",
    "pack_sessions",
    "pack_transaction",
    "pack_znode",
    "unpack_sessions",
    "unpack_transaction",
    "unpack_znode",
]

_INT, _LONG = Struct(">i"), Struct(">q")
_TRANSACTION = Struct(">qqiiiii")
_CREATE, _VERSION = Struct(">qqq"), Struct(">q")
_ZNODE = Struct(">qqqqqqqqqq")
_SESSION = Struct(">qi")

_NONE = _INT.pack(-1)

T = TypeVar("T")


class DamagedError(ValueError):
    """Stored bytes are not what was stored."""


# -- packing


def _text(value: str | None) -> bytes:
    return _buffer(None if value is None else value.encode("utf-8", "surrogatepass"))


def _buffer(value: bytes | None) -> bytes:
    return _NONE if value is None else _INT.pack(len(value)) + value


@lru_cache(maxsize=1000)
def _acls(acls: Acls) -> bytes:
    parts = [_INT.pack(len(acls))]
    for perms, scheme, id_ in acls:
        parts += (_INT.pack(perms), _text(scheme), _text(id_))
    return b"".join(parts)


def pack_transaction(transaction: Transaction) -> bytes:
    """A transaction without its zxid."""
    _, time, session, op, operations, code, failed_at, timeout = transaction
    head = _TRANSACTION.pack(time, session, op, code, failed_at, timeout, len(operations))
    return head + b"".join([_PACK[type(each)](each) for each in operations])


def _pack_create(done: Create) -> bytes:
    path, data, acl, owner, reap, creates = done
    return b"C" + _text(path) + _buffer(data) + _acls(acl) + _CREATE.pack(owner, reap, creates)


def _pack_delete(done: Delete) -> bytes:
    return b"D" + _text(done.path)


def _pack_set_data(done: SetData) -> bytes:
    return b"S" + _text(done.path) + _buffer(done.data) + _VERSION.pack(done.version)


def _pack_set_acl(done: SetAcl) -> bytes:
    return b"A" + _text(done.path) + _acls(done.acl) + _VERSION.pack(done.aversion)


def _pack_check(done: Check) -> bytes:
    return b"K" + _text(done.path)


_PACK: dict[type, Callable[..., bytes]] = {
    Create: _pack_create,
    Delete: _pack_delete,
    SetData: _pack_set_data,
    SetAcl: _pack_set_acl,
    Check: _pack_check,
}


def pack_znode(path: str, node: Znode) -> bytes:
    """A znode with its path."""
    data, acl, *numbers = node
    return _text(path) + _buffer(data) + _acls(acl) + _ZNODE.pack(*numbers)


def pack_sessions(sessions: dict[int, int]) -> bytes:
    """The timeouts of sessions, by id."""
    return _INT.pack(len(sessions)) + b"".join(
        [_SESSION.pack(id_, timeout) for id_, timeout in sessions.items()]
    )


# -- unpacking


class Source:
    """Bytes that are read from their beginning. Every method raises `DamagedError` where they do
    not hold what is asked for.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def at_end(self) -> bool:
        return self._place == len(self._data)

    def numbers(self, form: Struct) -> tuple[int, ...]:
        try:
            found = form.unpack_from(self._data, self._place)
        except error:
            raise DamagedError("a record is too short") from None
        self._place += form.size
        return found

    def number(self) -> int:
        return self.numbers(_INT)[0]

    def take(self, size: int) -> bytes:
        start, self._place = self._place, self._place + size
        if not 0 <= size <= len(self._data) - start:
            raise DamagedError("a record is too short")
        return self._data[start : self._place]

    def buffer(self) -> bytes | None:
        size = self.number()
        return None if size == -1 else self.take(size)

    def text_or_none(self) -> str | None:
        data = self.buffer()
        try:
            return None if data is None else data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise DamagedError("a text is not UTF-8") from None

    def text(self) -> str:
        found = self.text_or_none()
        if found is None:
            raise DamagedError("a path is missing")
        return found

    def acls(self) -> Acls:
        found = [
            Acl(self.number(), self.text_or_none(), self.text_or_none())
            for _ in range(self.number())
        ]
        return _shared(tuple(found))


@lru_cache(maxsize=1000)
def _shared(acls: Acls) -> Acls:
    """One list for all znodes that have an equal one."""
    return acls


def unpack_transaction(zxid: int, body: bytes) -> Transaction:
    """What `pack_transaction` has packed."""
    source = Source(body)
    time, session, op, code, failed_at, timeout, count = source.numbers(_TRANSACTION)
    operations = tuple([_operation(source) for _ in range(count)])
    if not source.at_end:
        raise DamagedError("a record is too long")
    try:
        return Transaction(zxid, time, session, Op(op), operations, Code(code), failed_at, timeout)
    except ValueError as wrong:  # of another version
        raise DamagedError(str(wrong)) from None


def _operation(source: Source) -> Outcome:
    kind = source.take(1)
    path = source.text()
    if kind == b"C":
        return Create(path, source.buffer(), source.acls(), *source.numbers(_CREATE))
    if kind == b"D":
        return Delete(path)
    if kind == b"S":
        return SetData(path, source.buffer(), *source.numbers(_VERSION))
    if kind == b"A":
        return SetAcl(path, source.acls(), *source.numbers(_VERSION))
    if kind == b"K":
        return Check(path)
    raise DamagedError(f"{kind!r} is not a kind of operation")


def unpack_znode(source: Source) -> tuple[str, Znode]:
    """The next znode, with its path."""
    path, data, acl = source.text(), source.buffer(), source.acls()
    return path, Znode(data, acl, *source.numbers(_ZNODE))


def unpack_sessions(source: Source) -> dict[int, int]:
    """What `pack_sessions` has packed."""
    return dict(source.numbers(_SESSION) for _ in range(source.number()))  # type: ignore[misc]
