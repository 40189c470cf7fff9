"""The run's own connection to a live server: what it writes, and that it leaves nothing there."""

from __future__ import annotations

import time

import pytest

from pytest_zkdict.admin import Admin
from zkfake import FakeZooKeeper


def test_what_it_reads_is_not_watched() -> None:
    with FakeZooKeeper() as fake:
        fake.load({"/a/b": b"1"})
        with Admin(fake.hosts) as admin:
            assert admin.get("/a/b").data == b"1"
            assert admin.children("/a") == ["b"]
            assert fake.watches == ()


def test_what_is_there_is_overwritten_and_parents_are_made() -> None:
    with FakeZooKeeper() as fake, Admin(fake.hosts) as admin:
        fake.load({"/a": b"1"})
        admin.load({"/a": b"2", "/a/b/c": None})
        found = {path: admin.get(path) for path in ("/a", "/a/b", "/a/b/c")}
    assert {path: (each.data, each.version) for path, each in found.items()} == {
        "/a": (b"2", 1),
        "/a/b": (b"", 0),
        "/a/b/c": (None, 0),
    }


def test_a_server_without_a_quorum_will_not_do() -> None:
    with FakeZooKeeper(servers=3, settings={"readonlymode.enabled": True, "tickTime": 10}) as fake:
        first, *others = fake.members
        for member in others:
            member.stop()
        limit = time.monotonic() + 60
        while first.mode != "read-only":
            assert time.monotonic() < limit
        with pytest.raises(ConnectionError, match="does not answer"):
            Admin(first.hosts, patience=0)
        others[0].start()
        Admin(first.hosts).close()
