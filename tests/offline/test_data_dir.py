"""A data directory: what comes back after a restart, what is acknowledged when, who may have it."""

from __future__ import annotations

import itertools
import logging
import select
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError
from kazoo.security import make_digest_acl

from zkfake import FakeZooKeeper
from zkfake._data_dir import journal
from zkfake._data_dir.directory import DataDirectory

from ..support import wire
from ..support.programs import MODULE, first_line, program
from .kills import MAIN, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkfake._database.log import Transaction

TIMEOUT = 120
SETTINGS = {"extendedTypesEnabled": True, "tickTime": 200, "maxSessionTimeout": 600_000}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """kazoo warns about every connection that breaks."""
    logger = logging.getLogger("kazoo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@contextmanager
def connected(hosts: str, **more: Any) -> Iterator[KazooClient]:
    client = KazooClient(hosts, **{"timeout": 30.0, **more})
    client.start(TIMEOUT)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def everything(server: FakeZooKeeper) -> dict[str, Any]:
    """But for `/zookeeper/config`, which a start without reconfiguration writes anew."""
    tree = server._ensemble.tip
    znodes = {path: each for path, each in server.znodes.items() if path != "/zookeeper/config"}
    return {
        "znodes": znodes,
        "quotas": set(tree.quotas),
        "reapable": set(tree.reapable),
        "sessions": [(each.id, each.timeout, set(each.ephemerals)) for each in server.sessions],
    }


def use(client: KazooClient) -> None:
    """A little of all that there is."""
    client.create("/a", b"1")
    client.set("/a", b"2")
    for _ in range(3):
        client.create("/a/n-", sequence=True)
    client.delete("/a/n-0000000001")
    client.create("/mine", None, acl=[make_digest_acl("bob", "secret", all=True)])
    client.create("/é", b"\0\xff" * 1000)
    client.create("/e", b"me", ephemeral=True)
    client.create("/zookeeper/quota/a/zookeeper_limits", b"count=5,bytes=-1", makepath=True)
    client.create("/zookeeper/quota/a/zookeeper_stats", b"")
    client.create("/a/counted", b"xyz")
    with pytest.raises(NodeExistsError):
        client.create("/a")
    transaction = client.transaction()
    transaction.set_data("/a", b"3")
    transaction.create("/b", b"together")
    transaction.check("/a", 2)
    transaction.commit()
    failing = client.transaction()
    failing.set_data("/a", b"4")
    failing.delete("/nowhere")
    assert isinstance(failing.commit()[1], NoNodeError)


def special(server: FakeZooKeeper) -> None:
    """A container that had a child, and a znode with a time to live."""
    host, _, port = server.members[0].hosts.rpartition(":")
    lasting = wire.create_ttl("/ttl", b"", wire.OPEN_ACL, flags=5, ttl=600_000)
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as raw:
        raw.sendall(wire.frame(wire.connect(timeout=4000)))
        bodies = [
            wire.request(1, wire.OPS["createContainer"], wire.create("/box", b"", flags=4)),
            wire.request(2, wire.OPS["createTTL"], lasting),
            wire.request(3, wire.OPS["closeSession"]),
        ]
        raw.sendall(b"".join(bodies))
        while raw.recv(1000):
            pass


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("sync", ["full", "normal", "off"])
def test_everything_comes_back(tmp_path: Path, servers: int, sync: Any) -> None:
    options = {"data_dir": tmp_path / "d", "sync": sync, "servers": servers, "settings": SETTINGS}
    with FakeZooKeeper(**options) as server:
        client = KazooClient(server.hosts, timeout=60.0)
        client.start(TIMEOUT)
        use(client)
        special(server)
        before, zxid = everything(server), server.last_zxid
        assert before["quotas"] == {"/a"}
        assert before["reapable"] == {"/box", "/ttl"}
        session, password = client.client_id
        server.stop()
        client.stop()
        client.close()
    with FakeZooKeeper(**options) as server:
        assert everything(server) == before
        # A new epoch, or the next zxid.
        assert server.last_zxid == (zxid if servers == 1 else 2 << 32)
        with connected(server.hosts, client_id=(session, password), timeout=60.0) as client:
            assert client.client_id == (session, password)
            assert client.exists("/e").owner_session_id == session
            assert client.create("/a/n-", sequence=True) == "/a/n-0000000004"
            assert client.get("/a")[1].version == 2
        assert "/e" not in server.znodes


def test_a_session_that_is_not_gone_on_with_expires(tmp_path: Path) -> None:
    """After its timeout, which begins anew with the server."""
    settings = {"tickTime": 100, "maxSessionTimeout": 60_000}
    options: Any = {"data_dir": tmp_path, "settings": settings}
    with FakeZooKeeper(**options) as server:
        client = KazooClient(server.hosts, timeout=2.0)
        client.start(TIMEOUT)
        client.create("/e", ephemeral=True)
        server.stop()
        client.stop()
        client.close()
    with FakeZooKeeper(**options) as server, connected(server.hosts) as other:
        gone = threading.Event()
        if other.exists("/e", watch=lambda _: gone.set()):
            assert gone.wait(TIMEOUT)
        assert [each.id for each in server.sessions] == [other.client_id[0]]


def test_an_object_that_stops_and_starts(tmp_path: Path) -> None:
    """Another one may have had the directory meanwhile."""
    server = FakeZooKeeper(data_dir=tmp_path)
    with server:
        server.load({"/a": b"1"})
    with FakeZooKeeper(data_dir=tmp_path) as other:
        other.load({"/b": b"2"})
    with server:
        assert server.dump() == {"/a": b"1", "/b": b"2"}
        server.load({"/c": b"3"})
        assert server.last_zxid == 3


def test_sizes_of_ensembles_change(tmp_path: Path) -> None:
    """Zxids only grow, whatever the number of servers."""
    zxids = []
    for servers in (1, 3, 2, 1, 5):
        with FakeZooKeeper(data_dir=tmp_path, servers=servers) as server:
            server.load({f"/{len(zxids)}": b""})
            zxids.append(server.last_zxid)
    assert zxids == sorted(zxids)
    assert [zxid >> 32 for zxid in zxids] == [0, 1, 2, 2, 3]


def test_epochs_without_a_transaction_count(tmp_path: Path) -> None:
    """A client may have seen where one begins."""
    for epoch in (1, 2, 3):
        with FakeZooKeeper(data_dir=tmp_path, servers=3) as server, connected(server.hosts):
            assert server.last_zxid >> 32 == epoch
    for epoch in (4, 5):
        with FakeZooKeeper(data_dir=tmp_path, servers=3) as server:
            assert server.last_zxid == epoch << 32


def test_a_configuration_that_was_agreed_on_counts(tmp_path: Path) -> None:
    settings = {"reconfigEnabled": True, "skipACL": True}
    options: Any = {"data_dir": tmp_path, "servers": 4, "settings": settings}
    with FakeZooKeeper(**options) as server:
        with connected(server.hosts) as client:
            client.reconfig(joining=None, leaving="4", new_members=None)
        config = server.znodes["/zookeeper/config"].data
        ports = [member.port for member in server.members]
    with FakeZooKeeper(**options) as server:
        assert server.znodes["/zookeeper/config"].data == config
        assert [member.removed for member in server.members] == [False, False, False, True]
        assert [member.port for member in server.members[:3]] == ports[:3]
        with connected(server.hosts) as client:
            client.create("/a")


def test_what_is_no_transaction_comes_back(tmp_path: Path) -> None:
    with FakeZooKeeper(data_dir=tmp_path) as server:
        server.load({"/a/b": b"1"})
        snapshot = server.snapshot()
        server.load({"/a/b": b"2", "/c": b""})
        server.restore(snapshot)
        server.remove("/nothing")
        zxid = server.last_zxid
    with FakeZooKeeper(data_dir=tmp_path) as server:
        assert server.dump() == {"/a": b"", "/a/b": b"1"}
        assert server.last_zxid == zxid


def test_many_transactions_are_kept_as_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SNAPSHOT_AFTER", 10)
    """And the sessions of then with them."""
    with FakeZooKeeper(data_dir=tmp_path) as server:
        client = KazooClient(server.hosts, timeout=30.0)
        client.start(TIMEOUT)
        client.create("/e", ephemeral=True)
        session = client.client_id[0]
        for number in range(200):
            server.load({"/a": b"%d" % number})
        rows = server._keeping.directory._database._connection.execute  # type: ignore[union-attr]
        assert rows("SELECT count(DISTINCT zxid) FROM snapshots").fetchone() == (3,)
        assert rows("SELECT count(*) FROM log").fetchone()[0] < 60
        server.stop()
        client.stop()
        client.close()
    with FakeZooKeeper(data_dir=tmp_path) as server:
        assert server.dump() == {"/a": b"199", "/e": b""}
        assert [each.id for each in server.sessions] == [session]


def test_a_snapshot_of_several_parts(tmp_path: Path) -> None:
    znodes = {f"/{number}": bytes(300_000) for number in range(10)}
    with FakeZooKeeper(data_dir=tmp_path) as server:
        server.load(znodes)
    for _ in range(2):  # from the log, then from the snapshot of a start
        with FakeZooKeeper(data_dir=tmp_path) as server:
            assert server.dump() == znodes


# -- what is acknowledged, and when


@pytest.mark.parametrize("servers", [1, 3])
def test_nothing_is_sent_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: int
) -> None:
    """Neither the answer, nor the event that somebody else gets, nor what a thread is told."""
    with FakeZooKeeper(data_dir=tmp_path, servers=servers) as server:
        host, _, port = server.members[0].hosts.rpartition(":")
        sockets = [socket.create_connection((host, int(port)), timeout=TIMEOUT) for _ in range(2)]
        writer, watcher = sockets
        for each in sockets:
            each.sendall(wire.frame(wire.connect(timeout=30_000)))
            each.recv(1000)
        add = DataDirectory.add
        seen: list[tuple[int, list[bool]]] = []

        def watched(directory: DataDirectory, transactions: list[Transaction], *more: Any) -> None:
            told = [_has_bytes(each) for each in sockets]
            seen.extend((transaction.zxid, told) for transaction in transactions)
            add(directory, transactions, *more)

        monkeypatch.setattr(DataDirectory, "add", watched)
        exists = wire.request(1, wire.OPS["exists"], wire.path_watch("/a", 1))
        watcher.sendall(exists)
        watcher.recv(1000)
        writer.sendall(wire.request(1, wire.OPS["create"], wire.create("/a", b"")))
        writer.recv(1000)
        watcher.recv(1000)
        assert [told for _, told in seen] == [[False, False]]
        server.load({"/b": b""})
        assert seen[-1][0] == server.last_zxid
        for each in sockets:
            each.close()


def _has_bytes(connection: socket.socket) -> bool:
    # The socket stays as it is: another thread reads from it.
    return bool(select.select([connection], [], [], 0)[0])


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged any more, the server says why, and what was acknowledged is there."""

    def full(*_: object) -> None:
        raise OSError("state.db: database or disk is full")

    server = FakeZooKeeper(data_dir=tmp_path)
    with server:
        with connected(server.hosts) as client:
            client.create("/a")
            with monkeypatch.context() as broken:
                broken.setattr(DataDirectory, "add", full)
                with pytest.raises(KazooException):
                    client.create("/b")
                server._loop._thread.join(TIMEOUT)  # type: ignore[union-attr]
                assert not server.running
        with pytest.raises(RuntimeError, match="cannot write to the data directory: "):
            server.stop()
    with server:
        assert server.dump() == {"/a": b""}


def test_who_writes_to_a_disk_that_is_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("state.db: database or disk is full")

    server = FakeZooKeeper(data_dir=tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(DataDirectory, "add", full)
        with pytest.raises(OSError, match="cannot write to the data directory: "):
            server.start()
    assert not server.running
    server.start()
    with monkeypatch.context() as broken:
        broken.setattr(DataDirectory, "add", full)
        with pytest.raises(OSError, match="cannot write to the data directory: "):
            server.load({"/a": b""})
    with suppress(RuntimeError):  # its own thread may have found it out as well
        server.stop()


def test_a_program_whose_disk_is_full_ends(tmp_path: Path) -> None:
    text = """
from zkfake._cli import main
from zkfake._data_dir.directory import DataDirectory
add = DataDirectory.add
def full(self, transactions, *more):
    if any(each.operations for each in transactions):
        raise OSError("state.db: database or disk is full")
    add(self, transactions, *more)
DataDirectory.add = full
raise SystemExit(main())
"""
    command = [sys.executable, "-c", text]
    words = ("serve", "--port", "0", "--data-dir", str(tmp_path))
    with program(*words, command=command) as process:
        host, _, port = first_line(process.stdout).rpartition(":")
        with socket.create_connection((host, int(port)), timeout=TIMEOUT) as raw:
            raw.sendall(wire.frame(wire.connect(timeout=30_000)))
            raw.recv(1000)
            raw.sendall(wire.request(1, wire.OPS["create"], wire.create("/a", b"")))
            assert raw.recv(1000) == b""
        _, errors = process.communicate(timeout=TIMEOUT)
        said = "zkfake: cannot write to the data directory: state.db: database or disk is full"
        assert errors.splitlines()[-1] == said
        assert process.returncode == 1


# -- killed


@pytest.mark.parametrize(("servers", "kills"), [(1, 4), (3, 2)])
def test_killed_at_any_moment(tmp_path: Path, servers: int, kills: int) -> None:
    history, traffic = record(tmp_path, kills, seed=servers, servers=servers)
    assert history.check(complete=True), history.story()
    assert sum(each.turn - each.refused for each in traffic) > 5 * kills


FORGETFUL = """
from zkfake._data_dir.journal import Journal
flush = Journal.flush
def late(self):
    if self._marked:
        flush(self)
Journal.flush = late
"""
HALVING = """
from zkfake._data_dir import database
pack = database.pack_transaction
def half(transaction):
    return pack(transaction._replace(operations=transaction.operations[:1]))
database.pack_transaction = half
"""
MISTAKES = {"acknowledges what it has not written": FORGETFUL, "writes half of a multi": HALVING}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_server_that_loses_something_is_found(tmp_path: Path, mistake: str) -> None:
    serve = (sys.executable, "-c", mistake + MAIN, "serve")
    history, _ = record(tmp_path, 0, seed=5, serve=serve)  # killed at the end
    assert not history.check(complete=True)


# -- who may have it


def test_one_at_a_time(tmp_path: Path) -> None:
    with FakeZooKeeper(data_dir=tmp_path) as server:
        server.load({"/a": b"1"})
        with pytest.raises(BlockingIOError, match=" is in use by another zkfake"):
            FakeZooKeeper(data_dir=tmp_path).start()
        words = [*MODULE, "serve", "--port", "0", "--data-dir", str(tmp_path)]
        refused = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)
        said = f"zkfake: {tmp_path} is in use by another zkfake; one at a time can have it\n"
        assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", said)
        server.load({"/a": b"2"})
    with FakeZooKeeper(data_dir=tmp_path) as server:
        assert server.dump() == {"/a": b"2"}


def test_a_start_that_fails_lets_it_go(tmp_path: Path) -> None:
    with FakeZooKeeper() as other:
        port = other.members[0].port
        with pytest.raises(OSError, match="cannot listen"):
            FakeZooKeeper(data_dir=tmp_path, port=port).start()
    with FakeZooKeeper(data_dir=tmp_path):
        pass


def test_a_sync_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="sync = 'fast': expected one of full, normal, off"):
        FakeZooKeeper(data_dir="x", sync="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sync = 'fast': expected one of full, normal, off"):
        FakeZooKeeper(sync="fast")  # type: ignore[arg-type]


def test_a_directory_is_made_and_is_nobodys_source(tmp_path: Path) -> None:
    with FakeZooKeeper(data_dir=tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a" / "b" / ".gitignore").read_text() == "*\n"


def test_numbers_of_sessions_are_not_given_twice(tmp_path: Path) -> None:
    ids = []
    for _ in range(3):
        with FakeZooKeeper(data_dir=tmp_path) as server, connected(server.hosts) as client:
            ids.append(client.client_id[0])
    assert len(set(ids)) == 3
    assert all(one < other for one, other in itertools.pairwise(ids))
