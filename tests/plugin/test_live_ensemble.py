"""Three real servers as one `LiveZooKeeper`, with the face of a `FakeZooKeeper` of three."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient

from pytest_zkdict.live import LiveStartError, LiveZooKeeper, four_letter_word
from pytest_zkdict.live import _ports as module
from zkfake import FakeZooKeeper

from ..support.settings import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.02)  # between two questions: the servers need the processor


def modes(ensemble: LiveZooKeeper | FakeZooKeeper) -> list[str]:
    return sorted(str(member.mode) for member in ensemble.members)


def test_an_ensemble_is_the_same_on_both(zk_server: object, zk_backend: str) -> None:
    """Roles, the connect string, a member that dies and comes back."""
    ensemble = (
        LiveZooKeeper(servers=3, observers=1, settings={"syncLimit": 100})
        if zk_backend == "live"
        else FakeZooKeeper(servers=3, observers=1, settings={"maxSessionTimeout": 60_000})
    )
    with ensemble:
        assert [member.id for member in ensemble.members] == [1, 2, 3, 4]
        assert ensemble.members[3].mode == "observer"
        assert modes(ensemble) == ["follower", "follower", "leader", "observer"]
        assert ensemble.hosts == ",".join(member.hosts for member in ensemble.members)
        client = KazooClient(ensemble.hosts, timeout=60.0)
        client.start()
        client.create("/a", b"1")
        leader = next(member for member in ensemble.members if member.mode == "leader")
        leader.stop()
        assert not leader.running
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", leader.port), timeout=5)
        eventually(lambda: "leader" in modes(ensemble))
        client.retry(client.set, "/a", b"2")
        leader.start()
        eventually(lambda: leader.mode == "follower")
        alone = KazooClient(leader.hosts)
        alone.start()
        alone.sync("/a")
        assert alone.get("/a")[0] == b"2"
        for each in (alone, client):
            each.stop()
            each.close()


@pytest.mark.zk_backend("live")
def test_the_whole_ensemble_stops_and_goes_on(zk_server: object) -> None:
    ensemble = LiveZooKeeper(servers=3, settings=STEADY)
    with ensemble:
        hosts, version = ensemble.hosts, ensemble.version
        with pytest.raises(OSError, match=r"."):  # nothing but ZooKeeper listens
            socket.create_connection(("127.0.0.1", 8080), timeout=5)
        directories = [member._directory for member in ensemble.members]
        client = KazooClient(hosts, timeout=30)
        client.start()
        client.create("/a", b"kept")
        client.stop()
        client.close()
        ensemble.stop(kill=True)
        assert not ensemble.running
        ensemble.start()
        assert (ensemble.hosts, ensemble.version) == (hosts, version)
        client.start()
        assert client.get("/a")[0] == b"kept"
        client.stop()
        client.close()
        # One that was killed from outside tells how it ended.
        killed = ensemble.members[1]
        assert killed.exit_status is None
        os.kill(killed.pid, signal.SIGKILL)
        eventually(lambda: not killed.running)
        assert killed.exit_status == 128 + signal.SIGKILL
        assert not ensemble.running
        killed.start()
        assert ensemble.running
        assert killed.exit_status is None
        members = ensemble.members
    assert not any(directory.exists() for directory in directories)
    for member in members:
        with pytest.raises(RuntimeError, match="was closed"):
            member.start()


@pytest.mark.zk_backend("live")
def test_a_port_that_somebody_took_has_all_ports_drawn_again(
    zk_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the first draw has the election port of one of two servers taken."""
    drawn = []
    draw = module.free_port

    with socket.create_server(("127.0.0.1", 0)) as other:

        def free_port() -> int:
            port: int = other.getsockname()[1] if len(drawn) == 3 else draw()
            drawn.append(port)
            return port

        monkeypatch.setattr(module, "free_port", free_port)
        with LiveZooKeeper(servers=2) as ensemble:
            assert len(drawn) >= 12
            assert modes(ensemble) == ["follower", "leader"]


@pytest.mark.zk_backend("live")
def test_a_bad_setting_of_an_ensemble_is_told_at_once(zk_server: object) -> None:
    ensemble = LiveZooKeeper(servers=3, settings={"syncLimit": "long"})
    with pytest.raises(LiveStartError, match=r"(?s)ended at once.*syncLimit=long"):
        ensemble.start()
    assert not ensemble.running
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = ensemble.members


@pytest.mark.zk_backend("live")
@pytest.mark.parametrize(
    "numbers",
    [{"servers": 0}, {"servers": 255}, {"observers": -1}, {"servers": 200, "observers": 99}],
)
def test_numbers_that_cannot_be(zk_server: object, numbers: dict[str, int]) -> None:
    """In the words of the fake."""
    with pytest.raises(ValueError, match="expected") as live:
        LiveZooKeeper(**numbers)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected") as fake:
        FakeZooKeeper(**numbers)  # type: ignore[arg-type]
    assert str(live.value) == str(fake.value)


@pytest.mark.zk_backend("live")
def test_what_the_ensemble_decides_itself_is_refused(zk_server: object) -> None:
    with pytest.raises(ValueError, match=r"itself: peerType, server\.1"):
        LiveZooKeeper(servers=3, settings={"server.1": "there:1:2", "peerType": "observer"})


@pytest.mark.zk_backend("live")
def test_a_server_without_a_quorum_does_not_serve(zk_server: object) -> None:
    with LiveZooKeeper(servers=2) as ensemble:
        one, other = ensemble.members
        other.stop(kill=True)
        eventually(lambda: one.mode is None)
        assert "not currently serving" in four_letter_word("127.0.0.1", one.port, "mntr")
        one.stop()
        one.start(wait=False)
        other.start()
        eventually(lambda: modes(ensemble) == ["follower", "leader"])
