"""The run's own connection to a live server: what it writes, what it does about lost
answers, and that it leaves nothing there.
"""

from __future__ import annotations

import time

import pytest

from pytest_zkdict.admin import Admin
from pytest_zkdict.live._ports import free_port
from zkfake import FakeZooKeeper
from zkfake._control import seeding
from zkfake._database.log import CONTAINER
from zkfake._protocol.records import Acl, Code, ZooKeeperError
from zkfake._trees.plain import EMPTY, PlainZnode


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


def test_acls_and_kinds() -> None:
    acl = (Acl(31, "world", "anyone"), Acl(1, "ip", "10.0.0.0/8"))
    seeds = {
        "/a": PlainZnode(b"1", acl),
        "/b/c": PlainZnode(b"", reap=CONTAINER),
        "/t": PlainZnode(None, reap=5),
    }
    with FakeZooKeeper(settings={"extendedTypesEnabled": True}) as fake, Admin(fake.hosts) as admin:
        fake.load({"/a": b""})
        admin.load(seeds)
        assert seeding.export(fake._ensemble) == {**seeds, "/b": EMPTY}
        admin.load({"/a": b"2"})
        assert fake.znodes["/a"].acl == acl


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


def test_a_request_whose_answer_is_lost_is_sent_again() -> None:
    with FakeZooKeeper() as fake, Admin(fake.hosts) as admin:
        made = fake.faults.drop_before_reply(operation="create")
        admin.load({"/a": b"1"})
        lost = fake.faults.drop_before_request(operation="delete")
        assert admin.remove("/a")
        assert (len(made.hits), len(lost.hits)) == (1, 1)
        assert "/a" not in fake.znodes


def test_what_is_refused_is_told() -> None:
    with FakeZooKeeper() as fake, Admin(fake.hosts) as admin:
        for refused in (lambda: admin.load({"/a//b": b""}), lambda: admin.remove("/zookeeper")):
            with pytest.raises(ZooKeeperError) as found:
                refused()
            assert found.value.code is Code.BAD_ARGUMENTS


def test_a_server_that_stays_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    wait = Admin.wait

    def noted(self: Admin, seconds: float) -> bool:
        waited.append(seconds)
        return wait(self, seconds)

    monkeypatch.setattr(Admin, "wait", noted)
    with FakeZooKeeper() as fake, Admin(fake.hosts, patience=0.1) as admin:
        fake.members[0].stop()
        with pytest.raises(ConnectionError, match=f"{fake.hosts} does not answer"):
            admin.children("/")
        waited.clear()
        with pytest.raises(ConnectionError):
            admin.children("/")
        assert waited == [0]
        fake.members[0].start()
        assert "zookeeper" in admin.children("/")
        fake.members[0].stop()
        with pytest.raises(ConnectionError):
            admin.children("/")
        assert waited[-1] == 0.1


def test_where_nobody_is() -> None:
    with pytest.raises(ConnectionError, match="does not answer"):
        Admin(f"127.0.0.1:{free_port()}", patience=0)
