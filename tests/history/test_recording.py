"""Histories in real time: of the fake, and of what passes through a proxy."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from zkfake import FakeZooKeeper
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
    from zkfake._history.checking import check

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
