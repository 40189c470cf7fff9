"""The servers of one test run, and what keeps the tests on them apart.

The rules that live here:

- a server is started when a test first asks for it and ends with the run; a failed start is not
  tried again, every test that needs that server fails for the same reason;
- no test shares a znode with another one: each gets a chroot with a name nobody else has, on a
  server of the run's own as well as on one shared by many runs;
- a live server stands behind a proxy in tests that want faults or a history, and in no other.

`pytest_zkdict.held` puts a server back between two tests.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pytest_zkdict.admin import Admin, super_digest
from pytest_zkdict.held import Held, HeldFake, HeldLive, HeldSimulation
from pytest_zkdict.kazoo_log import RequestLog
from pytest_zkdict.live import LiveZooKeeper, installed_version
from pytest_zkdict.servers import ExternalServer, FakeServer
from pytest_zkdict.simulated_server import SimulatedServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from pytest_zkdict.seeds import Seeds
    from pytest_zkdict.servers import Backend, ZooKeeperServer
    from zkfake.simulation import Simulation

__all__ = ["ServerPool", "UnsuitableServerError", "WantedServer"]


class UnsuitableServerError(Exception):
    """There is a server, and it can not be what the test wants; the text says why."""


@dataclass(frozen=True)
class WantedServer:
    """What one server of a run is to be."""

    backend: Backend
    #: The fixture it is for: two fixtures are two servers.
    name: str = "zk_server"
    servers: int = 1
    version: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    load: Seeds = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for equal servers of one fixture."""
        settings = repr(sorted(self.settings.items()))
        load = repr(sorted(self.load.items()))
        return (self.name, self.backend, self.servers, self.version, settings, load, id(self.tls))


class ServerPool:
    """The servers of one test run, started when first asked for."""

    def __init__(self, *, hosts: str | None = None, home: str | None = None) -> None:
        """``hosts``: somebody else's live server. ``home``: where the one to start is."""
        self._hosts, _, base = (hosts or "").partition("/")
        self._base = f"/{base}".rstrip("/")
        self._home = home
        self._running: dict[tuple[object, ...], Held | Exception] = {}
        self._password = secrets.token_hex(16)
        #: What a test has from its factory of servers.
        self.lent: list[FakeServer | LiveZooKeeper] = []
        #: What its servers have brought along.
        self.own_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self.own_sessions: set[int] = set()
        self._faults = False
        """Whether the test that runs wants faults."""
        self._history = False
        """Whether it wants a history."""
        self.simulation: Simulation | None = None
        """That of the test that runs."""
        self._chroots = 0
        """How many the test that runs had so far."""
        self.requests = RequestLog()
        self.requests.attach()

    # -- servers

    def get(self, spec: WantedServer) -> ZooKeeperServer:
        """The server that is so. Raises, again and again, what its start raised."""
        if spec.key not in self._running:
            before = set(threading.enumerate())
            try:
                held = self._running[spec.key] = self._start(spec)
            except Exception as error:
                self._running[spec.key] = error
            else:
                self._equip(held)
                # A fixture may ask for it in the middle of a test, which has not left these.
                self.own_threads.update(set(threading.enumerate()) - before)
                self.own_sessions |= held.sessions()
        found = self._running[spec.key]
        if isinstance(found, Exception):
            raise found
        return cast("ZooKeeperServer", found.server)

    def _start(self, spec: WantedServer) -> Held:
        if spec.backend == "simulation":
            server = SimulatedServer(spec.settings, spec.version, lambda: self.simulation)
            return HeldSimulation(server, spec.load)
        if spec.backend == "fake":
            return HeldFake(self._own_fake(spec), spec.load)
        if self._hosts:
            self._check_external(spec)
            external = ExternalServer.at(self._hosts)
            _check_version(spec, external.version)
            return HeldLive(external, spec.load, base=self._base)
        # The run may clean up whatever its tests lock away, but for a superuser of the test's own.
        name = "DigestAuthenticationProvider.superDigest"
        ours = not {name, "superDigest", f"zookeeper.{name}"} & set(spec.settings)
        more = {name: super_digest(self._password)} if ours else {}
        live = self._own_live(spec, more)
        try:
            return HeldLive(live, spec.load, password=self._password if ours else None)
        except BaseException:
            live.close()
            raise

    def _check_external(self, spec: WantedServer) -> None:
        if spec.servers != 1 or spec.settings or spec.tls is not None:
            raise UnsuitableServerError(
                "needs a server of its own, and --zk-hosts names somebody else's"
            )

    def own(self, spec: WantedServer, *, history: bool | None = None) -> FakeServer | LiveZooKeeper:
        """A further server, which the caller has to close. ``history``: whether it records; `None`
        for what the test wants.
        """
        if history is None:
            history = self._history
        if spec.backend == "fake":
            return self._own_fake(spec, history=history)
        live = self._own_live(spec)
        try:
            if self._faults or history:
                live.start_proxy(history=history)
        except BaseException:
            live.close()
            raise
        return live

    def _own_fake(self, spec: WantedServer, *, history: bool = False) -> FakeServer:
        return FakeServer(
            spec.settings,
            servers=spec.servers,
            version=spec.version,
            tls=spec.tls,
            history=history,
        )

    def _own_live(
        self, spec: WantedServer, more: Mapping[str, object] | None = None
    ) -> LiveZooKeeper:
        """``more``: further settings."""
        if self._hosts:
            raise UnsuitableServerError(
                "needs a server of its own, and --zk-hosts names somebody else's"
            )
        if spec.tls is not None:
            raise UnsuitableServerError("tls= is for the fake; no live server is set up with it")
        if spec.version is not None:
            _check_version(spec, installed_version(self._home))
        settings = {**spec.settings, **(more or {})}
        live = LiveZooKeeper(self._home, settings=settings, servers=spec.servers)
        try:
            live.start()
        except BaseException:
            live.close()
            raise
        return live

    def load(self, server: FakeServer | LiveZooKeeper, znodes: Seeds) -> None:
        """Make znodes on a server that was had from `own`."""
        if isinstance(server, FakeServer):
            server.load(znodes)
            return
        with Admin(server.direct_hosts) as admin:
            admin.load(znodes)

    def end(self, spec: WantedServer) -> None:
        """End a server that was had from `get`."""
        held = self._running.pop(spec.key, None)
        if held is not None and not isinstance(held, Exception):
            held.close()

    def trouble(self, server: ZooKeeperServer) -> str | None:
        """What has become of a server that was had from `get`; `None` while it serves."""
        return self._holding(server).trouble()

    def close(self) -> None:
        """End every server."""
        self.requests.detach()
        while self._running:
            _, held = self._running.popitem()
            if not isinstance(held, Exception):
                held.close()

    # -- tests

    def begin_simulation(self, simulation: Simulation) -> None:
        """What runs next runs in it, and has the same paths each time."""
        self.simulation = simulation
        self._chroots = 0

    def begin_test(self, *, faults: bool, history: bool) -> None:
        """What is told of a failure begins here. ``faults``, ``history``: the test wants them."""
        self.requests.begin()
        self._faults, self._history = faults, history
        self._chroots = 0
        for held in self.held:
            held.begin_test()
            self._equip(held)

    def _equip(self, held: Held) -> None:
        if self._history:
            held.record()
        if self._faults:
            held.offer_faults()

    def offer_faults(self) -> None:
        """Every server has faults until the test is over, those included that it starts later."""
        self._faults = True
        for held in self.held:
            self._equip(held)

    def record(self) -> None:
        """Every server records until the test is over, those included that it starts later."""
        self._history = True
        for held in self.held:
            self._equip(held)

    @contextlib.contextmanager
    def offering_no_longer(self) -> Iterator[None]:
        """What the block has offered ends with it, so that it begins anew in the next one."""
        before = self._faults, self._history
        try:
            yield
        finally:
            if before != (self._faults, self._history):
                self._faults, self._history = before
                for held in self.held:
                    held.end_faults()
                    self._equip(held)

    def heal(self) -> None:
        """End every fault."""
        for held in self.held:
            held.heal()

    @contextlib.contextmanager
    def chroot(self, server: ZooKeeperServer, znodes: Seeds | None = None) -> Iterator[str]:
        """A new znode for one test, with ``znodes`` below it; it goes, with all below it, at the
        end.
        """
        held = self._holding(server)
        if isinstance(held.server, SimulatedServer):
            self._chroots += 1
            path = f"/pytest-{self._chroots}"  # the same in every run, as all of a simulation
        else:
            worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
            path = f"{held.base}/pytest-{worker}-{secrets.token_hex(6)}"
        held.make(path, {**held.load, **(znodes or {})})
        held.chroots.add(path)
        try:
            yield path
        finally:
            held.chroots.discard(path)
            held.recover()
            if held.dead is None:
                held.remove(path)

    def _holding(self, server: ZooKeeperServer) -> Held:
        for held in self.held:
            if held.server is server:
                return held
        raise ValueError(f"{server!r} is not a server that the run shares")

    @property
    def held(self) -> list[Held]:
        """The servers that were started."""
        return [held for held in self._running.values() if not isinstance(held, Exception)]


def _check_version(spec: WantedServer, version: str) -> None:
    wanted = spec.version
    if wanted is not None and version != wanted and not version.startswith(f"{wanted}."):
        raise UnsuitableServerError(
            f"wants ZooKeeper {wanted}, and the live server is {version or 'of another version'}"
        )
