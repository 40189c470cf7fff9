"""The servers that a test may stand on, as it sees them.

The rules that live here: both backends look alike (`ZooKeeperServer`) and have the same times: a
200 ms tick, so sessions from 0.4 s to a minute.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from pytest_zkdict.live import four_letter_word
from pytest_zkdict.live._proxied import Proxied
from pytest_zkdict.live._times import MAX_SESSION_TIMEOUT, TICK_TIME, KnownTimes
from pytest_zkdict.live._words import is_whole

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from os import PathLike

    from pytest_zkdict.live.faults import ExternalFaults  # noqa: F401  # in quotes below
    from pytest_zkdict.seeds import Seeds
    from zkfake import FakeZooKeeper, Member, Snapshot
    from zkfake._control.control import EnsembleControl
    from zkfake._control.views import ConnectionView, SessionView, WatchView, ZnodeView
    from zkfake._realtime.faults import Faults
    from zkfake.history import History
    from zkfake.proxy import ZooKeeperProxy

__all__ = [
    "Backend",
    "ExternalServer",
    "FakeServer",
    "InspectedServer",
    "OwnServer",
    "ZooKeeperServer",
]

#: Seconds that an election may take once every fault is healed.
_ELECTION = 10.0

Backend = Literal["fake", "live", "simulation"]


class ZooKeeperServer(Protocol):
    """A running ZooKeeper, fake or live."""

    @property
    def backend(self) -> Backend:
        """``"fake"``, ``"live"`` or ``"simulation"``."""
        ...

    @property
    def hosts(self) -> str:
        """The connect string, without a chroot: ``"127.0.0.1:40001"``. While a live server has
        faults it leads through a proxy.
        """
        ...

    @property
    def direct_hosts(self) -> str:
        """The connect string that leads past a proxy."""
        ...

    @property
    def version(self) -> str:
        """The version the server says it has: ``"3.8.0"``."""
        ...

    @property
    def tick_time(self) -> int:
        """``tickTime`` in milliseconds. A session expires up to one tick after its timeout."""
        ...

    @property
    def min_session_timeout(self) -> float:
        """The shortest session timeout that the server grants, in seconds."""
        ...

    @property
    def history(self) -> History | None:
        """What happens on it, while it is recorded; else ``None``."""
        ...


class OwnServer(ZooKeeperServer, Protocol):
    """A server that one test has to itself, so it may take it down."""

    @property
    def faults(self) -> Faults:
        """What can be done to this server, its clients and their connections: on live, by a proxy
        and to the servers' processes. Raises `AttributeError` for what only the fake can do.
        """
        ...

    def stop(self) -> None:
        """Stop serving; what is stored stays."""
        ...

    def start(self) -> None:
        """Serve again, at the same connect string, what was stored before."""
        ...

    def close(self) -> None:
        """End for good."""
        ...


class InspectedServer(KnownTimes):
    """The part of a server of this process that shows its state, and sets it.

    What `FakeZooKeeper` and `Simulation` offer alike is here.
    """

    @property
    def _control(self) -> EnsembleControl:
        raise NotImplementedError

    @staticmethod
    def completed(settings: Mapping[str, object] | None) -> dict[str, object]:
        """Settings with those that every server of the plugin has."""
        return {
            "tickTime": TICK_TIME,
            "maxSessionTimeout": MAX_SESSION_TIMEOUT,
            "maxClientCnxns": 0,
            "4lw.commands.whitelist": "*",
            "extendedTypesEnabled": True,
            **(settings or {}),
        }

    @property
    def sessions(self) -> tuple[SessionView, ...]:
        """The open sessions, oldest first."""
        return self._control.sessions

    @property
    def watches(self) -> tuple[WatchView, ...]:
        """Every watch that is set."""
        return self._control.watches

    @property
    def connections(self) -> tuple[ConnectionView, ...]:
        """Every open connection, oldest first."""
        return self._control.connections

    @property
    def znodes(self) -> Mapping[str, ZnodeView]:
        """Every znode by path, ``/zookeeper`` included. Cost: O(n log n) in the znodes."""
        return self._control.znodes

    def load(self, znodes: Seeds | str | PathLike[str]) -> None:
        """Makes or overwrites znodes, parents included: from a mapping with open ACLs, or from a
        tree file with its own.

        Paths are the server's, so a test's own ones begin with its `zk_chroot`. Raises as
        `FakeZooKeeper.load` does.
        """
        self._control.load(znodes)

    def dump(self) -> dict[str, bytes | None]:
        """The data of every znode by path, parents first, without ``/`` and ``/zookeeper``."""
        return self._control.dump()

    def snapshot(self) -> Snapshot:
        """The whole tree as it is now. Cost: a reference a znode."""
        return self._control.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Goes back to a snapshot of this fake or of another one. Cost: O(n log n) in the znodes.
        Raises `RuntimeError` while no server leads.
        """
        self._control.restore(snapshot)

    def remove(self, path: str) -> None:
        """Removes a znode with all below it, whatever its ACL. Does nothing where there is none.

        To clients it looks like one transaction. Cost: linear in the tree. Raises as
        `FakeZooKeeper.remove` does.
        """
        self._control.remove(path)

    def expire(self, session_id: int) -> None:
        """Ends a session as if it had been silent for its timeout. Does nothing while no server
        leads. Raises `KeyError` where there is no such open session.
        """
        self._control.expire(session_id)


class FakeServer(InspectedServer):
    """A `FakeZooKeeper` of this process as an `OwnServer`, set up as a live one is.

    Everything that `FakeZooKeeper` offers to look into it and to change it is here as well.
    ``stop()`` and ``start()`` keep the ports, as a live server's do.
    """

    backend: Literal["fake"] = "fake"

    def __init__(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        servers: int = 1,
        version: str | None = None,
        tls: ssl.SSLContext | None = None,
        history: bool = False,
    ) -> None:
        """The arguments are those of `FakeZooKeeper`. It serves when this returns."""
        self._settings = self.completed(settings)
        self._fake = self._make(self._settings, version, servers=servers, tls=tls, history=history)
        self._fake.start()
        self._faults_used = False
        self._recorded = ExitStack()
        self.hosts: str = self._fake.hosts
        self.direct_hosts: str = self.hosts

    @property
    def _control(self) -> FakeZooKeeper:
        return self._fake

    @staticmethod
    def _make(settings: Mapping[str, object], version: str | None, **more: Any) -> FakeZooKeeper:
        from zkfake import FakeZooKeeper
        from zkfake._versions import DEFAULT

        return FakeZooKeeper(settings=settings, version=version or DEFAULT, **more)

    @classmethod
    def check(cls, settings: Mapping[str, object], version: str | None) -> None:
        """Raises `ValueError` where no server can have these settings and this version."""
        cls._make(cls.completed(settings), version)

    # -- what both backends tell

    @property
    def version(self) -> str:
        """The version the server says it has: ``"3.9.5"``. One connection."""
        host, _, port = self._fake.members[0].hosts.rpartition(":")
        return _version(host, int(port))

    # -- what only the fake has

    @property
    def secure_hosts(self) -> str:
        """The connect string of the TLS ports. Raises `ValueError` without ``tls``."""
        return ",".join(member.secure_hosts for member in self._fake.members)

    @property
    def faults(self) -> Faults:
        """What can be done to this server, its clients and their connections."""
        self._faults_used = True
        return self._fake.faults

    @property
    def members(self) -> tuple[Member, ...]:
        """The servers of the ensemble, each with ``stop()``, ``start()``, ``lag`` and ``mode``."""
        return self._fake.members

    def add_server(self) -> Member:
        """One more server: `FakeZooKeeper.add_server`. The ensemble keeps it, so a test that calls
        this should have one to itself, from ``zk_server_factory``.
        """
        return self._fake.add_server()

    @property
    def history(self) -> History | None:
        """Everything that has happened since the test began, on a server of the test's own since it
        was started; ``None`` unless it records.
        """
        return self._fake.history

    def record(self) -> None:
        """Records from now on, until `stop_recording`, unless it does already."""
        if self._fake.history is None:
            self._recorded.enter_context(self._fake.recorded())

    def stop_recording(self) -> None:
        """Ends what `record` has begun."""
        self._recorded.close()

    # -- life

    @property
    def running(self) -> bool:
        """Whether all of its servers serve."""
        return self._fake.running and all(
            member.running or member.removed for member in self._fake.members
        )

    def stop(self) -> None:
        for member in self._fake.members:
            member.stop()

    def start(self) -> None:
        if not self._fake.running:  # it has failed
            with suppress(RuntimeError):
                self._fake.stop()
            self._fake.start()
        for member in self._fake.members:
            if not member.removed:
                member.start()

    def close(self) -> None:
        self._fake.stop()

    def take_failure(self) -> RuntimeError | None:
        """A failure of an action of ``faults.upon()``, or of the fake itself, once."""
        return self._fake.take_failure()

    # -- between two tests

    def heal(self) -> None:
        """Heals every fault."""
        if self._faults_used:
            self._faults_used = False
            self._fake.faults.heal()

    def put_back(self) -> None:
        """Heals every fault, starts what is stopped, takes lags and freezes away, and waits for a
        leader that has all others in sync.

        Raises `RuntimeError` where there is none in `_ELECTION` seconds.
        """
        self.heal()
        for member in self._fake.members:
            if not member.removed:
                member.start()
            if member.lag:
                member.lag = 0
            while member.frozen:
                member.unfreeze()
        members = [member for member in self._fake.members if not member.removed]
        deadline = time.monotonic() + _ELECTION
        while not (self.writable and (len(members) == 1 or is_whole(members))):
            if time.monotonic() > deadline:
                modes = ", ".join(f"{member.id}: {member.mode}" for member in members)
                raise RuntimeError(f"the fake server at {self.hosts} has no leader ({modes})")
            time.sleep(0.002)

    @property
    def writable(self) -> bool:
        """Whether one of its servers leads, so that it can be written to."""
        return any(member.mode in ("standalone", "leader") for member in self._fake.members)

    def describe(self, session_id: int) -> str:
        """Whose session that is, and what it holds."""
        peers = [view.address for view in self._fake.connections if view.session_id == session_id]
        watches = sum(watch.session_id == session_id for watch in self._fake.watches)
        ephemerals = sum(
            len(session.ephemerals) for session in self._fake.sessions if session.id == session_id
        )
        address = peers[0] if peers else "an unknown address"
        return (
            f"of the client at {address}, {_number(ephemerals, 'ephemeral znode')}, "
            f"{_number(watches, 'watch', 'watches')}"
        )


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


class ExternalServer(Proxied["ExternalFaults"]):
    """A server that somebody else runs, named by ``--zk-hosts``."""

    backend: Literal["live"] = "live"

    def __init__(
        self, hosts: str, version: str, tick_time: int, min_session_timeout: float
    ) -> None:
        self._hosts = hosts
        self.version = version
        self.tick_time = tick_time
        self.min_session_timeout = min_session_timeout

    @property
    def direct_hosts(self) -> str:
        """The connect string that ``--zk-hosts`` has, without a chroot."""
        return self._hosts

    def _new_proxy(self, *, history: bool) -> ZooKeeperProxy:
        from pytest_zkdict.live.faults import ExternalProxy

        return ExternalProxy(self._hosts, history=history)

    @classmethod
    def at(cls, hosts: str) -> ExternalServer:
        """Ask the first host that answers what it is. Raises `ConnectionError` where none does."""
        from kazoo.hosts import collect_hosts

        found, _ = collect_hosts(hosts)
        failures = []
        for host, port in found:
            try:
                shortest = _shortest_session(host, int(port))
                # A server tells its shortest session, not its tick; two ticks are the default.
                return cls(hosts, _version(host, int(port)), shortest // 2, shortest / 1000)
            except OSError as error:  # noqa: PERF203  # the next one may answer
                failures.append(f"{host}:{port}: {error}")
        raise ConnectionError(
            f"no ZooKeeper answers at {hosts} ({'; '.join(failures)}): is it running, and is "
            "--zk-hosts right?"
        )


def _version(host: str, port: int) -> str:
    answer = four_letter_word(host, port, "srvr")
    found = re.search(r"version: (\d+(?:\.\d+)+)", answer)
    return found[1] if found else "unknown"


def _shortest_session(host: str, port: int) -> int:
    """The timeout, in milliseconds, granted to a session that asks for one millisecond."""
    request = struct.pack("!iqiqi16s", 0, 0, 1, 0, 16, bytes(16))
    close = struct.pack("!ii", 1, -11)
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(b"".join(struct.pack("!i", len(f)) + f for f in (request, close)))
        answer = connection.makefile("rb").read(12)
    if len(answer) < 12:
        raise ConnectionError(f"{host}:{port} accepted but does not answer as ZooKeeper does")
    return cast("int", struct.unpack("!iii", answer)[2])
