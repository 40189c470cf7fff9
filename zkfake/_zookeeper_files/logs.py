"""``log.*``: transactions, as a server has written them.

The rules that live here:

- A file is a header (``ZKLG``, version, database id) and entries: the Adler-32 of a transaction,
  its length, the transaction, ``B``. Zeros follow, as the file grows in large pieces.
- A server that is killed may leave an entry that is cut at the end of its last file. It was never
  acknowledged. A server takes every entry that does not end in ``B`` for such a one, and goes on
  with its next file, whatever follows: so what is left out is told.
- A server does not start with a wrong checksum, nor with the length of an entry that it would not
  accept from a client.
- From 3.6 on a digest of the tree follows a transaction; it is not looked at. A closeSession has
  the paths that it deletes, or nothing.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.log import CONTAINER, Check, Create, Delete, Outcome, SetAcl, SetData
from zkfake._protocol.jute import JuteError, Reader
from zkfake._protocol.records import Op
from zkfake._zookeeper_files.snapshots import read_acl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkfake._protocol.records import Acls

__all__ = ["LogError", "LoggedTransaction", "read_log"]

_HEADER = Struct(">4siq")
_ENTRY = Struct(">qi")
_VERSION = 2

_LONGEST = 2 * 0xFFFFF
"""The largest length of a buffer that a server reads: ``jute.maxbuffer`` twice, as its default is
the room for what comes with a client's data.
"""


class LogError(ValueError):
    """A file is no log of transactions, or is damaged."""


class LoggedTransaction(NamedTuple):
    """``operations``: none where the request has failed. ``timeout``: of a createSession,
    milliseconds. ``Create.parent_cversion`` is -1 where an old server has not noted it.
    """

    session_id: int
    zxid: int
    time: int
    op: Op
    operations: tuple[Outcome, ...] = ()
    timeout: int = 0


def read_log(path: Path, notes: list[str]) -> Iterator[LoggedTransaction]:
    """The transactions of a file. ``notes``: gets a line where something is left out. Raises
    `OSError` and `LogError`.
    """
    data = path.read_bytes()
    if len(data) < _HEADER.size or data[:4] != b"ZKLG":
        if not data.strip(b"\0"):
            return  # a server that was killed when it had just made it
        raise LogError("it is not a log of ZooKeeper's transactions")
    version = _HEADER.unpack_from(data)[1]
    if version != _VERSION:
        raise LogError(f"it has version {version} of the format; {_VERSION} is known")
    place = _HEADER.size
    while len(data) - place >= _ENTRY.size:
        checksum, length = _ENTRY.unpack_from(data, place)
        if length == 0:
            break
        end = place + _ENTRY.size + length
        if length < 0 or data[end : end + 1] != b"B":
            if not 0 <= length <= _LONGEST:
                raise LogError(
                    f"it is damaged at byte {place:,}: no transaction has {length:,} bytes"
                )
            break
        body = data[place + _ENTRY.size : end]
        if checksum != zlib.adler32(body):
            raise LogError(f"it is damaged at byte {place:,}: the checksum is another one")
        try:
            yield _transaction(body)
        except JuteError as error:
            raise LogError(f"it is damaged at byte {place:,}: {error}") from None
        place = end + 1
    left = data[place:].rstrip(b"\0")
    if left and _has_entry(left):
        notes.append(
            f"{path}: it is damaged at byte {place:,}; all from there on is left out, whole "
            f"transactions among it, as a server does that starts with it"
        )
    elif left:
        notes.append(f"{path}: the last {len(left):,} bytes are a part of a transaction; left out")


def _has_entry(data: bytes) -> bool:
    """Whether a whole entry follows on the end of another one."""
    place = data.find(b"B")
    while 0 <= place < len(data) - _ENTRY.size:
        checksum, length = _ENTRY.unpack_from(data, place + 1)
        begin = place + 1 + _ENTRY.size
        end = begin + length
        if (
            0 < length <= _LONGEST
            and data[end : end + 1] == b"B"
            and checksum == zlib.adler32(data[begin:end])
        ):
            return True
        place = data.find(b"B", place + 1)
    return False


def _transaction(body: bytes) -> LoggedTransaction:
    reader = Reader(body)
    session_id, _, zxid, time = (
        reader.read_long(),
        reader.read_int(),
        reader.read_long(),
        reader.read_long(),
    )
    op = _op(reader.read_int())
    if op is Op.CREATE_SESSION:
        return LoggedTransaction(session_id, zxid, time, op, timeout=reader.read_int())
    operations: tuple[Outcome, ...] = ()
    if op is Op.CLOSE_SESSION:
        operations = tuple(map(Delete, _deleted(reader)))
    elif op is Op.MULTI:
        parts = reader.read_vector(lambda: (_op(reader.read_int()), reader.read_buffer())) or []
        if all(kind is not Op.ERROR for kind, _ in parts):
            operations = tuple(
                _operation(kind, Reader(part or b""), session_id) for kind, part in parts
            )
    elif op is not Op.ERROR:
        operations = (_operation(op, reader, session_id),)
    return LoggedTransaction(session_id, zxid, time, op, operations)


def _op(number: int) -> Op:
    try:
        return Op(number)
    except ValueError:
        raise JuteError(f"{number} is not a kind of transaction") from None


def _deleted(reader: Reader) -> list[str]:
    """The paths that a closeSession deletes; none where the server has not noted them."""
    try:
        found = reader.read_vector(lambda: _path(reader))
    except JuteError:  # nothing, or a digest
        return []
    return found or []


def _path(reader: Reader) -> str:
    path = reader.read_string()
    if not path:
        raise JuteError("a path is missing")
    return path


def _operation(op: Op, reader: Reader, session_id: int) -> Outcome:
    path = _path(reader)
    if op in (Op.CREATE, Op.CREATE2):
        data, acl, ephemeral = reader.read_buffer(), read_acl(reader), reader.read_bool()
        return _create(path, data, acl, session_id if ephemeral else 0, 0, reader)
    if op is Op.CREATE_CONTAINER:
        return _create(path, reader.read_buffer(), read_acl(reader), 0, CONTAINER, reader)
    if op is Op.CREATE_TTL:
        made = _create(path, reader.read_buffer(), read_acl(reader), 0, 0, reader)
        return made._replace(reap=reader.read_long())
    if op in (Op.DELETE, Op.DELETE_CONTAINER):
        return Delete(path)
    if op in (Op.SET_DATA, Op.RECONFIG):
        return SetData(path, reader.read_buffer(), reader.read_int())
    if op is Op.SET_ACL:
        return SetAcl(path, read_acl(reader), reader.read_int())
    if op is Op.CHECK:
        return Check(path)
    raise JuteError(f"{op.name} does not change znodes")


def _create(
    path: str, data: bytes | None, acl: Acls, owner: int, reap: int, reader: Reader
) -> Create:
    # 3.3 did not write the parent's count.
    return Create(path, data, acl, owner, reap, reader.read_int() if reader.left >= 4 else -1)
