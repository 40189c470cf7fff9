"""Histories in real time: of the fake, and of what passes through a proxy."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from zkfake import FakeZooKeeper
from zkfake._database.log import Transaction
from zkfake._history.checking import check
from zkfake._history.recorder import EnsembleHistory
from zkfake._protocol.records import Op
from zkfake.history import (
    Committed,
    Connected,
    Fault,
    History,
    Reply,
    Restored,
    Sent,
    ServerEvent,
    WatchEvent,
)
from zkfake.proxy import ZooKeeperProxy

from .runs import step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 30.0


@pytest.fixture
def connect() -> Iterator[Callable[..., KazooClient]]:
    made: list[KazooClient] = []

    def connect(hosts: str) -> KazooClient:
        client = KazooClient(hosts, timeout=10.0, connection_retry={"max_tries": -1})
        made.append(client)
        client.start(PATIENCE)
        return client

    yield connect
    for client in made:
        client.stop()
        client.close()


def work(clients: list[KazooClient], turns: int = 8) -> None:
    """A little of everything, whatever becomes of it."""
    for turn in range(turns):
        for number, client in enumerate(clients):
            with contextlib.suppress(KazooException):
                step(client, f"{number}.{turn}".encode(), (turn + number) % 4)


def faults(server: Any, clients: list[KazooClient]) -> None:
    """Connections are lost at every point of a request."""
    for client in clients:
        server.faults.drop_before_request(client, operation="setData")
        server.faults.drop_before_reply(client, operation="create")
        server.faults.drop_after_reply(client, operation="multi")


def is_recorded(history: History | None) -> History:
    assert history is not None
    for kind in (Connected, Sent, Reply, WatchEvent, Fault):
        assert history.of(kind), f"no {kind.__name__}"
    times = [event.time for event in history.in_order()]
    assert times == sorted(times)
    return history


@pytest.mark.parametrize("servers", [1, 3])
def test_a_fake_is_recorded_and_legal(servers: int, connect: Callable[..., KazooClient]) -> None:
    with FakeZooKeeper(servers=servers, history=True) as server:
        clients = [connect(server.hosts) for _ in range(3)]
        work(clients)
        faults(server, clients)
        work(clients)
        history = is_recorded(server.history)
        assert history.of(ServerEvent)
        with history.claim("it"):
            history.record("done", 1)
        verdict = history.check()
        verdict.raise_if_broken()
        checked = {each.judge: each.times for each in verdict.checked}
        for judge in ("states are true", "watches are told", "carried out once", "never back"):
            assert checked[judge] > 10, checked
    assert verdict.transactions == len([e for e in history.in_order() if type(e) is Committed])


def test_a_mistake_in_a_recording_is_found(connect: Callable[..., KazooClient]) -> None:
    with FakeZooKeeper(history=True) as server:
        work([connect(server.hosts)])
        assert server.history is not None
        entries = list(server.history.in_order())
    place = next(n for n, e in enumerate(entries) if type(e) is WatchEvent)
    del entries[place]
    assert "watches are told" in {each.judge for each in check(entries, has_log=True).broken}


@pytest.mark.parametrize("servers", [1, 3])
def test_a_state_that_a_test_went_back_to_is_known(
    servers: int, connect: Callable[..., KazooClient], tmp_path: Any
) -> None:
    with FakeZooKeeper(servers=servers, history=True) as server:
        client = connect(server.hosts)
        client.create("/a", b"1")
        client.create("/mine", b"", ephemeral=True)
        client.create("/a/n-", b"", sequence=True)
        before = server.snapshot()
        client.set("/a", b"2")
        client.create("/a/n-", b"", sequence=True)
        client.get("/a", watch=lambda _event: None)
        server.restore(before)
        assert client.get("/a")[0] == b"1"
        assert client.get_children("/a") == ["n-0000000000"]
        assert client.create("/a/n-", b"", sequence=True) == "/a/n-0000000001"
        server.remove("/a")
        assert client.exists("/a") is None
        client.stop()
        history = server.history
        assert history is not None
        assert len([entry for entry in history.log or () if type(entry) is Restored]) == 2
        history.check().raise_if_broken()
        assert "a test replaces the state" in repr(list(history.in_order()))
        history.save(tmp_path / "h")
        assert History.load(tmp_path / "h") == history


@pytest.mark.parametrize("servers", [1, 3])
def test_a_block_is_recorded_and_legal_whatever_goes_on(
    servers: int, connect: Callable[..., KazooClient]
) -> None:
    """Clients of before go on, servers are behind, and it is judged in the middle of it."""
    with FakeZooKeeper(servers=servers) as server:
        old = [connect(server.hosts) for _ in range(2)]
        old[0].create("/mine", b"", ephemeral=True)
        for member in server.members:
            member.lag = 0.02
        over = threading.Event()

        def go_on(client: KazooClient) -> None:
            while not over.is_set():
                work([client], 1)

        threads = [threading.Thread(target=go_on, args=(client,)) for client in old]
        for thread in threads:
            thread.start()
        try:
            for number in range(4):
                with server.recorded() as history:
                    assert server.history is history
                    new = connect(server.hosts)
                    work([new])
                    faults(server, [old[number % 2], new])
                    work([new])
                    history.check().raise_if_broken()
                assert server.history is None
                length = len(list(history.in_order()))
                if servers > 1:  # what servers do among themselves is not recorded either
                    server.faults.partition_servers(1, 2).heal()
                work([new], 1)
                assert len(list(history.in_order())) == length
                known = {event.connection for event in history.of(Connected)}
                assert {event.connection for event in history.of(Sent)} == known
                assert isinstance((history.log or [None])[0], Restored)
                verdict = history.check()
                verdict.raise_if_broken()
                checked = {each.judge: each.times for each in verdict.checked}
                for judge in ("states are true", "watches are told", "carried out once"):
                    assert checked[judge] > 5, checked
        finally:
            over.set()
            for thread in threads:
                thread.join()


def test_a_state_that_a_block_begins_with_is_known(connect: Callable[..., KazooClient]) -> None:
    """Data, children, and whose an ephemeral znode is, when its session ends in the block."""
    with FakeZooKeeper(servers=3) as server:
        leader = next(member for member in server.members if member.mode == "leader")
        old, new = connect(leader.hosts), connect(leader.hosts)
        old.create("/a", b"1")
        old.create("/a/mine", b"", ephemeral=True)
        for member in server.members:
            member.freeze()
        server.load({"/a": b"2"})  # committed, and no server has applied it
        assert server.replicas[0].zxid < server.last_zxid
        with server.recorded() as history:
            leader.unfreeze()
            reader = connect(leader.hosts)
            assert reader.get("/a")[0] == b"2"
            reader.sync("/a")  # by the leader: it is not held to be a barrier
            assert reader.get_children("/a") == ["mine"]
            for member in server.members:
                if member is not leader:
                    member.unfreeze()
            assert old.client_id is not None
            server.expire(old.client_id[0])
            reader.sync("/a")
            new.retry(new.create, "/a/b")
            assert reader.get_children("/a") == ["b"]
        verdict = history.check()
        verdict.raise_if_broken()
        checked = {each.judge: each for each in verdict.checked}
        assert checked["states are true"].times >= 3
        assert not checked["sync is a barrier"].times

    def broken(change: Callable[[Any], Any]) -> set[str]:
        entries = [change(entry) for entry in history.in_order()]
        return {each.judge for each in check(entries, has_log=True).broken}

    def forgetful(entry: Any) -> Any:
        if not isinstance(entry, Restored):
            return entry
        return entry._replace(znodes=tuple(e for e in entry.znodes if e.path != "/a/mine"))

    def sticky(entry: Any) -> Any:
        if not isinstance(entry, Committed) or entry.transaction.op is not Op.CLOSE_SESSION:
            return entry
        return entry._replace(transaction=entry.transaction._replace(operations=()))

    assert "states are true" in broken(forgetful)
    assert "ephemerals end with their session" in broken(sticky)


def test_what_is_recorded_anyway_is_not_recorded_twice() -> None:
    with FakeZooKeeper(history=True) as server, ZooKeeperProxy(server.hosts, history=True) as proxy:
        for each in (server, proxy):
            with pytest.raises(RuntimeError, match="records already"), each.recorded():
                pass
            assert each.history is not None


def test_what_passes_through_a_proxy_in_a_block_is_recorded(
    connect: Callable[..., KazooClient],
) -> None:
    with FakeZooKeeper() as server, ZooKeeperProxy(server.hosts) as proxy:
        old = connect(proxy.hosts)
        work([old], 2)
        with proxy.recorded() as history:
            assert proxy.history is history
            new = connect(proxy.hosts)
            work([old, new])
        assert proxy.history is None
        length = len(history)
        work([old, new], 1)
        assert len(history) == length
        assert len(history.of(Connected)) == 1
        assert history.log is None
        history.check().raise_if_broken()


def test_what_comes_while_a_history_is_read_is_left_out() -> None:
    """All of it, so that nothing is read whose cause is not."""
    history = EnsembleHistory()
    history.note("one")
    history.committed(Transaction(1, 0, 0, Op.CREATE, ()))
    history.note("two")
    read = history.in_order()
    seen: list[Any] = [next(read)]
    history.committed(Transaction(2, 0, 0, Op.CREATE, ()))
    history.note("three")
    seen += read
    assert [type(event).__name__ for event in seen] == ["Note", "Committed", "Note"]
    assert [type(event).__name__ for event in history.in_order()][3:] == ["Committed", "Note"]


def test_nothing_is_recorded_unless_asked_for() -> None:
    with FakeZooKeeper() as server, ZooKeeperProxy(server.hosts) as proxy:
        assert server.history is None
        assert proxy.history is None


def test_what_passes_through_a_proxy_is_recorded_and_legal(
    connect: Callable[..., KazooClient],
) -> None:
    with (
        FakeZooKeeper(servers=3) as server,
        ZooKeeperProxy(server.hosts, history=True) as proxy,
    ):
        judge_through(proxy, connect)


def test_a_live_server_behind_a_proxy_is_legal(
    zk_live: Any, connect: Callable[..., KazooClient]
) -> None:
    with ZooKeeperProxy(zk_live.hosts, history=True) as proxy:
        judge_through(proxy, connect)


def judge_through(proxy: ZooKeeperProxy, connect: Callable[..., KazooClient]) -> None:
    clients = [connect(proxy.hosts) for _ in range(3)]
    work(clients)
    faults(proxy, clients)
    work(clients)
    history = is_recorded(proxy.history)
    assert history.log is None
    verdict = history.check(complete=True)
    verdict.raise_if_broken()
    checked = {each.judge: each.times for each in verdict.checked}
    for judge in ("clients agree", "watches are told", "never back", "sequence numbers grow"):
        assert checked[judge] > 5, checked
    assert "states are true" in verdict.undecided
