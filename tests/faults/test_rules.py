"""Faults that wait for their request, as an unmodified `KazooClient` meets them over TCP: on the
fake, and behind a proxy on the fake and on a live server.

Nothing here waits for a time to pass: a rule or an outage is waited for until it has struck, a
client until it tells its state.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import ConnectionLoss

from ..support.faulty import PATIENCE, States, session_of

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from ..support.faulty import Clients


def test_a_request_dropped_on_its_way_is_not_carried_out(faulty: Clients) -> None:
    client = faulty.client()
    title = faulty.title(client)
    rule = faulty.faults.drop_before_request(client, operation="create", path="/a")
    with rule, pytest.raises(ConnectionLoss):
        client.create("/a")
    assert faulty.dump() == {}
    assert rule.hits == [f"request 2 of {title}: create /a"]
    assert client.retry(client.create, "/a") == "/a"


def test_a_request_whose_reply_is_dropped_is_carried_out(faulty: Clients) -> None:
    client = faulty.client()
    session = session_of(client)
    rule = faulty.faults.drop_before_reply(operation="create", path="/a")
    with pytest.raises(ConnectionLoss):
        client.create("/a", b"1")
    assert rule.over
    assert faulty.dump() == {"/a": b"1"}
    assert client.retry(client.get, "/a")[0] == b"1"
    assert session_of(client) == session


def place(client: KazooClient, order: bytes, *, look: bool) -> None:
    """Append an order. Without a look at what is there it is appended once more when a reply is
    lost.
    """
    while not (look and order in orders(client)):
        try:
            client.create("/orders/", order, sequence=True)
        except ConnectionLoss:
            continue  # it may be there, or not
        return


def orders(client: KazooClient) -> list[bytes]:
    names = sorted(client.retry(client.get_children, "/orders"))
    return [client.retry(client.get, f"/orders/{name}")[0] for name in names]


@pytest.mark.parametrize("look", [True, False])
def test_a_lost_reply_finds_who_tries_again_without_a_look(faulty: Clients, look: bool) -> None:
    client = faulty.client()
    client.ensure_path("/orders")
    with faulty.faults.drop_before_reply(client, operation="create", path="/orders/*") as rule:
        place(client, b"tea", look=look)
    place(client, b"milk", look=look)
    assert len(rule.hits) == 1
    placed = orders(client)
    assert placed == ([b"tea", b"milk"] if look else [b"tea", b"tea", b"milk"])


def test_a_connection_can_break_behind_a_reply(faulty: Clients) -> None:
    client = faulty.client()
    states = States(client)
    for number in range(10):
        with faulty.faults.drop_after_reply(client, operation="create") as rule:
            assert client.create(f"/a{number}") == f"/a{number}"
            states.expect("SUSPENDED", "CONNECTED")
            assert rule.wait(PATIENCE)


def test_rules_match_by_client_operation_path_and_place(faulty: Clients) -> None:
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


def test_a_client_may_be_named_by_its_session_id(faulty: Clients) -> None:
    one, two = faulty.client(), faulty.client()
    rule = faulty.faults.drop_before_request(session_of(two), operation="create")
    one.create("/a")
    assert not rule.hits
    with pytest.raises(ConnectionLoss):
        two.create("/b")


def test_a_rule_finds_a_path_inside_a_multi(faulty: Clients) -> None:
    client = faulty.client()
    faulty.faults.drop_before_reply(path="/b")
    transaction = client.transaction()
    transaction.create("/a")
    transaction.create("/b")
    with pytest.raises(ConnectionLoss):
        transaction.commit()
    assert faulty.dump() == {"/a": b"", "/b": b""}


def test_a_rule_for_one_request_of_the_run(faulty: Clients) -> None:
    client = faulty.client()
    rule = faulty.faults.drop_before_request(number=3)
    client.create("/a")
    with pytest.raises(ConnectionLoss):
        client.create("/b")
    client.retry(client.create, "/c")
    assert rule.hits == [f"request 3 of {faulty.title(client)}: create /b"]


def test_a_client_cannot_even_connect(faulty: Clients) -> None:
    rule = faulty.faults.drop_before_request(operation="connect", times=None)
    client = faulty.client(start=False)
    started = client.start_async()
    assert rule.wait(PATIENCE, hits=3)
    assert not client.connected
    rule.cancel()
    assert started.wait(PATIENCE)


def test_a_new_session_whose_client_does_not_hear_of_it_is_left_behind(faulty: Clients) -> None:
    faulty.faults.drop_before_reply(operation="connect")
    client = faulty.client()
    assert {session_of(client)} < faulty.session_ids()


def test_a_client_goes_on_by_its_name_from_session_to_session(faulty: Clients) -> None:
    client = faulty.client()
    states = States(client)
    rule = faulty.faults.drop_before_request(client, operation="create")
    assert faulty.faults.expire(client)
    states.wait_for("CONNECTED")
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert len(rule.hits) == 1


@pytest.mark.parametrize("point", ["before_request", "before_reply", "after_reply"])
def test_an_action_may_drop_the_connection_that_it_is_called_for(
    faulty: Clients, point: Any
) -> None:
    client = faulty.client()
    faulty.faults.upon(lambda: faulty.faults.drop(client), operation="create", point=point)
    with pytest.raises(ConnectionLoss):
        client.create("/a")
    assert ("/a" in faulty.dump()) == (point != "before_request")


def test_a_rule_that_never_struck_is_seen(faulty: Clients) -> None:
    client = faulty.client()
    with faulty.faults.drop_before_request(operation="delete") as rule:
        client.create("/a")
        assert not rule.wait(0)
        assert not rule.over
    assert rule.hits == []
    assert not rule.wait(PATIENCE), "it will never strike"
    client.delete("/a")
    assert rule.over


def test_waiting_ends_when_the_rule_is_over(faulty: Clients) -> None:
    rule = faulty.faults.drop_before_request(operation="delete")
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(rule.wait, 2 * PATIENCE) for _ in range(2)]
        rule.cancel()
        assert [each.result(PATIENCE) for each in waiting] == [False, False]


def test_who_waits_for_a_rule_finds_its_work_done(on_sockets: Clients) -> None:
    client = on_sockets.client()
    at_it, release = threading.Event(), threading.Event()
    done: list[str] = []

    def act() -> None:
        at_it.set()
        release.wait(PATIENCE)
        done.append("done")

    rule = on_sockets.faults.upon(act, operation="create")
    with ThreadPoolExecutor(1) as pool:
        client.create_async("/a")
        assert at_it.wait(PATIENCE)
        waiting = pool.submit(lambda: (rule.wait(PATIENCE), list(done)))
        with pytest.raises(FutureTimeoutError):
            waiting.result(0.05)  # a broken one would be through by now
        release.set()
        assert waiting.result(PATIENCE) == (True, ["done"])


def test_an_outage_heals_though_the_block_fails(faulty: Clients) -> None:
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


def test_an_outage_with_a_duration_heals_itself(faulty: Clients) -> None:
    client = faulty.client(timeout=30.0)
    before = time.monotonic()
    outage = faulty.faults.partition(client, duration=0.2)
    assert client.exists("/") is not None
    assert time.monotonic() - before >= 0.2
    assert outage.over


def test_partitions_may_overlap(faulty: Clients) -> None:
    client = faulty.client(timeout=30.0)
    first, second = faulty.faults.partition(client), faulty.faults.partition()
    read = client.get_async("/")
    assert second.wait(PATIENCE)
    first.heal()
    first.heal()
    assert not read.ready()
    second.heal()
    assert read.get(timeout=PATIENCE)[0] == b""


def test_four_letter_words_go_through(faulty: Clients) -> None:
    client = faulty.client()
    assert client.command(b"srvr").startswith("Zookeeper version")


def test_an_action_of_ones_own_upon_a_request(faulty: Clients) -> None:
    client, other = faulty.client(timeout=30.0), faulty.client()
    client.ensure_path("/a")
    faulty.faults.upon(
        lambda: faulty.faults.partition(client, duration=0.2),
        client,
        operation="setData",
        point="after_reply",
    )
    before = time.monotonic()
    client.set("/a", b"1")
    assert time.monotonic() - before >= 0.2, "its reply waited"
    assert other.get("/a")[0] == b"1"


MISUSES: list[tuple[Any, type[Exception], str]] = [
    (lambda f: f.partition(direction="sideways"), ValueError, "both, to_server, to_client"),
    (lambda f: f.partition(server=2), ValueError, "there is no server 2, only 1 to 1"),
    (lambda f: f.partition(server="1"), TypeError, "they go by their numbers"),
    (lambda f: f.partition(duration=-1), ValueError, "duration=-1"),
    (lambda f: f.partition(object()), TypeError, "is not a client"),
    (lambda f: f.partition(True), TypeError, "is not a client"),
    (lambda f: f.hold_events(None), TypeError, "is not a client"),
    (lambda f: f.slow(latency=(2, 1)), ValueError, "no range of seconds"),
    (lambda f: f.slow(latency=(-1, 1)), ValueError, "no range of seconds"),
    (lambda f: f.drop_before_request(operation="getdata"), ValueError, "getData"),
    (lambda f: f.drop_before_request(operation="ping"), ValueError, "closeSession"),
    (lambda f: f.drop_before_request(path=b"/a"), TypeError, "expected a str"),
    (lambda f: f.slow(latency=(0, float("inf"))), ValueError, "finite"),
    (lambda f: f.slow(latency=5), TypeError, "5 is no range of seconds: expected two"),
    (lambda f: f.slow(latency=(1, 2, 3)), ValueError, "no range of seconds: expected two"),
    (lambda f: f.drop_before_request(nth=0), ValueError, "nth=0; matching requests count from 1"),
    (lambda f: f.drop_before_request(times=0), ValueError, "times=0; expected 1 or more"),
    (lambda f: f.drop_before_request(number="7"), TypeError, "number='7'; expected an int"),
    (lambda f: f.drop_before_request(number=0), ValueError, "number=0; requests count from 1"),
    (lambda f: f.drop_after_commit(), AttributeError, "drop_after_commit"),
    (lambda f: f.upon(print, point="never"), ValueError, "before_request"),
    (lambda f: f.upon(), TypeError, "action"),
    (lambda f: f.upon("drop"), TypeError, "action='drop'; expected a callable"),
]


def test_misuse(faulty: Clients) -> None:
    for misuse, error, said in MISUSES:
        with pytest.raises(error, match=said):
            misuse(faulty.faults)
        assert faulty.faults.outages == ()
