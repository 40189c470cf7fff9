"""The server's life: starting and stopping, again and again, from anywhere, leaving nothing."""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import ssl
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake._realtime.listener import bind

from ..support import wire
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_a_port_that_is_taken() -> None:
    with FakeZooKeeper() as first:
        port = first.members[0].port
        second = FakeZooKeeper(port=port)
        for _ in range(2):
            with pytest.raises(
                OSError, match=f"cannot listen on 127.0.0.1, port {port}: "
            ) as caught:
                second.start()
            assert caught.value.errno == errno.EADDRINUSE
        second.stop()
    with second:
        assert second.members[0].port == port


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"port": 70_000},
            "cannot listen on 127.0.0.1, port 70000: expected a port from 0 to 65535",
        ),
        ({"port": -1}, "cannot listen on 127.0.0.1, port -1: expected a port from 0 to 65535"),
        ({"host": "192.0.2.1"}, "cannot listen on 192.0.2.1, port 0: "),
        ({"host": "no such host"}, "cannot listen on no such host, port 0: "),
    ],
)
def test_addresses_that_cannot_be_had(arguments: dict[str, object], said: str) -> None:
    server = FakeZooKeeper(**arguments)  # type: ignore[arg-type]
    with pytest.raises(OSError, match=said):
        server.start()
    server.stop()


def test_ports_of_an_ensemble() -> None:
    with FakeZooKeeper(servers=3) as server:
        ports = [member.port for member in server.members]
        assert server.hosts == ",".join(f"127.0.0.1:{port}" for port in ports)
        assert len(set(ports)) == 3
    with server:
        assert [member.port for member in server.members] == ports


def test_the_ports_of_all_members_can_be_chosen() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # nobody shakes hands
    with FakeZooKeeper(servers=2, observers=1, tls=tls) as free:
        ports = [member.port for member in free.members]
        secure = [member.secure_port or 0 for member in free.members]
    chosen = FakeZooKeeper(
        servers=2, observers=1, tls=tls, port=ports[::-1], secure_port=secure[::-1]
    )
    for _ in range(2):
        with chosen:
            assert [member.port for member in chosen.members] == ports[::-1]
            assert [member.secure_port for member in chosen.members] == secure[::-1]
    with FakeZooKeeper(tls=tls, secure_port=secure[0]) as one:
        assert one.members[0].secure_port == secure[0]
        second = FakeZooKeeper(tls=tls, secure_port=secure[0])
        with pytest.raises(OSError, match=f"port {secure[0]}: "):
            second.start()


def test_ports_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"port = \[1, 2\]: expected one port, or 3, one for each"):
        FakeZooKeeper(servers=3, port=[1, 2])
    with pytest.raises(ValueError, match="secure_port = 2281: TLS needs tls="):
        FakeZooKeeper(secure_port=2281)


def test_a_member_that_stops_refuses_and_comes_back() -> None:
    with FakeZooKeeper(servers=3) as server:
        member = server.members[0]
        channel = SocketChannel(address_of(member.hosts), patience=30)
        channel.send(wire.frame(wire.connect()))
        assert channel.read_frame()[0]
        for _ in range(2):
            member.stop()
        assert not member.running
        assert channel.read(1) == ([], True)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address_of(member.hosts), timeout=30)
        for _ in range(2):
            member.start()
        with KazooClientOn(server) as client:
            client.create("/a")
        assert server.dump() == {"/a": b""}


def test_a_member_of_a_server_that_has_stopped() -> None:
    with FakeZooKeeper(servers=2) as server:
        members = server.members
        members[0].stop()
    for member in members:
        assert not member.running
        member.stop()
        with pytest.raises(RuntimeError, match=r"is stopped; start\(\) the FakeZooKeeper"):
            member.start()
    with server:
        assert all(member.running for member in server.members)


@pytest.fixture
def ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")


@pytest.mark.usefixtures("ipv6")
def test_ipv6() -> None:
    with FakeZooKeeper(host="::1") as server:
        assert server.hosts == f"[::1]:{server.members[0].port}"
        with KazooClientOn(server) as client:
            client.create("/a", b"1")
            assert client.get("/a")[0] == b"1"
            (connection,) = server.connections
            assert connection.ids[0] == ("ip", "0:0:0:0:0:0:0:1")


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
        bad.send(PING)
        assert bad.read(1) == ([], True)
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


# -- the process


def forked(work: Callable[[], None]) -> None:
    """Does something in a forked child, which has to end well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks, since Python 3.12
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(60)  # ends a child that hangs
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("in_use", [False, True], ids=["", "while a thread has the lock"])
def test_a_forked_child_leaves_its_parents_server_alone(in_use: bool) -> None:
    server = FakeZooKeeper()

    def leave() -> None:
        assert not server.running
        for use in (server.dump, server.start, lambda: server.hosts):
            with pytest.raises(RuntimeError, match=f"runs in process {os.getppid()}, of which"):
                use()
        server.__exit__(None, None, None)
        server.stop()
        with FakeZooKeeper() as own:
            shake(own).abandon()

    with server, ExitStack() as exits:
        channel = shake(server)
        if in_use:
            held, over = threading.Event(), threading.Event()

            def hold() -> None:
                with server._loop.at_work():
                    held.set()
                    over.wait(60)

            holder = threading.Thread(target=hold)
            holder.start()
            exits.callback(holder.join)
            exits.callback(over.set)
            assert held.wait(60)
        forked(leave)
        exits.close()
        channel.send(PING)
        assert len(channel.read(1)[0]) == 1
        shake(server).abandon()
        channel.abandon()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_server_that_is_started_in_a_forked_child() -> None:
    server = FakeZooKeeper()
    with server:
        server.load({"/a": b"1"})

    def use() -> None:
        with server:
            assert server.dump() == {"/a": b"1"}
            shake(server).abandon()

    forked(use)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no such signals")
@pytest.mark.parametrize("place", ["stop", "at_work"])
def test_stopping_from_a_signal_handler(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """... that interrupts another stop(), or whatever has the lock."""
    server = FakeZooKeeper().start()
    handled = []

    def handler(*_: object) -> None:
        server.stop()
        handled.append(place)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        if place == "stop":
            join = threading.Thread.join

            def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
                if not handled:
                    signal.raise_signal(signal.SIGUSR1)
                join(thread, timeout)

            monkeypatch.setattr(threading.Thread, "join", interrupted)
            server.stop()
        else:
            with server._loop.at_work():
                signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert handled == [place]
    assert not server.running
    with server:
        shake(server).abandon()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to count open files")
@pytest.mark.parametrize("missing", ["thread", "socketpair", "TLS port"])
def test_a_start_that_fails_leaves_nothing_open(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeZooKeeper(servers=3, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    with server:
        pass  # its ports are known from here on
    before = open_files(), threading.enumerate()
    with monkeypatch.context() as patched:

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        if missing == "thread":
            patched.setattr(threading.Thread, "start", fail)
        elif missing == "socketpair":
            patched.setattr(socket, "socketpair", fail)
        else:
            count = iter(range(100))
            patched.setattr(
                "zkfake._realtime.listener.bind",
                lambda *where: fail() if next(count) == 3 else bind(*where),
            )
        with pytest.raises(OSError, match="Too many open files") as caught:
            server.start()
        del caught  # its traceback keeps what it saw
    assert (open_files(), threading.enumerate()) == before
    assert not server.running
    with server:
        SocketChannel(address_of(server.members[2].hosts), patience=30).abandon()


def test_no_file_descriptor_left_for_a_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = socket.socket.accept
    tried = threading.Semaphore(0)
    calls = []

    def exhausted(listener: socket.socket) -> None:
        calls.append(listener)
        tried.release()
        raise OSError(errno.EMFILE, "Too many open files")

    with FakeZooKeeper(servers=2) as server:
        first, second = (address_of(member.hosts) for member in server.members)
        other = SocketChannel(second, patience=30)
        other.send(wire.frame(wire.connect()))
        assert other.read_frame()[0]
        monkeypatch.setattr(socket.socket, "accept", exhausted)
        waiting = SocketChannel(first, patience=30)
        assert tried.acquire(timeout=30)
        with server._loop.at_work():
            (listener,) = {*calls}
            assert listener not in server._loop.selector.get_map(), "it would be ready all the time"
        for _ in range(20):
            other.send(PING)
            assert len(other.read(1)[0]) == 1
        assert tried.acquire(timeout=30), "tried again"
        monkeypatch.setattr(socket.socket, "accept", accept)
        waiting.send(wire.frame(wire.connect()))
        assert len(waiting.read_frame()[0]) == 1
        monkeypatch.setattr(socket.socket, "accept", exhausted)
        last = SocketChannel(first, patience=30)
        assert tried.acquire(timeout=30)
        for channel in (other, waiting, last):
            channel.abandon()
    assert "server 1 cannot accept connections: Too many open files" in caplog.text
