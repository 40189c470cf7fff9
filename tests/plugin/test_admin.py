"""The run's own connection to a live server leaves nothing on it."""

from __future__ import annotations

from pytest_zkdict.admin import Admin
from zkfake import FakeZooKeeper


def test_what_it_reads_is_not_watched() -> None:
    with FakeZooKeeper() as fake:
        fake.load({"/a/b": b"1"})
        with Admin(fake.hosts) as admin:
            assert admin.get("/a/b").data == b"1"
            assert admin.children("/a") == ["b"]
            assert fake.watches == ()
