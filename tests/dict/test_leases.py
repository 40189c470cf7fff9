"""A lease comes back whatever happened, and says what it waits for meanwhile."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl

from zkdict import (
    EncodeError,
    KeyExists,
    LeaseState,
    RootMissing,
    State,
    Timeout,
    VersionConflict,
    WriteUncertain,
    ZooKeeperDict,
)

Open = Callable[..., ZooKeeperDict[Any]]
Eventually = Callable[[Callable[[], object]], None]

NO_CREATE = [make_acl("world", "anyone", read=True, write=True, delete=True, admin=True)]
NO_DELETE = [make_acl("world", "anyone", read=True, write=True, create=True, admin=True)]


def made_after(zxid: int, items: ZooKeeperDict[Any]) -> bool:
    """Whether the key is there, and newer: asked of one state, as it may go between two looks."""
    now = items.snapshot()
    return "mine" in now and now.entry("mine").czxid > zxid


@pytest.fixture
def items(open_dict: Open) -> ZooKeeperDict[Any]:
    return open_dict()


def test_deleted_by_anybody(
    items: ZooKeeperDict[Any], zk_client: KazooClient, eventually: Eventually
) -> None:
    with items.lease("mine", 1) as lease:
        for _ in range(5):
            before = items.entry("mine").czxid
            zk_client.delete("/dict/mine")
            eventually(lambda before=before: lease.held and made_after(before, items))
        assert items["mine"] == 1
        assert lease.error is None
    assert lease.state is LeaseState.RELEASED
    assert zk_client.exists("/dict/mine") is None


def test_taken_by_another(
    items: ZooKeeperDict[Any], zk_client: KazooClient, eventually: Eventually
) -> None:
    lease = items.lease("mine", 1)
    swap = zk_client.transaction()
    swap.delete("/dict/mine")
    swap.create("/dict/mine", b'"another"')
    swap.commit()
    eventually(lambda: lease.state is LeaseState.TAKEN)
    assert not lease.held
    with pytest.raises(VersionConflict):
        lease.set(2)
    zk_client.delete("/dict/mine")
    eventually(lambda: lease.held)
    assert items["mine"] == 2
    lease.release()


def test_may_not_be_made_for_a_while(
    items: ZooKeeperDict[Any], zk_client: KazooClient, eventually: Eventually
) -> None:
    told: list[Exception] = []
    items.on_error(told.append)
    lease = items.lease("mine", 1)
    zk_client.set_acls("/dict", NO_CREATE)
    zk_client.delete("/dict/mine")
    eventually(lambda: len(told) > 1)  # it goes on trying
    assert {type(error) for error in told} == {NoAuthError}
    assert lease.state is LeaseState.MAKING
    assert isinstance(lease.error, NoAuthError)
    zk_client.set_acls("/dict", OPEN_ACL_UNSAFE)
    eventually(lambda: lease.held and lease.error is None)
    lease.release()


def test_the_root_is_removed_and_made_again_by_others(
    zk_client: KazooClient, open_dict: Open, eventually: Eventually
) -> None:
    zk_client.create("/dict")
    items = open_dict(create=False)
    lease = items.lease("mine", 1)
    # In one transaction: the lease makes its znode again between two single deletes.
    gone = zk_client.transaction()
    gone.delete("/dict/mine")
    gone.delete("/dict")
    assert gone.commit() == [True, True]
    eventually(lambda: isinstance(lease.error, RootMissing))
    assert lease.state is LeaseState.MAKING
    zk_client.create("/dict")
    eventually(lambda: lease.held)
    lease.release()


def test_the_value_cannot_be_stored_for_a_while(
    open_dict: Open, zk_client: KazooClient, eventually: Eventually
) -> None:
    """An encoding is somebody's code, too."""
    fails = False

    class Moody:
        def encode(self, value: str) -> bytes:
            if fails:
                raise EncodeError("not now")
            return value.encode()

        def decode(self, data: bytes) -> str:
            return data.decode()

    items = open_dict(encoding=Moody())
    lease = items.lease("mine", "x")
    fails = True
    zk_client.delete("/dict/mine")
    eventually(lambda: isinstance(lease.error, EncodeError))
    fails = False
    eventually(lambda: lease.held)
    lease.release()


def test_bytes_of_a_stranger_are_no_matter(
    items: ZooKeeperDict[Any], zk_client: KazooClient, eventually: Eventually
) -> None:
    lease = items.lease("mine", 1)
    zk_client.set("/dict/mine", b"{")
    items.sync()
    assert list(items.bad_keys) == ["mine"]
    assert lease.held
    lease.set(2)
    zk_client.set("/dict/mine", b"{")
    lease.release()
    assert zk_client.exists("/dict/mine") is None


def test_a_slow_callback_does_not_keep_it_waiting(
    items: ZooKeeperDict[Any],
    zk_client: KazooClient,
    zk_client_factory: Callable[..., KazooClient],
    eventually: Eventually,
) -> None:
    event = zk_client_factory().handler.event_object()
    items.on_change(lambda _: event.wait(60))
    lease = items.lease("mine", 1)
    before = items.entry("mine").czxid
    zk_client.delete("/dict/mine")
    eventually(lambda: lease.held and made_after(before, items))
    event.set()
    lease.release()


def test_only_one_holds_it(open_dict: Open, eventually: Eventually) -> None:
    one, other = open_dict(), open_dict()
    lease = one.lease("mine", 1)
    with pytest.raises(KeyExists):
        other.lease("mine", 2)
    lease.release()
    second = other.lease("mine", 2)
    assert second.held
    assert lease.state is LeaseState.RELEASED
    other.close()
    assert second.state is LeaseState.RELEASED


# -- without a connection


@pytest.fixture
def far(
    proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> ZooKeeperDict[Any]:
    """A dict behind a proxy."""
    return open_dict(client_behind(proxy, timeout=30.0))


@contextlib.contextmanager
def in_outage(
    items: ZooKeeperDict[Any], call: Callable[[], object], proxy: Any, eventually: Eventually
) -> Iterator[list[BaseException]]:
    """Cut the connection, call something, do what the block does, heal; what the call raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    proxy.cut()
    eventually(lambda: items.state is State.SUSPENDED)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        proxy.heal()
        thread.join(60)
        assert not thread.is_alive()


def test_a_release_waits_for_the_connection(
    far: ZooKeeperDict[Any], zk_client: KazooClient, proxy: Any, eventually: Eventually
) -> None:
    lease = far.lease("mine", 1)
    with in_outage(far, lease.release, proxy, eventually) as raised:
        eventually(lambda: lease.state is LeaseState.RELEASING)
    assert not raised
    assert lease.state is LeaseState.RELEASED
    assert zk_client.exists("/dict/mine") is None


def test_a_release_that_failed_is_not_forgotten(
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    zk_client: KazooClient,
    proxy: Any,
    eventually: Eventually,
) -> None:
    items = open_dict(client_behind(proxy, timeout=30.0), write_timeout=3.0)
    lease = items.lease("mine", 1)
    proxy.cut()
    eventually(lambda: items.state is State.SUSPENDED)
    for _ in range(2):
        with pytest.raises(Timeout):
            lease.release()
        assert lease.state is LeaseState.RELEASING
    assert zk_client.exists("/dict/mine")
    proxy.heal()
    eventually(lambda: lease.state is LeaseState.RELEASED)
    assert zk_client.exists("/dict/mine") is None
    assert lease.error is None
    assert not items._feed._followers


def test_a_release_may_be_refused_for_a_while(
    items: ZooKeeperDict[Any], zk_client: KazooClient, eventually: Eventually
) -> None:
    told: list[Exception] = []
    items.on_error(told.append)
    lease = items.lease("mine", 1)
    zk_client.set_acls("/dict", NO_DELETE)
    with pytest.raises(NoAuthError):
        lease.release()
    eventually(lambda: len(told) > 1)  # it goes on trying
    assert lease.state is LeaseState.RELEASING
    assert isinstance(lease.error, NoAuthError)
    zk_client.set_acls("/dict", OPEN_ACL_UNSAFE)
    eventually(lambda: lease.state is LeaseState.RELEASED)
    assert zk_client.exists("/dict/mine") is None
    assert lease.error is None


def test_a_set_waits_for_the_connection(
    far: ZooKeeperDict[Any], proxy: Any, eventually: Eventually
) -> None:
    with far.lease("mine", 1) as lease:
        with in_outage(far, lambda: lease.set(2), proxy, eventually) as raised:
            pass
        assert not raised
        assert far["mine"] == 2


@pytest.mark.parametrize("lost", ["the session", "the key"])
@pytest.mark.parametrize("call", ["release", "set"])
def test_what_another_made_in_an_outage_is_left_alone(
    call: str,
    lost: str,
    far: ZooKeeperDict[Any],
    zk_client: KazooClient,
    zk_client_factory: Callable[..., KazooClient],
    proxy: Any,
    eventually: Eventually,
) -> None:
    """It has the very version that this lease's key had."""
    lease = far.lease("mine", 1)
    session = far.connection.client_id
    do = lease.release if call == "release" else lambda: lease.set(2)
    with in_outage(far, do, proxy, eventually) as raised:
        if lost == "the session":
            zk_client_factory(client_id=session).stop()
        else:
            zk_client.delete("/dict/mine")
        zk_client.create("/dict/mine", b'"another"', ephemeral=True)
    raw, stat = zk_client.get("/dict/mine")
    assert (raw, stat.version) == (b'"another"', 0)
    if call == "release":
        assert not raised
        assert lease.state is LeaseState.RELEASED
    else:
        (error,) = raised
        assert isinstance(error, VersionConflict)
        assert not error.applied
        eventually(lambda: lease.state is LeaseState.TAKEN)


@pytest.mark.parametrize("call", ["release", "set"])
def test_the_connection_goes_between_the_look_and_the_request(
    call: str,
    far: ZooKeeperDict[Any],
    zk_client: KazooClient,
    proxy: Any,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The request waits for the next connection; what was looked at may be another's by then."""
    lease = far.lease("mine", 1)
    look = lease._own

    def look_and_lose(deadline: float | None) -> object:
        monkeypatch.undo()
        found = look(deadline)
        proxy.cut()
        eventually(lambda: far.state is State.SUSPENDED)
        zk_client.delete("/dict/mine")
        zk_client.create("/dict/mine", b'"another"', ephemeral=True)
        proxy.heal()
        return found

    monkeypatch.setattr(lease, "_own", look_and_lose)
    if call == "release":
        lease.release()
    else:
        with pytest.raises(VersionConflict) as caught:
            lease.set(2)
        assert not caught.value.applied
    raw, stat = zk_client.get("/dict/mine")
    assert (raw, stat.version) == (b'"another"', 0)


def test_the_error_goes_once_the_key_was_made_after_all(
    far: ZooKeeperDict[Any], zk_client: KazooClient, proxy: Any, eventually: Eventually
) -> None:
    told: list[Exception] = []
    far.on_error(told.append)
    with far.lease("mine", 1) as lease:
        before = far.entry("mine").czxid
        proxy.lose("create", "reply")
        zk_client.delete("/dict/mine")
        eventually(lambda: lease.held and made_after(before, far))
        eventually(lambda: told)
        assert isinstance(told[0], WriteUncertain)
        eventually(lambda: lease.error is None)
