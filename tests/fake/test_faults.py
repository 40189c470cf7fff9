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
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, KazooException, SessionExpiredError

from zkfake import FakeZooKeeper
from zkfake import simulation as virtual
from zkfake.faults.realtime import Faults

from ..differential import wire
from ..differential.wire import SocketChannel
from .faulty import PATIENCE, Faulty, States, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

# -- rules


def test_a_request_dropped_on_its_way_is_not_carried_out(faulty: Faulty) -> None:
    client = faulty.client()
    session = session_of(client)
    rule = faulty.faults.drop_before_request(client, operation="create", path="/a")
    with rule, pytest.raises(ConnectionLoss):
        client.create("/a")
    assert faulty.server.dump() == {}
    assert rule.hits == [f"request 2 of session {session:#x}: create /a"]
    assert client.retry(client.create, "/a") == "/a"


def test_a_request_whose_reply_is_dropped_is_carried_out(faulty: Faulty) -> None:
    client = faulty.client()
    session = session_of(client)
    rule = faulty.faults.drop_before_reply(operation="create", path="/a")
    with pytest.raises(ConnectionLoss):
        client.create("/a", b"1")
    assert rule.over
    assert faulty.server.dump() == {"/a": b"1"}
    assert client.retry(client.get, "/a")[0] == b"1"
    assert session_of(client) == session


def test_a_connection_can_break_behind_a_reply(faulty: Faulty) -> None:
    client = faulty.client()
    states = States(client)
    for number in range(10):
        with faulty.faults.drop_after_reply(client, operation="create") as rule:
            assert client.create(f"/a{number}") == f"/a{number}"
            states.expect("SUSPENDED", "CONNECTED")
            assert rule.wait(PATIENCE)


def test_rules_match_by_client_operation_path_and_place(faulty: Faulty) -> None:
    one, two = faulty.client(), faulty.client()
    one.ensure_path("/dir/sub")
    faults = faulty.faults
    rule = faults.drop_before_reply(two, operation="setData", path="/dir/*", nth=2, times=2)
    states = States(two)
    one.set("/dir/sub", b"")
    two.get("/dir/sub")
    two.set("/dir", b"")
    two.set("/dir/sub", b"1")
    for _ in range(2):
        with pytest.raises(ConnectionLoss):
            two.set("/dir/sub", b"2")
        states.expect("SUSPENDED", "CONNECTED")
    two.set("/dir/sub", b"3")
    assert [hit.partition(": ")[2] for hit in rule.hits] == ["setData /dir/sub"] * 2
    assert one.get("/dir/sub")[1].version == 5


def test_a_client_may_be_named_by_its_session_id(faulty: Faulty) -> None:
    one, two = faulty.client(), faulty.client()
    rule = faulty.faults.drop_before_request(session_of(two), operation="create")
    one.create("/a")
    assert not rule.hits
    with pytest.raises(ConnectionLoss):
        two.create("/b")


def test_a_rule_finds_a_path_inside_a_multi(faulty: Faulty) -> None:
    client = faulty.client()
    faulty.faults.drop_before_reply(path="/b")
    transaction = client.transaction()
    transaction.create("/a")
    transaction.create("/b")
    with pytest.raises(ConnectionLoss):
        transaction.commit()
    assert faulty.server.dump() == {"/a": b"", "/b": b""}


def test_a_rule_for_one_request_of_the_run(faulty: Faulty) -> None:
    client = faulty.client()
    rule = faulty.faults.drop_before_request(number=3)
    client.create("/a")
    with pytest.raises(ConnectionLoss):
        client.create("/b")
    client.retry(client.create, "/c")
    assert rule.hits == [f"request 3 of session {session_of(client):#x}: create /b"]


def test_a_client_cannot_even_connect(faulty: Faulty) -> None:
    rule = faulty.faults.drop_before_request(operation="connect", times=None)
    client = faulty.client(start=False)
    started = client.start_async()
    assert rule.wait(PATIENCE, hits=3)
    assert not client.connected
    rule.cancel()
    assert started.wait(PATIENCE)


def test_a_new_session_whose_client_does_not_hear_of_it_is_left_behind(faulty: Faulty) -> None:
    faulty.faults.drop_before_reply(operation="connect")
    client = faulty.client()
    assert {session_of(client)} < {session.id for session in faulty.server.sessions}


def test_a_client_goes_on_by_its_name_from_session_to_session(faulty: Faulty) -> None:
    client = faulty.client()
    states = States(client)
    rule = faulty.faults.drop_before_request(client, operation="create")
    assert faulty.faults.expire(client)
    states.wait_for("CONNECTED")
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert len(rule.hits) == 1


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


@pytest.mark.parametrize("point", ["before_request", "before_reply", "after_reply"])
def test_an_action_may_drop_the_connection_that_it_is_called_for(
    faulty: Faulty, point: Any
) -> None:
    client = faulty.client()
    faulty.faults.upon(lambda: faulty.faults.drop(client), operation="create", point=point)
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert ("/a" in faulty.server.dump()) == (point != "before_request")


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
    assert "cannot wait" in str(caught.value.__cause__)


def test_a_rule_that_never_struck_is_seen(faulty: Faulty) -> None:
    client = faulty.client()
    with faulty.faults.drop_before_request(operation="delete") as rule:
        client.create("/a")
        assert not rule.wait(0)
        assert not rule.over
    assert rule.hits == []
    assert not rule.wait(PATIENCE), "it will never strike"
    client.delete("/a")
    assert rule.over


def test_waiting_ends_when_the_rule_is_over(faulty: Faulty) -> None:
    rule = faulty.faults.drop_before_request(operation="delete")
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(rule.wait, 2 * PATIENCE) for _ in range(2)]
        rule.cancel()
        assert [each.result(PATIENCE) for each in waiting] == [False, False]


def test_who_waits_for_a_rule_finds_its_work_done(faulty: Faulty) -> None:
    client = faulty.client()
    at_it, release = threading.Event(), threading.Event()
    done: list[str] = []

    def act() -> None:
        at_it.set()
        release.wait(PATIENCE)
        done.append("done")

    rule = faulty.faults.upon(act, operation="create")
    with ThreadPoolExecutor(1) as pool:
        client.create_async("/a")
        assert at_it.wait(PATIENCE)
        waiting = pool.submit(lambda: (rule.wait(PATIENCE), list(done)))
        with pytest.raises(FutureTimeoutError):
            waiting.result(0.05)  # a broken one would be through by now
        release.set()
        assert waiting.result(PATIENCE) == (True, ["done"])


# -- their ends


def test_an_outage_heals_though_the_block_fails(faulty: Faulty) -> None:
    client = faulty.client()
    outage = faulty.faults.partition(client)
    assert faulty.faults.outages == (outage,)
    with pytest.raises(ZeroDivisionError), outage:
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), faulty.faults.drop_before_request() as rule:
        raise ZeroDivisionError
    assert outage.over
    assert rule.over
    assert faulty.faults.outages == ()
    assert client.exists("/") is not None


def test_an_outage_with_a_duration_heals_itself(faulty: Faulty) -> None:
    client = faulty.client(timeout=30.0)
    before = time.monotonic()
    outage = faulty.faults.partition(client, duration=0.2)
    assert client.exists("/") is not None
    assert time.monotonic() - before >= 0.2
    assert outage.over


def test_partitions_may_overlap(faulty: Faulty) -> None:
    client = faulty.client(timeout=30.0)
    first, second = faulty.faults.partition(client), faulty.faults.partition()
    read = client.get_async("/")
    assert second.wait(PATIENCE)
    first.heal()
    first.heal()
    assert not read.ready()
    second.heal()
    assert read.get(timeout=PATIENCE)[0] == b""


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
    assert faults.timers.next() is None
    client.retry(client.create, "/a")
    assert all(member.running for member in ensemble.server.members)


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
    with faults.drop_before_reply(operation="delete") as rule, pytest.raises(ConnectionLoss):
        client.delete("/a")
    assert rule.hits
    faulty.close()


@pytest.mark.parametrize("outage", [False, True])
def test_nobody_waits_for_a_server_that_has_failed(
    monkeypatch: pytest.MonkeyPatch, outage: bool
) -> None:
    server = FakeZooKeeper().start()
    fault = server.faults.partition() if outage else server.faults.drop_before_request()
    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patched:
        waiting = pool.submit(fault.wait, 2 * PATIENCE)
        patched.setattr("zkfake.ensemble.Ensemble.deadline", lambda _: 1 / 0)
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


def test_four_letter_words_go_through(faulty: Faulty) -> None:
    client = faulty.client()
    assert client.command(b"srvr").startswith("Zookeeper version")


def test_an_idle_server_sleeps_whatever_waits(faulty: Faulty) -> None:
    client = faulty.client(timeout=60.0)
    faults = faulty.faults
    with faults.partition(client, duration=3600) as outage, faults.hold_events(client):
        faults.slow(client, (1800, 1800)).heal()
        faults.drop_before_request(path="/never")
        client.get_async("/")
        assert outage.wait(PATIENCE)
        turns: list[float | None] = []
        with faulty.server.at_work():
            select = faulty.server.selector.select

            def counting(timeout: float | None = None) -> Any:
                turns.append(timeout)
                return select(timeout)

            faulty.server.selector.select = counting  # type: ignore[method-assign]
        faulty.server.dump()
        faulty.server.dump()
    # Every turn was for something that was asked of it, and then for the session's next tick.
    assert len(turns) < 20
    assert all(timeout is None or timeout == 0 or timeout > 0.05 for timeout in turns)


# -- what cannot be


@pytest.mark.parametrize(
    ("misuse", "error", "said"),
    [
        (lambda f: f.partition(direction="sideways"), ValueError, "both, to_server, to_client"),
        (lambda f: f.partition(server=2), ValueError, "there is no server 2, only 1 to 1"),
        (lambda f: f.partition(server="1"), TypeError, "they go by their numbers"),
        (lambda f: f.partition(duration=-1), ValueError, "duration=-1"),
        (lambda f: f.partition("client"), TypeError, "session id or a KazooClient"),
        (lambda f: f.partition(KazooClient()), ValueError, "has no session"),
        (lambda f: f.drop(None), TypeError, "session id or a KazooClient"),
        (lambda f: f.slow(latency=(2, 1)), ValueError, "no range of seconds"),
        (lambda f: f.lag(1, (-1, 1)), ValueError, "no range of seconds"),
        (lambda f: f.isolate(1, way="up"), ValueError, "both, out, in"),
        (lambda f: f.drop_before_request(operation="getdata"), ValueError, "getData"),
        (lambda f: f.drop_before_request(operation="ping"), ValueError, "closeSession"),
        (lambda f: f.drop_before_request(path=b"/a"), TypeError, "expected a str"),
        (lambda f: f.drop_before_request(nth=0), ValueError, "count from 1"),
        (lambda f: f.drop_before_request(times=0), ValueError, "count from 1"),
        (lambda f: f.drop_after_commit(), AttributeError, "drop_after_commit"),
        (lambda f: f.upon(print, point="never"), ValueError, "before_request"),
        (lambda f: f.upon(), TypeError, "action"),
    ],
)
def test_misuse(
    faulty: Faulty, misuse: Callable[[Any], object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        misuse(faulty.faults)
    assert faulty.faults.outages == ()


# -- real time and virtual time


ONLY_IN_VIRTUAL_TIME = {"pause", "hold_watches", "stop_chance", "resume_chance", "pause_server"}
"""What needs a hand inside the client's process, and the faults that a profile brings."""

CALLED_BY_THE_DRIVER = {
    *("active", "task_started", "note", "at_request", "at_reply"),
    *("wire", "advance", "broken", "stopped", "timers", "now", "count_request"),
    *("delay", "stops", "forget"),
}


def actions(faults: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(faults, name)
        for name in dir(faults)
        if not name.startswith("_") and name not in CALLED_BY_THE_DRIVER
    }


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
