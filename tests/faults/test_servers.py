"""Faults of servers, as an unmodified `KazooClient` meets them in virtual time and over TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..support.faulty import PATIENCE, States, session_of

if TYPE_CHECKING:
    from ..support.faulty import Clients


def test_a_stopped_server_refuses_and_remembers(ours: Clients) -> None:
    faults: Any = ours.faults
    client = ours.client()
    session = session_of(client)
    client.create("/a")
    states = States(client)
    with faults.stop_server():
        states.expect("SUSPENDED")
        with pytest.raises(ConnectionRefusedError):
            ours.raw()
    states.expect("CONNECTED")
    assert client.exists("/a")
    assert session_of(client) == session


def test_a_server_that_stands_still_keeps_what_is_sent_to_it(ours: Clients) -> None:
    faults: Any = ours.faults
    client = ours.client(timeout=30.0)
    client.create("/a")
    with faults.pause_server() as outage:
        write = client.set_async("/a", b"1")
        assert outage.wait(PATIENCE)
        new = ours.client(start=False, timeout=30.0)
        started = new.start_async()
        assert ours.dump() == {"/a": b""}
        assert not write.ready()
        assert not started.is_set()
    assert write.get(timeout=PATIENCE).version == 1
    assert started.wait(PATIENCE)


def test_a_mute_server_serves_the_connections_that_it_has(ours: Clients) -> None:
    faults: Any = ours.faults
    client = ours.client()
    with faults.mute_server() as outage:
        new = ours.client(start=False, timeout=30.0)
        started = new.start_async()
        assert outage.wait(PATIENCE)
        assert client.create("/a") == "/a"
        assert not started.is_set()
    assert started.wait(PATIENCE)
    assert new.exists("/a")


def test_misuse(ours: Clients) -> None:
    faults: Any = ours.faults
    for misuse, said in (
        (lambda: faults.isolate(1, way="up"), "both, out, in"),
        (lambda: faults.lag(1, (2, 1)), "no range of seconds"),
        (lambda: faults.lag(1, (-1, 1)), "no range of seconds"),
        (lambda: faults.lag(1, (0, float("inf"))), "no range of seconds"),
        (lambda: faults.pause_server(2), "there is no server 2, only 1 to 1"),
        (lambda: faults.partition_servers(1, 1), "server 1 has no link to itself"),
        (lambda: faults.slow_servers(1, 1, (1, 1)), "server 1 has no link to itself"),
        (lambda: faults.skew_clock(1, float("inf")), "seconds=inf; expected a finite number"),
    ):
        with pytest.raises(ValueError, match=said):
            misuse()
        assert faults.outages == ()
