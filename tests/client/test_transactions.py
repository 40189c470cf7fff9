"""Transactions (multi) through an unmodified KazooClient: all or nothing, one zxid."""

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)


def test_all_of_it_happens_at_one_zxid(zk_client: KazooClient) -> None:
    zk_client.create("/old", b"")
    zk_client.create("/gone", b"")
    transaction = zk_client.transaction()
    transaction.create("/new", b"1")
    transaction.set_data("/old", b"2")
    transaction.check("/old", version=1)
    transaction.delete("/gone", version=0)
    created, stat, checked, deleted = transaction.commit()
    assert (created, checked, deleted) == ("/new", True, True)
    data, new = zk_client.get("/new")
    assert data == b"1"
    assert zk_client.get("/old")[0] == b"2"
    assert stat == zk_client.exists("/old")
    assert new.czxid == stat.mzxid == zk_client.exists("/").pzxid
    assert new.ctime == stat.mtime
    assert zk_client.exists("/gone") is None


def test_later_operations_see_earlier_ones(zk_client: KazooClient) -> None:
    transaction = zk_client.transaction()
    transaction.create("/a")
    transaction.create("/a/b")
    transaction.create("/a/s-", sequence=True)
    transaction.set_data("/a", b"x")
    transaction.delete("/a/b")
    transaction.create("/a/b", b"again")
    results = transaction.commit()
    assert results[2] == "/a/s-0000000001"
    assert results[3].version == 1
    assert zk_client.get("/a/b")[0] == b"again"


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda t: t.check("/there", version=7), BadVersionError),
        (lambda t: t.create("/there"), NodeExistsError),
        (lambda t: t.create("/no/child"), NoNodeError),
        (lambda t: t.delete("/no"), NoNodeError),
        (lambda t: t.delete("/full"), NotEmptyError),
        (lambda t: t.set_data("/no", b""), NoNodeError),
        (lambda t: t.set_data("/there", b"", version=7), BadVersionError),
    ],
    ids=["check", "create", "orphan", "delete", "full", "set", "set version"],
)
def test_one_failure_undoes_all(zk_client: KazooClient, spoil: object, error: type) -> None:
    zk_client.create("/there", b"before")
    zk_client.create("/full/child", makepath=True)
    root = zk_client.exists("/")
    transaction = zk_client.transaction()
    transaction.create("/new")
    transaction.set_data("/there", b"after")
    spoil(transaction)  # type: ignore[operator]
    transaction.create("/newer")
    results = transaction.commit()
    assert [type(result) for result in results] == [
        RolledBackError,
        RolledBackError,
        error,
        RuntimeInconsistency,
    ]
    assert zk_client.get("/there")[0] == b"before"
    assert zk_client.exists("/new") is zk_client.exists("/newer") is None
    assert zk_client.exists("/") == root


def test_an_empty_one(zk_client: KazooClient) -> None:
    assert zk_client.transaction().commit() == []


def test_ephemerals_of_a_transaction_belong_to_the_session(zk_client: KazooClient) -> None:
    transaction = zk_client.transaction()
    transaction.create("/e", b"", ephemeral=True)
    transaction.commit()
    assert zk_client.exists("/e").ephemeralOwner == zk_client.client_id[0]
