"""What the dict tests share: a proxy that counts, cuts and loses; clients behind it; slow tasks."""

import collections
import contextlib
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import kazoo.client
import pytest
from kazoo.client import KazooClient
from kazoo.protocol.states import Callback

from pytest_zkdict.clients import ClientFactory
from zkdict import ZooKeeperDict
from zkfake.proxy import ZooKeeperProxy

from ..support import lock_rule, watching_client
from ..support.redis_server import *  # noqa: F403
from ..support.redis_server import _running  # noqa: F401
from ..support.tampering import tampered
from ..support.watching_client import PlainClient

if TYPE_CHECKING:
    from zkfake import Rule
    from zkfake._channel.rules import ChannelRequest

NOT_COUNTED = ("connect", "closeSession")


class Proxy:
    """Stands between clients and the server: counts requests by name, breaks connections, and has
    other answers than the server's. `create2` counts as `create`.
    """

    def __init__(self, server: Any) -> None:
        self._exits = contextlib.ExitStack()
        self.hosts, self._faults = self._between(server)
        self.counts: collections.Counter[str] = collections.Counter()
        self.lost = threading.Event()
        """Set when the server has the request that is lost, or that is answered by silence."""
        self._lose = ("", "")  # which request, and what of it
        self._losses = 0  # how many of them are still to come
        self._answers: list[tuple[str, int | bytes]] = []  # which request, and what it gets
        self._cut: list[Rule] = []
        self._mute = 0  # the request from whose reply on its connection is silent
        self._silent: set[object] = set()
        self._exits.enter_context(tampered(self._answered, self._silent))
        self._begin()

    def _between(self, server: Any) -> tuple[str, Any]:
        """Where clients connect to, and the faults of their connections."""
        proxy = self._exits.enter_context(ZooKeeperProxy(server.hosts))
        return proxy.hosts, proxy.faults

    def _begin(self) -> None:
        self._watch(None)

    def takes(self, client: KazooClient) -> None:
        """A client that connects to `hosts`, and is not started yet."""

    def _clients(self) -> list[Any]:
        """Whom the faults mean: `None` is every client that has connected to it."""
        return [None]

    def _watch(self, client: Any) -> None:
        rule: Rule = self._faults.upon(lambda: self._look(rule.hits.pop()), client, times=None)

    def requests(self) -> int:
        """Every request but the handshake, pings and the end of a session."""
        return sum(self.counts.values())

    def reset(self) -> None:
        """Begin to count anew."""
        self.counts.clear()

    def drop(self) -> None:
        """End every connection there is; new ones are let through."""
        for client in self._clients():
            self._faults.drop(client)

    def cut(self) -> None:
        """End every connection, and each new one, until `heal`."""
        self._cut = [
            self._faults.drop_before_request(client, operation="connect", times=None)
            for client in self._clients()
        ]
        self.drop()

    def heal(self) -> None:
        """Let connections through again."""
        for rule in self._cut:
            rule.cancel()

    def lose(self, operation: str, what: str, times: int = 1) -> None:
        """Lose the next requests of this kind, or their replies, with the connection; "silence"
        loses what the server says from a reply on, and leaves the connection.
        """
        self.lost.clear()
        self._lose = (operation, what)
        self._losses = times

    def answer(self, operation: str, answer: int | bytes, times: int = 1) -> None:
        """The next requests of this kind get this error, or body, in place of their answer."""
        self._answers += [(operation, answer)] * times

    def close(self) -> None:
        self._exits.close()

    def _look(self, told: str) -> None:
        """A request is about to reach the server: "request 7 of session 0x1: create /dict/a"."""
        place, _, request = told.partition(": ")
        number, who = place.removeprefix("request ").split(" of ")
        operation = _name(request.partition(" ")[0])
        if operation not in NOT_COUNTED:
            self.counts[operation] += 1
        if self._losses and self._lose[0] == operation:
            what = self._lose[1]
            self._losses -= 1
            if what == "request":
                by_id = who.startswith("session ")
                self._faults.drop(int(who.split()[1], 16) if by_id else who)
            elif what == "reply":
                self._faults.drop_before_reply(number=int(number))
            else:
                self._mute = int(number)
            self.lost.set()

    def _is_ours(self, channel: Any) -> bool:
        return channel._conditions is self._faults._conditions

    def _answered(self, request: "ChannelRequest", frame: bytes) -> bytes:
        if not self._is_ours(request.channel):
            return frame  # of another proxy, or of a fake that records: it has a channel as well
        if request.number == self._mute:
            self._silent.add(request.channel)
        for planned in self._answers:
            if planned[0] == _name(request.head.operation):
                self._answers.remove(planned)
                xid, zxid, _ = struct.unpack_from(">iqi", frame, 4)
                if isinstance(planned[1], int):
                    return struct.pack(">iiqi", 16, xid, zxid, planned[1])
                return struct.pack(">iiqi", 16 + len(planned[1]), xid, zxid, 0) + planned[1]
        return frame


class SimulatedProxy(Proxy):
    """The same without sockets, for clients that it `takes`, by the faults of the simulation."""

    def _between(self, server: Any) -> tuple[str, Any]:
        return server.hosts, server.faults

    def _begin(self) -> None:
        self._names: list[str] = []

    def takes(self, client: Any) -> None:
        self._names.append(client.handler.client_name)
        self._watch(self._names[-1])

    def _clients(self) -> list[Any]:
        return [*self._names]

    def _is_ours(self, channel: Any) -> bool:
        return channel.client in self._names


def _name(operation: str) -> str:
    return "create" if operation == "create2" else operation


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
            proxy = (SimulatedProxy if zk_server.backend == "simulation" else Proxy)(zk_server)
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

    def make(proxy: Proxy, *, start: bool = True, **arguments: Any) -> KazooClient:
        arguments = {"connection_retry": dict(RETRY), **arguments}
        client = zk_client_factory(hosts=proxy.hosts + zk_chroot, start=False, **arguments)
        proxy.takes(client)
        if start:
            client.start()
        return client

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
def watches_each_znode(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients of this test are kazoo's own, in every run: it is about the watches of reads."""
    monkeypatch.setattr(kazoo.client, "KazooClient", PlainClient)


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients of this test can watch a subtree, in every run."""
    watching_client.plant(monkeypatch, "watching")


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
