"""Frames, sockets and links: bytes in order, whole, and late, as TCP has them."""

from __future__ import annotations

import ipaddress
import socket
import struct
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._channel.channel import EVENT, Stream
from zkfake._channel.conditions import Conditions, Stop
from zkfake._history.events import Disconnected
from zkfake._protocol.frames import FrameSplitter, read_request
from zkfake._simulation.network.sockets import select, socket_pair
from zkfake._simulation.scheduling.scheduler import Scheduler
from zkfake.simulation import Simulation


def _frame(payload: bytes) -> bytes:
    return struct.pack(">i", len(payload)) + payload


@given(st.lists(st.binary(max_size=20), max_size=8), st.data())
def test_a_stream_is_cut_into_its_frames_however_it_arrives(
    payloads: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(_frame, payloads))
    splitter = FrameSplitter()
    found: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == list(map(_frame, payloads))
    assert not splitter.raw


@pytest.mark.parametrize("word", [b"ruok", b"srvr", b"GET / HTTP/1.0", b"\xff\xff\xff\xff"])
def test_what_is_no_frame_is_passed_on(word: bytes) -> None:
    splitter = FrameSplitter()
    assert b"".join(splitter.feed(word)) == word
    assert splitter.raw
    assert splitter.feed(b"more") == [b"more"]


@pytest.mark.parametrize(
    ("length", "is_one"), [(0, True), (0x0FFFFFFF, True), (0x10000000, False), (-1, False)]
)
def test_which_lengths_are_those_of_frames(length: int, is_one: bool) -> None:
    splitter = FrameSplitter()
    splitter.feed(struct.pack(">i", length) + b"x")
    assert splitter.raw is not is_one


@given(st.binary(max_size=40))
def test_no_bytes_keep_a_request_from_being_read(payload: bytes) -> None:
    read_request(_frame(payload), first=False)


class Cut:
    """A hold that nobody waits for."""

    struck = False

    def strike(self) -> None:
        self.struck = True


STOPS = {
    "cut": Stop(lambda _: True, ("to_client",)),
    "other way": Stop(lambda _: True, ("to_server",)),
    "hold events": Stop(lambda _: True, ("to_client",), events=True),
}


@given(
    st.integers(0, 2**32),
    st.lists(
        st.tuples(
            st.integers(0, 50), st.sampled_from(["send", "send event", "heal", *STOPS, *STOPS])
        ),
        max_size=40,
    ),
)
def test_a_stream_keeps_its_order_through_cuts_and_holds(
    seed: int, steps: list[tuple[int, str]]
) -> None:
    scheduler = Scheduler(Random(0))
    conditions = Conditions[Any](scheduler, 1_000_000, Random(seed).randint, (0, 0.0001))
    arrived: list[bytes] = []
    nobody: Any = None
    stream = Stream(
        conditions,
        nobody,
        "to_client",
        lambda item, _tag: arrived.append(item),
        scheduler.call_at,
    )
    sent: list[bytes] = []
    stops: Any = conditions.stops
    for delay, step in steps:
        scheduler.sleep(delay / 1e6)
        before = len(arrived)
        waits = not stream.idle
        if step.startswith("send"):
            event = step == "send event"
            sent.append(b"event" if event else b"%d" % len(sent))
            stream.send(sent[-1], EVENT if event else None)
        elif step == "heal" and stops:
            stops.pop(next(iter(stops)))
            stream.resume()
        elif step in STOPS:
            stops[Cut()] = STOPS[step]
        assert len(arrived) == before, "nothing arrives in no time"
        if STOPS["cut"] in stops.values():
            scheduler.sleep(0.001)
            assert len(arrived) == before, "nothing arrives through a cut"
            assert not waits or any(stop.struck for stop in stops)
        if STOPS["hold events"] in stops.values():
            assert b"event" not in arrived[before:]
    stops.clear()
    stream.resume()
    scheduler.sleep(1)
    assert arrived == sent
    assert stream.idle
    assert stream.size == 0
    scheduler.close()


def test_socket_pairs_and_select() -> None:
    with Simulation() as sim:
        left, right = socket_pair(sim._scheduler)
        assert select(sim._scheduler, [right], [left], [], 5) == ([], [left], [])
        assert select(sim._scheduler, [right], [], [], 5) == ([], [], [])
        assert sim.now == 5
        left.send(b"abc")
        assert select(sim._scheduler, [left, right], [], []) == ([right], [], [])
        assert (right.recv(2), right.recv(2)) == (b"ab", b"c")
        right.setblocking(False)
        with pytest.raises(BlockingIOError):
            right.recv(1)
        right.settimeout(3)
        with pytest.raises(TimeoutError):
            right.recv(1)
        assert sim.now == 8
        waiting = sim.spawn(right.recv, 5)
        left.close()
        assert waiting.result() == b""
        with pytest.raises(BrokenPipeError):
            right.send(b"x")
        with pytest.raises(OSError, match="descriptor"):
            left.send(b"x")
        with pytest.raises(ValueError, match="closed"):
            select(sim._scheduler, [left], [], [])


@given(st.lists(st.binary(min_size=1, max_size=5), max_size=6), st.lists(st.integers(1, 7)))
def test_bytes_are_read_in_order_in_pieces_of_any_size(sent: list[bytes], sizes: list[int]) -> None:
    with Simulation() as sim:
        left, right = socket_pair(sim._scheduler)
        for data in sent:
            left.send(data)
        left.close()
        unread = b"".join(sent)
        for size in [*sizes, *[9] * len(sent)]:
            assert select(sim._scheduler, [right], [], [], 0)[0] == [right]
            assert bool(unread) == (0 < right.pending() <= len(unread))
            data = right.recv(size)
            assert unread[:size].startswith(data)
            assert bool(data) == bool(unread)
            unread = unread[len(data) :]
        assert right.recv(1) == b""
        assert not unread


def test_a_client_cannot_have_more_on_the_way_than_a_window() -> None:
    with Simulation(settings={"jute.maxbuffer": 1 << 24}) as sim:
        client: Any = sim.client()
        client.create("/big", b"")
        with sim.faults.partition(client):
            results = [client.set_async("/big", b"x" * 400_000) for _ in range(6)]
            sim.sleep(1)
            assert sim._network.channels_of("client-1")[0].upstream.size < 2_000_000
        assert [result.get().version for result in results] == [1, 2, 3, 4, 5, 6]


def test_no_two_of_many_clients_share_an_address() -> None:
    with Simulation() as sim:
        found = {sim._network.address_of(f"client {number}") for number in range(40_000)}
    assert len(found) == 40_000
    assert all(ipaddress.ip_address(each) in ipaddress.ip_network("10.1.0.0/16") for each in found)


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_socket_that_is_shut_down_ends_its_connection_and_no_session(how: int) -> None:
    with Simulation() as sim:
        client = sim.client()
        client.create("/e", ephemeral=True)
        before: Any = client._connection._socket
        session, states = client.client_id, []
        client.add_listener(states.append)
        before.shutdown(how)
        if how != socket.SHUT_RD:
            with pytest.raises(BrokenPipeError):
                before.send(b"more")
        sim.run_until(lambda: states == ["SUSPENDED", "CONNECTED"])
        assert client.client_id == session
        assert client.exists("/e")
        with pytest.raises(OSError, match="Bad file descriptor"):
            before.shutdown(how)
        told = [event for event in sim.history if isinstance(event, Disconnected)]
        assert len(told) == 1


def test_a_socket_has_the_address_that_the_server_sees() -> None:
    with Simulation(servers=3) as sim:
        clients = [sim.client(f"client {number}") for number in range(3)]
        for _ in range(3):
            sim.faults.drop()
            for client in clients:
                client.retry(client.get_children, "/")
                end: Any = client._connection._socket
                host, port = end.getsockname()
                assert end._carrier._core.address == f"{host}:{port}"
