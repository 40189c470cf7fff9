"""Limits and defects of kazoo's recipes, on real sockets too: the live server is a judge of them.

`docs/recipes.md` explains each. The simulation shows more of them, in `tests/simulation`; these are
the ones that a proxy which cuts the connection at the right request can provoke anywhere.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NoNodeError
from kazoo.protocol.states import KazooState

from zkfake.proxy import ZooKeeperProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES, TAKEN = "/queue/entries", "/queue/taken"


@pytest.fixture
def proxy(zk_server: Any) -> Iterator[Any]:
    """Where clients connect to, and what can happen to them on the way: ``hosts`` and ``faults``.
    A simulation has both without a proxy.
    """
    if zk_server.backend == "simulation":
        yield zk_server
        return
    with ZooKeeperProxy(zk_server.hosts) as proxy:
        yield proxy


@pytest.fixture
def behind_proxy(proxy: Any, zk_chroot: str, zk_client_factory: Any) -> KazooClient:
    """A client on the test's znodes whose connection can be cut."""
    client = zk_client_factory(hosts=proxy.hosts + zk_chroot)
    assert isinstance(client, KazooClient)
    return client


def test_a_counter_counts_twice_when_a_reply_is_lost(proxy: Any, behind_proxy: KazooClient) -> None:
    counter = behind_proxy.Counter("/counter")
    proxy.faults.drop_before_reply(operation="setData", path="*/counter")
    counter += 1
    assert counter.value == 2


def test_a_paused_holder_of_a_lock_is_one_of_two(zk_client_factory: Any) -> None:
    """The thread that keeps the connection stands still, as in a process that is stopped."""
    first, second = zk_client_factory(timeout=4.0), zk_client_factory()
    runs, select = threading.Event(), first.handler.select

    def select_when_running(*arguments: Any, **named: Any) -> Any:
        runs.wait(120)
        return select(*arguments, **named)

    runs.set()
    first.handler.select = select_when_running
    held = first.Lock("/lock", "first")
    assert held.acquire()
    runs.clear()
    try:
        assert second.Lock("/lock", "second").acquire(timeout=60)
        assert held.is_acquired
        assert first.state == KazooState.CONNECTED
    finally:
        runs.set()


def test_a_lock_gives_up_its_cleanup_and_leaves_its_node_behind(
    proxy: Any, behind_proxy: KazooClient, zk_client_factory: Any
) -> None:
    first, third = zk_client_factory(), zk_client_factory()
    held = first.Lock("/lock", "first")
    held.acquire()
    proxy.faults.drop_before_request(operation="delete", path="*/lock/*")
    assert not behind_proxy.Lock("/lock", "second").acquire(blocking=False)
    held.release()
    assert len(third.get_children("/lock")) == 1
    assert not third.Lock("/lock", "third").acquire(blocking=False)
    behind_proxy.retry(behind_proxy.sync, "/lock")
    behind_proxy.stop()
    assert third.Lock("/lock", "third").acquire(timeout=60)


def test_a_lock_that_was_lost_has_to_be_released_before_it_is_acquired_again(
    proxy: Any, behind_proxy: KazooClient
) -> None:
    lock = behind_proxy.Lock("/lock", "mine")
    lock.acquire()
    proxy.faults.expire(behind_proxy)
    assert behind_proxy.retry(behind_proxy.get_children, "/lock") == []
    assert not lock.acquire(timeout=1)
    lock.release()
    assert lock.acquire(timeout=60)


def test_a_semaphore_hands_out_the_lease_of_a_lost_session(
    proxy: Any, behind_proxy: KazooClient, zk_client: KazooClient
) -> None:
    end_session = partial(proxy.faults.expire, behind_proxy)
    proxy.faults.upon(end_session, operation="delete", path="*/leases-__lock__/*")
    assert behind_proxy.Semaphore("/leases", "first", max_leases=1).acquire()
    assert behind_proxy.state == KazooState.CONNECTED
    assert zk_client.Semaphore("/leases", "second", max_leases=1).acquire(timeout=60)
    assert behind_proxy.Semaphore("/leases", max_leases=1).lease_holders() == ["second"]


def test_an_item_whose_taking_was_not_answered_is_nobodys(
    proxy: Any, behind_proxy: KazooClient, zk_client: KazooClient
) -> None:
    other = zk_client.LockingQueue("/queue")
    other.put(b"item")
    queue = behind_proxy.LockingQueue("/queue")
    proxy.faults.drop_before_reply(operation="create", path=f"*{TAKEN}/*")
    with pytest.raises(ConnectionLoss):
        queue.get()
    behind_proxy.retry(behind_proxy.sync, "/queue")
    assert queue.get(timeout=0.1) is None
    assert other.get(timeout=0.1) is None
    behind_proxy.stop()
    assert other.get(timeout=60) == b"item"


def test_an_item_of_a_lost_session_is_handed_out(
    proxy: Any, behind_proxy: KazooClient, zk_client: KazooClient
) -> None:
    other = zk_client.LockingQueue("/queue")
    other.put(b"item")
    end_session = partial(proxy.faults.expire, behind_proxy)
    proxy.faults.upon(end_session, operation="getData", path=f"*{ENTRIES}/*")
    queue = behind_proxy.LockingQueue("/queue")
    assert queue.get(timeout=60) == b"item"
    assert behind_proxy.state == KazooState.CONNECTED
    assert other.get(timeout=60) == b"item"
    assert not queue.consume()
    assert other.consume()


def test_a_waiting_get_does_not_survive_a_lost_connection(
    proxy: Any, behind_proxy: KazooClient, zk_client: KazooClient
) -> None:
    giver = zk_client.LockingQueue("/queue")
    assert len(giver) == 0  # the paths are there
    lost, back = threading.Event(), threading.Event()
    behind_proxy.add_listener(lambda state: (back if state == KazooState.CONNECTED else lost).set())
    waits: list[Any] = []
    event_object = behind_proxy.handler.event_object

    def noted() -> Any:
        waits.append(event_object())
        return waits[-1]

    behind_proxy.handler.event_object = noted
    proxy.faults.drop_before_reply(operation="getChildren", path=f"*{TAKEN}")
    with ThreadPoolExecutor(1) as pool:
        getting = pool.submit(behind_proxy.LockingQueue("/queue").get)
        # The first look is cut off; get() tries again, and waits.
        assert lost.wait(60)
        assert back.wait(60)
        _let_watches_run(behind_proxy)
        watchers = behind_proxy._child_watchers
        path = f"{behind_proxy.chroot}{TAKEN}"
        assert any(behind_proxy.sync("/") and watchers.get(path) for _ in range(10_000))
        back.clear()
        proxy.faults.drop(behind_proxy)
        assert back.wait(60)
        giver.put(b"item")
        _let_watches_run(behind_proxy)
        assert not getting.done()
        assert giver.get(timeout=60) == b"item"
        waits[0].set()  # nobody else would
        assert getting.result(60) is None


def _let_watches_run(client: KazooClient) -> None:
    """Until all that was sent to the client has arrived, and every watch function has run."""
    client.retry(client.sync, "/")
    passed = threading.Event()
    client.handler.callback_queue.put(passed.set)
    assert passed.wait(60)


def test_consume_raises_when_it_did_and_cannot_know(proxy: Any, behind_proxy: KazooClient) -> None:
    queue = behind_proxy.LockingQueue("/queue")
    queue.put(b"item")
    assert queue.get() == b"item"
    proxy.faults.drop_before_reply(operation="multi", path=f"*{ENTRIES}*")
    with pytest.raises(ConnectionLoss):
        queue.consume()
    with pytest.raises(NoNodeError):
        behind_proxy.retry(queue.consume)
    assert behind_proxy.get_children(ENTRIES) == []


def test_a_slow_thread_is_told_that_it_consumed_what_is_still_there(
    proxy: Any, behind_proxy: KazooClient
) -> None:
    """Between its two steps the session ends and the next one is opened."""
    queue = behind_proxy.LockingQueue("/queue")
    queue.put(b"item")
    assert queue.get() == b"item"
    transaction = behind_proxy.transaction

    def slowly() -> Any:
        proxy.faults.expire(behind_proxy)
        behind_proxy.retry(behind_proxy.sync, "/")
        return transaction()

    behind_proxy.transaction = slowly
    assert queue.consume() is True
    assert len(queue) == 1
