"""One face for both drivers: the state of an ensemble, in real and in virtual time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake.simulation import Simulation, SimulationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from zkfake._control.control import EnsembleControl

    Driver = Callable[[int], AbstractContextManager[tuple[EnsembleControl, KazooClient]]]


@contextmanager
def _real(servers: int) -> Iterator[tuple[EnsembleControl, KazooClient]]:
    with FakeZooKeeper(servers=servers, keep_log=True) as fake:
        client = KazooClient(fake.hosts)
        client.start(30)
        try:
            yield fake, client
        finally:
            client.stop()
            client.close()


@contextmanager
def _virtual(servers: int) -> Iterator[tuple[EnsembleControl, KazooClient]]:
    with Simulation(servers=servers) as sim:
        yield sim, sim.client()


@pytest.fixture(params=[_real, _virtual], ids=["real time", "virtual time"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("servers", [1, 3])
def test_state_is_set_and_put_back(driver: Driver, servers: int) -> None:
    with driver(servers) as (control, client):
        control.load({"/app/a": b"1", "/app/b": None})
        assert control.dump() == {"/app": b"", "/app/a": b"1", "/app/b": None}
        assert control.dump("/app/a") == {"/app/a": b"1"}
        assert control.dump("/zookeeper/quota") == {"/zookeeper/quota": b""}
        with pytest.raises(KeyError):
            control.dump("/ap")
        before = control.snapshot()
        client.sync("/")
        client.get("/app/a", watch=lambda _event: None)
        client.get_children("/app", watch=lambda _event: None)
        assert len(control.watches) == 2
        control.remove("/app")
        assert control.dump() == {}
        client.sync("/")
        assert control.watches == ()
        control.restore(before)
        client.sync("/")
        assert client.get("/app/a")[0] == b"1"


def test_a_snapshot_of_one_driver_is_a_state_of_the_other() -> None:
    with FakeZooKeeper() as fake:
        fake.load({"/app": b"real"})
        snapshot = fake.snapshot()
    with Simulation() as sim:
        sim.restore(snapshot)
        assert sim.client().get("/app")[0] == b"real"


@pytest.mark.parametrize("servers", [1, 3])
def test_what_goes_on_is_told(driver: Driver, servers: int) -> None:
    with driver(servers) as (control, client):
        client.create("/a", b"x", ephemeral=True)
        client.exists("/b", watch=lambda _event: None)
        (session,) = control.sessions
        assert (session.id, session.ephemerals) == (client.client_id[0], ("/a",))
        assert [(watch.path, watch.session_id) for watch in control.watches] == [("/b", session.id)]
        assert [each.session_id for each in control.connections] == [session.id]
        assert control.znodes["/a"].data == b"x"
        assert control.leader in range(1, servers + 1)
        assert [replica.id for replica in control.replicas] == [*range(1, servers + 1)]
        with pytest.raises(KeyError):
            control.expire(session.id + 1)
        control.expire(session.id)
        assert control.sessions == ()


@pytest.mark.parametrize("by", ["session", "fault"])
def test_a_session_that_is_local_to_its_server_is_expired(by: str) -> None:
    with FakeZooKeeper(servers=3, settings={"localSessionsEnabled": True}) as fake:
        client = KazooClient(fake.hosts)
        lost = threading.Event()
        client.add_listener(lambda state: lost.set() if state == "LOST" else None)
        client.start()
        (session,) = fake.sessions
        if by == "session":
            fake.expire(session.id)
        else:
            assert fake.faults.expire(client)
        assert session.id not in [each.id for each in fake.sessions]
        assert lost.wait(30)
        with pytest.raises(KeyError):
            fake.expire(session.id)
        client.stop()
        client.close()


def test_the_log_has_every_state(driver: Driver) -> None:
    with driver(1) as (control, client):
        first = client.create("/a", b"1", include_data=True)[1].czxid
        client.set("/a", b"2")
        last = client.exists("/a").mzxid
        assert [each.zxid for each in control.log][-2:] == [first, last]
        assert control.last_zxid == last
        one, other = control.at(first).get("/a"), control.at(last).get("/a")
        assert (one and one.data, other and other.data) == (b"1", b"2")


def test_knobs_are_seconds(driver: Driver) -> None:
    with driver(3) as (control, _):
        control.server_latency, control.election_time = (0.001, 0.002), (0.2, 0.3)
        assert control.server_latency == (0.001, 0.002)
        assert control.election_time == (0.2, 0.3)
        with pytest.raises(ValueError, match="range of seconds"):
            control.server_latency = (2, 1)


def test_a_log_that_is_not_kept() -> None:
    with FakeZooKeeper() as fake:
        with pytest.raises(ValueError, match="keep_log=True"):
            _ = fake.log
        with pytest.raises(ValueError, match="keep_log=True"):
            fake.at(1)


def test_where_nothing_runs() -> None:
    with pytest.raises(RuntimeError, match="start"):
        FakeZooKeeper().load({"/a": b""})
    with pytest.raises(SimulationError, match="has not begun"):
        Simulation().dump()
    with pytest.raises(SimulationError, match="has not begun"):
        Simulation().settle()
    with pytest.raises(SimulationError, match="has not begun"):
        Simulation().load({})
    with Simulation() as sim:
        sim.load({"/a": b""})
    assert sim.dump() == {"/a": b""}
    with pytest.raises(SimulationError, match="over"):
        sim.load({"/b": b""})
