"""A lease comes back whatever happened, and says what it waits for meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl

from zkdict import EncodeError, KeyExists, LeaseState, RootMissing, VersionConflict, ZooKeeperDict

Open = Callable[..., ZooKeeperDict[Any]]
Eventually = Callable[[Callable[[], object]], None]

NO_CREATE = [make_acl("world", "anyone", read=True, write=True, delete=True, admin=True)]


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
            eventually(lambda before=before: lease.held and items.entry("mine").czxid > before)
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
    zk_client.delete("/dict", recursive=True)
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
    eventually(lambda: lease.held and items.entry("mine").czxid > before)
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
