"""A data directory on a disk that is full: an `OSError` says so, and nothing is damaged."""

from __future__ import annotations

import errno
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper
from zkfake._cli import main
from zkfake._data_dir import database
from zkfake._data_dir.directory import DataDirectory
from zkfake._database.acl import OPEN
from zkfake._database.log import Create, Transaction
from zkfake._protocol.records import Op

from ..support.programs import posix

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

if sys.platform != "win32":
    import resource

SIZES = (0, 1, 4095, 4096, 10_000, 40_000, 100_000, 1_000_000)
"""Of the largest file that there may be, in bytes. The state has some 60,000."""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writes beyond that fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a state and a snapshot."""
    directory = tmp_path_factory.mktemp("origin") / "d"
    with FakeZooKeeper(data_dir=directory) as server:
        server.load({f"/{number}": bytes(500) for number in range(50)})
        DataDirectory(directory).save("old")
        server.load({f"/{number}": b"1" for number in range(50)})
    return directory


def nodes(directory: Path) -> object:
    with DataDirectory(directory) as opened:
        state = opened.open("normal")
    assert state is not None
    return {path: node.data for path, node in state.tree.nodes.items()}


def start(directory: Path) -> None:
    with FakeZooKeeper(data_dir=directory):
        pass


def save(directory: Path) -> None:
    DataDirectory(directory).save("new")


def restore(directory: Path) -> None:
    with DataDirectory(directory) as opened:
        opened.restore("old")


def write(directory: Path) -> None:
    with DataDirectory(directory) as opened:
        state = opened.open("full")
        assert state is not None
        for zxid in range(state.zxid + 1, state.zxid + 40):
            made = Create(f"/made-{zxid}", bytes(1000), OPEN, 0, 0, zxid)
            opened.add([Transaction(zxid, 0, 0, Op.CREATE, (made,))])


@posix
@pytest.mark.parametrize("act", [start, save, restore, write])
def test_files_that_may_not_grow(origin: Path, tmp_path: Path, act: Callable[[Path], None]) -> None:
    before, ends = nodes(origin), set()
    for size in SIZES:
        directory = tmp_path / str(size)
        shutil.copytree(origin, directory)
        try:
            with largest_file(size):
                act(directory)
            ends.add("done")
        except OSError:
            ends.add("refused")
            if act is not write:  # some of it was written
                assert nodes(directory) == before
        names = [each.name for each in DataDirectory(directory).snapshots()]
        assert set(names) <= {"old", "new"}
        with FakeZooKeeper(data_dir=directory) as server:
            server.load({"/after": b"1"})
        assert not [each for each in directory.rglob("*") if ".new" in each.name]
    assert ends == {"done", "refused"}


@posix
@pytest.mark.parametrize("size", SIZES)
def test_a_new_directory(tmp_path: Path, size: int) -> None:
    """It can be used once there is room."""
    try:
        with largest_file(size):
            start(tmp_path)
    except OSError:
        assert size < 40_000
    start(tmp_path)


def test_what_sqlite_says_of_a_full_disk(
    origin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is not taken for damage."""
    directory = tmp_path / "d"
    shutil.copytree(origin, directory)
    connect = database._connect

    def full(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect(path, mode)
        connection.execute("PRAGMA max_page_count = 3")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(database, "_connect", full)
        assert main(["snapshot", "save", "new", "--data-dir", str(directory)]) == 2
    file = directory / "snapshots" / "new.db"
    assert capsys.readouterr().err == f"zkfake: {file}: database or disk is full\n"
    assert [each.name for each in file.parent.iterdir()] == ["old.db"]


@pytest.mark.parametrize("name", ["acknowledged", ".gitignore"])
def test_small_files_are_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def write_bytes(path: Path, data: bytes) -> int:
        if path.name.startswith(name):
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(path, data)

    written = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(OSError, match=f"No space left on device: '.*/{name}'"):
            start(tmp_path)
    assert not (tmp_path / name).exists()
    start(tmp_path)
    assert (tmp_path / name).read_bytes()
