"""Whole states: named snapshots, exporting and importing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper
from zkfake._data_dir import database
from zkfake._data_dir.directory import DataDirectory
from zkfake.web import ControlEndpoint

from .asking import Asking

if TYPE_CHECKING:
    from pathlib import Path

    from kazoo.client import KazooClient


@pytest.mark.parametrize("kept", [False, True])
def test_back_to_a_snapshot(tmp_path: Path, kept: bool) -> None:
    """In memory, and in a data directory."""
    directory = tmp_path / "d" if kept else None
    with FakeZooKeeper(data_dir=directory) as server, ControlEndpoint(server) as endpoint:
        asking = Asking(endpoint)
        assert asking.get("/snapshots") == {"snapshots": []}
        server.load({"/a": b"1"})
        saved = asking.done("POST", "/snapshots", {"name": "clean"})
        assert (saved["name"], saved["zxid"], saved["znodes"]) == ("clean", 1, 5)
        assert asking.get("/snapshots") == {"snapshots": [saved]}
        again = asking.refused("POST", "/snapshots", {"name": "clean"})
        assert again.status == 409
        assert "'clean' already; delete it first" in again.body["error"]
        server.load({"/a": b"2", "/b": b""})
        restored = asking.done("POST", "/snapshots/clean/restore")
        assert restored == {"zxid": server.last_zxid}
        assert server.dump() == {"/a": b"1"}
        if directory is not None:
            assert [each.name for each in DataDirectory(directory).snapshots()] == ["clean"]
        assert asking.done("DELETE", "/snapshots/clean") == {"snapshots": []}
        for method, path in (("DELETE", ""), ("POST", "/restore")):
            answer = asking.refused(method, f"/snapshots/clean{path}")
            assert answer.status == 404
            assert answer.body == {"error": "There is no snapshot 'clean'."}
        for name in ("", "../x", "a/b", "x" * 101):
            assert asking.refused("POST", "/snapshots", {"name": name}).status == 422


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(path: Path, _: object) -> None:
        raise OSError(f"{path}: database or disk is full")

    with FakeZooKeeper(data_dir=tmp_path) as server, ControlEndpoint(server) as endpoint:
        monkeypatch.setattr(database, "create", create)
        answer = Asking(endpoint).refused("POST", "/snapshots", {"name": "a"})
        assert answer.status == 409
        file = tmp_path / "snapshots" / "a.db"
        assert answer.body == {"error": f"{file}: database or disk is full."}


@pytest.mark.filterwarnings("error")
def test_a_data_directory_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no mistake of zkfake, and the endpoint ends all the same."""

    def full(*_: object) -> None:
        raise OSError("state.db: database or disk is full")

    server = FakeZooKeeper(data_dir=tmp_path)
    with suppress(RuntimeError), server, ControlEndpoint(server) as endpoint:
        monkeypatch.setattr(DataDirectory, "add", full)
        for method, path, body in (("POST", "/tree", {"path": "/a"}), ("GET", "/tree", None)):
            answer = Asking(endpoint).refused(method, path, body)
            assert answer.status == 409
            assert answer.body["error"].startswith("Cannot write to the data directory: state.db")


def test_snapshots_in_memory_are_bounded(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkfake._web.snapshots._MOST", 1)
    asking.done("POST", "/snapshots", {"name": "a"})
    answer = asking.refused("POST", "/snapshots", {"name": "b"})
    assert answer.body == {"error": "There are 1 snapshots already; delete some of them."}


def test_a_tree_goes_out_and_comes_in(
    server: FakeZooKeeper, asking: Asking, client: KazooClient
) -> None:
    server.load({"/a": b"1", "/a/b": b"\xff", "/a/c": None, "/a/d": b'{"x":1}'})
    client.create("/a/mine", b"m", ephemeral=True)
    asking.done("POST", "/tree", {"path": "/a/e", "data": "", "acl": ["world:anyone:r"]})
    exported = asking.get("/export", path="/a")
    assert exported == {
        "/": "1",
        "/b": {"base64": "/w=="},
        "/c": None,
        "/d": {"json": {"x": 1}},
        "/e": {"acl": ["world:anyone:r"]},
        "/mine": {"text": "m", "ephemeral": True},
    }
    done = asking.done("POST", "/import", {"path": "/copy/of", "znodes": exported})
    assert done == {"zxid": server.last_zxid, "znodes": 5, "skipped": 1}
    del exported["/mine"]
    assert asking.get("/export", path="/copy/of") == exported
    whole = asking.get("/export")
    assert "/zookeeper" not in whole
    assert whole["/a/b"] == {"base64": "/w=="}
    assert asking.refused("GET", "/export", path="/nothing").status == 404


@pytest.mark.parametrize(
    "data", [b"[" * 300 + b"]" * 300, b'{"b":12345678901234567890,"1":1.0}', b"[NaN]", b"\xff"]
)
def test_any_data_goes_out_and_comes_in(server: FakeZooKeeper, asking: Asking, data: bytes) -> None:
    server.load({"/a": data})
    exported = asking.get("/export", path="/a")
    asking.done("POST", "/import", {"path": "/copy", "znodes": exported})
    assert server.dump()["/copy"] == data


def test_what_cannot_be_imported(server: FakeZooKeeper, asking: Asking) -> None:
    for znodes, sentence in (
        ({"a": "1"}, "'a' is not a path"),
        ({"/a": 5}, "/a: expected text, not the number 5"),
        ({"/a": {"tea": 1}}, "/a: 'tea' is not known of a znode"),
        ({"/\ud800": "x"}, "/\\ud800: this is not a valid path"),
        ({"/a/": "x"}, "/a/: this is not a valid path"),
        ({"/a": {"ttl": 5}}, "/a: a ttl needs the setting"),
    ):
        answer = asking.refused("POST", "/import", {"znodes": znodes})
        assert (answer.status, answer.body["error"].startswith(sentence)) == (409, True), answer
    assert server.dump() == {}
