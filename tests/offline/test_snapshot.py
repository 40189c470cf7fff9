"""``zkfake snapshot``: the state of a data directory by name."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake._cli import main
from zkfake._data_dir.directory import DataDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Said = Callable[..., tuple[int, str]]

LINE = re.compile(r"(\S+)\t(0x[0-9a-f]+)\t(\d+) znodes\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Said:
    """What `zkfake snapshot` says of a directory, and its exit status."""

    def run(*words: str) -> tuple[int, str]:
        status = main(["snapshot", *words, "--data-dir", str(tmp_path / "d")])
        out, errors = capsys.readouterr()
        assert not (out and errors)
        return status, (out + errors).removesuffix("\n")

    return run


def test_from_saving_to_deleting(said: Said, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    with FakeZooKeeper(data_dir=directory) as server:
        assert said("list") == (0, "")
        server.load({"/a": b"1"})
        status, line = said("save", "clean")  # while it serves
        assert status == 0
        assert LINE.fullmatch(line).groups() == ("clean", "0x1", "5")
        assert said("save", "clean") == (
            2,
            "zkfake: there is a snapshot 'clean' already; delete it first",
        )
        server.load({"/a": b"2", "/b": b""})
        assert said("restore", "clean") == (
            2,
            f"zkfake: {directory} is in use by another zkfake; one at a time can have it",
        )
    said("save", "later")
    assert [LINE.fullmatch(line)[1] for line in said("list")[1].splitlines()] == ["clean", "later"]
    assert said("restore", "clean") == (0, "clean\tis the state of zxid 0x4")
    with FakeZooKeeper(data_dir=directory) as server:
        assert server.dump() == {"/a": b"1"}
        assert server.last_zxid == 4
    assert said("delete", "clean") == (0, "")
    assert said("restore", "clean") == (
        2,
        f"zkfake: {directory} has no snapshot 'clean'; there are: later",
    )
    assert said("restore", "later")[0] == 0
    with FakeZooKeeper(data_dir=directory) as server:
        assert server.dump() == {"/a": b"2", "/b": b""}


@pytest.mark.parametrize("words", ["save a", "list", "restore a", "delete a"])
def test_a_directory_that_is_not_there(said: Said, tmp_path: Path, words: str) -> None:
    directory = tmp_path / "d"
    text = f"zkfake: {directory} is not a data directory of zkfake: it has no state.db"
    assert said(*words.split()) == (2, text)
    assert not directory.exists()


def test_sessions_of_now_and_their_ephemerals(said: Said, tmp_path: Path) -> None:
    """An ephemeral comes back only with its session."""
    with FakeZooKeeper(data_dir=tmp_path / "d") as server:
        clients = [KazooClient(server.hosts, timeout=30.0) for _ in range(2)]
        for number, client in enumerate(clients):
            client.start(60)
            client.create(f"/e{number}", ephemeral=True)
        said("save", "both")
        clients[1].stop()
        clients[1].close()
        clients[0].delete("/e0")
        session = clients[0].client_id[0]
        server.stop()
        clients[0].stop()
        clients[0].close()
    assert said("restore", "both")[0] == 0
    with FakeZooKeeper(data_dir=tmp_path / "d") as server:
        assert server.dump() == {"/e0": b""}
        (left,) = server.sessions
        assert (left.id, left.ephemerals) == (session, ("/e0",))


def test_a_snapshot_of_another_directory(said: Said, tmp_path: Path) -> None:
    """A file that one can copy; zxids do not fall behind those of its znodes."""
    with FakeZooKeeper(data_dir=tmp_path / "d", servers=3) as server:
        server.load({"/a": b"1"})
    said("save", "mine")
    (tmp_path / "d").rename(tmp_path / "other")
    shutil.copytree(tmp_path / "other" / "snapshots", tmp_path / "d" / "snapshots")
    status, line = said("restore", "mine")
    assert (status, line) == (0, "mine\tis the state of zxid 0x100000002")
    with FakeZooKeeper(data_dir=tmp_path / "d", servers=3) as server:
        assert server.dump() == {"/a": b"1"}


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b", "x" * 101])
def test_names_that_cannot_be(said: Said, tmp_path: Path, name: str) -> None:
    with FakeZooKeeper(data_dir=tmp_path / "d"):
        status, line = said("save", name)
    assert status == 2
    assert "is not a name for a snapshot" in line
    assert said("list") == (0, "")


def test_damaged_snapshots_are_not_restored(said: Said, tmp_path: Path) -> None:
    with FakeZooKeeper(data_dir=tmp_path / "d") as server:
        server.load({"/a": b"1"})
        said("save", "a")
    file = tmp_path / "d" / "snapshots" / "a.db"
    content = bytearray(file.read_bytes())
    content[content.rindex(b"/a")] ^= 1
    file.write_bytes(content)
    status, line = said("restore", "a")
    assert status == 2
    assert line.startswith(f"zkfake: {file} is damaged: ")
    with FakeZooKeeper(data_dir=tmp_path / "d") as server:
        assert server.dump() == {"/a": b"1"}


@pytest.mark.parametrize("content", [b"", b"no file of zkfake", None])
def test_a_state_that_is_damaged_or_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """The list has all the snapshots, for who looks for what is left, and does not end well."""
    directory = tmp_path / "d"
    with FakeZooKeeper(data_dir=directory) as server:
        server.load({"/a": b"1"})
        DataDirectory(directory).save("saved")
    file = directory / "state.db"
    if content is None:
        content = file.read_bytes().replace(b"/a", b"/b")
    file.write_bytes(content)
    assert main(["snapshot", "list", "--data-dir", str(directory)]) == 2
    out, errors = capsys.readouterr()
    assert LINE.fullmatch(out.removesuffix("\n"))[1] == "saved"
    assert errors.startswith(f"zkfake: {file} is ")
    shutil.rmtree(directory / "snapshots")
    assert main(["snapshot", "list", "--data-dir", str(directory)]) == 2
    assert capsys.readouterr() == ("", errors)


def test_nothing_to_save(said: Said, tmp_path: Path) -> None:
    status, line = said("save", "a")
    assert (status, "is not a data directory of zkfake" in line) == (2, True)
    assert not (tmp_path / "d").exists()


def test_a_directory_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshot", "list"]) == 2
    assert capsys.readouterr().err == "zkfake: snapshot needs --data-dir\n"
    assert main(["serve", "--sync", "full"]) == 2
    assert capsys.readouterr().err == "zkfake: --sync needs --data-dir\n"
