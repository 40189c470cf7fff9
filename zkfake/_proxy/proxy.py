"""The proxy: a port in front of each server, one thread for all of them.

Rules that live here:

- Frames pass unchanged and in order. A client's connection to port *n* has one connection to server
  *n*; when one of the two ends, the other one does.
- Without faults the proxy changes nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from zkfake._protocol.frames import LONGEST_FRAME
from zkfake._proxy.faults import ProxyFaults
from zkfake._proxy.hosts import parse, resolve
from zkfake._proxy.sessions import PassedSessions
from zkfake._proxy.upstream import Upstream
from zkfake._realtime.connection_faults import RealTime
from zkfake._realtime.listener import PortListener, address, one_each
from zkfake._realtime.loop import Loop
from zkfake._realtime.recording import Recording
from zkfake._realtime.tls import Tls

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from zkfake._history.recorder import History
    from zkfake._protocol.records import Id
    from zkfake._realtime.channel import RealTimeChannel
    from zkfake._realtime.transport import Transport
    from zkfake._timers import Timer

__all__ = ["ZooKeeperProxy"]

_TLS_HANDSHAKE_TIMEOUT = 10_000
"""Milliseconds after which a client's socket without a TLS handshake is closed."""


class ZooKeeperProxy:
    """A proxy in front of a ZooKeeper server, or of each server of an ensemble. A ``with`` block
    calls `start` and `stop`.

    >>> with ZooKeeperProxy("127.0.0.1:2181") as proxy:  # doctest: +SKIP
    ...     client = KazooClient(proxy.hosts)
    ...     client.start()
    ...     proxy.faults.drop_before_reply(client, operation="create")

    Clients in any language connect to `hosts`. The servers see the proxy's address as the address
    of every client. A client that reads the servers' addresses from ``/zookeeper/config`` bypasses
    the proxy. Methods may be called from any thread.
    """

    def __init__(
        self,
        hosts: str,
        *,
        host: str = "127.0.0.1",
        port: int | Sequence[int] = 0,
        tls: ssl.SSLContext | None = None,
        server_tls: ssl.SSLContext | None = None,
        history: bool = False,
    ) -> None:
        """``hosts``: the servers, as a client's connect string names them, chroot included.
        ``host``: the address to listen on. ``port``: the port for the first server, 0 for a free
        port; the others get free ports. A sequence has a port for each server. ``tls``: a
        server-side context; clients then connect over TLS. ``server_tls``: a client-side context;
        the proxy then connects to the servers over TLS. Each may be given without the other.
        ``history``: whether everything that passes is recorded.

        Raises `ValueError` for an invalid connect string or a wrong number of ports, `TypeError`
        for a connect string that is no text.
        """
        self._targets, self._chroot = parse(hosts)
        self._host = host
        self._ports = one_each("port", port, len(self._targets))
        self._tls = tls
        self._server_tls = server_tls
        self._loop = Loop(
            "ZooKeeperProxy",
            advance=lambda now: self._driver.advance(now),
            deadline=lambda: self._driver.timers.next(),
            broken=lambda: self._driver.broken(),
        )
        self._recording = Recording() if history else None
        self._driver = RealTime(self._loop, self._loop.now)
        self._driver.record(self._recording)
        self._sessions = PassedSessions(server_tls)
        self._faults = self._new_faults(self._driver, len(self._targets), self._sessions)
        self._listeners: list[PortListener] = []
        self._addresses: list[tuple[socket.AddressFamily, Any]] = []
        self._upstreams: dict[Upstream, None] = {}

    def _new_faults(self, driver: RealTime, servers: int, sessions: PassedSessions) -> ProxyFaults:
        """A subclass may add faults of its servers."""
        return ProxyFaults(driver, servers, sessions)

    # -- life

    def start(self) -> Self:
        """Resolves the servers' addresses, binds the ports and serves. Connects to no server before
        a client connects. Raises `RuntimeError` if running, in a forked child, and if the
        system has no thread left; `OSError` if a port cannot be bound or a host is not known.
        """
        loop = self._loop
        loop.check_process()
        with loop.life:
            if loop.started:
                raise RuntimeError("this ZooKeeperProxy is already running")
            self._addresses = [resolve(target) for target in self._targets]
            self._sessions.servers = [
                (family, where, target.host)
                for (family, where), target in zip(self._addresses, self._targets, strict=True)
            ]
            loop.open()
            try:
                for number, port in enumerate(self._ports, start=1):
                    self._listeners.append(PortListener(self._host, port))
                    take = partial(self._serve, number)
                    self._listeners[-1].listen(loop.selector, number, take, self._call_later)
                loop.start()
            except BaseException:
                self._close()
                raise
            self._ports = [listener.port for listener in self._listeners]
        return self

    def stop(self) -> None:
        """Drops every connection, closes the ports and ends the thread. Does nothing if it is not
        running.

        Every fault ends. Raises `RuntimeError`, once all is closed, if an action of
        ``faults.upon()`` had failed, or the proxy itself, which is a bug in it; ``__cause__`` is
        the last such error. In a forked child it closes the child's copies of the sockets; the
        parent's proxy goes on.
        """
        self._loop.stop(self._close, self._abandon)

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for upstream in list(self._upstreams):
            upstream.close()
        self._loop.close()
        self._driver.stopped(self._faults.heal)

    def _abandon(self) -> None:
        for listener in self._listeners:
            listener.abandon()
        for upstream in self._upstreams:
            upstream.abandon()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # -- what it is

    @property
    def hosts(self) -> str:
        """The connect string for clients: a port for each server, and the chroot. Raises
        `RuntimeError` unless running, and in a forked child.
        """
        self._loop.check_running()
        listed = (address(self._host, listener.port) for listener in self._listeners)
        return ",".join(listed) + self._chroot

    @property
    def history(self) -> History | None:
        """Everything that has passed since the proxy was created: a `zkfake.history.History`
        without the committed log. ``None`` unless it was created with ``history=True``; in a block
        of `recorded` the history of the block.
        """
        return None if self._recording is None else self._recording.history

    @contextmanager
    def recorded(self) -> Iterator[History]:
        """Records what passes during the block: the `zkfake.history.History` that it returns, which
        is `history` meanwhile.

        It leaves out the connections that are open already. Raises `RuntimeError` if everything is
        recorded anyway, within a block of another `recorded`, and in a forked child.
        """
        with self._loop.at_work():
            if self._recording is not None:
                raise RuntimeError("this ZooKeeperProxy records already: see its history")
            recording = self._recording = Recording()
            self._driver.record(recording)
        try:
            yield recording.history
        finally:
            with self._loop.at_work():
                self._recording = None
                self._driver.record(None)

    @property
    def faults(self) -> ProxyFaults:
        """The faults of the clients' connections: `ProxyFaults`."""
        return self._faults

    @property
    def running(self) -> bool:
        """Whether it serves. False if it has failed, and in a forked child."""
        return self._loop.running

    def take_failure(self) -> RuntimeError | None:
        """Returns the error that `stop` would raise, and clears it: a failure of an action of
        ``faults.upon()``, or of the proxy itself. ``None`` if nothing has failed.
        """
        return self._loop.take_failure()

    def __repr__(self) -> str:
        servers = ",".join(address(*target) for target in self._targets)
        state = f"at {self.hosts}" if self.running else "stopped"
        return f"<ZooKeeperProxy to {servers}{self._chroot}, {state}>"

    # -- called by the loop

    def _call_later(self, milliseconds: int, action: Any) -> Timer:
        return self._driver.timers.at(self._loop.now + milliseconds, action)

    def _serve(self, number: int, accepted: socket.socket, _peer: tuple[str, int]) -> None:
        loop = self._loop
        server_tls = self._server_tls

        def connect(transport: Transport, _ids: tuple[Id, ...]) -> RealTimeChannel:
            family, where = self._addresses[number - 1]
            name = self._targets[number - 1].host
            tls = None if server_tls is None else Tls(server_tls, name)
            mark = partial(loop.mark, transport)
            upstream = Upstream(
                loop.selector, family, where, tls, mark, self._sessions.add, self._forget
            )
            if not upstream.closing:
                self._upstreams[upstream] = None
            # The server refuses frames that are too long for it.
            return self._driver.channel(upstream, number, LONGEST_FRAME, mark)

        transport = loop.take_on(accepted, number, connect, self._tls)
        if transport is not None and self._tls is not None:
            transport.handshake = self._call_later(
                _TLS_HANDSHAKE_TIMEOUT, transport.give_up_handshake
            )

    def _forget(self, upstream: Upstream) -> None:
        self._upstreams.pop(upstream, None)
