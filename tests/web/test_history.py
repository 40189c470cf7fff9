"""What happened: events as they come, transactions, and the tree as it was."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake._database.log import Create, Delete, SetData, Transaction
from zkfake._database.tree import Tree
from zkfake._ensemble import committed
from zkfake._ensemble.committed import CommittedLog
from zkfake._protocol.records import Op
from zkfake._web import live
from zkfake._web.live import LiveEvents
from zkfake.web import ControlEndpoint

from .asking import TIMEOUT, Asking

if TYPE_CHECKING:
    from collections.abc import Iterator


def session_of(client: KazooClient) -> str:
    assert client.client_id is not None
    return f"{client.client_id[0]:#x}"


def use(hosts: str) -> None:
    client = KazooClient(hosts)
    client.start(TIMEOUT)
    client.create("/used", b"1")
    client.stop()
    client.close()


def test_events(asking: Asking, client: KazooClient) -> None:
    """Also on connections that were there before."""
    client.create("/a", b"1")
    client.get("/a", watch=print)
    client.set("/a", b"2")
    asking.done("POST", "/faults", {"fault": "drop", "client": "0x5"})
    found = asking.get("/history", limit=1000)
    events = found["events"]
    assert [each["number"] for each in events] == list(range(1, len(events) + 1))
    assert (found["first"], found["last"], found["next"]) == (1, len(events), None)
    kinds = {each["kind"] for each in events}
    assert {"sent", "reply", "committed", "watch event"} <= kinds
    (sent,) = [each for each in events if (each["kind"], each["operation"]) == ("sent", "setData")]
    assert sent["paths"] == ["/a"]
    (told,) = [each for each in events if each["kind"] == "watch event"]
    assert "is told by server 1: DATA_CHANGED /a" in told["text"]
    page = asking.get("/history", after=1, limit=2)
    assert [each["number"] for each in page["events"]] == [2, 3]
    assert page["next"] == 3


def test_who_and_where(server: FakeZooKeeper, asking: Asking) -> None:
    use(server.hosts)
    events = asking.get("/history", limit=1000)["events"]
    (made,) = [each for each in events if each["kind"] == "sent" and each["operation"] == "create"]
    assert made["who"].startswith("session 0x")
    assert made["text"].startswith("asks server 1 (request ")
    assert any(each["kind"] == "connected" for each in events)
    assert any(each["text"].startswith("opens a session at server 1") for each in events)


def frames(asking: Asking, **headers: str) -> Iterator[tuple[int, Any]]:
    """The events of a stream, with their ids."""
    connection = HTTPConnection("127.0.0.1", asking.endpoint.port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/api/history/stream", headers={**asking.own, **headers})
        reply = connection.getresponse()
        assert reply.status == 200
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        number = 0
        yield 0, None  # it has begun
        for line in reply:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                number = int(value)
            elif name == "data":
                yield number, json.loads(value)
    finally:
        connection.close()


def test_a_stream(server: FakeZooKeeper, asking: Asking) -> None:
    stream = frames(asking)
    next(stream)
    use(server.hosts)
    seen = []
    for number, event in stream:
        seen.append(event)
        assert event["number"] == number
        if event["kind"] == "reply" and event["operation"] == "closeSession":
            break
    listed = asking.get("/history", after=seen[0]["number"] - 1, limit=len(seen))["events"]
    assert listed == seen
    stream.close()  # type: ignore[attr-defined]
    again = frames(asking, **{"Last-Event-ID": str(seen[0]["number"])})
    next(again)
    assert next(again)[1] == seen[1]
    again.close()  # type: ignore[attr-defined]


def test_a_stream_after_an_event_of_another_fake(server: FakeZooKeeper, asking: Asking) -> None:
    """Its numbers were its own: what this one has is sent from the first."""
    server.load({"/a": b""})
    first = asking.get("/history", limit=1)["events"][0]
    stream = frames(asking, **{"Last-Event-ID": "100000"})
    next(stream)
    assert next(stream) == (1, first)
    stream.close()  # type: ignore[attr-defined]


def test_a_header_that_cannot_be(asking: Asking) -> None:
    answer = asking.ask("GET", "/history/stream", headers={"Last-Event-ID": "last"})
    assert answer.status == 422
    assert answer.body["error"].startswith("The header last-event-id is not what it has to be")


def test_streams_end_with_the_endpoint(server: FakeZooKeeper) -> None:
    with ControlEndpoint(server) as endpoint:
        stream = frames(Asking(endpoint))
        next(stream)
    assert list(stream) == []


def test_beside_a_recording(server: FakeZooKeeper, asking: Asking) -> None:
    """Each has all of it; the recording is whole, and what comes after it is heard as well."""
    assert server.history is None
    with server.recorded() as history:
        assert server.history is history
        use(server.hosts)
    assert history.check()
    recorded = len(history)
    during = asking.get("/history", limit=1000)["last"]
    assert during > recorded
    assert server.history is None
    server.load({"/after": b""})
    later = asking.get("/history", after=during)["events"]
    (made,) = [each for each in later if each["kind"] == "committed"]
    assert "create /after" in made["text"]
    assert len(history) == recorded


def test_an_endpoint_in_a_recording() -> None:
    with FakeZooKeeper(history=True) as server:
        with ControlEndpoint(server) as endpoint:
            use(server.hosts)
            shown = Asking(endpoint).get("/history", limit=1000)
        assert server.history is not None
        assert server.history.check()
        kinds = [each["kind"] for each in shown["events"]]
        assert kinds.count("sent") == sum(type(each).__name__ == "Sent" for each in server.history)
        server.load({"/b": b""})
        log = server.history.log
        assert log is not None
        assert log[-1].transaction.operations[0].path == "/b"


def test_no_endpoint_hears_another_ones_end(server: FakeZooKeeper, asking: Asking) -> None:
    with ControlEndpoint(server) as other:
        server.load({"/a": b""})
        assert Asking(other).get("/history")["last"] == 1
    server.load({"/b": b""})
    assert asking.get("/history")["last"] == 2


def test_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from zkfake.history import Note

    monkeypatch.setattr(live, "_MOST", 3)
    events = LiveEvents()
    assert (events.first, events.last, events.after(0, 10)) == (1, 0, [])
    for number in range(1, 6):
        events.add(Note(0, "", str(number)))
    assert (events.first, events.last) == (3, 5)
    assert [(number, event.text) for number, event in events.after(0, 10)] == [
        (3, "3"),
        (4, "4"),
        (5, "5"),
    ]
    assert [number for number, _ in events.after(4, 10)] == [5]
    assert events.after(5, 10) == events.after(100, 10) == []


# -- transactions


def test_the_tree_as_it_was(server: FakeZooKeeper, asking: Asking, client: KazooClient) -> None:
    first = asking.get("/transactions")["first"]
    client.create("/a", b"1")
    client.set("/a", b"2")
    client.create("/a/b")
    client.delete("/a/b")
    found = asking.get("/transactions", after=first)
    *_, made, changed, below, gone = found["transactions"]
    assert [each["changes"] for each in (made, changed, below, gone)] == [
        [{"change": "create", "path": "/a"}],
        [{"change": "setData", "path": "/a"}],
        [{"change": "create", "path": "/a/b"}],
        [{"change": "delete", "path": "/a/b"}],
    ]
    assert made["session"] == session_of(client)
    assert made["operation"] in ("create", "create2")
    assert found["last"] == gone["zxid"] == server.last_zxid
    assert found["ranges"][-1][1] == found["last"]
    assert asking.refused("GET", "/tree", path="/a", at=made["zxid"] - 1).status == 404
    for at, data, names in (
        (made, "1", []),
        (changed, "2", []),
        (below, "2", ["b"]),
        (gone, "2", []),
    ):
        shown = asking.get("/tree", path="/a", at=f"{at['zxid']:#x}")
        assert (shown["zxid"], shown["data"]) == (at["zxid"], {"text": data})
        assert [each["name"] for each in shown["children"]] == names
    assert asking.get("/count", at=below["zxid"])["znodes"] == len(server.znodes) + 1
    (hit,) = asking.get("/search", path="/a/b", at=below["zxid"])["found"]
    assert hit["path"] == "/a/b"
    answer = asking.refused("GET", "/tree", at=server.last_zxid + 1)
    assert (answer.status, "There is no zxid" in answer.body["error"]) == (404, True)
    if first:
        assert asking.refused("GET", "/tree", at=first - 1).status == 409


def test_pages_of_transactions(server: FakeZooKeeper, asking: Asking) -> None:
    server.load({f"/{number}": b"" for number in range(10)})
    page = asking.get("/transactions", limit=4)
    assert len(page["transactions"]) == 4
    rest = asking.get("/transactions", after=page["next"])
    assert [each["changes"][0]["path"] for each in page["transactions"] + rest["transactions"]] == [
        f"/{number}" for number in range(10)
    ]
    assert rest["next"] is None


def test_a_state_that_was_restored(server: FakeZooKeeper, asking: Asking) -> None:
    server.load({"/a": b"1"})
    clean = server.snapshot()
    server.load({"/a": b"2"})
    changed = server.last_zxid
    server.restore(clean)
    shown = asking.get("/transactions")["transactions"]
    assert shown[-1]["operation"] == "restore"
    assert asking.get("/tree", path="/a", at=changed)["data"] == {"text": "2"}
    assert asking.get("/tree", path="/a", at=server.last_zxid)["data"] == {"text": "1"}


@pytest.mark.parametrize("route", ["/tree", "/count", "/search", "/export"])
def test_others_are_answered_while_the_past_is_put_together(
    server: FakeZooKeeper, asking: Asking, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    """And whoever asks for the same state waits for the same one."""
    server.load({"/a": b"1"})
    server.load({"/a": b"2"})
    begun: list[int] = []
    reached, may_go_on = threading.Event(), threading.Event()
    towards = CommittedLog.towards

    def slowly(self: CommittedLog, zxid: int) -> tuple[Tree, Iterator[Transaction]]:
        tree, between = towards(self, zxid)

        def one_by_one() -> Iterator[Transaction]:
            begun.append(zxid)
            reached.set()
            assert may_go_on.wait(TIMEOUT)
            yield from between

        return tree, one_by_one()

    monkeypatch.setattr(CommittedLog, "towards", slowly)
    with ThreadPoolExecutor() as threads:
        try:
            past = [threads.submit(asking.get, route, at=1) for _ in range(2)]
            assert reached.wait(TIMEOUT)
            assert asking.get("/tree", path="/a")["data"] == {"text": "2"}
            assert not any(each.done() for each in past)
        finally:
            may_go_on.set()
        first, second = (each.result() for each in past)
    assert first == second
    assert begun == [1]


def test_an_ensemble_after_an_election() -> None:
    with FakeZooKeeper(servers=3) as server, ControlEndpoint(server) as endpoint:
        asking = Asking(endpoint)
        asking.done("POST", "/tree", {"path": "/a"})
        number = asking.done("POST", "/faults", {"fault": "stop_server"})["number"]
        use(server.hosts)
        asking.done("DELETE", f"/faults/{number}")
        found = asking.get("/transactions")
        assert len(found["ranges"]) >= 2
        for first, _last in found["ranges"]:
            assert asking.get("/tree", at=first)["zxid"] == first
        asking.get("/tree", at=found["first"])


@given(
    writes=st.lists(st.tuples(st.sampled_from("cds"), st.integers(0, 3)), max_size=40),
    most=st.integers(0, 10),
    restores=st.sets(st.integers(0, 40), max_size=12),
)
@settings(max_examples=60)
def test_recent_transactions_are_as_good_as_all(
    writes: list[tuple[str, int]], most: int, restores: set[int]
) -> None:
    """What is kept gives the same trees as a log that keeps everything, and is bounded."""
    whole, recent = CommittedLog(), CommittedLog(0)
    tree = Tree()
    whole.mark(tree)
    recent.keep_recent(tree, [], most)
    for zxid, (kind, number) in enumerate(writes, 1):
        path = f"/{number}"
        there = tree.get(path) is not None
        operations: tuple[Any, ...] = ()
        if kind == "c" and not there:
            operations = (Create(path, b"", (), 0, 0, tree.nodes["/"].creates + 1),)
        elif kind == "d" and there:
            operations = (Delete(path),)
        elif kind == "s" and there:
            operations = (SetData(path, str(zxid).encode(), zxid),)
        done = Transaction(zxid, zxid, 0, Op.MULTI if operations else Op.ERROR, operations)
        tree.apply(done)
        for log in (whole, recent):
            log.append(done)
        if zxid in restores:
            tree = Tree()
            tree.zxid = zxid
            for log in (whole, recent):
                log.mark(tree)
    assert len(recent) <= most
    assert len(recent._marks) <= committed._MOST_MARKS
    first = recent.first_zxid
    assert first is not None
    for zxid in range(first, len(writes) + 1):
        kept, all_ = recent.at(zxid), whole.at(zxid)
        assert (kept.nodes, kept.zxid) == (all_.nodes, all_.zxid)
    if first:
        with pytest.raises(ValueError, match="not kept any more"):
            recent.at(first - 1)
    with pytest.raises(ValueError, match="keep_log=True"):
        recent.whole()


def test_much_data_is_forgotten_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committed, "_MOST_BYTES", 1000)
    log = CommittedLog(0)
    log.keep_recent(Tree(), [], 100)
    creates = [Create(f"/{zxid}", bytes(300), (), 0, 0, zxid) for zxid in range(1, 6)]
    for zxid, create in enumerate(creates, 1):
        log.append(Transaction(zxid, 0, 0, Op.CREATE, (create,)))
    assert (len(log), log.first_zxid) == (3, 2)
    assert len(log.at(2).nodes) == len(Tree().nodes) + 2
