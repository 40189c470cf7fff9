"""Each mark and each of its arguments."""

import time

import pytest

pytestmark = pytest.mark.zookeeper(settings={"tickTime": 100}, load={"/limit": b"5"})


def test_load_and_settings_of_the_module(zk_client, zk_server):
    assert zk_client.get("/limit")[0] == b"5"
    assert zk_server.tick_time == 100


@pytest.mark.zookeeper(load={"/limit": b"6", "/more": None})
def test_the_nearest_mark_wins(zk_client, zk_server):
    assert zk_client.get("/limit")[0] == b"6"
    assert zk_client.exists("/more")
    assert zk_server.tick_time == 100


@pytest.mark.zookeeper(servers=3)
def test_servers(zk_server, zk_client):
    assert zk_server.hosts.count(",") == 2
    assert sorted(member.mode for member in zk_server.members) == ["follower", "follower", "leader"]
    zk_client.create("/a")


@pytest.mark.zk_backend("fake")
@pytest.mark.zookeeper(version="3.8")
def test_version(zk_server, zk_backend):
    assert zk_server.version.startswith("3.8.")
    assert zk_backend == "fake"


@pytest.mark.zookeeper(backend="fake")
def test_backend(zk_backend):
    assert zk_backend == "fake"


def hours():
    time.sleep(7200)
    return time.monotonic()


@pytest.mark.zookeeper(seed=7, profile="realistic", patch=[__name__])
def test_of_a_simulation(zk_simulation):
    assert zk_simulation.seed == 7
    before = zk_simulation.now
    hours()
    assert zk_simulation.now - before >= 7200


@pytest.mark.zk_simulation(seed=8, servers=3)
def test_its_short_form(zk_simulation):
    assert zk_simulation.seed == 8
    assert zk_simulation.client().get("/limit")[0] == b"5"
