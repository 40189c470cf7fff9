"""Sequential znodes through an unmodified KazooClient."""

from kazoo.client import KazooClient

from pytest_zkdict.clients import ClientFactory


def test_the_suffix_has_ten_digits_and_counts_up(zk_client: KazooClient) -> None:
    zk_client.create("/q")
    made = [zk_client.create("/q/job-", sequence=True) for _ in range(12)]
    assert made == [f"/q/job-{i:010d}" for i in range(12)]


def test_the_counter_is_the_parents_and_counts_every_create(zk_client: KazooClient) -> None:
    zk_client.create("/q")
    assert zk_client.create("/q/a-", sequence=True) == "/q/a-0000000000"
    zk_client.create("/q/plain")
    assert zk_client.create("/q/b-", sequence=True) == "/q/b-0000000002"
    zk_client.create("/other")
    assert zk_client.create("/other/a-", sequence=True) == "/other/a-0000000000"


def test_deletes_and_failed_creates_do_not_count(zk_client: KazooClient) -> None:
    zk_client.create("/q")
    zk_client.create("/q/plain")
    zk_client.delete("/q/plain")
    assert zk_client.create("/q/a-", sequence=True) == "/q/a-0000000001"
    transaction = zk_client.transaction()
    transaction.create("/q/never")
    transaction.check("/q", version=99)
    assert len(transaction.commit()) == 2
    assert zk_client.create("/q/a-", sequence=True) == "/q/a-0000000002"


def test_a_name_of_its_own_is_not_needed(zk_client: KazooClient) -> None:
    zk_client.create("/q")
    assert zk_client.create("/q/", sequence=True) == "/q/0000000000"


def test_two_clients_never_get_the_same_name(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> None:
    zk_client.create("/q")
    clients = [zk_client, zk_client_factory(), zk_client_factory()]
    pending = [c.create_async("/q/n-", sequence=True) for _ in range(50) for c in clients]
    made = [result.get(timeout=30) for result in pending]
    assert sorted(made) == [f"/q/n-{i:010d}" for i in range(150)]


def test_an_ephemeral_one(zk_client: KazooClient) -> None:
    zk_client.create("/q")
    path = zk_client.create("/q/e-", sequence=True, ephemeral=True)
    assert path == "/q/e-0000000000"
    assert zk_client.exists(path).ephemeralOwner == zk_client.client_id[0]
