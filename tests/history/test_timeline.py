"""What the page of a history is made of: lanes, messages, bands. Nothing in it becomes markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss

from zkfake import FakeZooKeeper
from zkfake._history.timeline import messages
from zkfake._history.timeline.picture import picture
from zkfake.history import (
    CallbackBegan,
    CallbackEnded,
    Claimed,
    Committed,
    Connected,
    Fault,
    History,
    LogLine,
    Note,
    Recorded,
    Reply,
    Sent,
    ServerEvent,
    StateChange,
    TaskEnded,
    WatchEvent,
    at_most,
    exactly_once,
)
from zkfake.simulation import Simulation

from .failures import FAILURES, run
from .inside import INSIDE

Picture = dict[str, Any]


def drawn(history: History, *promises: Any) -> Picture:
    """The picture, in the form in which the page reads it."""
    made = picture(list(history.in_order()), history.check(*promises))
    again: Picture = json.loads(json.dumps(made))
    return again


def lanes(shown: Picture) -> list[str]:
    return [f"{kind} {name}" for kind, name, _ in shown["lanes"]]


def bands(shown: Picture, kind: str) -> list[tuple[str, int, int]]:
    return [
        (lanes(shown)[lane], first, last)
        for lane, each, _, first, last in shown["bands"]
        if each == kind
    ]


def place(history: History, wanted: type, **fields: object) -> int:
    """The place of the one event of this kind that has these fields."""
    (found,) = (
        number
        for number, event in enumerate(history.in_order())
        if type(event) is wanted
        and all(getattr(event, name) == value for name, value in fields.items())
    )
    return found


# -- the whole of a hostile run


def test_every_event_is_a_mark_in_its_place(recorded: History) -> None:
    shown = drawn(recorded)
    entries = list(recorded.in_order())
    marks = shown["marks"]
    assert marks["time"] == [entry.time for entry in entries]
    assert {len(column) for column in marks.values()} == {len(entries)}
    for number, entry in enumerate(entries):
        lane = lanes(shown)[marks["lane"][number]]
        if getattr(entry, "task", None) is not None:
            assert lane == f"task {entry.task}"
        elif getattr(entry, "client", None) is not None:
            called = isinstance(entry, (CallbackBegan, CallbackEnded))
            assert lane == f"{'callbacks' if called else 'client'} {entry.client}"
        elif isinstance(entry, ServerEvent):
            assert lane == f"server server {entry.server}"
        zxid = marks["zxid"][number]
        if isinstance(entry, Committed):
            assert shown["zxids"][zxid] == f"{entry.transaction.zxid:#x}"


def test_every_request_has_one_outcome_and_each_reply_one_request(recorded: History) -> None:
    shown = drawn(recorded)
    entries = list(recorded.in_order())
    requests = {number for number, entry in enumerate(entries) if isinstance(entry, Sent)}
    assert {each[0] for each in shown["exchanges"]} == requests
    answered = [each for each in shown["exchanges"] if each[4] == messages.ARRIVED]
    assert len({end for _, end, *_ in answered}) == len(answered)
    for sent, end, lane, _, _ in answered:
        request, reply = entries[sent], entries[end]
        assert isinstance(request, Sent)
        assert isinstance(reply, Reply)
        assert request.number == reply.number
        assert lanes(shown)[lane].startswith("server ")


def test_an_acknowledged_write_is_joined_to_its_commit(recorded: History) -> None:
    shown = drawn(recorded)
    entries = list(recorded.in_order())
    joined = 0
    opened = set()
    for sent, end, _, commit, outcome in shown["exchanges"]:
        if commit < 0:
            continue
        joined += 1
        committed, request = entries[commit], entries[sent]
        assert isinstance(committed, Committed)
        assert isinstance(request, Sent)
        assert sent < commit
        if outcome == messages.ARRIVED:
            reply = entries[end]
            assert isinstance(reply, Reply)
            if request.operation == "connect":
                session = int.from_bytes(reply.frame[12:20], "big", signed=True)
                assert session == committed.transaction.session_id
                opened.add(session)
            else:
                assert reply.zxid == committed.transaction.zxid
    assert len(opened) > 3
    assert joined > 20


def test_bands_do_not_end_before_they_begin(recorded: History) -> None:
    shown = drawn(recorded)
    assert {"suspended", "lost", "session", "expired", "partitioned", "leads"} <= {
        kind for _, kind, *_ in shown["bands"]
    }
    for _, _, _, first, last in shown["bands"]:
        assert last == -1 or first <= last


def test_a_loaded_history_has_the_same_page(tmp_path: Any) -> None:
    """The evidence of a verdict is found in an equal history."""
    history = lock_with_two_owners()
    history.save(tmp_path / "h")
    verdict = history.check(at_most(1, "lock", good=False))
    assert drawn(history, at_most(1, "lock", good=False))["findings"][0]["evidence"]
    assert History.load(tmp_path / "h").timeline(verdict) == history.timeline(verdict)


# -- messages that are lost


@pytest.mark.parametrize(
    ("point", "outcome", "committed"),
    [
        ("before_request", messages.REQUEST_LOST, False),
        ("before_reply", messages.REPLY_LOST, True),
    ],
)
def test_what_a_fault_lost_is_lost(point: str, outcome: int, committed: bool) -> None:
    with Simulation(seed=1) as sim:
        client = sim.client("ann")
        client.create("/a", b"")
        strike = getattr(sim.faults, f"drop_{point}")
        with strike(client, operation="setData"), pytest.raises(ConnectionLoss):
            client.set("/a", b"1")
        client.retry(client.set, "/a", b"2")
    shown = drawn(sim.history)
    first, second = (
        each
        for each in shown["exchanges"]
        if shown["texts"][shown["marks"]["label"][each[0]]] == "setData /a"
    )
    assert first[4] == outcome
    assert (first[3] >= 0) == committed
    assert second[4] == messages.ARRIVED
    assert second[3] > first[3]


def test_without_a_fault_that_says_so_a_commit_says_that_the_reply_was_lost() -> None:
    with Simulation(seed=1) as sim:
        client = sim.client("ann", timeout=30.0)
        client.create("/a", b"")
        with sim.faults.partition(client, direction="to_client"):
            asked = client.set_async("/a", b"1")
            sim.sleep(25)
        with pytest.raises(ConnectionLoss):
            asked.get()
    shown = drawn(sim.history)
    asked_at = place(sim.history, Sent, operation="setData")
    ((_, _, _, commit, outcome),) = (each for each in shown["exchanges"] if each[0] == asked_at)
    assert outcome == messages.REPLY_LOST
    assert commit > asked_at


def test_without_a_commit_it_is_not_known_what_was_lost() -> None:
    """The same request again has the commit that its reply names."""
    with Simulation(seed=1) as sim:
        client = sim.client("ann")
        client.create("/a", b"")
        with sim.faults.slow(client, (1.0, 1.0)):
            asked = client.set_async("/a", b"1")
            sim.sleep(0.5)
            sim.faults.drop(client)
        with pytest.raises(ConnectionLoss):
            asked.get()
        client.retry(client.set, "/a", b"1")
    shown = drawn(sim.history)
    labels = [shown["texts"][label] for label in shown["marks"]["label"]]
    first, second = (each for each in shown["exchanges"] if labels[each[0]] == "setData /a")
    assert (first[3], first[4]) == (-1, messages.UNKNOWN)
    assert second[4] == messages.ARRIVED
    assert labels[second[3]].startswith("setData /a")


# -- sessions and claims


def lock_with_two_owners() -> History:
    with Simulation(seed=1) as sim:
        ann, bob = sim.client("ann"), sim.client("bob")

        def work(client: Any, name: str) -> None:
            lock = client.Lock("/lock", name)
            with lock, sim.history.claim("lock", znode=f"/lock/{lock.node}"):
                sim.sleep(1)

        first = sim.spawn(work, ann, "ann", name="ann", process=ann)
        sim.sleep(0.5)
        sim.faults.pause(ann, duration=40)
        sim.spawn(work, bob, "bob", name="bob", process=bob).result()
        first.result()
    return sim.history


def test_a_session_is_over_before_its_client_knows() -> None:
    history = lock_with_two_owners()
    shown = drawn(history)
    (over,) = bands(shown, "expired")
    assert over[0] == "sessions ann"
    entries = list(history.in_order())
    ended, known = entries[over[1]], entries[over[2]]
    assert isinstance(ended, Committed)
    assert ended.transaction.op.name == "CLOSE_SESSION"
    assert isinstance(known, Reply)  # of the handshake that refused it
    assert known.client == "ann"
    assert known.time - ended.time > 20


def test_a_claim_whose_znode_is_gone_is_told_from_one_that_is_good() -> None:
    shown = drawn(lock_with_two_owners(), at_most(1, "lock", good=False))
    assert [lane for lane, _, _ in bands(shown, "claim")] == ["task ann", "task bob"]
    ((lane, gone, end),) = bands(shown, "claim lost")
    assert lane == "task ann"
    assert 0 < gone < end
    (finding,) = (each for each in shown["findings"] if each["broken"])
    assert finding["judge"] == "at most 1 lock"
    kinds = [shown["kinds"][shown["marks"]["kind"][mark]] for mark in finding["evidence"]]
    assert kinds.count("claim") == 2


def test_a_claim_whose_znode_was_gone_before_is_never_good() -> None:
    (failure,) = (each for each in FAILURES if each.cause == "late" and "A lock" in each.title)
    sim, _ = run(failure)
    shown = drawn(sim.history)
    ((lane, begun, _),) = bands(shown, "claim lost")
    assert (lane, begun) == ("task ann", place(sim.history, Claimed, task="ann"))
    assert [lane for lane, _, _ in bands(shown, "claim")] == ["task bob"]


def test_a_task_stands_with_the_client_that_its_claim_names() -> None:
    with Simulation(seed=1) as sim:
        for name in ("ann", "bob"):
            sim.client(name)

        def work() -> None:
            with sim.history.claim("it", client="ann"):
                sim.sleep(1)

        sim.spawn(work, name="worker").result()
    assert lanes(drawn(sim.history))[:4] == [
        "task worker",
        "client ann",
        "sessions ann",
        "client bob",
    ]


def test_a_client_may_learn_of_the_end_of_its_session_by_itself() -> None:
    with Simulation(seed=1) as sim:
        client = sim.client("ann")
        sim.faults.partition(client)
        sim.sleep(30)
        client.stop()
    ((_, _, known),) = bands(drawn(sim.history), "expired")
    assert known > 0
    lost = list(sim.history.in_order())[known]
    assert isinstance(lost, StateChange)
    assert lost.state == "LOST"


def test_a_session_that_its_client_ends_was_never_unknown() -> None:
    with Simulation(seed=1) as sim:
        sim.client("ann").stop()
        sim.sleep(1)
    shown = drawn(sim.history)
    assert not bands(shown, "expired")
    ((lane, first, last),) = bands(shown, "session")
    assert lane == "sessions ann"
    assert 0 < first < last


# -- without a log, and events of other kinds


def test_a_watch_event_comes_from_its_commit_by_its_server() -> None:
    with Simulation(seed=1, servers=3) as sim:
        ann, bob = sim.client("ann"), sim.client("bob")
        bob.exists("/a", watch=lambda event: None)
        ann.create("/a", b"")
        sim.sleep(1)
    shown = drawn(sim.history)
    ((mark, lane, commit),) = shown["told"]
    entries = list(sim.history.in_order())
    event, committed = entries[mark], entries[commit]
    assert isinstance(event, WatchEvent)
    assert isinstance(committed, Committed)
    assert committed.transaction.zxid == event.zxid
    (server,) = {each.server for each in sim.history.of(Connected) if each.client == "bob"}
    assert lanes(shown)[lane] == f"server server {server}"


def test_without_a_log_sessions_and_outages_are_known_by_connections(recorded: History) -> None:
    bare = History()
    for event in recorded:
        if not isinstance(event, (StateChange, ServerEvent)):
            bare.append(event)
    shown = drawn(bare)
    assert shown["summary"]["transactions"] is None
    assert bands(shown, "session")
    assert bands(shown, "disconnected")
    assert not bands(shown, "suspended")


@pytest.mark.parametrize("has_log", [True, False])
def test_in_real_time_a_client_has_one_lane_from_its_first_event(has_log: bool) -> None:
    with FakeZooKeeper(history=True) as server:
        client = KazooClient(server.hosts)
        client.start()
        client.create("/a", b"")
        server.faults.drop()
        client.retry(client.get, "/a")
        client.stop()
        client.close()
    history = server.history
    if not has_log:
        bare = History()
        for event in history:
            bare.append(event)
        history = bare
    shown = drawn(history)
    assert [lane.partition(" ")[0] for lane in lanes(shown)] == [
        "faults",
        "client",
        "sessions",
        "server",
    ]
    ((_, first, last),) = bands(shown, "disconnected")
    assert 0 < first < last
    ((_, first, last),) = bands(shown, "session")
    assert 0 < first < last
    assert not bands(shown, "expired")
    answered = [each for each in shown["exchanges"] if each[4] == messages.ARRIVED]
    assert len(answered) >= 4
    for sent, end, *_ in answered:
        assert shown["marks"]["lane"][sent] == shown["marks"]["lane"][end]


class Applied(NamedTuple):
    """An event of a kind that the page does not know."""

    time: float
    server: int
    zxid: int


class DictAsked(NamedTuple):
    time: float
    task: str
    dict: int
    number: int
    call: str


class DictShown(NamedTuple):
    time: float
    dict: int
    zxid: int


class Weather(NamedTuple):
    time: float
    text: str


def test_events_of_other_kinds_are_drawn_by_their_fields() -> None:
    with Simulation(seed=1, servers=3) as sim:
        ann = sim.client("ann")
        ann.exists("/a", watch=lambda event: None)
        ann.create("/a", b"")
        sim.sleep(1)
    entries = list(sim.history.in_order())
    (committed,) = (
        number
        for number, each in enumerate(entries)
        if isinstance(each, Committed) and each.transaction.operations
    )
    told = place(sim.history, WatchEvent)
    zxid = entries[committed].transaction.zxid  # type: ignore[union-attr]
    follower = next(server for server in (1, 2, 3) if server != sim.leader)
    more: list[Any] = [
        Applied(9.0, follower, zxid),
        CallbackBegan(9.1, "ann", 1, "on_change", "DATA_CHANGED", "/a"),
        CallbackEnded(9.2, "ann", 1),
        DictAsked(9.3, "ann", 1, 1, "update"),
        DictShown(9.4, 1, zxid),
        Weather(9.5, "<b>rain</b>"),
    ]
    shown = json.loads(json.dumps(picture([*entries, *more], sim.history.check())))
    marks, count = shown["marks"], len(entries)
    where = [lanes(shown)[lane] for lane in marks["lane"][count:]]
    assert where == [
        f"server server {follower}",
        "callbacks ann",
        "callbacks ann",
        "dict dict 1",
        "dict dict 1",
        "task Weather",
    ]
    assert lanes(shown)[:4] == ["dict dict 1", "client ann", "callbacks ann", "sessions ann"]
    kinds = [shown["kinds"][kind] for kind in marks["kind"][count:]]
    assert kinds == ["applied", "callback", "callback", "dict", "dict", "weather"]
    assert bands(shown, "callback")[-1] == ("callbacks ann", count + 1, count + 2)
    assert bands(shown, "dict") == [("dict dict 1", count + 3, -1)]
    assert [committed, count, "commit"] in shown["steps"]
    assert [told, count + 1, "event"] in shown["steps"]
    assert shown["texts"][marks["paths"][count + 1]] == "/a"
    assert "<b>rain</b>" in shown["texts"][marks["text"][count + 5]]


# -- nothing becomes markup


class Markup(HTMLParser):
    """The tags of a page, and what is in its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, object]] = []
        self.scripts: list[str] = []
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))
        self._within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((tag, None))
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[-1] += data


_HOSTILE = st.sampled_from(
    ["</script><script>alert(1)</script>", "</script <b", "<!--<script>", "]]>", "&lt;",
     "\u2028", "\ud800", "{{script}}", "'\"><img src=x onerror=alert(1)>", "\\u003c", "\x00",
     "a" * 1000, "x and every server, both"]
) | st.text(st.characters(), max_size=20)  # fmt: skip
_TIME = st.floats(0, 100)
_NUMBER = st.integers(0, 5)
_FRAME = st.binary(max_size=60)
_PATHS = st.lists(_HOSTILE, max_size=2).map(tuple)
_SCALAR = _HOSTILE | st.binary(max_size=5) | st.integers() | st.none()
_OPERATION = st.sampled_from(["create", "getData", "getChildren", "multi", "setData", "connect"])
_EVENTS = st.one_of(
    st.builds(Note, _TIME, _HOSTILE, _HOSTILE),
    st.builds(LogLine, _TIME, _HOSTILE, _HOSTILE, _HOSTILE, _HOSTILE),
    st.builds(Fault, _TIME, st.sampled_from(["pause", "partition", "lag"]) | _HOSTILE, _HOSTILE),
    st.builds(StateChange, _TIME, _HOSTILE, _HOSTILE),
    st.builds(TaskEnded, _TIME, _HOSTILE, _HOSTILE),
    st.builds(Recorded, _TIME, _HOSTILE, _HOSTILE, _SCALAR, _SCALAR),
    st.builds(Claimed, _TIME, _HOSTILE, _NUMBER, _HOSTILE, st.none() | _HOSTILE),
    st.builds(ServerEvent, _TIME, _NUMBER, _NUMBER, _HOSTILE, _HOSTILE),
    st.builds(Connected, _TIME, _HOSTILE, _NUMBER, _NUMBER),
    st.builds(WatchEvent, _TIME, _HOSTILE, _NUMBER, _HOSTILE, _HOSTILE, _NUMBER),
    st.builds(Sent, _TIME, _HOSTILE, _NUMBER, _NUMBER, _NUMBER, _OPERATION, _PATHS, _FRAME),
    st.builds(Reply, _TIME, _HOSTILE, _NUMBER, _NUMBER, _NUMBER, _OPERATION, _PATHS, _NUMBER,
              _NUMBER, _FRAME),
    INSIDE,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(events=st.lists(_EVENTS, max_size=15), title=_HOSTILE)
def test_nothing_in_a_history_becomes_markup(events: list[Any], title: str) -> None:
    history = History()
    history._add_all(sorted(events, key=lambda event: event.time))
    verdict = history.check(exactly_once("\u2028</script>"))
    text = history.timeline(verdict, title=title)
    assert text.isascii()
    page, empty = Markup(text), Markup(History().timeline())
    assert page.tags == empty.tags
    made = picture(list(history.in_order()), verdict)
    assert json.loads(page.scripts[0]) == json.loads(json.dumps(made))
    assert page.scripts[1] == empty.scripts[1]
    assert not set("<>&").intersection(page.scripts[0]), "parsers differ in what ends a script"


def test_the_page_may_load_nothing() -> None:
    text = History().timeline()
    assert "default-src 'none'" in text
    for word in ("http:", "https:", "//cdn", "import(", "fetch(", "XMLHttpRequest", "innerHTML"):
        assert word not in text
