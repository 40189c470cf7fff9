"""Damaged data directories: a clear error, and nothing in them changes; or nothing is lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake import FakeZooKeeper
from zkfake._data_dir.directory import DataDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILES = ("state.db", "state.db-wal", "acknowledged")
VALUE = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a process leaves it that is killed: part of the state is in the journal."""
    living, left = tmp_path_factory.mktemp("living") / "d", tmp_path_factory.mktemp("left")
    for round_ in range(2):  # the first one ends well, so its part is in the file
        with FakeZooKeeper(data_dir=living) as server:
            for number in range(20):
                server.load({f"/{round_}/{number}": VALUE})
                server.load({f"/{round_}/{number}": b"small"})
            if round_:
                for name in FILES:
                    shutil.copy(living / name, left)
    return left


def contents(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in FILES if (directory / name).exists()}


def state(directory: Path) -> object:
    with DataDirectory(directory) as opened:
        found = opened.open("normal")
    assert found is not None
    return found.tree.nodes, found.sessions, found.zxid, found.chain


def files(data: dict[str, bytes], directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, each in data.items():
        (directory / name).write_bytes(each)
    return directory


@pytest.fixture(scope="module")
def whole(killed: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    return state(files(contents(killed), tmp_path_factory.mktemp("whole") / "d"))


def is_whole_or_refused(directory: Path, before: dict[str, bytes], whole: object) -> bool:
    """Whether it was refused."""
    refused = ""
    try:
        found = state(directory)
    except ValueError as error:
        refused = str(error)
    if not refused:
        assert found == whole
        return False
    assert str(directory) in refused
    assert before.items() <= contents(directory).items()  # SQLite may add an empty journal
    return True


@given(data=st.data())
def test_bits_that_flip_and_ends_that_are_lost(
    killed: Path, whole: object, tmp_path: Path, data: st.DataObject
) -> None:
    before = contents(killed)
    for _ in range(data.draw(st.integers(1, 2), label="damages")):
        name = data.draw(st.sampled_from(FILES), label="file")
        content = bytearray(before[name])
        place = data.draw(st.integers(0, max(0, len(content) - 1)), label="place")
        if data.draw(st.booleans(), label="cut"):
            del content[place:]
        elif content:
            content[place] ^= 1 << data.draw(st.integers(0, 7), label="bit")
        before[name] = bytes(content)
    is_whole_or_refused(files(before, tmp_path / "d"), before, whole)


@pytest.mark.parametrize("name", FILES)
def test_every_file_counts(killed: Path, whole: object, tmp_path: Path, name: str) -> None:
    """Cut in the middle it is refused; that there is no `acknowledged` is what one may ask for."""
    before = contents(killed)
    before[name] = before[name][: len(before[name]) // 2]
    assert is_whole_or_refused(files(before, tmp_path / "d"), before, whole)
    del before[name]
    assert is_whole_or_refused(files(before, tmp_path / "d"), before, whole) == (
        name != "acknowledged"
    )


def test_the_end_that_a_power_cut_takes_is_told(killed: Path, tmp_path: Path) -> None:
    """And it goes on without it when told so."""
    before = contents(killed)
    before["state.db-wal"] = before["state.db-wal"][:-5000]
    directory = files(before, tmp_path / "d")
    with pytest.raises(ValueError, match="To go on without what is missing, remove") as refused:
        state(directory)
    assert str(refused.value).endswith(f"remove {directory / 'acknowledged'}")
    (directory / "acknowledged").unlink()
    with FakeZooKeeper(data_dir=directory) as server:
        assert server.dump("/0")["/0/19"] == b"small"


def _another_program(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "state.db")) as connection:
        connection.execute("CREATE TABLE log (a)")
        connection.commit()


def _another_form(directory: Path) -> None:
    with FakeZooKeeper(data_dir=directory):
        pass
    with closing(sqlite3.connect(directory / "state.db")) as connection:
        connection.execute("PRAGMA user_version = 99")


def _an_empty_file(directory: Path) -> None:
    (directory / "state.db").touch()


def _no_state(directory: Path) -> None:
    with FakeZooKeeper(data_dir=directory):
        pass
    (directory / "state.db").unlink()


def _zookeepers(directory: Path) -> None:
    (directory / "version-2").mkdir()
    (directory / "myid").write_text("1")


def _another_lock(directory: Path) -> None:
    (directory / "lock").write_text("no file of SQLite, but longer than its header is, " * 4)


FOREIGN: dict[str, tuple[Callable[[Path], None], str]] = {
    "another program's": (_another_program, "state.db is not a file of zkfake, or its beginning"),
    "another form": (_another_form, "has form 99; this zkfake reads form 1"),
    "empty": (_an_empty_file, "state.db is not a file of zkfake, or its beginning is damaged"),
    "missing": (_no_state, "state.db is missing; the rest of it is there"),
    "ZooKeeper's": (_zookeepers, "is not a data directory of zkfake: it has other files, myid"),
    "lock": (_another_lock, "lock is not the lock of zkfake"),
}


def everything(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in ("lock", ".gitignore"):
            yield path.name, path.read_bytes()


@pytest.mark.parametrize(("make", "said"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_something_else(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path)
    before = list(everything(tmp_path))
    server = FakeZooKeeper(data_dir=tmp_path)
    with pytest.raises(ValueError, match=said):
        server.start()
    assert list(everything(tmp_path)) == before
    assert not server.running


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("")
    with pytest.raises(OSError, match="d'"):
        FakeZooKeeper(data_dir=tmp_path / "d").start()
