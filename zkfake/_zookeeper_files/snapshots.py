"""``snapshot.*``: a tree and the sessions, as a server has written them while it went on.

The rules that live here: a file is a header (``ZKSN``, version, database id), the sessions, the
ACLs by number, the znodes, and seals. A seal is the Adler-32 of all bytes before it, and the text
``/``. One stands behind the znodes; from 3.6 on a digest of the tree may follow, from 3.9 on the
last zxid, each with a seal. The root's path is empty, and ``/`` ends the znodes. The name ends with
how the file is compressed.
"""

from __future__ import annotations

import gzip
import zlib
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.acl import OPEN
from zkfake._database.log import CONTAINER
from zkfake._database.paths import ROOT
from zkfake._database.tree import Znode
from zkfake._protocol.jute import JuteError, Reader
from zkfake._protocol.records import Acl, Acls
from zkfake._zookeeper_files.snappy import SnappyError, decompressed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["SnapshotError", "StoredSnapshot", "kind_and_owner", "read_acl", "read_snapshot"]

_HEADER = Struct(">4siq")
_VERSION = 2
_STAT = Struct(">qqqqiiiqq")
_SEAL = Struct(">qi1s")
_TRAILERS = (Struct(">qiq"), Struct(">q"))
"""A digest with its zxid and version; the last zxid."""

_OPEN_NUMBER = -1
_CONTAINER_OWNER = -1 << 63
_TTL_BITS = 40
_TTL, _TTL_OWNERS = (1 << _TTL_BITS) - 1, -1 << 16
"""The milliseconds of an owner that is a time to live; what all such owners have above them."""


class SnapshotError(ValueError):
    """A file is no snapshot, or is damaged."""


class StoredSnapshot(NamedTuple):
    """``znodes``: parents before children. ``sessions``: timeouts in milliseconds, by id.
    ``unknown``: paths of znodes whose ACL the file does not have: it may be set by a transaction
    that was carried out while the file was written.
    """

    znodes: list[tuple[str, Znode]]
    sessions: dict[int, int]
    unknown: set[str]


def read_snapshot(path: Path) -> StoredSnapshot:
    """Reads a file. Raises `OSError` and `SnapshotError`. Cost: linear, and all is in memory."""
    data = path.read_bytes()
    try:
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".snappy":
            data = decompressed(data)
    except (OSError, EOFError, zlib.error, SnappyError) as error:
        raise SnapshotError(f"it cannot be decompressed: {error}") from None
    try:
        return _read(data)
    except JuteError as error:
        raise SnapshotError(f"it is cut, or damaged: {error}") from None


def _read(data: bytes) -> StoredSnapshot:
    if len(data) < _HEADER.size or data[:4] != b"ZKSN":
        raise SnapshotError("it is not a snapshot of ZooKeeper")
    version = _HEADER.unpack_from(data)[1]
    if version != _VERSION:
        raise SnapshotError(f"it has version {version} of the format; {_VERSION} is known")
    reader = Reader(data, _HEADER.size)
    sessions = {}
    for _ in range(_count(reader)):
        id_ = reader.read_long()
        sessions[id_] = reader.read_int()
    acls: dict[int, Acls] = {_OPEN_NUMBER: OPEN}
    for _ in range(_count(reader)):
        number = reader.read_long()
        acls[number] = read_acl(reader)
    unknown: set[str] = set()
    znodes = list(_znodes(reader, acls, unknown))
    _check_seals(data, len(data) - reader.left)
    return StoredSnapshot(znodes, sessions, unknown)


def _count(reader: Reader) -> int:
    count = reader.read_int()
    if count < 0:
        raise SnapshotError(f"it is damaged: a list has {count} entries")
    return count


def read_acl(reader: Reader) -> Acls:
    """An access control list. Raises `JuteError`."""

    def entry() -> Acl:
        return Acl(reader.read_int(), reader.read_string(), reader.read_string())

    found = tuple(reader.read_vector(entry) or ())
    return OPEN if found == OPEN else found  # the one that nearly every znode has is kept once


def _znodes(
    reader: Reader, acls: dict[int, Acls], unknown: set[str]
) -> Iterator[tuple[str, Znode]]:
    known = set()
    while True:
        path = reader.read_string()
        if path == ROOT:
            return
        parent = None if not path else path.rpartition("/")[0]
        if path is None or (parent is not None and parent not in known):
            raise SnapshotError(f"it is damaged: there is no parent of {path!r}")
        known.add(path)
        znode_data, number = reader.read_buffer(), reader.read_long()
        stat = _STAT.unpack(reader.read_bytes(_STAT.size))
        czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, pzxid = stat
        owner, reap = kind_and_owner(owner)
        acl = acls.get(number)
        if acl is None:
            unknown.add(path or ROOT)
        yield (
            path or ROOT,
            Znode(
                znode_data,
                acl or (),
                *(czxid, mzxid, ctime, mtime, pzxid, version, cversion, aversion, owner, reap),
            ),
        )


def kind_and_owner(owner: int) -> tuple[int, int]:
    """The session that owns a znode, and `zkfake._database.log.Create.reap`, from what is stored as
    its owner.
    """
    if owner == _CONTAINER_OWNER:
        return 0, CONTAINER
    # Ids of sessions begin with the number of their server, which is 254 at most.
    if owner >> _TTL_BITS == _TTL_OWNERS and owner & _TTL:
        return 0, owner & _TTL
    return owner, 0


def _check_seals(data: bytes, place: int) -> None:
    place = _check_seal(data, place)
    for trailer in _TRAILERS:
        left = len(data) - place
        # What follows is told by its length: each part may be left out.
        if left in (trailer.size + _SEAL.size, sum(t.size + _SEAL.size for t in _TRAILERS)):
            place = _check_seal(data, place + trailer.size)


def _check_seal(data: bytes, place: int) -> int:
    """Where the seal ends."""
    if len(data) - place < _SEAL.size:
        raise SnapshotError("it is cut: its checksum is missing")
    checksum, length, text = _SEAL.unpack_from(data, place)
    if (length, text) != (1, b"/") or checksum != zlib.adler32(memoryview(data)[:place]):
        raise SnapshotError("it is damaged: its checksum is another one")
    return place + _SEAL.size
