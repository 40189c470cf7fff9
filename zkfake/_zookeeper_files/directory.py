"""A data directory of a real ZooKeeper: which of its files make up its state.

The rules that live here:

- The files are in the directory, or in its ``version-2``. Logs may be in another one
  (``dataLogDir``).
- The newest snapshot that can be read counts, as it does for a server that starts, and from the
  logs what comes after it.
- Without a snapshot the log must begin with the first transaction there is.
- A leader gives its transactions, those that fail among them, numbers without a gap, from 1 on in
  each epoch. A server does not look at that when it starts; here a gap is told.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zkfake._database.tree import Tree
from zkfake._zookeeper_files.logs import LogError, read_log
from zkfake._zookeeper_files.replay import ReplayedTree
from zkfake._zookeeper_files.snapshots import SnapshotError, StoredSnapshot, read_snapshot

if TYPE_CHECKING:
    import os

__all__ = ["DataDirError", "StoredState", "read_data_dir"]

_NAME = re.compile(r"(snapshot|log)\.([0-9a-f]{1,16})(\.gz|\.snappy)?")
_LISTED = 3


class DataDirError(ValueError):
    """A directory is none of ZooKeeper's, or cannot be read."""


class StoredState(NamedTuple):
    """``sessions``: timeouts in milliseconds, by id. ``notes``: what the caller should tell."""

    tree: Tree
    sessions: dict[int, int]
    zxid: int
    notes: list[str]


def read_data_dir(
    path: str | os.PathLike[str], logs: str | os.PathLike[str] | None = None
) -> StoredState:
    """The state that a server would have that starts with this directory. ``logs``: where its
    transactions are, if elsewhere. Nothing is written.

    Raises `OSError`, and `DataDirError`, whose text names the file. Cost: linear in the newest
    snapshot and the logs after it; all is in memory.
    """
    snapshots = _files(Path(path), "snapshot")
    found = _files(Path(path if logs is None else logs), "log")
    if not snapshots and not found:
        if (Path(path) / "state.db").exists():
            raise DataDirError(
                f"{path}: this is a data directory of zkfake; serve it, with zkfake serve "
                f"--data-dir {path}"
            )
        raise DataDirError(f"{path}: there is no snapshot and no log of ZooKeeper's in it")
    notes: list[str] = []
    zxid, snapshot = _newest(snapshots, notes)
    if snapshot is None:
        if not found or min(found) > 1:
            raise DataDirError(
                f"{path}: there is no snapshot, and the log does not begin with the first "
                "transaction; if the logs have a directory of their own, is this the other one?"
            )
        snapshot = StoredSnapshot(list(Tree().nodes.items()), {}, set())
    replay = ReplayedTree(snapshot, zxid)
    # The last log that begins before the snapshot may go on after it.
    before = max((start for start in found if start <= zxid), default=0)
    for start in sorted(found):
        if start < before:
            continue
        try:
            for transaction in read_log(found[start], notes):
                if transaction.zxid > zxid:
                    if not _follows(transaction.zxid, zxid):
                        notes.append(
                            f"{found[start]}: transactions are missing between {zxid:#x} and "
                            f"{transaction.zxid:#x}; a server goes on without them, too"
                        )
                    replay.apply(transaction)
                    zxid = transaction.zxid
        except LogError as error:
            raise DataDirError(f"{found[start]}: {error}") from None
    if replay.unknown:
        some = ", ".join(sorted(replay.unknown)[:_LISTED])
        raise DataDirError(
            f"{path}: the ACLs of {len(replay.unknown):,} znodes are not in the snapshot, nor in a "
            f"log after it: {some}"
        )
    return StoredState(replay.tree, replay.sessions, zxid, notes)


def _follows(zxid: int, before: int) -> bool:
    """Whether no transaction is missing between two, as far as they tell: the end of an epoch does
    not say that it is one.
    """
    return zxid == before + 1 or (zxid >> 32 > before >> 32 and zxid & 0xFFFFFFFF == 1)


def _files(path: Path, kind: str) -> dict[int, Path]:
    """The files of a kind, by their zxids."""
    inner = path / "version-2"
    found = {}
    for file in (inner if inner.is_dir() else path).iterdir():
        name = _NAME.fullmatch(file.name)
        if name is not None and name[1] == kind and not (kind == "log" and name[3]):
            found[int(name[2], 16)] = file
    return found


def _newest(snapshots: dict[int, Path], notes: list[str]) -> tuple[int, StoredSnapshot | None]:
    """The newest snapshot that can be read, and its zxid."""
    wrong: DataDirError | None = None
    for zxid in sorted(snapshots, reverse=True):
        found = _readable(snapshots[zxid])
        if isinstance(found, StoredSnapshot):
            return zxid, found
        notes.append(f"{found}; the one before is taken")
        wrong = wrong or found
    if wrong is not None:
        raise wrong
    return 0, None


def _readable(file: Path) -> StoredSnapshot | DataDirError:
    """A snapshot, or what is wrong with it."""
    try:
        return read_snapshot(file)
    except SnapshotError as error:
        return DataDirError(f"{file}: {error}")
