"""One file of SQLite: snapshots of the state, and the transactions after each.

Rules that live here:

- A transaction is one row. Its checksum goes on from that of the row before, so a row that is
  changed, lost or out of place is found. A row without a body is the beginning of an epoch.
- A snapshot is several rows, with checksums of their own. It says up to where the log is in it, and
  the checksum there. The newest snapshot and what comes after it are the state.
- A file is opened for reading alone, and read whole, before it is opened for writing. SQLite would
  otherwise bring its journal into the file, and so change what is damaged.
- SQLite recovers from a journal whose end is missing by forgetting the end. Whether that happened
  is for the directory to find: it knows what was acknowledged.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from zkfake._data_dir.codec import (
    DamagedError,
    Source,
    pack_sessions,
    pack_transaction,
    pack_znode,
    unpack_sessions,
    unpack_transaction,
    unpack_znode,
)
from zkfake._database.paths import ROOT
from zkfake._database.tree import Tree
from zkfake._ensemble.store import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Znode
    from zkfake._ensemble.store import Sessions

__all__ = ["Database", "KeptState", "create", "read"]

FORM = 1
"""The version of the form of a file."""

_APPLICATION = 0x7A6B666B
"""What says in a file's header that it is one of zkfake: ``zkfk``."""

_HEADER = b"SQLite format 3\0"
_HEADER_SIZE, _FORM_AT, _APPLICATION_AT = 100, 60, 68

_TABLES = """
CREATE TABLE log (zxid INTEGER PRIMARY KEY, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE snapshots (
    zxid INTEGER NOT NULL, part INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (zxid, part)
);
"""

_PART = 1 << 20
"""Bytes of one row of a snapshot, and those of one znode more."""

_KEPT = 3
"""Snapshots that are kept, with what comes after them. ZooKeeper's own purge keeps as many."""

_LONG = Struct(">q")
_HEAD = Struct(">qqIqiq")

_SYNCS = {"full": "FULL", "normal": "NORMAL", "off": "OFF"}


class KeptState(NamedTuple):
    """A state: the tree after its last transaction, the open sessions, the last zxid that was used
    (the beginning of an epoch is one), and the checksum of the log up to there.
    """

    tree: Tree
    sessions: Sessions
    zxid: int
    chain: int = 0
    made: int = 0
    """When its snapshot was made, milliseconds since the epoch."""


def _linked(zxid: int, body: bytes, chain: int) -> int:
    """The checksum of a row, after one that has ``chain``."""
    return crc32(body, crc32(_LONG.pack(zxid), chain))


# -- reading


def read(path: Path) -> KeptState:
    """The state that a file has. Nothing in it changes.

    Raises `DamagedError` for a file that is damaged, or none of zkfake, and `OSError`. Cost: linear
    in the file.
    """
    _check_header(path)
    with _reported(path), closing(_connect(path, "ro")) as connection:
        connection.execute("BEGIN")
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()
        if problem != ("ok",):
            raise DamagedError(f"{path} is damaged: {problem[0]}")
        return _state(path, connection)


def _check_header(path: Path) -> None:
    with open(path, "rb") as file:
        header = file.read(_HEADER_SIZE)
    application = header[_APPLICATION_AT : _APPLICATION_AT + 4]
    if not header.startswith(_HEADER) or application != _APPLICATION.to_bytes(4, "big"):
        raise DamagedError(f"{path} is not a file of zkfake, or its beginning is damaged")
    form = int.from_bytes(header[_FORM_AT : _FORM_AT + 4], "big")
    if form != FORM:
        raise DamagedError(f"{path} has form {form}; this zkfake reads form {FORM}")


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into `DamagedError` with the file's name."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # Their codes are to be had from Python 3.11 on.
        if str(error).startswith(("unable to open", "disk I/O error", "database is locked")):
            raise OSError(f"{path}: {error}") from None
        raise DamagedError(f"{path} is damaged: {error}") from None
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path} is damaged: {error}") from None


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,  # transactions begin and end where the code says so
        check_same_thread=False,  # the threads of a `FakeZooKeeper` have a lock of their own
        timeout=10.0,
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _state(path: Path, connection: sqlite3.Connection) -> KeptState:
    (newest,) = connection.execute("SELECT max(zxid) FROM snapshots").fetchone()
    if newest is None:
        raise DamagedError(f"{path} is damaged: it has no snapshot")
    try:
        tree, sessions, zxid, chain, made = _snapshot(connection, newest)
        rows = connection.execute(
            "SELECT zxid, crc, body FROM log WHERE zxid > ? ORDER BY zxid", (zxid,)
        )
        for zxid, crc, body in rows:
            _check_types(zxid, crc, body)
            chain = _linked(zxid, body, chain)
            if crc != chain:
                raise DamagedError(f"the transaction {zxid:#x}, or one before it, is damaged")
            if body:
                transaction = unpack_transaction(zxid, body)
                tree.apply(transaction)
                fold(sessions, transaction)
    except DamagedError as error:
        raise DamagedError(f"{path} is damaged: {error}") from None
    except (KeyError, ValueError) as error:  # a transaction that does not fit the tree
        raise DamagedError(f"{path} is damaged: {error!r}") from None
    return KeptState(tree, sessions, zxid, chain, made)


def _check_types(zxid: object, number: object, body: object) -> None:
    if type(zxid) is not int or type(number) is not int or type(body) is not bytes:
        raise DamagedError("a row has values of other types")


def _snapshot(connection: sqlite3.Connection, newest: int) -> KeptState:
    parts = []
    rows = connection.execute(
        "SELECT part, crc, body FROM snapshots WHERE zxid = ? ORDER BY part", (newest,)
    )
    for number, (part, crc, body) in enumerate(rows):
        _check_types(part, crc, body)
        if part != number or crc != _linked(newest, body, part):
            raise DamagedError(f"part {number} of the snapshot {newest:#x} is damaged")
        parts.append(body)
    head = Source(parts[0]) if parts else Source(b"")
    zxid, last, chain, made, count, znodes = head.numbers(_HEAD)
    if zxid != newest or count != len(parts):
        raise DamagedError(f"the snapshot {newest:#x} is not whole")
    sessions = unpack_sessions(head)
    tree = Tree.of(_znodes(parts[1:]), last)
    if len(tree.nodes) != znodes:
        raise DamagedError(f"the snapshot {newest:#x} is not whole")
    return KeptState(tree, sessions, zxid, chain, made)


def _znodes(parts: Sequence[bytes]) -> Iterator[tuple[str, Znode]]:
    for part in parts:
        source = Source(part)
        while not source.at_end:
            yield unpack_znode(source)


# -- writing


def create(path: Path, state: KeptState) -> None:
    """Makes a file that has a state, as a whole or not at all. Raises `OSError`."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    try:
        with closing(_connect(new, "rwc")) as connection:
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORM}")
            connection.executescript(_TABLES)
            with connection:
                _add_snapshot(connection, state)
        os.replace(new, path)
    except BaseException as error:
        new.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):  # nothing is damaged; the disk is full, for one
            raise OSError(f"{path}: {error}") from None
        raise


def _add_snapshot(connection: sqlite3.Connection, state: KeptState) -> None:
    tree, sessions, zxid, chain, made = state
    nodes = tree.nodes
    parts, part, size = [b""], [], 0
    for path in (ROOT, *tree.below(ROOT)):
        packed = pack_znode(path, nodes[path])
        part.append(packed)
        size += len(packed)
        if size >= _PART:
            parts.append(b"".join(part))
            part, size = [], 0
    parts.append(b"".join(part))
    head = _HEAD.pack(zxid, tree.zxid, chain, made, len(parts), len(nodes))
    parts[0] = head + pack_sessions(sessions)
    connection.execute("DELETE FROM snapshots WHERE zxid = ?", (zxid,))
    connection.executemany(
        "INSERT INTO snapshots VALUES (?, ?, ?, ?)",
        [(zxid, number, _linked(zxid, body, number), body) for number, body in enumerate(parts)],
    )


class Database:
    """A file that is written to. What has been added is on disk, as far as ``sync`` promises, once
    `add` returns.
    """

    def __init__(self, path: Path, state: KeptState, sync: str) -> None:
        """``state``: what `read` has found in it."""
        self._path = path
        self.zxid, self.chain = state.zxid, state.chain
        self._connection = _connect(path, "rw")
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA synchronous = {_SYNCS[sync]}")
        except sqlite3.Error as error:
            self._connection.close()
            raise OSError(f"{path}: {error}") from None

    def add(
        self, transactions: Sequence[Transaction], epoch: int = 0, state: KeptState | None = None
    ) -> None:
        """Adds transactions, then the beginning of an epoch, if it is newer, then a snapshot, at
        once. Raises `OSError`; nothing is added then.

        ``state``: the snapshot, the state after them; its chain does not count.
        """
        rows, chain, zxid = [], self.chain, self.zxid
        for transaction in transactions:
            body = pack_transaction(transaction)
            zxid = transaction.zxid
            chain = _linked(zxid, body, chain)
            rows.append((zxid, chain, body))
        if epoch > zxid:
            zxid, chain = epoch, _linked(epoch, b"", chain)
            rows.append((zxid, chain, b""))
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
                if state is not None:
                    _add_snapshot(connection, state._replace(zxid=zxid, chain=chain))
                    self._forget()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}") from None
        self.zxid, self.chain = zxid, chain

    def _forget(self) -> None:
        """Removes what is older than the snapshots that are kept."""
        kept = self._connection.execute(
            "SELECT DISTINCT zxid FROM snapshots ORDER BY zxid DESC LIMIT ?", (_KEPT,)
        ).fetchall()
        oldest = kept[-1]
        self._connection.execute("DELETE FROM snapshots WHERE zxid < ?", oldest)
        self._connection.execute("DELETE FROM log WHERE zxid <= ?", oldest)

    def close(self) -> None:
        """Closes the file. SQLite then brings its journal into it."""
        self._connection.close()
