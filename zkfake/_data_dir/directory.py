"""A data directory: its lock, its file, what was acknowledged, and its named snapshots.

Rules that live here:

- One process at a time has the directory. The lock is one of SQLite, so it works on every system
  and ends with the process.
- After each write to ``state.db`` its end is written to ``acknowledged``. A ``state.db`` that ends
  before that has lost something, whatever the reason.
- A directory with other things in it is refused, and so is everything that is damaged. Nothing in
  it changes then.
- A named snapshot is a file of its own. It is as good as a ``state.db``.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from struct import Struct, error
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from zkfake._data_dir import database
from zkfake._data_dir.codec import DamagedError
from zkfake._data_dir.database import Database, KeptState
from zkfake._database.log import Delete, Transaction
from zkfake._database.reconfig import CONFIG_PATH
from zkfake._database.tree import Tree
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

__all__ = ["SYNCS", "DataDirectory", "NamedSnapshot"]

SYNCS = ("full", "normal", "off")

_STATE, _LOCK, _ACKNOWLEDGED, _SNAPSHOTS, _IGNORE = (
    "state.db",
    "lock",
    "acknowledged",
    "snapshots",
    ".gitignore",
)
_OWN = {
    *(_LOCK, _SNAPSHOTS, _IGNORE),
    *(f"{_LOCK}-journal", f"{_STATE}.new", f"{_STATE}.new-journal", f"{_IGNORE}.new"),
}
"""What there may be in a directory without a state."""

_END = Struct(">8sqII")
_TITLE = b"zkfake-a"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SUFFIX = ".db"


class NamedSnapshot(NamedTuple):
    """A snapshot with a name. ``made``: milliseconds since the epoch."""

    name: str
    zxid: int
    znodes: int
    made: int


def _packed(written: Database) -> bytes:
    """What ``acknowledged`` has in it."""
    data = _END.pack(_TITLE, written.zxid, written.chain, 0)[:-4]
    return data + crc32(data).to_bytes(4, "big")


def _make(path: Path, content: bytes) -> None:
    """Makes a file, as a whole or not at all: an empty one would be damaged. Raises `OSError`."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(content)
        os.replace(new, path)
    except OSError as wrong:
        new.unlink(missing_ok=True)
        raise OSError(wrong.errno, wrong.strerror, str(path)) from None


class DataDirectory:
    """A data directory.

    The ``with`` block locks it. `save`, `snapshots` and `delete` need no lock.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock: sqlite3.Connection | None = None
        self._database: Database | None = None
        self._end = -1

    # -- its lock

    def __enter__(self) -> Self:
        """Makes the directory where there is none. Raises `BlockingIOError` if a process has it,
        `ValueError` for a directory of something else, and `OSError`.
        """
        self._check_contents()
        self.path.mkdir(parents=True, exist_ok=True)
        ignore = self.path / _IGNORE
        if not ignore.exists():
            _make(ignore, b"*\n")  # it is nobody's source
        lock = sqlite3.connect(
            self.path / _LOCK, isolation_level=None, timeout=0, check_same_thread=False
        )
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as wrong:
            lock.close()
            if "locked" in str(wrong):
                raise BlockingIOError(
                    f"{self.path} is in use by another zkfake; one at a time can have it"
                ) from None
            if isinstance(wrong, sqlite3.OperationalError):
                raise OSError(f"{self.path / _LOCK}: {wrong}") from None
            raise ValueError(f"{self.path / _LOCK} is not the lock of zkfake: {wrong}") from None
        self._lock = lock
        return self

    def _check_contents(self) -> None:
        with suppress(FileNotFoundError):
            names = {each.name for each in self.path.iterdir()}
            if _STATE in names or names <= _OWN:
                return
            if names <= _OWN | {_ACKNOWLEDGED, f"{_STATE}-wal", f"{_STATE}-shm"}:
                raise DamagedError(f"{self.path / _STATE} is missing; the rest of it is there")
            raise ValueError(
                f"{self.path} is not a data directory of zkfake: it has other files, "
                f"{sorted(names - _OWN)[0]} for one; expected an empty or a new directory"
            )

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._end >= 0:
            os.close(self._end)
            self._end = -1
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # -- its state

    def open(self, sync: str) -> KeptState | None:
        """Opens the state for `add`; ``None`` where there is none yet. ``sync``: one of `SYNCS`.
        Needs the lock. Raises `DamagedError` and `OSError`.
        """
        path = self.path / _STATE
        state = self._read() if path.exists() else None
        if state is None:
            database.create(path, KeptState(Tree(), {}, 0))
        self._database = Database(path, state or KeptState(Tree(), {}, 0), sync)
        end = self.path / _ACKNOWLEDGED
        if not end.exists():
            _make(end, _packed(self._database))
        self._end = os.open(end, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._acknowledge(self._database)
        return state

    def _read(self) -> KeptState:
        # First what was acknowledged: a process that writes meanwhile writes it last.
        acknowledged = self._acknowledged()
        state = database.read(self.path / _STATE)
        if acknowledged is not None:
            zxid, chain = acknowledged
            if zxid > state.zxid or (zxid == state.zxid and chain != state.chain):
                raise DamagedError(
                    f"{self.path / _STATE} ends at zxid {state.zxid:#x}, but what was written up "
                    f"to {zxid:#x} has been acknowledged. It is damaged, or power was lost with a "
                    f"sync that does not survive that. To go on without what is missing, remove "
                    f"{self.path / _ACKNOWLEDGED}"
                )
        return state

    def _acknowledged(self) -> tuple[int, int] | None:
        path = self.path / _ACKNOWLEDGED
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        with suppress(error):
            title, zxid, chain, crc = _END.unpack(data)
            if title == _TITLE and crc == crc32(data[:-4]):
                return zxid, chain
        raise DamagedError(
            f"{path} is damaged, so nobody can say whether {self.path / _STATE} is whole. To go "
            f"on with what is there, remove {path}"
        )

    def add(
        self, transactions: Sequence[Transaction], epoch: int = 0, state: KeptState | None = None
    ) -> None:
        """As `Database.add`, and notes that it is acknowledged from now on."""
        assert self._database is not None
        self._database.add(transactions, epoch, state)
        self._acknowledge(self._database)

    def _acknowledge(self, written: Database) -> None:
        os.lseek(self._end, 0, os.SEEK_SET)
        os.write(self._end, _packed(written))

    # -- named snapshots

    def _named(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a name for a snapshot: expected letters, digits, '.', '_' and "
                "'-', a letter or a digit first"
            )
        return self.path / _SNAPSHOTS / (name + _SUFFIX)

    def _existing(self, name: str) -> Path:
        path = self._named(name)
        if not path.exists():
            known = ", ".join(each.name for each in self.snapshots()) or "none"
            raise ValueError(f"{self.path} has no snapshot {name!r}; there are: {known}")
        return path

    def save(self, name: str) -> NamedSnapshot:
        """Keeps the state as it is now under a name, also while a server has the directory. Raises
        `ValueError` for a name that is taken or impossible, `DamagedError` and `OSError`.
        """
        path = self._named(name)
        if path.exists():
            raise ValueError(f"there is a snapshot {name!r} already; delete it first")
        if not (self.path / _STATE).exists():
            raise self._foreign()
        state = self._read()._replace(made=int(time.time() * 1000))
        path.parent.mkdir(exist_ok=True)
        database.create(path, state)
        return NamedSnapshot(name, state.zxid, len(state.tree.nodes), state.made)

    def check(self) -> None:
        """Raises `ValueError` where there is neither a state nor a named snapshot."""
        if not (self.path / _STATE).exists() and not (self.path / _SNAPSHOTS).exists():
            raise self._foreign()

    def check_state(self) -> None:
        """Reads the state, if there is one. Raises `DamagedError` and `OSError`."""
        if (self.path / _STATE).exists():
            self._read()

    def _foreign(self) -> ValueError:
        return ValueError(f"{self.path} is not a data directory of zkfake: it has no {_STATE}")

    def snapshots(self) -> list[NamedSnapshot]:
        """The named snapshots, the oldest first. Raises `DamagedError` and `OSError`."""
        found = []
        for path in (self.path / _SNAPSHOTS).glob("*" + _SUFFIX):
            state = database.read(path)
            name = path.name[: -len(_SUFFIX)]
            found.append(NamedSnapshot(name, state.zxid, len(state.tree.nodes), state.made))
        return sorted(found, key=lambda each: (each.made, each.name))

    def named(self, name: str) -> KeptState:
        """The state of a named snapshot. Raises `ValueError` where there is none, `DamagedError`
        and `OSError`.
        """
        return database.read(self._existing(name))

    def delete(self, name: str) -> None:
        """Removes a named snapshot. Raises `ValueError` where there is none, and `OSError`."""
        self._existing(name).unlink()

    def restore(self, name: str) -> int:
        """Goes back to a named snapshot: the zxid of the new state. Needs the lock.

        As `FakeZooKeeper.restore` does it: with a new zxid, the sessions that are open now, and
        only their ephemerals. Raises `ValueError` where there is no such snapshot, `DamagedError`
        and `OSError`.
        """
        kept = self.named(name)
        now = self.open("full")
        if now is None:
            now = KeptState(Tree(), {}, 0)
        tree = kept.tree
        gone = [
            Delete(path)
            for owner, paths in tree.ephemerals.items()
            if owner not in now.sessions
            for path in paths
        ]
        made = int(time.time() * 1000)
        tree.apply(Transaction(tree.zxid, made, 0, Op.DELETE, tuple(gone)))
        tree.nodes[CONFIG_PATH] = now.tree.nodes[CONFIG_PATH]
        # Never back in zxid: not behind what clients of this directory have seen, nor behind what
        # the znodes of the snapshot say.
        zxid = tree.zxid = max(now.zxid, kept.zxid) + 1
        mark = Transaction(zxid, made, 0, Op.ERROR)
        self.add([mark], 0, KeptState(tree, now.sessions, zxid, 0, made))
        return zxid
