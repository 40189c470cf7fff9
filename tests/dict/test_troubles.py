"""Reads that the server answers with an error, once or on and on: the dict says so and comes back.

The errors are put in the place of a real answer between the client and the server.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable
from typing import Any

import kazoo.exceptions
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionLoss,
    KazooException,
    MarshallingError,
    NoAuthError,
    OperationTimeoutError,
    SystemZookeeperError,
)

from zkdict import State, Timeout, ZkDictError, ZooKeeperDict

Open = Callable[..., ZooKeeperDict[Any]]
Behind = Callable[..., KazooClient]

#: What a server with too much to do answers. kazoo before 2.11 does not know it.
REFUSED = getattr(kazoo.exceptions, "ThrottledOpError", SystemZookeeperError)

ERRORS = [
    SystemZookeeperError,
    ConnectionLoss,
    MarshallingError,
    OperationTimeoutError,
    NoAuthError,
    REFUSED,
]
error_types = pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)


class Follower:
    """What a dict told of itself."""

    def __init__(self, items: ZooKeeperDict[Any]) -> None:
        self.errors: list[Exception] = []
        self.states: list[State] = []
        self.told = threading.Event()
        items.on_error(self._failed)
        items.on_state(lambda _, new: self.states.append(new))

    def _failed(self, error: Exception) -> None:
        self.errors.append(error)
        self.told.set()


@error_types
@pytest.mark.parametrize("operation", ["getData", "getChildren2", "exists", "sync"])
def test_an_error_while_it_loads_is_tried_again(
    operation: str, error: Any, zk_client: KazooClient, proxy: Any, client_behind: Behind
) -> None:
    if operation != "exists":
        zk_client.create("/dict")
        zk_client.create("/dict/a", b"1")
    client = client_behind(proxy)
    proxy.answer(operation, error.code)
    if error is NoAuthError and operation in ("getChildren2", "exists"):
        with pytest.raises(NoAuthError), ZooKeeperDict[Any](client, "/dict"):
            pass  # it may not read the root: the program is told at once
        return
    with ZooKeeperDict[Any](client, "/dict", wait=60) as items:
        items.sync(60)
        assert dict(items) == ({} if operation == "exists" else {"a": 1})
        assert items.state is State.LIVE
        assert items.snapshot().exact


@error_types
def test_an_error_when_a_key_has_changed(
    error: Any,
    zk_client: KazooClient,
    proxy: Any,
    client_behind: Behind,
    open_dict: Open,
) -> None:
    zk_client.create("/dict")
    zk_client.create("/dict/a", b"1")
    items = open_dict(client_behind(proxy))
    follower = Follower(items)
    proxy.answer("getData", error.code)
    zk_client.set("/dict/a", b"2")
    # Nobody else does anything: it comes back by itself.
    assert items.wait_for(lambda now: now.exact and now.get("a") == 2, 60)
    assert items.state is State.LIVE
    assert items.age == 0.0
    assert follower.told.wait(60)
    assert [type(each) for each in follower.errors] == [error]
    if error is not NoAuthError:  # which is of this key alone, and others are as good as ever
        items.wait_for(lambda _: follower.states[-1:] == [State.LIVE], 60)
        assert follower.states == [State.STALE, State.LIVE]


@error_types
@pytest.mark.usefixtures("watches_each_znode")
def test_an_error_when_the_list_has_changed(
    error: Any, zk_client: KazooClient, proxy: Any, client_behind: Behind, open_dict: Open
) -> None:
    zk_client.create("/dict")
    items = open_dict(client_behind(proxy))
    follower = Follower(items)
    proxy.answer("getChildren2", error.code)
    zk_client.create("/dict/a", b"1")
    assert items.wait_for(lambda now: now.exact and now.get("a") == 1, 60)
    assert items.state is State.LIVE
    assert follower.told.wait(60)
    assert [type(each) for each in follower.errors] == [error]


@error_types
@pytest.mark.parametrize("operation", ["getData", "getChildren2", "exists", "multi"])
def test_a_sync_in_spite_of_an_error(
    operation: str,
    error: Any,
    zk_client: KazooClient,
    proxy: Any,
    client_behind: Behind,
    open_dict: Open,
) -> None:
    zk_client.create("/dict")
    zk_client.create("/dict/a", b"1")
    items = open_dict(client_behind(proxy))
    proxy.answer(operation, error.code)
    zk_client.set("/dict/a", b"2")
    zk_client.create("/dict/b", b"3")
    if error is NoAuthError:  # it is told what the server said, wherever that came in between
        with contextlib.suppress(NoAuthError):
            items.sync(60)
    items.sync(60)
    assert dict(items) == {"a": 2, "b": 3}
    assert items.state is State.LIVE


def test_an_error_after_a_reconnect(
    zk_client: KazooClient, proxy: Any, client_behind: Behind, open_dict: Open
) -> None:
    zk_client.create("/dict")
    zk_client.create("/dict/a", b"1")
    items = open_dict(client_behind(proxy))
    for operation in ("sync", "getChildren2", "exists"):
        proxy.answer(operation, REFUSED.code)
        zk_client.set("/dict/a", operation.encode().join([b'"', b'"']))
        proxy.drop()
        assert items.wait_for(lambda now, to=operation: now.get("a") == to, 60)
        items.sync(60)
        assert items.state is State.LIVE


@pytest.mark.usefixtures("watches_each_znode")
def test_a_list_with_a_name_that_cannot_be(
    zk_client: KazooClient, proxy: Any, client_behind: Behind, open_dict: Open
) -> None:
    zk_client.create("/dict")
    items = open_dict(client_behind(proxy))
    follower = Follower(items)
    for name in (b"a/b", b"", b"..", b"."):
        follower.told.clear()
        listed = struct.pack(">ii", 1, len(name)) + name + bytes(68)
        proxy.answer("getChildren2", listed)
        path = zk_client.create("/dict/k", b"1", sequence=True)
        assert follower.told.wait(60)
        assert items.wait_for(lambda now, path=path: path.rpartition("/")[2] in now, 60)
        assert items.state is State.LIVE
        error = follower.errors[-1]
        assert type(error) is ZkDictError
        assert repr(name.decode()) in str(error)


def test_one_key_that_cannot_be_read_harms_no_other(
    zk_client: KazooClient, proxy: Any, client_behind: Behind, open_dict: Open
) -> None:
    zk_client.create("/dict")
    zk_client.create("/dict/a", b"1")
    zk_client.create("/dict/b", b"1")
    items = open_dict(client_behind(proxy), max_staleness=0.1)
    proxy.answer("getData", SystemZookeeperError.code, times=5)
    zk_client.set("/dict/a", b"2")
    assert items.wait_for(lambda now: "a" in items.bad_keys, 60)
    with pytest.raises(SystemZookeeperError):
        _ = items["a"]
    assert not items.snapshot().exact
    zk_client.set("/dict/b", b"2")
    assert items.wait_for(lambda now: now.get("b") == 2, 60)
    assert items.wait_for(lambda now: now.exact and now.get("a") == 2, 60)
    assert items.state is State.LIVE


def test_a_load_that_is_refused_on_and_on_says_why(
    zk_client: KazooClient, proxy: Any, client_behind: Behind
) -> None:
    zk_client.create("/dict")
    client = client_behind(proxy)
    proxy.answer("getChildren2", REFUSED.code, times=1000)
    with (
        pytest.raises(Timeout, match=REFUSED.__name__),
        ZooKeeperDict[Any](client, "/dict", wait=0.5),
    ):
        pass


def test_a_sync_that_is_refused_on_and_on_raises_it(
    zk_client: KazooClient, proxy: Any, client_behind: Behind, open_dict: Open
) -> None:
    items = open_dict(client_behind(proxy))
    proxy.answer("multi", REFUSED.code, times=1000)
    with pytest.raises(KazooException) as e:
        items.sync()
    assert type(e.value) is REFUSED
    assert items.state is State.LIVE


def test_a_dict_that_is_closed_or_dropped_tries_no_more(
    zk_client: KazooClient, proxy: Any, client_behind: Behind
) -> None:
    """The task that waits ends at once: no thread is left (which every test is asked)."""
    zk_client.create("/dict")
    zk_client.create("/dict/a", b"1")
    for close in (True, False):
        client = client_behind(proxy)
        items = ZooKeeperDict[Any](client, "/dict")
        follower = Follower(items)
        proxy.answer("getData", REFUSED.code, times=1000)
        zk_client.set("/dict/a", b"2")
        assert follower.told.wait(60)
        if close:
            items.close()
        del items, follower
        proxy._answers.clear()
