"""Faults in one request."""

from __future__ import annotations

import inspect
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from kazoo.exceptions import ConnectionLoss

from zkfake import FakeZooKeeper, Faults
from zkfake._web.begun import FAULTS
from zkfake._web.fault_bodies import BODIES
from zkfake.web import ControlEndpoint

from .asking import TIMEOUT, Asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kazoo.client import KazooClient


def session_of(client: KazooClient) -> str:
    assert client.client_id is not None
    return f"{client.client_id[0]:#x}"


@pytest.fixture
def three() -> Iterator[Asking]:
    with FakeZooKeeper(servers=3) as server, ControlEndpoint(server) as endpoint:
        yield Asking(endpoint)


def test_a_reply_that_is_lost(server: FakeZooKeeper, asking: Asking, client: KazooClient) -> None:
    body = {
        "fault": "drop_before_reply",
        "client": session_of(client),
        "operation": "create",
        "path": "/orders/*",
    }
    begun = asking.done("POST", "/faults", body)
    number = begun["number"]
    fault = body.pop("fault")
    assert begun == {
        "number": number,
        "fault": fault,
        "arguments": body,
        "over": False,
        "struck": 0,
        "hits": [],
    }
    client.ensure_path("/orders")
    with pytest.raises(ConnectionLoss):
        client.create("/orders/1", b"tea")
    assert server.dump()["/orders/1"] == b"tea"
    struck = asking.get(f"/faults/{number}", wait=60)
    assert (struck["struck"], struck["over"]) == (1, True)
    assert struck["hits"][0].endswith(": create /orders/1")
    assert asking.get("/faults") == {"faults": [struck]}


def test_of_many_hits_the_last_are_told(
    asking: Asking, client: KazooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zkfake._web.faults._MOST_HITS", 1)
    body = {"fault": "drop_before_reply", "operation": "exists", "times": 2}
    number = asking.done("POST", "/faults", body)["number"]
    assert client.retry(client.exists, "/")
    struck = asking.get(f"/faults/{number}")
    assert (struck["struck"], len(struck["hits"])) == (2, 1)


def test_what_is_over_at_once(asking: Asking, client: KazooClient, server: FakeZooKeeper) -> None:
    own = session_of(client)
    done = asking.done("POST", "/faults", {"fault": "expire", "client": own})
    assert (done["number"], done["struck"], done["over"]) == (None, 1, True)
    assert own not in [f"{each.id:#x}" for each in server.sessions]
    assert asking.done("POST", "/faults", {"fault": "expire", "client": own})["struck"] == 0
    assert asking.done("POST", "/faults", {"fault": "drop", "client": "0x5"})["struck"] == 0
    assert asking.get("/faults") == {"faults": []}


def test_an_outage_until_it_is_ended(three: Asking) -> None:
    leader = three.get("/servers")["leader"]
    number = three.done("POST", "/faults", {"fault": "stop_server"})["number"]
    shown = three.get("/servers")
    assert not shown["servers"][leader - 1]["running"]
    ended = three.done("DELETE", f"/faults/{number}")
    assert (ended["over"], ended["struck"]) == (True, 1)
    assert three.done("DELETE", f"/faults/{number}") == ended
    assert three.get("/servers")["servers"][leader - 1]["running"]


def test_all_faults_end_at_once(three: Asking) -> None:
    three.done("POST", "/faults", {"fault": "freeze", "server": 2})
    three.done("POST", "/faults", {"fault": "lag", "server": 3, "lag": [1, 2]})
    three.done("POST", "/faults", {"fault": "drop_before_request"})
    ended = three.done("DELETE", "/faults")["faults"]
    assert [each["over"] for each in ended] == [True, True, True]
    shown = three.get("/servers")["servers"]
    assert [(each["frozen"], each["lag"]) for each in shown] == [(False, 0)] * 3


def test_one_that_ends_by_itself(three: Asking) -> None:
    body = {"fault": "pause_server", "server": 1, "duration": 0.05}
    number = three.done("POST", "/faults", body)["number"]
    assert three.get(f"/faults/{number}", wait=60, hits=1000)["over"]


def test_what_cannot_be(asking: Asking) -> None:
    for status, body, sentence in (
        (422, {}, "The body is not what it has to be: unable to extract tag"),
        (422, {"fault": "tea"}, "The body is not what it has to be: input tag 'tea'"),
        (422, {"fault": "drop", "client": "bob"}, "The body's drop.client"),
        (
            422,
            {"fault": "drop", "path": "/a"},
            "The body's drop.path",
        ),
        (422, {"fault": "expire"}, "The body's expire.client is not what it has to be: field req"),
        (409, {"fault": "stop_server", "server": 2}, "there is no server 2, only 1 to 1."),
        (
            422,
            {"fault": "drop_before_reply", "operation": "tea"},
            "The body's drop_before",
        ),
        (422, {"fault": "slow", "latency": [1]}, "The body's slow.latency"),
        (422, {"fault": "slow", "seconds": 1}, "The body's slow.seconds"),
        (422, {"fault": "drop_before_reply", "nth": 0}, "The body's drop_before_reply.nth"),
        (422, {"fault": "drop_before_reply", "nth": "1"}, "The body's drop_before_reply.nth"),
        (422, {"fault": "partition_servers", "one": 1}, "The body's partition_servers.other"),
    ):
        answer = asking.refused("POST", "/faults", body)
        assert answer.status == status
        assert answer.body["error"].startswith(sentence), answer.body
    assert asking.get("/faults") == {"faults": []}
    for method in ("GET", "DELETE"):
        answer = asking.refused(method, "/faults/7")
        assert (answer.status, answer.body) == (404, {"error": "There is no fault 7."})
    assert asking.refused("GET", "/faults/x").status == 422


def test_a_fake_that_does_not_run(server: FakeZooKeeper, asking: Asking) -> None:
    server.stop()
    answer = asking.refused("POST", "/faults", {"fault": "drop"})
    assert answer.status == 409
    assert "not running" in answer.body["error"]
    asking.refused("POST", "/tree", {"path": "/a"})
    server.start()


def test_old_ones_are_forgotten(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkfake._web.begun._MOST", 3)
    for number in range(1, 4):
        assert asking.done("POST", "/faults", {"fault": "freeze"})["number"] == number
    answer = asking.refused("POST", "/faults", {"fault": "freeze"})
    assert answer.body == {"error": "There are 3 faults already; end some of them."}
    asking.done("DELETE", "/faults/2")
    asking.done("POST", "/faults", {"fault": "freeze"})
    assert [each["number"] for each in asking.get("/faults")["faults"]] == [1, 3, 4]


def test_every_fault_has_its_name() -> None:
    """What Python has, the endpoint has, but for what takes a function; each argument is known."""
    methods = {
        name
        for name in dir(Faults)
        if not name.startswith("_") and inspect.isfunction(getattr(Faults, name))
    }
    assert set(FAULTS) == methods - {"heal", "upon"}
    for name in FAULTS:
        known = list(inspect.signature(getattr(Faults, name)).parameters)[1:]
        assert list(BODIES[name].model_fields) == ["fault", *known]


def test_numbers_as_some_languages_write_them(three: Asking) -> None:
    number = three.done("POST", "/faults", {"fault": "freeze", "server": 2.0})["number"]
    assert three.get("/servers")["servers"][1]["frozen"]
    three.done("DELETE", f"/faults/{number}")
    assert three.refused("POST", "/faults", {"fault": "freeze", "server": 2.5}).status == 422


def test_a_range_in_either_order(three: Asking) -> None:
    three.done("POST", "/faults", {"fault": "lag", "server": 1, "lag": [2, 0.5]})
    assert three.get("/servers")["servers"][0]["lag"] == 2


def test_waiting_ends_with_the_endpoint(server: FakeZooKeeper) -> None:
    with ControlEndpoint(server) as endpoint:
        asking = Asking(endpoint)
        number = asking.done("POST", "/faults", {"fault": "drop_before_reply"})["number"]
        answers: list[object] = []

        def wait() -> None:
            with suppress(ConnectionError):  # it has ended before
                answers.append(asking.get(f"/faults/{number}", wait=60))

        waiting = threading.Thread(target=wait)
        waiting.start()
    waiting.join(TIMEOUT)
    assert not waiting.is_alive()
