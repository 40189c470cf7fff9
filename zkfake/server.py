"""The real-time driver: sockets, a clock and one background thread around the sans-IO core.

`FakeZooKeeper` serves any ZooKeeper client on the loopback interface. All of its servers share one
thread, which sleeps until a socket has something or a timer of the core is due: an idle fake costs
nothing. Whoever looks in from another thread does so under the lock that the thread holds while it
works.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from zkfake import inspector, state
from zkfake.connection import HANDSHAKE_TIMEOUT, Connection
from zkfake.ensemble import Ensemble
from zkfake.link import Link
from zkfake.member import Member
from zkfake.outages import Way, cuts
from zkfake.replica import Replica
from zkfake.settings import Settings
from zkfake.versions import DEFAULT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from typing_extensions import Self

    from zkfake.protocol import Id
    from zkfake.state import Snapshot

logger = logging.getLogger("zkfake")


class FakeZooKeeper:
    """A fake ZooKeeper on real sockets.

    >>> from kazoo.client import KazooClient
    >>> with FakeZooKeeper() as server:
    ...     client = KazooClient(server.hosts)
    ...     client.start()
    ...     client.create("/a", b"1")
    ...     client.stop()
    ...     client.close()
    '/a'

    Any number can run side by side in one process.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        servers: int = 1,
        observers: int = 0,
        version: str = DEFAULT,
        settings: Mapping[str, object] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``host``: an address to listen on, ``::1`` for IPv6. ``port``: of the first server, 0 for
        any free one; the others take free ones. ``servers``: how many have a vote; ``observers``
        come after them and have none. ``version``: ``"3.9"`` or ``"3.8"``. ``settings``: by
        ZooKeeper's own names, such as ``{"tickTime": 500}``. ``tls``: a server-side context; every
        server then has a TLS port as well.

        Raises `ValueError` for settings that cannot be, `OSError` where a port cannot be had. The
        state lives as long as the object: stopping and starting keeps it.
        """
        if not 1 <= servers <= 254:
            raise ValueError(f"servers = {servers}: expected 1 to 254")
        if not 0 <= observers <= 254 - servers:
            raise ValueError(f"observers = {observers}: expected 0 to {254 - servers}")
        self.tls = tls
        parsed = replace(Settings.parse(settings, version), tls=tls is not None)
        self._epoch = time.time() - time.monotonic()
        self._ensemble = Ensemble(parsed, self._now())
        self.replicas = [
            Replica(self._ensemble, number + 1, observer=number >= servers)
            for number in range(servers + observers)
        ]
        self._lock = threading.RLock()
        self._life = threading.Lock()
        self._host = host
        self._ports = [port] + [0] * (len(self.replicas) - 1)
        self._members: tuple[Member, ...] = ()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._dirty: dict[Link, None] = {}
        self._links: dict[Link, None] = {}
        self._failure: BaseException | None = None
        self._waker: socket.socket | None = None

    # -- life

    def start(self) -> Self:
        """Binds the ports and serves; they accept connections once this returns. Raises
        `RuntimeError` if running.
        """
        with self._life:
            if self._thread is not None:
                raise RuntimeError("this FakeZooKeeper is running already")
            self._stopping.clear()
            self._open()
            self._thread = threading.Thread(target=self._run, name="zkfake", daemon=True)
            self._thread.start()
        return self

    def _open(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self.selector.register(self._woken, selectors.EVENT_READ, self._drain_wakeups)
        members: list[Member] = []
        try:
            for number, port in enumerate(self._ports):
                members.append(Member(self, number + 1, self._host, port))
            for member in members:
                member.start()
        except OSError:
            self._close(members)
            raise
        self._members = tuple(members)
        self._ports = [member.port for member in members]

    def stop(self) -> None:
        """Drops every connection and gives up ports and thread. Does nothing if it is not running.

        Raises `RuntimeError` if the fake itself had failed, which is a bug in it.
        """
        with self._life:
            if self._thread is None:
                return
            with self.at_work():
                self._stopping.set()
            self._thread.join()
            self._thread = None
            self._close(self._members)
            failure, self._failure = self._failure, None
        if failure is not None:
            raise RuntimeError("zkfake failed; please report this") from failure

    def _close(self, members: Iterable[Member]) -> None:
        for member in members:
            member.close()
        for link in list(self._links):
            link.close()
        self._dirty.clear()
        self.selector.close()
        if self._waker is not None:
            self._waker.close()
            self._waker = None
        self._woken.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # -- the state in hand

    def snapshot(self) -> Snapshot:
        """The whole tree as it is now. Cost: a reference a znode."""
        with self.at_work():
            return state.take(self._ensemble)

    def restore(self, snapshot: Snapshot) -> None:
        """Back to a snapshot of this fake or of another one. Cost: as `snapshot`.

        `zkfake.state` tells what clients that are connected see of it. Raises `RuntimeError` unless
        running.
        """
        with self.at_work():
            state.restore(self._ensemble, snapshot)

    def load(self, znodes: Mapping[str, bytes | None]) -> None:
        """Makes or overwrites znodes, parents included, with open ACLs.

        Raises `ValueError` for a path that cannot be, `TypeError` for data that is not bytes,
        `RuntimeError` unless running; nothing is changed then.
        """
        with self.at_work():
            state.load(self._ensemble, znodes)

    def dump(self) -> dict[str, bytes | None]:
        """The data of every znode by path, parents first; ``/`` and ``/zookeeper`` are left out."""
        with self.at_work():
            return state.dump(self._ensemble)

    def expire(self, session_id: int) -> None:
        """Ends a session as if it had not been heard of for its timeout. Raises `KeyError` if there
        is none.
        """
        with self.at_work():
            session = self._ensemble.sessions.get(session_id)
            if session is None:
                raise KeyError(session_id)
            self._ensemble.expire(session)

    # -- links between servers

    def partition_servers(
        self, one: int, other: int, *, way: Way = "both"
    ) -> AbstractContextManager[None]:
        """While the context lasts, two servers do not hear each other; ``way``: only what goes
        ``"out"`` of ``one``, or ``"in"``. They notice after a tick.

        Servers go by their numbers, from 1. Raises `ValueError` where there is no such server.
        """
        self._check_number(other)
        return self._cut_off(one, [other], way)

    def isolate(
        self, server: int | None = None, *, way: Way = "both"
    ) -> AbstractContextManager[None]:
        """While the context lasts, a server, by default the leader, is cut off from all others. Its
        clients still reach it, and read what it knew, until it notices after a tick.

        Raises `ValueError` where there is no such server.
        """
        if server is None:
            leader = self._ensemble.leader
            if leader is None:
                raise ValueError("there is no leader to isolate")
            server = leader.id
        others = [replica.id for replica in self.replicas if replica.id != server]
        return self._cut_off(server, others, way)

    @contextmanager
    def _cut_off(self, one: int, others: list[int], way: Way) -> Iterator[None]:
        self._check_number(one)
        pairs = cuts(one, others, way)
        with self.at_work():
            for source, target in pairs:
                self._ensemble.cut(source, target)
        try:
            yield
        finally:
            with self.at_work():
                for source, target in pairs:
                    self._ensemble.mend(source, target)

    def _check_number(self, server: int) -> None:
        if not 1 <= server <= len(self.replicas):
            raise ValueError(f"there is no server {server}, only 1 to {len(self.replicas)}")

    # -- looking in

    @property
    def sessions(self) -> tuple[inspector.SessionView, ...]:
        """The open sessions, oldest first."""
        with self.at_work():
            return inspector.sessions(self._ensemble)

    @property
    def watches(self) -> tuple[inspector.WatchView, ...]:
        """Every watch that is set."""
        with self.at_work():
            return inspector.watches(self.replicas)

    @property
    def connections(self) -> tuple[inspector.ConnectionView, ...]:
        """Every open connection, oldest first."""
        with self.at_work():
            return inspector.connections(self.replicas)

    @property
    def znodes(self) -> Mapping[str, inspector.ZnodeView]:
        """Every znode by path, ``/zookeeper`` included. Cost: linear in the tree."""
        with self.at_work():
            return inspector.znodes(self._ensemble.tip)

    @property
    def hosts(self) -> str:
        """The connect string: every server, with commas between them. Raises `RuntimeError` unless
        running.
        """
        return ",".join(member.hosts for member in self.members)

    @property
    def members(self) -> tuple[Member, ...]:
        """The servers. Raises `RuntimeError` unless running."""
        if self._thread is None:
            raise RuntimeError(
                "this FakeZooKeeper is not running; start() it or use it in a with block"
            )
        return self._members

    def at_work(self) -> AtWork:
        """Excludes the thread while the ``with`` block lasts, and lets it see to what the block
        did.
        """
        return AtWork(self._lock, self._catch_up, self._wake)

    def _catch_up(self) -> None:
        """The clock of an idle fake stands where it was woken last."""
        self._ensemble.advance(self._now())

    # -- the thread

    def _now(self) -> int:
        return int((self._epoch + time.monotonic()) * 1000)

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:
            logger.exception("zkfake failed; please report this")
            self._failure = error
            with self._lock:
                for link in list(self._links):
                    link.close()  # or the clients would wait for ever

    def _serve(self) -> None:
        ensemble, selector = self._ensemble, self.selector
        ready: list[tuple[selectors.SelectorKey, int]] = []
        while True:
            with self._lock:
                if self._stopping.is_set():
                    return
                now = self._now()
                ensemble.advance(now)
                registered = selector.get_map()
                for key, mask in ready:
                    if key.fd in registered:
                        self._call(key.data, mask)
                self._flush()
                due = ensemble.deadline()
            # The clock was rounded down, so this does not end before it is due.
            ready = selector.select(None if due is None else max(0, due - now) / 1000)

    def _call(self, action: Callable[[int], None], mask: int) -> None:
        """What one socket has to have done; a fault in it is kept for `stop`."""
        try:
            action(mask)
        except Exception as error:
            logger.exception("zkfake failed; please report this")
            self._failure = error

    def _flush(self) -> None:
        while self._dirty:
            link, _ = self._dirty.popitem()
            if link in self._links:
                link.send()

    def _wake(self) -> None:
        # Full: it wakes up anyway. Closed: nobody is left to wake.
        waker = self._waker
        if waker is not None:
            with suppress(OSError):
                waker.send(b"\0")

    def _drain_wakeups(self, _mask: int) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    def serve(
        self, number: int, accepted: socket.socket, peer: tuple[str, int], secure: bool
    ) -> None:
        """Takes on a socket that server ``number`` accepted."""

        def connect(link: Link, ids: tuple[Id, ...]) -> Connection:
            def mark(_connection: Connection) -> None:
                self._dirty[link] = None

            return Connection(self.replicas[number], (peer[0], peer[1]), mark, ids)

        tls = self.tls if secure else None
        link = Link(self.selector, accepted, connect, self._links.pop, tls)
        self._links[link] = None

        if secure:
            due = self._ensemble.now + HANDSHAKE_TIMEOUT
            self._ensemble.timers.at(due, link.give_up_handshake)


class AtWork:
    """The lock, the right time, and a wake-up for the thread when the lock is let go."""

    def __init__(
        self, lock: threading.RLock, catch_up: Callable[[], None], wake: Callable[[], None]
    ) -> None:
        self._lock = lock
        self._catch_up = catch_up
        self._wake = wake

    def __enter__(self) -> None:
        self._lock.acquire()
        self._catch_up()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._wake()
