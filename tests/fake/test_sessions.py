"""Sessions: passwords, ids, the buckets in which they expire, and what becomes of their clients."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zkfake._ensemble.sessions import Session, SessionTracker, first_session_id, password_of

from ..support import wire
from ..support.core import START, TICK, World
from ..support.replies import DELETED, OK

if TYPE_CHECKING:
    from kazoo.client import KazooClient


def test_a_server_gives_this_password_to_this_id(zk_client: KazooClient) -> None:
    assert zk_client.client_id is not None
    session_id, password = zk_client.client_id
    signed = session_id - 2**64 if session_id >= 2**63 else session_id
    assert password_of(signed) == password


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_password_of_any_id(session_id: int) -> None:
    assert password_of(session_id) == wire.session_password(session_id)


@given(st.integers(1, 255), st.integers(0, 2**45))
def test_the_first_id_of_a_server(server_id: int, now: int) -> None:
    found = first_session_id(server_id, now) % 2**64
    assert (found >> 56, found & 0xFFFF) == (server_id, 0)
    assert found >> 16 & 2**40 - 1 == now % 2**40


def test_ids_go_up_by_one(world: World) -> None:
    ids = [world.client().session for _ in range(3)]
    assert ids == [first_session_id(1, START) + number for number in range(3)]


@given(st.integers(0, 10**13), st.integers(1, 60_000), st.integers(1, 10_000))
def test_a_session_lives_for_its_timeout_and_up_to_a_tick(
    now: int, timeout: int, tick: int
) -> None:
    tracker = SessionTracker(tick)
    session = tracker.open(1, timeout, 1, now)
    assert session.expires % tick == 0
    assert timeout < session.expires - now <= timeout + tick
    assert tracker.next_expiry == session.expires
    assert tracker.expired(session.expires - 1) == []
    assert tracker.expired(session.expires) == [session]
    assert tracker.next_expiry is None


class SessionMachine(RuleBasedStateMachine):
    """A tracker against plain dicts of what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = SessionTracker(10)
        self.now = 1000
        self.due: dict[int, int] = {}
        self.sessions: dict[int, Session] = {}

    @rule(timeout=st.integers(1, 100))
    def open(self, timeout: int) -> None:
        number = len(self.sessions) + 1
        self.sessions[number] = self.tracker.open(number, timeout, 1, self.now)
        self.due[number] = ((self.now + timeout) // 10 + 1) * 10

    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        if self.due:
            number = data.draw(st.sampled_from(sorted(self.due)))
            session = self.sessions[number]
            self.tracker.touch(session, self.now)
            self.due[number] = ((self.now + session.timeout) // 10 + 1) * 10

    @rule(data=st.data(), closing=st.booleans())
    def close(self, data: st.DataObject, closing: bool) -> None:
        if self.due:
            number = data.draw(st.sampled_from(sorted(self.due)))
            if closing:
                self.tracker.start_closing(self.sessions[number])
                assert self.tracker.get(number) is None
                self.tracker.touch(self.sessions[number], self.now)
            self.tracker.close(number)
            del self.due[number]

    @rule(passed=st.integers(0, 60))
    def wait(self, passed: int) -> None:
        self.now += passed
        gone = [session.id for session in self.tracker.expired(self.now)]
        due = {number: when for number, when in self.due.items() if when <= self.now}
        assert set(gone) == set(due)
        assert [due[number] for number in gone] == sorted(due.values()), "bucket by bucket"
        for number in gone:
            assert self.tracker.get(number) is self.sessions[number], "there until it is closed"
            self.tracker.close(number)
            del self.due[number]

    @invariant()
    def same_sessions(self) -> None:
        assert {session.id for session in self.tracker} == set(self.due)
        assert len(self.tracker) == len(self.due)
        assert self.tracker.next_expiry == min(self.due.values(), default=None)
        buckets = self.tracker.buckets()
        assert list(buckets) == sorted(buckets)
        assert {n: when for when, numbers in buckets.items() for n in numbers} == self.due


TestSessions = SessionMachine.TestCase


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(-1, 4000), (0, 4000), (4000, 4000), (9999, 9999), (40_000, 40_000), (2**31 - 1, 40_000)],
)
def test_negotiated_timeouts(world: World, asked: int, granted: int) -> None:
    assert world.client(timeout=asked).timeout == granted


def test_a_client_that_goes_on_pinging_lives(world: World) -> None:
    client = world.client(timeout=4000)
    for _ in range(20):
        world.advance(3900)
        assert client.ping().error == OK


def test_expiry_takes_the_ephemerals_and_drops_the_client(world: World) -> None:
    silent, watcher = world.client(timeout=4000), world.client(timeout=40_000)
    silent.create("/e", flags=1)
    silent.stat("/e", watch=1)
    watcher.stat("/e", watch=1)
    before = world.zxid
    world.advance(4000)
    assert [client.closed for client in (silent, watcher)] == [False, False]
    world.advance(TICK)
    assert [client.closed for client in (silent, watcher)] == [True, False]
    assert silent.take() == [], "it is not told of its own end"
    assert watcher.events() == [(DELETED, "/e")]
    assert world.zxid == before + 1, "each expiry is one transaction"


def test_sessions_of_one_bucket_go_together_each_with_its_zxid(world: World) -> None:
    clients = [world.client(timeout=4000) for _ in range(5)]
    keeper = world.client(timeout=40_000)
    before = world.zxid
    due = world.ensemble.sessions.next_expiry
    assert due is not None
    world.advance(due - world.now - 1)
    assert not any(client.closed for client in clients)
    world.advance(1)
    assert all(client.closed for client in clients)
    assert world.zxid == before + 5
    assert keeper.ping().error == OK


def test_a_lost_connection_does_not_end_the_session(world: World) -> None:
    client = world.client(timeout=10_000)
    client.create("/e", flags=1)
    client.connection.lost()
    world.advance(9000)
    again = world.client(session=client.session, password=client.password, timeout=20_000)
    assert (again.session, again.timeout) == (client.session, 20_000)
    world.advance(19_000)
    assert again.get("/e") == b"", "the new timeout counts"
    again.connection.lost()
    world.advance(20_000 + TICK)
    assert world.client().stat("/e") is None


def test_renewing_uses_no_zxid_and_new_sessions_do(world: World) -> None:
    client = world.client()
    assert world.zxid == 1
    world.client(session=client.session, password=client.password)
    assert world.zxid == 1


def test_closing(world: World) -> None:
    client, other = world.client(), world.client()
    client.create("/e", flags=1)
    other.stat("/e", watch=1)
    before = world.zxid
    close = client.request("closeSession")
    # What comes behind it has no effect and gets no answer.
    client.send(close + client.request("create", wire.create("/after")))
    (reply,) = client.take()
    assert reply.zxid == world.zxid == before + 1
    assert client.closed
    assert other.events() == [(DELETED, "/e")]
    assert other.stat("/after") is None
    response = world.accept().shake(session=client.session, password=client.password)
    assert response[4:16] == bytes(12), "a closed session cannot be renewed"


def test_a_request_that_arrives_for_a_session_that_is_gone_is_dropped(world: World) -> None:
    client = world.client()
    session = world.ensemble.sessions.get(client.session)
    assert session is not None
    world.ensemble.sessions.start_closing(session)
    assert client.ask("ping") == []
    assert client.closed


def test_a_session_that_goes_on_leaves_no_bucket_behind() -> None:
    tracker = SessionTracker(2000)
    session = tracker.open(1, 10_000, 1, 0)
    for now in range(0, 1_000_000, 1000):
        tracker.touch(session, now)
    assert [*tracker._buckets] == [session.expires] == [tracker.next_expiry]
    tracker.start_closing(session)
    assert [*tracker._buckets] == []


def test_expiry_order_of_many(world: World) -> None:
    timeouts = random.Random(1).sample(range(4000, 40_000), 50)
    clients = [world.client(timeout=timeout) for timeout in timeouts]
    ended: list[int] = []
    while (due := world.ensemble.deadline()) is not None:
        world.advance(due - world.now)
        ended += [c.timeout for c in clients if c.closed and c.timeout not in ended]
    assert [timeout // TICK for timeout in ended] == sorted(timeout // TICK for timeout in timeouts)


def test_create_session_from_a_client_answers_with_a_bare_connect_response(world: World) -> None:
    client = world.client()
    before = world.zxid
    client.send(client.request("createSession", wire.i32(5000)))
    (payload,) = client.inbox
    assert payload[:4] == wire.i32(0)
    assert payload[8:16] == wire.i64(client.session)
    assert world.zxid == before + 1
    client.inbox.clear()
    reply = client.call("createSession", b"")
    assert reply.error == -5
