"""The server and its process: forks, signals, and what happens where nothing is left to have."""

from __future__ import annotations

import errno
import os
import signal
import socket
import ssl
import threading
import traceback
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper
from zkfake._realtime.listener import bind

from ..support import wire
from ..support.wire import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Callable

from .test_server import PING, address_of, open_files, shake


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
        for use in (server.dump, server.start, lambda: server.hosts, lambda: server.faults):
            with pytest.raises(RuntimeError, match=f"runs in process {os.getppid()}, of which"):
                use()
        server.__exit__(None, None, None)
        server.stop()
        with FakeZooKeeper() as own:
            shake(own).abandon()

    with server, ExitStack() as exits:
        assert server.faults.outages == ()  # they are in use already
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
