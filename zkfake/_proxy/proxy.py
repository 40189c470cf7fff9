"""The proxy: a port in front of each server, one thread for all of them.

Rules that live here:

- Frames pass unchanged and in order. A client's connection to port *n* has one connection to server
  *n*; when one of the two ends, the other one does.
- Without faults the proxy changes nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from zkfake._proxy.faults import ProxyFaults
from zkfake._proxy.hosts import parse, resolve
from zkfake._proxy.sessions import close_session
from zkfake._proxy.upstream import Upstream
from zkfake._realtime.listener import PortListener, address, one_each
from zkfake._realtime.loop import AtWork, Loop
from zkfake._realtime.recording import Recording
from zkfake._realtime.tls import Tls
from zkfake._realtime.transport import Transport

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from zkfake._history.recorder import History
    from zkfake._protocol.frames import Handshake
    from zkfake._protocol.records import Id
    from zkfake._realtime.channel import RealTimeChannel
    from zkfake._timers import Timer

__all__ = ["ZooKeeperProxy"]

_TLS_HANDSHAKE_TIMEOUT = 10_000
"""Milliseconds after which a client's socket without a TLS handshake is closed."""

_LONGEST_FRAME = 0x10000000 - 1
"""Bytes. The server refuses frames that are too long for it."""

_REMEMBERED = 10_000
"""The number of sessions whose passwords are kept: the latest ones."""


class ZooKeeperProxy:
    """A proxy in front of a ZooKeeper server, or of each server of an ensemble.

    >>> with ZooKeeperProxy("127.0.0.1:2181") as proxy:  # doctest: +SKIP
    ...     client = KazooClient(proxy.hosts)
    ...     client.start()
    ...     proxy.faults.drop_before_reply(client, operation="create")

    Clients in any language connect to `hosts`. The servers see the proxy's address as the address
    of every client. A client that reads the servers' addresses from ``/zookeeper/config`` bypasses
    the proxy. Methods may be called from any thread.
    """

    faults_class: type[ProxyFaults] = ProxyFaults
    """The class of `faults`. A subclass may add faults of its servers."""

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

        Raises `ValueError` for an invalid connect string or a wrong number of ports.
        """
        self.targets, self._chroot = parse(hosts)
        self._host = host
        self._ports = one_each("port", port, len(self.targets))
        self._tls = tls
        self._server_tls = server_tls
        self._loop = Loop("ZooKeeperProxy", self)
        self._faults = self.faults_class(self, self._loop.now)
        self._recording = Recording() if history else None
        if self._recording is not None:
            self._faults.record(self._recording)
        self._listeners: list[PortListener] = []
        self._addresses: list[tuple[socket.AddressFamily, Any]] = []
        self._upstreams: dict[Upstream, None] = {}
        self._handshakes: dict[int, Handshake] = {}

    # -- life

    def start(self) -> Self:
        """Resolves the servers' addresses, binds the ports and serves. Connects to no server before
        a client connects. Raises `RuntimeError` if running and in a forked child, `OSError` if a
        port cannot be bound or a host is not known.
        """
        loop = self._loop
        loop.check_process()
        with loop.life:
            if loop.started:
                raise RuntimeError("this ZooKeeperProxy is already running")
            self._addresses = [resolve(target) for target in self.targets]
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

        Every fault ends. Raises `RuntimeError` if an action of ``faults.upon()`` had failed, or the
        proxy itself, which is a bug in it. In a forked child it closes the child's copies of the
        sockets; the parent's proxy goes on.
        """
        loop = self._loop
        if loop.is_parents:
            if loop.started:
                loop.abandon()
                for listener in self._listeners:
                    listener.abandon()
                for upstream in self._upstreams:
                    upstream.abandon()
            return
        loop.stop(self._close)

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for upstream in list(self._upstreams):
            upstream.close()
        self._loop.close()
        self._faults.stopped()

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
        `RuntimeError` unless running.
        """
        self.check_running()
        listed = (address(self._host, listener.port) for listener in self._listeners)
        return ",".join(listed) + self._chroot

    @property
    def history(self) -> History | None:
        """Everything that has passed since the proxy was created: a `zkfake.history.History`
        without the committed log. ``None`` unless it was created with ``history=True``.
        """
        return None if self._recording is None else self._recording.history

    @property
    def faults(self) -> ProxyFaults:
        """The faults of the clients' connections: `ProxyFaults`."""
        return self._faults

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._loop.running

    def take_failure(self) -> RuntimeError | None:
        """Returns the error that `stop` would raise, and clears it: a failure of an action of
        ``faults.upon()``, or of the proxy itself. ``None`` if nothing has failed.
        """
        return self._loop.take_failure()

    def __repr__(self) -> str:
        servers = ",".join(address(*target) for target in self.targets)
        state = f"at {self.hosts}" if self.running else "stopped"
        return f"<ZooKeeperProxy to {servers}{self._chroot}, {state}>"

    # -- called by the faults

    def check_running(self) -> None:
        """Raises `RuntimeError` unless it runs, and in a forked child."""
        self._loop.check_running()

    def at_work(self) -> AtWork:
        """Excludes the thread during the ``with`` block."""
        return self._loop.at_work()

    def failed(self, error: Exception, text: str) -> None:
        """Keeps an error until `stop` raises it."""
        self._loop.failed(error, text)

    def close_session(self, session_id: int) -> bool:
        """Ends a session on the servers; see `ProxyFaults.expire`."""
        with self.at_work():
            handshake = self._handshakes.get(session_id)
            servers = [
                (family, where, target.host)
                for (family, where), target in zip(self._addresses, self.targets, strict=True)
            ]
        if handshake is None:
            raise ValueError(
                f"session {session_id & 0xFFFFFFFFFFFFFFFF:#x} has not passed through this "
                "ZooKeeperProxy; connect the client to its hosts"
            )
        return close_session(servers, handshake, self._server_tls)

    # -- called by the loop

    def advance(self, now: int) -> None:
        """Lets what is due arrive, and faults that end by themselves end."""
        self._faults.advance(now)

    def deadline(self) -> int | None:
        """When there is something to do next; ``None`` where there is not."""
        return self._faults.timers.next()

    def broken(self) -> None:
        """The loop has failed: threads that wait for a fault go on."""
        self._faults.broken()

    def _call_later(self, milliseconds: int, action: Any) -> Timer:
        return self._faults.timers.at(self._loop.now + milliseconds, action)

    def _serve(self, number: int, accepted: socket.socket, _peer: tuple[str, int]) -> None:
        loop = self._loop
        server_tls = self._server_tls

        def connect(transport: Transport, _ids: tuple[Id, ...]) -> RealTimeChannel:
            family, where = self._addresses[number - 1]
            name = self.targets[number - 1].host
            tls = None if server_tls is None else Tls(server_tls, name)
            mark = partial(loop.mark, transport)
            upstream = Upstream(
                loop.selector, family, where, tls, mark, self._remember, self._forget
            )
            if not upstream.closing:
                self._upstreams[upstream] = None
            return self._faults.channel(upstream, number, _LONGEST_FRAME, mark)

        try:
            transport = Transport(
                loop.selector, loop.turns, accepted, connect, loop.transports.pop, self._tls
            )
        except OSError:
            accepted.close()  # gone already
            return
        loop.transports[transport] = number
        if self._tls is not None:
            transport.handshake = self._call_later(
                _TLS_HANDSHAKE_TIMEOUT, transport.give_up_handshake
            )

    def _forget(self, upstream: Upstream) -> None:
        self._upstreams.pop(upstream, None)

    def _remember(self, handshake: Handshake) -> None:
        self._handshakes.pop(handshake.session_id, None)
        self._handshakes[handshake.session_id] = handshake
        if len(self._handshakes) > _REMEMBERED:
            del self._handshakes[next(iter(self._handshakes))]
