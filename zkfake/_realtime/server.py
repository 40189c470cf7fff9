"""The real-time driver: sockets, a clock and one background thread around the sans-IO core.

`FakeZooKeeper` serves any ZooKeeper client on the loopback interface. All of its servers share one
thread, which sleeps until a socket is ready or a timer of the core is due, so an idle fake uses no
processor time. Other threads read and change its state under the lock that the thread holds while
it works.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from zkfake._connection.connection import Connection
from zkfake._control.control import EnsembleControl
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._realtime.faults import Faults, RealTimeDriver
from zkfake._realtime.listener import one_each
from zkfake._realtime.loop import AtWork, Loop
from zkfake._realtime.member import Member
from zkfake._realtime.ports import ServerPorts
from zkfake._realtime.recording import Recording
from zkfake._settings import Settings
from zkfake._versions import DEFAULT, VERSIONS

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from os import PathLike
    from types import TracebackType

    from typing_extensions import Self

    from zkfake._data_dir.keeping import Keeping
    from zkfake._history.events import Event, Logged
    from zkfake._history.recorder import History
    from zkfake._protocol.records import Id
    from zkfake._realtime.transport import Carried, Transport

    Hearer = Callable[[Event | Logged], object]

_TLS_HANDSHAKE_TIMEOUT = 10_000
"""Milliseconds after which a socket without a TLS handshake is closed."""

_SYNCS = ("full", "normal", "off")


class FakeZooKeeper(EnsembleControl):
    """A fake ZooKeeper on real sockets.

    >>> from kazoo.client import KazooClient
    >>> with FakeZooKeeper() as server:
    ...     client = KazooClient(server.hosts)
    ...     client.start()
    ...     client.create("/a", b"1")
    ...     client.stop()
    ...     client.close()
    '/a'

    Any number can run at the same time in one process. Methods may be called from any thread. In a
    forked child what looks at the state or changes it raises `RuntimeError`, but for `stop`,
    `running`, `history` and `replicas`. An idle fake uses one thread and no processor time. A
    ``with`` block calls `start` and `stop`.
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
        keep_log: bool = False,
        history: bool = False,
        data_dir: str | PathLike[str] | None = None,
        sync: Literal["full", "normal", "off"] = "normal",
    ) -> None:
        """``host``: the address to listen on, ``::1`` for IPv6. ``port``: of the first server, 0
        for a free port; the others get free ports. A sequence has a port for each server, observers
        included. ``secure_port``: the same for TLS. ``servers``: the number of servers with a vote.
        ``observers``: the number of servers without a vote; their numbers follow. ``version``:
        ``"3.9"`` or ``"3.8"``. ``settings``: values by ZooKeeper's names, such as ``{"tickTime":
        500}``. ``tls``: a server-side context; every server then also has a TLS port.
        ``keep_log``: whether every committed transaction is kept, for `log` and `at`; memory then
        grows with each write. ``history``: whether everything that happens is recorded; memory
        then grows with each request. ``data_dir``: the directory that keeps the state; by default
        it is kept in memory alone. ``sync``: whether each write waits for the disk (``"full"``),
        so that a loss of power loses nothing. With ``"normal"`` it may lose the last writes, with
        ``"off"`` all of them. The end of the process alone loses nothing. Without ``data_dir`` it
        has no effect.

        Raises `ValueError` for invalid arguments and settings, and `TypeError` for a ``tls`` that
        is no context. The state lives as long as the object: stopping and starting keeps it.
        """
        if not 1 <= servers <= 254:
            raise ValueError(f"servers = {servers}: expected 1 to 254")
        if not 0 <= observers <= 254 - servers:
            raise ValueError(f"observers = {observers}: expected 0 to {254 - servers}")
        if tls is not None and not isinstance(tls, ssl.SSLContext):
            raise TypeError(f"tls={tls!r}: expected an ssl.SSLContext")
        self._tls = tls
        parsed = Settings.parse(settings, version, tls=tls is not None)
        if keep_log:
            parsed = replace(parsed, keep_log=None)
        self._loop = Loop(
            "FakeZooKeeper", advance=self._advance, deadline=self._deadline, broken=self._broken
        )
        self._ensemble = Ensemble(parsed, self._loop.now)
        for number in range(servers + observers):
            Replica(self._ensemble, number + 1, observer=number >= servers)
        self._host = host
        self._ports = one_each("port", port, len(self.replicas))
        self._secure_ports = one_each("secure_port", secure_port, len(self.replicas))
        if any(self._secure_ports) and tls is None:
            raise ValueError(f"secure_port = {secure_port}: TLS needs tls=, an ssl.SSLContext")
        self._members: tuple[Member, ...] = ()
        self._open_ports: list[ServerPorts] = []
        self._driver: RealTimeDriver | None = None
        """What faults and a history use; ``None`` until one of them is in use."""
        self._faults: Faults
        if sync not in _SYNCS:
            raise ValueError(f"sync = {sync!r}: expected one of {', '.join(_SYNCS)}")
        self._keeping = None if data_dir is None else _keeping(self._ensemble, data_dir, sync)
        self._recording = Recording(self._ensemble) if history else None
        if self._recording is not None:
            self._use_channels()

    # -- life

    def start(self) -> Self:
        """Binds the ports and serves. They accept connections once this returns. Raises
        `RuntimeError` if running, in a forked child, and if the system has no thread left;
        `OSError` if a port cannot be bound.

        With ``data_dir`` also `BlockingIOError` if another process or another `FakeZooKeeper` has
        it, `ValueError` if it is damaged or something else, and `OSError` if it cannot be read or
        written. It is left as it is then. Cost: linear in it.
        """
        loop = self._loop
        loop.check_process()
        with loop.life:
            if loop.started:
                raise RuntimeError("this FakeZooKeeper is already running")
            loop.open()
            try:
                members = [
                    self._new_member(replica, *ports)
                    for replica, *ports in zip(
                        self.replicas, self._ports, self._secure_ports, strict=True
                    )
                ]
                if self._keeping is not None:
                    loop.before_sending = self._keeping.begin()
                for member in members:
                    if not member.removed:
                        member.start()
                self._members = tuple(members)
                if loop.before_sending is not None:
                    loop.before_sending()
                loop.start()
            except BaseException:  # a thread may be refused
                self._close()
                raise
            self._ports = [member.port for member in members]
            self._secure_ports = [member.secure_port or 0 for member in members]
        return self

    def configure(
        self, settings: Mapping[str, object] | None = None, *, version: str | None = None
    ) -> None:
        """Sets the settings for the next `start`, and with ``version`` another version, as in an
        upgrade. They replace all former settings. The state stays.

        Raises `RuntimeError` while it runs, `ValueError` for invalid settings and for an unknown
        version; nothing is changed then.
        """
        with self._loop.life:
            if self._loop.started:
                raise RuntimeError("this FakeZooKeeper is running; stop() it to configure it")
            if version is None:
                version = next(
                    name
                    for name, known in VERSIONS.items()
                    if known is self._ensemble.settings.version
                )
            parsed = Settings.parse(settings, version, tls=self._tls is not None)
            self._ensemble.configure(parsed)

    def stop(self) -> None:
        """Drops every connection, closes the ports and ends the thread. Does nothing if it is not
        running, or in a signal handler that interrupts another `stop`, which then completes.

        Every fault ends. Raises `RuntimeError`, once all is closed, if an action of
        ``faults.upon()`` or a write to the data directory had failed, or the fake itself, which is
        a bug in it; ``__cause__`` is the last such error. In a forked child it closes the child's
        copies of the sockets; the parent's fake goes on.
        """
        self._loop.stop(self._end, self._abandon)

    def _end(self) -> None:
        self._ports = [member.port for member in self._members]
        self._close()
        if self._driver is not None:
            self._driver.stopped(self._faults.heal)

    def _close(self) -> None:
        for replica in self.replicas:
            if replica.running:
                replica.stop()
        for ports in self._open_ports:
            ports.close()
        self._open_ports.clear()
        self._loop.close()
        if self._keeping is not None:
            self._loop.before_sending = None
            self._keeping.end()

    def _abandon(self) -> None:
        for ports in self._open_ports:
            ports.abandon()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # -- its servers

    def _new_member(self, replica: Replica, port: int, secure_port: int) -> Member:
        """A server with its ports, which is not started yet. Raises `OSError`."""
        take = partial(self._serve, replica)
        secure = None if self._tls is None else secure_port
        ports = ServerPorts(replica.id, self._host, port, secure, take)
        self._open_ports.append(ports)
        return Member(self._loop, replica, ports)

    def add_server(self) -> Member:
        """Adds a server with the next number, on a free port. It follows without a vote, and serves
        clients, until a reconfiguration makes it a member: see `Member.specification`.

        Raises `RuntimeError` unless running, for a standalone server, without the setting
        ``reconfigEnabled``, and for more than 254 servers; `OSError` if no port is free.
        """
        with self._loop.at_work():
            before, ensemble = self.members, self._ensemble
            ensemble.check_may_join()
            replica = Replica(ensemble, len(self.replicas) + 1)
            try:
                member = self._new_member(replica, 0, 0)
            except BaseException:
                ensemble.withdraw(replica)
                raise
            self._secure_ports.append(member.secure_port or 0)
            self._members = (*before, member)
            member.start()
            return member

    # -- what happened

    @property
    def history(self) -> History | None:
        """Everything that has happened since the fake was created: a `zkfake.history.History`.
        ``None`` unless it was created with ``history=True``; in a block of `recorded` the history
        of the block.
        """
        recording = self._recording
        return recording.history if recording is not None and recording.whole else None

    @contextmanager
    def recorded(self) -> Iterator[History]:
        """Records what happens during the block: the `zkfake.history.History` that it returns,
        which is `history` meanwhile.

        It begins with the state that there is. Connections that are open already are left out, but
        for what their clients commit. Raises `RuntimeError` if everything is recorded
        anyway, within a block of another `recorded`, and in a forked child. Cost of the beginning:
        linear in the znodes.
        """
        with self._loop.at_work():
            if self._recording is not None and self._recording.whole:
                raise RuntimeError("this FakeZooKeeper records already: see its history")
            recording = self._record(whole=True)
        try:
            yield recording.history
        finally:
            with self._loop.at_work():
                self._record(whole=False)

    def _record(self, *, whole: bool, hearers: Iterable[Hearer] | None = None) -> Recording:
        """A new recording takes the place of the one that there is. ``hearers``: those of that one,
        unless others are given; one that is not ``whole`` is there for them.
        """
        if self._driver is None:
            self._use_channels()
        assert self._driver is not None
        before = self._recording
        self._driver.record(None)
        if before is not None:
            before.end()
        self._recording = recording = Recording(self._ensemble, whole=whole)
        if hearers is None and before is not None:
            hearers = before.hearers
        recording.tell(*(hearers or ()))
        if whole or recording.hearers:
            self._driver.record(recording)
        else:
            recording.end()
            self._recording = None
        return recording

    def _hear(self, hearer: Hearer) -> None:
        """``hearer`` is called with all that happens from now on, by the thread that serves."""
        with self._loop.at_work():
            if self._recording is None:
                self._record(whole=False, hearers=[hearer])
            else:
                self._recording.tell(*self._recording.hearers, hearer)

    def _hear_no_more(self, hearer: Hearer) -> None:
        with self._loop.at_work():
            recording = self._recording
            assert recording is not None
            hearers = [each for each in recording.hearers if each is not hearer]
            if recording.whole:
                recording.tell(*hearers)
            else:
                self._record(whole=False, hearers=hearers)

    # -- faults

    @property
    def faults(self) -> Faults:
        """The faults of clients, servers and links: `zkfake.Faults`. From its first use on each
        request costs a little more. Raises `RuntimeError` in a forked child.
        """
        self._loop.check_process()
        if self._driver is None:
            with self._loop.at_work():
                if self._driver is None:
                    self._use_channels()
        return self._faults

    def _use_channels(self) -> None:
        """Every connection has a channel from now on."""
        self._driver = RealTimeDriver(
            self._loop, self._ensemble, lambda: self.replicas, lambda: self.members
        )
        self._driver.record(self._recording)
        self._faults = Faults(self._driver)
        for transport, number in self._loop.transports.items():
            if isinstance(transport.connection, Connection):
                transport.connection = self._carried(transport, transport.connection, number)

    def _carried(self, transport: Transport, connection: Connection, number: int) -> Carried:
        """What ``transport`` is to carry: a channel once faults or a history are in use."""
        if self._driver is None:
            return connection
        longest = self._ensemble.settings.jute_max_buffer
        on_output = partial(self._loop.mark, transport)
        return self._driver.channel(connection, number, longest, on_output)

    def take_failure(self) -> RuntimeError | None:
        """Returns the error that `stop` would raise, and clears it; ``None`` if there is none."""
        return self._loop.take_failure()

    # -- looking in

    @property
    def hosts(self) -> str:
        """The connect string: ``host:port`` of every server, stopped ones included, separated by
        commas. Raises `RuntimeError` unless running, and in a forked child.
        """
        return ",".join(member.hosts for member in self.members)

    @property
    def running(self) -> bool:
        """Whether it serves. False if it has failed, and in a forked child."""
        return self._loop.running

    @property
    def members(self) -> tuple[Member, ...]:
        """The servers. Raises `RuntimeError` unless running, and in a forked child."""
        self._loop.check_running()
        return self._members

    def _acting(self) -> AtWork:
        return self._loop.at_work()

    def _looking(self) -> AtWork:
        return self._loop.at_work()

    # -- called by the loop

    def _advance(self, now: int) -> None:
        """Lets the ensemble, and faults that end by themselves, do what is due."""
        self._ensemble.advance(now)
        if self._driver is not None:
            self._driver.advance(now)

    def _deadline(self) -> int | None:
        """When there is something to do next; ``None`` where there is not."""
        due = self._ensemble.deadline()
        return due if self._driver is None else _earlier(due, self._driver.timers.next())

    def _broken(self) -> None:
        """The loop has failed: whoever waits for a fault goes on."""
        if self._driver is not None:
            self._driver.broken()

    def _serve(
        self, replica: Replica, secure: bool, accepted: socket.socket, peer: tuple[str, int]
    ) -> None:
        """Takes on a socket that a server has accepted."""
        loop = self._loop

        def connect(transport: Transport, ids: tuple[Id, ...]) -> Carried:

            def mark(_connection: Connection) -> None:
                loop.mark(transport)

            connection = Connection(replica, peer, mark, ids)
            return self._carried(transport, connection, replica.id)

        tls = self._tls if secure else None
        transport = loop.take_on(accepted, replica.id, connect, tls)
        if transport is not None and secure:
            due = self._ensemble.now + _TLS_HANDSHAKE_TIMEOUT
            transport.handshake = self._ensemble.timers.at(due, transport.give_up_handshake)


def _keeping(ensemble: Ensemble, data_dir: str | PathLike[str], sync: str) -> Keeping:
    from zkfake._data_dir.keeping import Keeping  # the others need no database

    return Keeping(ensemble, data_dir, sync)


def _earlier(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
