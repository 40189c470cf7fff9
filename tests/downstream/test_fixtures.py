"""Each fixture, as somebody who installed the package has it."""

import asyncio

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss


def test_zk_client(zk_client):
    assert zk_client.get_children("/") == []
    zk_client.create("/a", b"1")
    assert zk_client.get("/a")[0] == b"1"


def test_zk_client_factory(zk_client_factory):
    one, two = zk_client_factory(), zk_client_factory(timeout=5.0)
    one.create("/a", b"1")
    two.sync("/a")
    assert two.get("/a")[0] == b"1"
    assert not zk_client_factory(start=False).connected


def test_zk_hosts_and_zk_chroot(zk_hosts, zk_chroot, zk_server):
    assert zk_hosts == zk_server.hosts + zk_chroot
    client = KazooClient(zk_hosts)
    client.start()
    client.create("/a")
    assert client.get_children("/") == ["a"]
    client.stop()
    client.close()


def test_zk_server(zk_server, zk_backend):
    assert zk_server.backend == zk_backend
    assert zk_server.version.startswith("3.")
    assert zk_server.min_session_timeout == 2 * zk_server.tick_time / 1000


def test_zk_dict(zk_dict):
    zk_dict["tea"] = 3
    assert dict(zk_dict) == {"tea": 3}


def test_zk_dict_factory(zk_dict_factory):
    ours, theirs = zk_dict_factory("/prices"), zk_dict_factory("/prices")
    ours["tea"] = 3
    theirs.sync()
    assert theirs == {"tea": 3}


def test_zk_async_dict(zk_async_dict):
    async def program():
        await zk_async_dict.set("tea", 3)
        await zk_async_dict.sync()
        return dict(zk_async_dict.mapping)

    assert asyncio.run(program()) == {"tea": 3}


def test_zk_server_factory(zk_server_factory, zk_client_factory):
    server = zk_server_factory({"tickTime": 100})
    assert server.tick_time == 100
    client = zk_client_factory(hosts=",".join([server.hosts] * 30), timeout=60.0)
    client.create("/a", b"kept")
    server.stop()
    server.start()
    assert client.retry(client.get, "/a")[0] == b"kept"


def test_zk_example(zk_example):
    for _ in range(3):
        with zk_example() as example:
            example.client.create("/a")
            example.dict["tea"] = 3


def test_zk_fake(zk_fake, zk_client, zk_chroot):
    zk_client.create("/a", b"1", ephemeral=True)
    assert zk_fake.dump()[f"{zk_chroot}/a"] == b"1"
    assert zk_fake.sessions[-1].ephemerals == (f"{zk_chroot}/a",)


def test_zk_faults(zk_client, zk_faults):
    with (
        zk_faults.drop_before_reply(zk_client, operation="create") as fault,
        pytest.raises(ConnectionLoss),
    ):
        zk_client.create("/a")
    assert fault.hits


def test_zk_live(zk_live, zk_client):
    assert zk_live.running
    assert zk_live.members[0].mode == "standalone"
    assert zk_client.command(b"ruok") == "imok"


def test_zk_simulation(zk_simulation):
    client = zk_simulation.client()
    client.create("/a", ephemeral=True)
    zk_simulation.sleep(86_400)
    assert client.exists("/a")
