"""The real-time driver: sockets, a clock and one background thread around the sans-IO core.

`FakeZooKeeper` serves any ZooKeeper client on the loopback interface. All of its servers share one
thread, which sleeps until a socket has something or a timer of the core is due: an idle fake costs
nothing. Whoever looks in from another thread does so under the lock that the thread holds while it
works.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from zkfake import inspector, state
from zkfake.connection import Connection
from zkfake.ensemble import Ensemble
from zkfake.faults.realtime import Faults
from zkfake.link import Link
from zkfake.member import Member
from zkfake.replica import Replica
from zkfake.settings import Settings
from zkfake.turns import TurnQueue
from zkfake.versions import DEFAULT, VERSIONS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from zkfake.link import Carried
    from zkfake.protocol import Id
    from zkfake.state import Snapshot

logger = logging.getLogger("zkfake")

_TLS_HANDSHAKE_TIMEOUT = 10_000
"""Milliseconds after which a socket without a TLS handshake is closed."""

_LONGEST_WAIT = 86_400.0
"""Seconds; selectors take no more than some weeks."""

_PATIENCE = 0.1
"""Seconds that the thread waits for its lock before it looks whether it is to stop."""


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
        port: int | Sequence[int] = 0,
        secure_port: int | Sequence[int] = 0,
        servers: int = 1,
        observers: int = 0,
        version: str = DEFAULT,
        settings: Mapping[str, object] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``host``: an address to listen on, ``::1`` for IPv6. ``port``: of the first server, 0 for
        any free one; the others take free ones. A sequence has one for each server.
        ``secure_port``: the same for TLS. ``servers``: how many have a vote; ``observers`` come
        after them and have none. ``version``: ``"3.9"`` or ``"3.8"``. ``settings``: by ZooKeeper's
        own names, such as ``{"tickTime": 500}``. ``tls``: a server-side context; every server then
        has a TLS port as well.

        Raises `ValueError` for settings that cannot be, `OSError` where a port cannot be had. The
        state lives as long as the object: stopping and starting keeps it.
        """
        if not 1 <= servers <= 254:
            raise ValueError(f"servers = {servers}: expected 1 to 254")
        if not 0 <= observers <= 254 - servers:
            raise ValueError(f"observers = {observers}: expected 0 to {254 - servers}")
        self.tls = tls
        parsed = Settings.parse(settings, version, tls=tls is not None)
        self._epoch = time.time() - time.monotonic()
        self._ensemble = Ensemble(parsed, self._now())
        self.replicas = [
            Replica(self._ensemble, number + 1, observer=number >= servers)
            for number in range(servers + observers)
        ]
        self._lock = threading.RLock()
        self._life = threading.RLock()
        self._ending = False
        """Whether `stop` is at work."""
        self._process: int | None = None
        """The one that the thread and the sockets belong to, while it runs."""
        self._host = host
        self._ports = _one_each("port", port, len(self.replicas))
        self._secure_ports = _one_each("secure_port", secure_port, len(self.replicas))
        if any(self._secure_ports) and tls is None:
            raise ValueError(f"secure_port = {secure_port}: TLS needs a context, tls=")
        self._members: tuple[Member, ...] = ()
        self._faults: Faults | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._turns: TurnQueue[Link] = TurnQueue()
        self._dirty: dict[Link, None] = {}
        self._links: dict[Link, int] = {}
        """The open sockets, oldest first, and which server's they are."""
        self._failure: tuple[str, Exception] | None = None
        self._waker: socket.socket | None = None

    # -- life

    def start(self) -> Self:
        """Binds the ports and serves; they accept connections once this returns. Raises
        `RuntimeError` if running.
        """
        self._check_process()
        with self._life:
            if self._thread is not None:
                raise RuntimeError("this FakeZooKeeper is running already")
            self._stopping.clear()
            self._open_selector()
            members: list[Member] = []
            try:
                for number, ports in enumerate(zip(self._ports, self._secure_ports, strict=True)):
                    members.append(Member(self, number + 1, self._host, *ports))
                for member in members:
                    member.start()
                self._members = tuple(members)
                thread = threading.Thread(target=self._run, name="zkfake", daemon=True)
                thread.start()
            except BaseException:  # there may be no thread to be had
                self._close(members)
                raise
            self._thread, self._process = thread, os.getpid()
            self._ports = [member.port for member in members]
            self._secure_ports = [member.secure_port or 0 for member in members]
        return self

    def configure(
        self, settings: Mapping[str, object] | None = None, *, version: str | None = None
    ) -> None:
        """Settings, and with ``version`` another version, for the next `start`, as for servers that
        are upgraded. They take the place of all former settings; the state stays.

        Raises `RuntimeError` while it runs, `ValueError` for settings that cannot be.
        """
        with self._life:
            if self._thread is not None:
                raise RuntimeError("this FakeZooKeeper is running; stop() it to configure it")
            if version is None:
                version = next(
                    name
                    for name, known in VERSIONS.items()
                    if known is self._ensemble.settings.version
                )
            parsed = Settings.parse(settings, version, tls=self.tls is not None)
            self._ensemble.configure(parsed)

    def _open_selector(self) -> None:
        selector = selectors.DefaultSelector()
        try:
            waker, woken = socket.socketpair()
        except BaseException:
            selector.close()
            raise
        waker.setblocking(False)
        woken.setblocking(False)
        selector.register(woken, selectors.EVENT_READ, self._drain_wakeups)
        self.selector, self._waker, self._woken = selector, waker, woken

    def stop(self) -> None:
        """Drops every connection and gives up ports and thread. Does nothing if it is not running,
        or in a signal handler that interrupts another `stop`, which goes on afterwards.

        Every fault ends. Raises `RuntimeError` if the fake itself had failed, which is a bug in it,
        or an action of ``faults.upon()``. In a forked child it closes the child's copies of the
        sockets; the parent's fake goes on.
        """
        if self._is_parents:
            self._abandon()
            return
        with self._life:
            if self._thread is None or self._ending:
                return
            self._ending = True
            try:
                self._stopping.set()
                self._wake()
                self._thread.join()
                with self._lock:
                    self._thread = self._process = None
                    self._close(self._members)
                    if self._faults is not None:
                        self._faults.stopped()
            finally:
                self._ending = False
            failure = self.take_failure()
        if failure is not None:
            raise failure

    def _close(self, members: Iterable[Member]) -> None:
        for member in members:
            member.close()
        for link in list(self._links):
            link.close()
        self._turns.clear()
        self._dirty.clear()
        self._close_selector()

    def _close_selector(self) -> None:
        self.selector.close()
        if self._waker is not None:
            self._waker.close()
            self._woken.close()
            self._waker = None

    @property
    def _is_parents(self) -> bool:
        """Whether this is a forked child, and the fake runs in its parent."""
        return self._process is not None and self._process != os.getpid()

    def _check_process(self) -> None:
        if self._is_parents:
            raise RuntimeError(
                f"this FakeZooKeeper runs in process {self._process}, of which this one was "
                "forked; clients can use it from here, but only that process can control it"
            )

    def _abandon(self) -> None:
        """Closes the copies of the sockets that a forked child has. Parent and child share one
        selector, so nothing is unregistered; the thread may have held the locks.
        """
        if self._thread is not None:
            self._thread = None
            for member in self._members:
                member.abandon()
            for link in self._links:
                link.abandon()
            self._close_selector()

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

    def remove(self, path: str) -> None:
        """Removes a znode with all below it, whatever its ACL; does nothing where there is none.

        To clients it looks like one transaction. Cost: linear in the tree. Raises `RuntimeError`
        unless running, `ValueError` for ``/`` and for what is below ``/zookeeper``.
        """
        with self.at_work():
            state.remove(self._ensemble, path)

    def expire(self, session_id: int) -> None:
        """Ends a session as if it had not been heard of for its timeout. Raises `KeyError` if there
        is none.
        """
        with self.at_work():
            session = self._ensemble.sessions.get(session_id)
            if session is None:
                raise KeyError(session_id)
            self._ensemble.expire(session)

    # -- faults

    @property
    def faults(self) -> Faults:
        """What can be done to clients, servers and links: `zkfake.faults.realtime.Faults`."""
        if self._faults is None:
            with self.at_work():
                if self._faults is None:
                    self._faults = Faults(self, self._ensemble)
                    for link, number in self._links.items():
                        if isinstance(link.connection, Connection):
                            link.connection = self._carried(link, link.connection, number)
        return self._faults

    def _carried(self, link: Link, connection: Connection, number: int) -> Carried:
        """What ``link`` is to carry: once faults are in use, they have a hand in it."""
        if self._faults is None:
            return connection
        return self._faults.wire(connection, number + 1, partial(self._mark, link))

    def _mark(self, link: Link, _connection: Connection | None = None) -> None:
        """There is something to send, or a socket to be closed."""
        self._dirty[link] = None

    def failed(self, error: Exception, text: str = "zkfake failed; please report this") -> None:
        """Keeps what went wrong for `stop`."""
        logger.error(text, exc_info=error)
        self._failure = text, error

    def take_failure(self) -> RuntimeError | None:
        """What `stop` would raise for a failure so far, and does not raise any more."""
        failure, self._failure = self._failure, None
        if failure is None:
            return None
        text, error = failure
        raised = RuntimeError(text)
        raised.__cause__ = error
        return raised

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
    def running(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive() and not self._is_parents

    @property
    def members(self) -> tuple[Member, ...]:
        """The servers. Raises `RuntimeError` unless running, and in a forked child."""
        self._check_process()
        if self._thread is None:
            raise RuntimeError(
                "this FakeZooKeeper is not running; start() it or use it in a with block"
            )
        return self._members

    def at_work(self) -> AtWork:
        """Excludes the thread while the ``with`` block lasts, and lets it see to what the block
        did. Raises `RuntimeError` in a forked child.
        """
        self._check_process()
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
            self.failed(error)
            if self._faults is not None:
                self._faults.broken()
            with self._lock:
                for link in list(self._links):
                    link.close()  # or the clients would wait for ever

    def _serve(self) -> None:
        ensemble, selector = self._ensemble, self.selector
        ready: list[tuple[selectors.SelectorKey, int]] = []
        while True:
            # Whoever stops it may hold the lock: a signal handler can interrupt what has it.
            while not self._lock.acquire(timeout=_PATIENCE):
                if self._stopping.is_set():
                    return
            try:
                if self._stopping.is_set():
                    return
                now = self._now()
                ensemble.advance(now)
                if self._faults is not None:
                    self._faults.timers.run_due(now)
                registered = selector.get_map()
                for key, mask in ready:
                    if key.fd in registered:
                        self._call(key.data, mask)
                self._turns.run(self._take_turn)
                self._flush()
                due = now if self._turns else ensemble.deadline()
                if self._faults is not None:
                    due = _earlier(due, self._faults.timers.next())
            finally:
                self._lock.release()
            if self._stopping.is_set():
                return  # the wake-up for it may be among those that were drained just now
            # The clock was rounded down, so this does not end before it is due.
            wait = None if due is None else min(max(0, due - now) / 1000, _LONGEST_WAIT)
            ready = selector.select(wait)

    def _call(self, action: Callable[[int], None], mask: int) -> None:
        """What one socket has to have done; a fault in it is kept for `stop`."""
        try:
            action(mask)
        except Exception as error:
            self.failed(error)

    def _take_turn(self, link: Link, may_go_on: Callable[[], bool]) -> bool:
        """A turn of one link, whose answers leave at once; as `_call`. Whether there is more."""
        try:
            more = link.take_turn(may_go_on)
            if link in self._dirty:
                del self._dirty[link]
                link.send()
        except Exception as error:
            self.failed(error)
            return False
        return more and not link.is_full

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

        def connect(link: Link, ids: tuple[Id, ...]) -> Carried:
            mark = partial(self._mark, link)
            connection = Connection(self.replicas[number], (peer[0], peer[1]), mark, ids)
            return self._carried(link, connection, number)

        tls = self.tls if secure else None
        try:
            link = Link(self.selector, self._turns, accepted, connect, self._links.pop, tls)
        except OSError:
            accepted.close()  # gone already
            return
        self._links[link] = number
        if secure:
            due = self._ensemble.now + _TLS_HANDSHAKE_TIMEOUT
            link.handshake = self._ensemble.timers.at(due, link.give_up_handshake)


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
        try:
            self._catch_up()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._wake()


def _earlier(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _one_each(name: str, ports: int | Sequence[int], count: int) -> list[int]:
    if isinstance(ports, int):
        return [ports] + [0] * (count - 1)
    if len(ports) != count:
        raise ValueError(f"{name} = {ports}: expected one number, or one for each of {count}")
    return list(ports)
