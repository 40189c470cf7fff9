"""The faults of a `FakeZooKeeper`, as an unmodified `KazooClient` meets them over TCP: rules, how
all faults begin and end, and that both drivers have the same ones. Outages are in `test_outages`.

Nothing here waits for a time to pass: a rule or an outage is waited for until it has struck, a
client until it tells its state.
"""

from __future__ import annotations

import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss, KazooException, SessionExpiredError

from zkfake import FakeZooKeeper
from zkfake import simulation as virtual
from zkfake._realtime.faults import Faults

from ..support import wire
from ..support.faulty import PATIENCE, Faulty
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from kazoo.client import KazooClient

# -- rules


def test_an_action_of_ones_own_upon_a_request(ensemble: Faulty) -> None:
    faults = ensemble.faults
    client = ensemble.client(ensemble.member("follower").hosts)
    leader = ensemble.member("leader")
    outages: list[Any] = []
    rule = faults.upon(lambda: outages.append(faults.stop_server()), operation="create")
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert rule.wait(PATIENCE)
    assert not leader.running
    outages[0].heal()
    assert leader.running


def test_an_action_that_fails_is_told_by_stop(caplog: pytest.LogCaptureFixture) -> None:
    faulty = Faulty()
    client = faulty.client()
    faulty.faults.upon(lambda: 1 / 0, operation="create")
    rule = faulty.faults.upon(lambda: rule.wait(), operation="setData")
    assert client.create("/a") == "/a", "the request goes on its way"
    with pytest.raises(RuntimeError, match=r"an action of .* failed") as caught:
        faulty.close()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "an action of" in caplog.text
    faulty.server.start()
    client = faulty.client()
    rule = faulty.faults.upon(lambda: rule.wait(), operation="setData")
    client.set("/a", b"")
    with pytest.raises(RuntimeError) as caught:
        faulty.close()
    assert "must not wait" in str(caught.value.__cause__)


# -- their ends


def test_heal_ends_all(ensemble: Faulty) -> None:
    faults = ensemble.faults
    client = ensemble.client()
    begun = [
        faults.partition(client, duration=3600),
        faults.slow(),
        faults.hold_events(client),
        faults.isolate(1),
        faults.partition_servers(2, 3),
        faults.freeze(1),
        faults.lag(2, (1, 1)),
        faults.slow_servers(1, 2, (1, 1)),
        faults.stop_server(4),
        faults.lose_quorum(),
    ]
    rule = faults.drop_before_request()
    assert faults.outages == tuple(begun)
    faults.heal()
    assert rule.over
    assert all(outage.over for outage in begun)
    assert faults.outages == ()
    assert faults._driver.timers.next() is None
    client.retry(client.create, "/a")
    assert all(member.running for member in ensemble.server.members)


def test_an_outage_of_an_idle_server_is_healed_in_time() -> None:
    """What is idle has to be woken for that, and does not know what time it is."""
    with FakeZooKeeper() as server, server.faults.partition() as outage:
        time.sleep(0.3)
        before = time.monotonic()
        outage.heal_after(0.2)
        assert not outage.wait(PATIENCE)
        assert outage.over
        assert 0.2 <= time.monotonic() - before < PATIENCE
        with pytest.raises(ValueError, match="seconds=-1; expected seconds, 0 or more"):
            outage.heal_after(-1)


def test_a_server_that_stops_ends_every_fault() -> None:
    faulty = Faulty(servers=3)
    client = faulty.client()
    faults = faulty.faults
    rule = faults.drop_before_request(operation="delete")
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        waiting = pool.submit(rule.wait, 2 * PATIENCE)
        outages = [stack.enter_context(begin()) for begin in (faults.partition, faults.slow)]
        outages += [faults.freeze(1), faults.isolate(2), faults.stop_server(3, duration=3600)]
        client.get_async("/")
        assert outages[0].wait(PATIENCE) or outages[1].wait(PATIENCE)
        faulty.server.stop()
        assert waiting.result(PATIENCE) is False
        assert rule.over
        assert all(outage.over for outage in outages)
        assert faults.outages == ()
        for misuse in (faults.partition, faults.stop_server, faults.drop_before_reply):
            with pytest.raises(RuntimeError, match="not running"):
                misuse()
    for outage in outages:
        outage.heal()
    faulty.server.start()
    assert faulty.server.faults is faults
    client.retry(client.create, "/a")
    assert all(member.running for member in faulty.server.members)
    with faults.drop_before_reply(operation="delete") as rule, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(rule.wait, PATIENCE)
        with pytest.raises(ConnectionLoss):
            client.delete("/a")
        assert waiting.result(PATIENCE)
    faulty.close()


@pytest.mark.parametrize("outage", [False, True])
def test_nobody_waits_for_a_server_that_has_failed(
    monkeypatch: pytest.MonkeyPatch, outage: bool
) -> None:
    server = FakeZooKeeper().start()
    fault = server.faults.partition() if outage else server.faults.drop_before_request()
    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patched:
        waiting = pool.submit(fault.wait, 2 * PATIENCE)
        patched.setattr("zkfake._ensemble.ensemble.Ensemble.deadline", lambda _: 1 / 0)
        host, _, port = server.hosts.rpartition(":")
        SocketChannel((host, int(port)), patience=PATIENCE).abandon()
        assert waiting.result(PATIENCE) is False
    with pytest.raises(RuntimeError, match="please report"):
        server.stop()
    with server:
        with server.faults.drop_before_request() as rule:
            assert not rule.wait(0)
        assert server.faults.outages == ()


def test_a_fake_that_does_not_run_has_no_faults() -> None:
    server = FakeZooKeeper()
    for name in ("drop", "expire", "hold_events"):
        with pytest.raises(RuntimeError, match="not running"):
            getattr(server.faults, name)(1)
    server.faults.heal()


def test_faults_from_many_threads(ensemble: Faulty) -> None:
    clients = [ensemble.client(timeout=30.0) for _ in range(3)]
    clients[0].ensure_path("/a")
    faults = ensemble.faults
    going = threading.Event()

    def disturb(number: int) -> None:
        for turn in range(30):
            client = clients[(number + turn) % 3]
            with ExitStack() as stack:
                stack.enter_context(faults.partition(client))
                stack.enter_context(faults.slow(client, (0, 0.001)))
                stack.enter_context(faults.hold_events(client))
                stack.enter_context(faults.freeze(1 + turn % 3))
                faults.drop_before_reply(client, times=1).cancel()
            with faults.drop_after_reply(client, operation="setData"):
                faults.drop(client)

    def work(client: KazooClient) -> int:
        done = 0
        while not going.is_set() or not done:
            with suppress(KazooException):
                client.set("/a", b"x")
                done += 1
        return done

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work, client) for client in clients]
        for each in [pool.submit(disturb, number) for number in range(3)]:
            each.result(PATIENCE)
        going.set()
        assert all(each.result(PATIENCE) for each in working)
    assert faults.outages == ()


def test_faults_come_into_use_in_the_middle_of_a_request() -> None:
    with FakeZooKeeper() as server:
        host, _, port = server.hosts.rpartition(":")
        channels = [SocketChannel((host, int(port)), patience=PATIENCE) for _ in range(3)]
        handshake = wire.frame(wire.connect())
        request = wire.request(1, wire.OPS["create"], wire.create("/a", b"1"))
        channels[0].send(handshake[:7])
        channels[1].send(handshake)
        channels[1].read_frame()
        channels[1].send(request[:21])
        channels[2].send(b"ruo")
        while [each.received for each in server.connections] != [0, 1, 0]:
            pass  # its thread has yet to see the bytes
        rule = server.faults.drop_after_reply(path="/a")
        channels[0].send(handshake[7:])
        assert len(channels[0].read_frame()[0]) == 1
        channels[1].send(request[21:])
        assert len(channels[1].read_frame()[0]) == 1
        assert channels[1].read_frame() == ([], True)
        assert len(rule.hits) == 1
        for channel in channels:
            channel.abandon()


def test_an_idle_server_sleeps_whatever_waits(faulty: Faulty) -> None:
    client = faulty.client(timeout=60.0)
    faults = faulty.faults
    with faults.partition(client, duration=3600) as outage, faults.hold_events(client):
        faults.slow(client, (1800, 1800)).heal()
        faults.drop_before_request(path="/never")
        client.get_async("/")
        assert outage.wait(PATIENCE)
        turns: list[float | None] = []
        with faulty.server._loop.at_work():
            select = faulty.server._loop.selector.select

            def counting(timeout: float | None = None) -> Any:
                turns.append(timeout)
                return select(timeout)

            faulty.server._loop.selector.select = counting  # type: ignore[method-assign]
        faulty.server.dump()
        faulty.server.dump()
    # Every turn was for something that was asked of it, and then for the session's next tick.
    assert len(turns) < 20
    assert all(timeout is None or timeout == 0 or timeout > 0.05 for timeout in turns)


# -- real time and virtual time


ONLY_IN_VIRTUAL_TIME = {
    "pause",
    "hold_watches",
    "stop_chance",
    "resume_chance",
    "at",
    "delay_task",
    "delay_message",
}
"""What needs a hand inside the client's process, the faults that a profile brings, and what counts
steps, messages and virtual seconds.
"""


def actions(faults: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(faults, name)
        for name in dir(faults)
        if not name.startswith("_")
    }


def test_a_connection_without_a_session_is_not_that_of_session_0() -> None:
    with FakeZooKeeper() as server:
        host, _, port = server.hosts.rpartition(":")
        first, second = (SocketChannel((host, int(port)), patience=PATIENCE) for _ in range(2))
        for channel in (second, first):  # the second one is accepted after the first
            channel.send(wire.frame(wire.connect()))
            assert channel.read_frame()
            assert server.faults.drop(0) == 0
            channel.abandon()


def test_both_drivers_have_the_same_faults() -> None:
    real, simulated = actions(Faults), actions(virtual.Faults)
    assert simulated.keys() - real.keys() == ONLY_IN_VIRTUAL_TIME
    assert not real.keys() - simulated.keys()
    assert len(real) >= 15
    for name, action in real.items():
        if isinstance(action, property):
            continue
        ours, theirs = inspect.signature(action), inspect.signature(simulated[name])
        assert ours.parameters == theirs.parameters, name


def test_an_expired_client_is_told_so(faulty: Faulty) -> None:
    client = faulty.client()
    transaction = client.create_async("/a")
    transaction.get(timeout=PATIENCE)
    rule = faulty.faults.upon(
        lambda: faulty.faults.expire(client), operation="setData", point="before_request"
    )
    with pytest.raises((ConnectionLoss, SessionExpiredError)):
        client.set("/a", b"1")
    assert rule.hits
    assert faulty.server.dump() == {"/a": b""}
