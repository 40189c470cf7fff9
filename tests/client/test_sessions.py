"""Sessions and ephemerals through an unmodified KazooClient."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import NoChildrenForEphemeralsError

from pytest_zkdict.clients import ClientFactory
from pytest_zkdict.servers import ZooKeeperServer

Abandon = Callable[[KazooClient], None]


@pytest.fixture
def short(zk_server: ZooKeeperServer) -> float:
    """A session timeout, in seconds, that a test can wait for and that a slow machine can keep."""
    return max(3.0, zk_server.min_session_timeout)


def gone(client: KazooClient, path: str) -> Callable[[], bool]:
    """A function that waits until the znode is gone."""
    event = client.handler.event_object()
    if client.exists(path, watch=lambda _: event.set()) is None:
        event.set()
    return lambda: event.wait(60)


def test_an_ephemeral_names_its_session(zk_client: KazooClient) -> None:
    zk_client.create("/e", b"1", ephemeral=True)
    data, stat = zk_client.get("/e")
    assert data == b"1"
    assert stat.ephemeralOwner == zk_client.client_id[0] != 0


def test_an_ephemeral_takes_no_children(zk_client: KazooClient) -> None:
    zk_client.create("/e", ephemeral=True)
    with pytest.raises(NoChildrenForEphemeralsError):
        zk_client.create("/e/child")


def test_a_closed_session_takes_its_ephemerals_along(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> None:
    other = zk_client_factory()
    other.create("/mine", ephemeral=True)
    other.create("/kept")
    zk_client.create("/e", ephemeral=True)
    other.stop()
    assert zk_client.exists("/mine") is None
    assert zk_client.exists("/kept") is not None
    assert zk_client.exists("/e") is not None


def test_a_dead_clients_ephemerals_go_after_its_session_timeout(
    zk_client: KazooClient, zk_client_factory: ClientFactory, abandon: Abandon, short: float
) -> None:
    dying = zk_client_factory(timeout=short)
    began = time.monotonic()
    dying.create("/e", ephemeral=True)
    wait_until_gone = gone(zk_client, "/e")
    abandon(dying)
    assert zk_client.exists("/e") is not None or time.monotonic() - began > short
    assert wait_until_gone()
    assert time.monotonic() - began >= short
    assert zk_client.exists("/e") is None


@pytest.mark.in_real_time("it kills a process")
def test_a_killed_process_loses_its_ephemerals_too(
    zk_client: KazooClient, zk_hosts: str, short: float
) -> None:
    program = """if True:
        import sys
        from kazoo.client import KazooClient
        client = KazooClient(sys.argv[1], timeout=float(sys.argv[2]))
        client.start()
        client.create("/e", ephemeral=True)
        print("ready", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", program, zk_hosts, str(short)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        wait_until_gone = gone(zk_client, "/e")
        process.kill()
    assert wait_until_gone()


def test_a_client_that_comes_back_in_time_keeps_its_session(
    zk_client: KazooClient, zk_client_factory: ClientFactory, abandon: Abandon, short: float
) -> None:
    first = zk_client_factory(timeout=1.5 * short)
    first.create("/e", b"mine", ephemeral=True)
    session = first.client_id
    abandon(first)

    again = zk_client_factory(client_id=session, timeout=10.0)
    assert again.client_id == session
    assert again.exists("/e").ephemeralOwner == session[0]

    # A client that died later, with a longer timeout, is gone: so would be the first one's session.
    later = zk_client_factory(timeout=2.5 * short)
    later.create("/later", ephemeral=True)
    wait_until_gone = gone(zk_client, "/later")
    abandon(later)
    assert wait_until_gone()
    assert zk_client.get("/e")[0] == b"mine"
    again.create("/more", ephemeral=True)
    assert zk_client.exists("/more").ephemeralOwner == session[0]
    again.stop()
    assert zk_client.exists("/e") is None
    assert zk_client.exists("/more") is None


def test_a_client_that_comes_back_too_late_gets_a_new_session(
    zk_client: KazooClient, zk_client_factory: ClientFactory, abandon: Abandon, short: float
) -> None:
    first = zk_client_factory(timeout=short)
    first.create("/e", ephemeral=True)
    session = first.client_id
    wait_until_gone = gone(zk_client, "/e")
    abandon(first)
    assert wait_until_gone()

    states: list[str] = []
    late = zk_client_factory(start=False, client_id=session)
    late.add_listener(states.append)
    late.start()
    assert late.client_id[0] != session[0]
    assert late.client_id[0] != 0
    assert states[-1] == KazooState.CONNECTED


def test_a_wrong_password_does_not_open_a_session(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> None:
    zk_client.create("/e", ephemeral=True)
    session, _ = zk_client.client_id
    thief = zk_client_factory(client_id=(session, b"0123456789abcdef"))
    assert thief.client_id[0] not in (0, session)
    thief.stop()
    # The attempt ended the connection, not the session.
    assert zk_client.retry(zk_client.exists, "/e") is not None


def test_a_dropped_connection_keeps_the_session(zk_client: KazooClient) -> None:
    import socket

    zk_client.create("/e", ephemeral=True)
    session = zk_client.client_id
    back = zk_client.handler.event_object()
    dropped = zk_client.handler.event_object()

    def listen(state: str) -> None:
        if state == KazooState.SUSPENDED:
            dropped.set()
        elif state == KazooState.CONNECTED and dropped.is_set():
            back.set()

    zk_client.add_listener(listen)
    zk_client._connection._socket.shutdown(socket.SHUT_RDWR)
    assert dropped.wait(30)
    assert back.wait(30)
    assert zk_client.client_id == session
    assert zk_client.exists("/e").ephemeralOwner == session[0]


def test_taking_over_a_session_ends_the_old_connection(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> None:
    """The classic way to expire a client: open its session elsewhere, and close it there."""
    victim = zk_client_factory()
    victim.create("/e", ephemeral=True)
    lost = victim.handler.event_object()
    victim.add_listener(lambda state: lost.set() if state == KazooState.LOST else None)
    taker = zk_client_factory(client_id=victim.client_id)
    taker.stop()
    assert lost.wait(30)
    assert zk_client.exists("/e") is None
