"""The server's life: starting and stopping, again and again, from anywhere, leaving nothing."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper

from ..support import wire
from ..support.wire import SocketChannel

PING = wire.request(wire.PING_XID, wire.PING)


def address_of(hosts: str) -> tuple[str, int]:
    host, _, port = hosts.rpartition(":")
    return host.strip("[]"), int(port)


def shake(server: FakeZooKeeper) -> SocketChannel:
    channel = SocketChannel(address_of(server.hosts), patience=30)
    channel.send(wire.frame(wire.connect()))
    frames, ended = channel.read_frame()
    assert len(frames) == 1
    assert not ended
    return channel


def open_files() -> list[str]:
    """What every file descriptor of this process is."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.append(os.readlink(entry))
    return sorted(found)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to count open files")
def test_a_thousand_servers_leave_nothing_behind() -> None:
    with FakeZooKeeper():
        pass  # what Python opens once and keeps
    gc.collect()
    before = open_files(), threading.enumerate()
    for number in range(1000):
        with FakeZooKeeper() as server:
            if number % 10 == 0:
                channel = shake(server)
                channel.send(PING)
                assert channel.read(1)[0]
                if number % 20 == 0:
                    channel.abandon()
        if number % 20 == 10:
            assert channel.read(1) == ([], True)
    gc.collect()
    assert (open_files(), threading.enumerate()) == before


def test_start_and_stop_may_be_said_twice() -> None:
    server = FakeZooKeeper()
    server.stop()
    server.start()
    with pytest.raises(RuntimeError, match="already running"):
        server.start()
    hosts = server.hosts
    server.stop()
    server.stop()
    for name in ("hosts", "members"):
        with pytest.raises(RuntimeError, match="not running; start"):
            getattr(server, name)
    with server:
        assert server.hosts == hosts, "the same ports again"
        shake(server).abandon()


def test_the_state_survives_a_stop() -> None:
    server = FakeZooKeeper()
    with server:
        server.load({"/a": b"1"})
    with server:
        assert server.dump() == {"/a": b"1"}
        with KazooClientOn(server) as client:
            assert client.get("/a")[0] == b"1"


class KazooClientOn:
    """A started client for a with block."""

    def __init__(self, server: FakeZooKeeper, **arguments: object) -> None:
        self.client = KazooClient(server.hosts, **arguments)

    def __enter__(self) -> KazooClient:
        self.client.start(30)
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.stop()
        self.client.close()


def test_any_number_side_by_side() -> None:
    servers = [FakeZooKeeper().start() for _ in range(20)]
    try:
        assert len({server.hosts for server in servers}) == 20
        for number, server in enumerate(servers):
            server.load({"/who": b"%d" % number})
        for number, server in enumerate(servers):
            assert server.dump() == {"/who": b"%d" % number}
            shake(server).abandon()
    finally:
        for server in servers:
            server.stop()


def test_starting_and_stopping_one_server_from_many_threads() -> None:
    server = FakeZooKeeper()
    refused = []

    def work(number: int) -> None:
        for _ in range(25):
            if number % 2:
                server.stop()
            else:
                try:
                    server.start()
                except RuntimeError as error:
                    refused.append(str(error))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert set(refused) <= {"this FakeZooKeeper is already running"}
    server.stop()
    with server:
        shake(server).abandon()


def test_servers_made_and_ended_in_many_threads() -> None:
    def work(_: int) -> None:
        for _ in range(10):
            with FakeZooKeeper() as server:
                shake(server).abandon()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


# -- stopping while others are at work


def test_stopping_with_clients_in_the_middle() -> None:
    for _ in range(10):
        server = FakeZooKeeper().start()
        channels = [shake(server) for _ in range(5)]
        for channel in channels:
            burst = [wire.request(n, 1, wire.create("/a-", flags=2)) for n in range(200)]
            channel.send(b"".join(burst))
        server.stop()
        for channel in channels:
            frames, ended = channel.read(1)
            assert ended
            assert all(len(frame) >= 16 for frame in frames if not frame.startswith(b"torn"))


def test_stopping_while_clients_connect() -> None:
    for _ in range(20):
        server = FakeZooKeeper().start()
        address = address_of(server.hosts)
        going = threading.Event()

        def connect(address: tuple[str, int] = address, going: threading.Event = going) -> None:
            while not going.is_set():
                try:
                    channel = SocketChannel(address, patience=30)
                except OSError:
                    continue
                channel.send(wire.frame(wire.connect()))
                channel.read_frame()
                channel.abandon()

        threads = [threading.Thread(target=connect) for _ in range(3)]
        for thread in threads:
            thread.start()
        shake_once = SocketChannel(address, patience=30)
        server.stop()
        going.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        shake_once.abandon()


def test_a_kazoo_client_finds_its_server_again() -> None:
    server = FakeZooKeeper()
    server.start()
    with KazooClientOn(server) as client:
        client.create("/a", b"1", ephemeral=True)
        session = client.client_id
        server.stop()
        server.start()
        assert client.retry(client.get, "/a")[0] == b"1"
        assert client.client_id == session
    server.stop()


# -- faults of the fake's own


def test_a_fault_in_one_connection_harms_no_other_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = FakeZooKeeper().start()
    good, bad = shake(server), shake(server)
    with monkeypatch.context() as patched:
        patched.setattr("zkfake._ensemble.replies.Reads.answer", lambda *_: 1 / 0)
        bad.send(wire.request(1, wire.OPS["getData"], wire.path_watch("/")))
        assert bad.read_frame() == ([], True)
    good.send(PING)
    assert len(good.read(1)[0]) == 1
    with pytest.raises(RuntimeError, match="zkfake failed; please report this") as caught:
        server.stop()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "zkfake failed" in caplog.text
    good.abandon()
    with server:
        shake(server).abandon()


def test_a_fault_in_the_clockwork_drops_everybody_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = FakeZooKeeper().start()
    channel = shake(server)
    with monkeypatch.context() as patched:
        patched.setattr("zkfake._ensemble.ensemble.Ensemble.deadline", lambda _: 1 / 0)
        channel.send(PING)
        assert channel.read(2)[1]
    with pytest.raises(RuntimeError, match="please report this"):
        server.stop()
    assert "zkfake failed" in caplog.text


def test_an_idle_server_sleeps() -> None:
    with FakeZooKeeper() as server:
        with server._loop.at_work():
            selector = server._loop.selector
            turns = []
            select = selector.select

            def counting(timeout: float | None = None) -> list[object]:
                turns.append(timeout)
                return select(timeout)  # type: ignore[return-value]

            selector.select = counting  # type: ignore[method-assign, assignment]
        shake(server).finish()
        server.dump()
        woken = len(turns)
        channel = shake(server)
        channel.send(PING)
        channel.read(1)
        channel.finish()
        # Every turn of the thread was for something that happened: a few for each of these steps.
        assert len(turns) - woken < 12
        assert all(timeout is None or timeout > 0.05 for timeout in turns)
