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
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from zkfake.connection import Connection
from zkfake.ensemble import Ensemble
from zkfake.replica import Replica
from zkfake.settings import Settings
from zkfake.versions import DEFAULT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

logger = logging.getLogger("zkfake")

_RECEIVE = 1 << 18


class Member:
    """One server of a `FakeZooKeeper`: its ports, and a switch. Its ports stay its own while it is
    stopped.
    """

    def __init__(self, owner: FakeZooKeeper, server_id: int, host: str, port: int) -> None:
        self._owner = owner
        self._server_id = server_id
        self._host = host
        self._listeners = [_bind(host, port)]
        if owner.tls is not None:
            self._listeners.append(_bind(host, 0))
        self.port: int = self._listeners[0].getsockname()[1]
        self.secure_port: int | None = (
            self._listeners[1].getsockname()[1] if owner.tls is not None else None
        )

    @property
    def hosts(self) -> str:
        """``host:port``, as a client's connect string wants it."""
        return _join(self._host, self.port)

    @property
    def secure_hosts(self) -> str:
        """The same for the TLS port. Raises `ValueError` where there is none."""
        if self.secure_port is None:
            raise ValueError("this server has no TLS port; give FakeZooKeeper a tls= context")
        return _join(self._host, self.secure_port)

    @property
    def running(self) -> bool:
        return self._owner.replicas[self._server_id - 1].running

    def start(self) -> None:
        """Serves again, with the state of the ensemble. Does nothing to a running server."""
        with self._owner.at_work():
            if self.running:
                return
            self._owner.replicas[self._server_id - 1].start()
            for secure, listener in enumerate(self._listeners):
                listener.listen(512)
                accept = partial(self._accept, listener, bool(secure))
                self._owner.selector.register(listener, selectors.EVENT_READ, accept)

    def stop(self) -> None:
        """Drops every connection and refuses new ones. Does nothing to a stopped server."""
        with self._owner.at_work():
            if not self.running:
                return
            for place, listener in enumerate(self._listeners):
                self._owner.selector.unregister(listener)
                port = listener.getsockname()[1]
                listener.close()
                # Bound but not listening: connections are refused, and nobody else gets the port.
                self._listeners[place] = _bind(self._host, port)
            self._owner.replicas[self._server_id - 1].stop()

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _accept(self, listener: socket.socket, secure: bool, _mask: int) -> None:
        try:
            accepted, peer = listener.accept()
        except OSError:
            return  # gone again before its turn came
        self._owner.serve(self._server_id - 1, accepted, peer, secure)


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
        version: str = DEFAULT,
        settings: Mapping[str, object] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``host``: an address to listen on, ``::1`` for IPv6. ``port``: of the first server, 0 for
        any free one; the others take free ones. ``version``: ``"3.9"`` or ``"3.8"``.
        ``settings``: by ZooKeeper's own names, such as ``{"tickTime": 500}``. ``tls``: a
        server-side context; every server then has a TLS port as well.

        Raises `ValueError` for settings that cannot be, `OSError` where a port cannot be had. The
        state lives as long as the object: stopping and starting keeps it.
        """
        if servers < 1 or servers > 254:
            raise ValueError(f"servers = {servers}: expected 1 to 254")
        self.tls = tls
        self._settings = Settings.parse(settings, version)
        self._epoch = time.time() - time.monotonic()
        self._ensemble = Ensemble(self._settings, self._now())
        self.replicas = [Replica(self._ensemble, number + 1) for number in range(servers)]
        self._lock = threading.RLock()
        self._host = host
        self._ports = [port] + [0] * (servers - 1)
        self._members: tuple[Member, ...] = ()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._dirty: dict[Connection, None] = {}
        self._links: dict[Connection, _Link] = {}
        self._failure: BaseException | None = None

    # -- life

    def start(self) -> Self:
        """Binds the ports and serves; they accept connections once this returns. Raises
        `RuntimeError` if running.
        """
        if self._thread is not None:
            raise RuntimeError("this FakeZooKeeper is running already")
        self.selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self.selector.register(self._woken, selectors.EVENT_READ, self._drain_wakeups)
        members: list[Member] = []
        try:
            for number, port in enumerate(self._ports):
                members.append(Member(self, number + 1, self._host, port))
        except OSError:
            for member in members:
                member.close()
            self._close_plumbing()
            raise
        self._members = tuple(members)
        self._ports = [member.port for member in members]
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="zkfake", daemon=True)
        for member in members:
            member.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Drops every connection and gives up ports and thread. Does nothing if it is not running.

        Raises `RuntimeError` if the fake itself had failed, which is a bug in it.
        """
        if self._thread is None:
            return
        with self.at_work():
            self._stopping.set()
        self._thread.join()
        self._thread = None
        for member in self._members:
            member.stop()
            member.close()
        for link in list(self._links.values()):
            link.close()
        self._close_plumbing()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise RuntimeError("zkfake failed; please report this") from failure

    def _close_plumbing(self) -> None:
        self.selector.close()
        self._waker.close()
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

    # -- looking in

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

    def at_work(self) -> _AtWork:
        """Excludes the thread while the ``with`` block lasts, and lets it see to what the block
        did.
        """
        return _AtWork(self._lock, self._wake)

    # -- the thread

    def _now(self) -> int:
        return int((self._epoch + time.monotonic()) * 1000)

    def _run(self) -> None:
        ensemble = self._ensemble
        while True:
            with self._lock:
                if self._stopping.is_set():
                    return
                ensemble.advance(self._now())
                self._flush()
                due = ensemble.deadline()
            wait = None if due is None else max(0, due - self._now()) / 1000
            ready = self.selector.select(wait)
            if not ready:
                continue
            with self._lock:
                if self._stopping.is_set():
                    return
                ensemble.advance(self._now())
                for key, mask in ready:
                    if key.fd in self.selector.get_map():
                        key.data(mask)
                self._flush()

    def _flush(self) -> None:
        while self._dirty:
            connection, _ = self._dirty.popitem()
            link = self._links.get(connection)
            if link is not None:
                link.send()

    def _wake(self) -> None:
        # Full: it wakes up anyway. Closed: nobody is left to wake.
        with suppress(OSError):
            self._waker.send(b"\0")

    def _drain_wakeups(self, _mask: int) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    def serve(
        self, number: int, accepted: socket.socket, peer: tuple[str, int], secure: bool
    ) -> None:
        """Takes on a socket that server ``number`` accepted."""
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self.replicas[number], peer[:2], self._mark)
        self._links[connection] = _Link(self, connection, accepted)
        self._mark(connection)

    def _mark(self, connection: Connection) -> None:
        self._dirty[connection] = None

    def forget(self, connection: Connection) -> None:
        self._links.pop(connection, None)

    def failed(self, error: BaseException) -> None:
        logger.error("zkfake failed; please report this", exc_info=error)
        self._failure = error


class _AtWork:
    """The lock, and a wake-up for the thread when it is let go."""

    def __init__(self, lock: threading.RLock, wake: Callable[[], None]) -> None:
        self._lock = lock
        self._wake = wake

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._wake()


class _Link:
    """A connection of the core and the socket that carries it."""

    def __init__(self, owner: FakeZooKeeper, connection: Connection, sock: socket.socket) -> None:
        self._owner = owner
        self._connection = connection
        self._socket = sock
        self._unsent = b""
        self._events = selectors.EVENT_READ
        owner.selector.register(sock, self._events, self.ready)

    def ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self.send()
        if mask & selectors.EVENT_READ:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._connection.lost()
            self.close()
            return
        try:
            self._connection.receive(data)
        except Exception as error:
            self._owner.failed(error)
            self._connection.lost()
            self.close()

    def send(self) -> None:
        """Sends what there is, as far as the socket takes it; closes when that was the last."""
        data = self._unsent + self._connection.take_output()
        try:
            sent = self._socket.send(data) if data else 0
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._connection.lost()
            self.close()
            return
        self._unsent = data[sent:]
        if not self._unsent and self._connection.closing:
            self.close()
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        if events != self._events:
            self._events = events
            self._owner.selector.modify(self._socket, events, self.ready)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._owner.selector.unregister(self._socket)
        self._owner.forget(self._connection)
        try:
            # Data left unread would make the system reset the connection, and the client lose our
            # last words.
            while self._socket.recv(_RECEIVE):
                pass
        except OSError:
            pass
        self._socket.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
