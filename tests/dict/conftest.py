"""What the dict tests share: a proxy that counts, cuts and loses; clients behind it; slow tasks."""

import collections
import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.protocol.states import Callback

from pytest_zkdict.clients import ClientFactory
from zkdict import ZooKeeperDict

from ..support import lock_rule

NAMES = {
    1: "create",
    2: "delete",
    3: "exists",
    4: "getData",
    5: "setData",
    9: "sync",
    12: "getChildren2",
    14: "multi",
    15: "create",
    -11: "closeSession",
}


class Proxy:
    """Stands between clients and the server: counts requests by name, and can cut connections."""

    def __init__(self, server: str) -> None:
        host, port = server.rsplit(":", 1)
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.hosts = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.counts: collections.Counter[str] = collections.Counter()
        self.bytes_down = 0
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._cut = self._closed = False
        self._lose: tuple[str, str] | None = None  # which request, and what of it
        self._times = 0  # and how often
        self._mute: set[socket.socket] = set()  # clients whose next answer is lost
        self._silent = False
        self._answers: list[tuple[str, int | bytes]] = []  # which request, and what it gets
        self._rewritten: dict[tuple[socket.socket, int], int | bytes] = {}  # client and xid
        self.lost = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def requests(self) -> int:
        """Every request but the handshake, pings and the end of a session."""
        return sum(self.counts.values())

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.counts.clear()
            self.bytes_down = 0

    def drop(self) -> None:
        """End every connection there is; new ones are let through."""
        with self._lock:
            for ends in self._pairs.items():
                for end in ends:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End every connection, and each new one, until `heal`."""
        self._cut = True
        self.drop()

    def heal(self) -> None:
        """Let connections through again."""
        self._cut = False

    def lose(self, operation: str, what: str, times: int = 1) -> None:
        """Lose the next requests of this kind, or their replies, with the connection; "silence"
        loses what the server says from the reply on, and leaves the connection.
        """
        self.lost.clear()
        self._lose, self._times = ((operation, what) if times else None), times

    def answer(self, operation: str, answer: int | bytes, times: int = 1) -> None:
        """The next requests of this kind get this error, or body, in place of their answer."""
        self._answers += [(operation, answer)] * times

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._cut or self._closed:
                client.close()
                continue
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs[client] = server
            for arguments in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._pump, args=arguments)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        buffered, frames, down = b"", 0, 0
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                loses = False
                if up:
                    buffered += chunk
                    start = 0
                    while len(buffered) >= start + 4:
                        (length,) = struct.unpack_from(">i", buffered, start)
                        if len(buffered) < start + 4 + length:
                            break
                        frames += 1
                        if frames > 1:
                            self._plan_answer(source, buffered, start + 4)
                        if frames > 1 and self._count(buffered, start + 4):
                            what, self._times = self._lose, self._times - 1
                            if self._times <= 0:
                                self._lose = None
                            if what[1] == "request":
                                self.lost.set()
                                raise ConnectionAbortedError
                            loses = True
                            self._mute.add(source)
                            self._silent = what[1] == "silence"
                        start += 4 + length
                    buffered = buffered[start:]
                else:
                    with self._lock:
                        self.bytes_down += len(chunk)
                    if target in self._mute:
                        if not self._silent:
                            break
                        continue
                    whole, buffered = _frames(buffered + chunk)
                    chunk = b"".join(
                        self._rewrite(target, frame) if down + n else frame
                        for n, frame in enumerate(whole)
                    )
                    down += len(whole)
                target.sendall(chunk)
                if loses:
                    self.lost.set()  # once the server has the request: a cut may follow
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if up:
            with self._lock:
                self._pairs.pop(source, None)
            source.close()
        else:
            source.close()

    def _plan_answer(self, client: socket.socket, frames: bytes, start: int) -> None:
        xid, kind = struct.unpack_from(">ii", frames, start)
        for planned in self._answers:
            if planned[0] == NAMES.get(kind):
                self._answers.remove(planned)
                self._rewritten[client, xid] = planned[1]
                return

    def _rewrite(self, client: socket.socket, frame: bytes) -> bytes:
        """The frame, or what its request is to get."""
        xid, zxid, _ = struct.unpack_from(">iqi", frame, 4)
        answer = self._rewritten.pop((client, xid), None)
        if answer is None:
            return frame
        if isinstance(answer, int):
            return struct.pack(">iiqi", 16, xid, zxid, answer)
        return struct.pack(">iiqi", 16 + len(answer), xid, zxid, 0) + answer

    def _count(self, frames: bytes, start: int) -> bool:
        """Count a request; whether it is the one to be lost."""
        _, kind = struct.unpack_from(">ii", frames, start)
        name = NAMES.get(kind, str(kind))
        if kind not in (11, -11):
            with self._lock:
                self.counts[name] += 1
        return self._lose is not None and self._lose[0] == name


def _frames(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole frames, each with its length in front, and the rest."""
    frames, start = [], 0
    while len(data) >= start + 4:
        end = start + 4 + struct.unpack_from(">i", data, start)[0]
        if len(data) < end:
            break
        frames.append(data[start:end])
        start = end
    return frames, data[start:]


@pytest.fixture(scope="session")
def watched_lock() -> Iterator[list[str]]:
    """Every dict of these tests holds its lock rule, or tells."""
    with lock_rule.held() as broken:
        yield broken


@pytest.fixture(autouse=True)
def broken_lock_rule(watched_lock: list[str]) -> Iterator[list[str]]:
    """The calls of this test that broke the rule: none."""
    watched_lock.clear()
    yield watched_lock
    assert not watched_lock


RETRY = {"max_tries": -1, "delay": 0.01, "backoff": 1, "max_delay": 0.05}


@pytest.fixture
def proxy_factory(zk_server: Any) -> Iterator[Callable[[], Proxy]]:
    """Makes proxies to the test's server."""
    with contextlib.ExitStack() as exits:

        def make() -> Proxy:
            proxy = Proxy(zk_server.hosts)
            exits.callback(proxy.close)
            return proxy

        yield make


@pytest.fixture
def proxy(proxy_factory: Callable[[], Proxy]) -> Proxy:
    """A proxy to the test's server."""
    return proxy_factory()


@pytest.fixture
def client_behind(zk_chroot: str, zk_client_factory: ClientFactory) -> Callable[..., KazooClient]:
    """Makes clients that reach the test's znodes through a proxy, and reconnect quickly."""

    def make(proxy: Proxy, **arguments: Any) -> KazooClient:
        arguments = {"connection_retry": dict(RETRY), **arguments}
        return zk_client_factory(hosts=proxy.hosts + zk_chroot, **arguments)

    return make


@pytest.fixture
def open_dict(zk_client_factory: ClientFactory) -> Iterator[Callable[..., ZooKeeperDict[Any]]]:
    """Opens dicts on `/dict`, each with a client of its own unless one is given."""
    with contextlib.ExitStack() as exits:

        def make(client: KazooClient | None = None, **options: Any) -> ZooKeeperDict[Any]:
            client = client or zk_client_factory()
            return exits.enter_context(ZooKeeperDict[Any](client, "/dict", **options))

        yield make


@pytest.fixture
def quick_switching() -> Iterator[None]:
    """Readers that never rest hold the interpreter for 5 ms at a time; here they share it."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits for what no event tells of; fails after a minute."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it did not become true"
            time.sleep(0.005)

    return wait


@pytest.fixture
def hold_callbacks() -> Callable[[KazooClient], contextlib.AbstractContextManager[None]]:
    """While it holds, a client's watch callbacks stand still, as behind somebody's slow one."""

    @contextlib.contextmanager
    def hold(client: KazooClient) -> Iterator[None]:
        held, go = threading.Event(), threading.Event()

        def block() -> None:
            held.set()
            go.wait(60)

        client.handler.dispatch_callback(Callback("watch", block, ()))
        assert held.wait(60)
        try:
            yield
        finally:
            go.set()

    return hold
