"""The servers of one test run, and what keeps the tests on them apart.

The rules that live here:

- a server is started when a test first asks for it and ends with the run; a failed start is not
  tried again, every test that needs that server fails for the same reason;
- no test shares a znode with another one: each gets a chroot with a name nobody else has, on a
  server of the run's own as well as on one shared by many runs;
- between two tests a server of the run's own is put back: what was stopped or has died is started
  again, faults are healed, and what a test left outside of its chroot goes;
- the fake is put back in process. A live server has one admin client, which stays connected.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pytest_zkdict.admin import Admin, super_digest
from pytest_zkdict.installation import installed_version
from pytest_zkdict.kazoo_log import RequestLog
from pytest_zkdict.live import LiveZooKeeper, four_letter_word
from pytest_zkdict.servers import ExternalServer, FakeServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from pytest_zkdict.live_member import LiveMember
    from pytest_zkdict.servers import Backend, OwnServer, ZooKeeperServer
    from zkfake import Snapshot

__all__ = ["ServerPool", "ServerSpec", "UnsuitableServerError"]

#: Characters of a server's log that are told when it has ended.
_TAIL = 2000
#: Seconds in which the end of a live server's process is noticed once its connections are lost.
_NOTICE = 2.0


class UnsuitableServerError(Exception):
    """There is a server, and it can not be what the test wants; the text says why."""


@dataclass(frozen=True)
class ServerSpec:
    """What one server of a run is to be."""

    backend: Backend
    #: The fixture it is for: two fixtures are two servers.
    name: str = "zk_server"
    servers: int = 1
    version: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    load: Mapping[str, bytes | None] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for equal servers of one fixture."""
        settings = repr(sorted(self.settings.items()))
        load = repr(sorted(self.load.items()))
        return (self.name, self.backend, self.servers, self.version, settings, load, id(self.tls))


class _Fake:
    """A server of the run on the fake, and how it is put back."""

    def __init__(self, server: FakeServer, load: Mapping[str, bytes | None]) -> None:
        self.server = server
        self.base = ""
        self.load = load
        self.admin: Admin | None = None  # the fake needs none
        self.log_before: tuple[int, ...] = ()
        self.chroots: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self.server.load(self.load)
        self._seed: Snapshot = self.server.snapshot()

    def make(self, path: str, znodes: Mapping[str, bytes | None]) -> None:
        self.server.load({path: b"", **{path + below: data for below, data in znodes.items()}})

    def remove(self, path: str) -> None:
        if self.chroots:
            self.server.remove(path)
        else:
            self.server.restore(self._seed)

    def trouble(self) -> str | None:
        if self.server.running:
            return None
        return f"the fake server at {self.server.hosts} was stopped and not started again."

    def revive(self) -> None:
        self.server.start()

    def begin_test(self) -> None: ...

    def put_back(self) -> None:
        self.server.put_back()
        if not self.chroots:
            self.server.restore(self._seed)

    def sessions(self) -> dict[int, str]:
        return self.server.describe_sessions()

    def close(self) -> None:
        self.server.close()


class _Live:
    """A live server of the run, and how it is put back."""

    def __init__(
        self,
        server: LiveZooKeeper | ExternalServer,
        load: Mapping[str, bytes | None],
        *,
        base: str = "",
        password: str | None = None,
    ) -> None:
        self.server = server
        self.base = base
        self.load = load
        self.chroots: set[str] = set()
        self.admin = Admin(server.hosts, password)
        self.log_before: tuple[int, ...] = ()
        self._tops: set[str] = set()
        if isinstance(server, LiveZooKeeper):
            self.admin.load(load)
            self._tops = set(self.admin.children("/"))

    def make(self, path: str, znodes: Mapping[str, bytes | None]) -> None:
        self.admin.load({path: b"", **{path + below: data for below, data in znodes.items()}})

    def remove(self, path: str) -> None:
        if not self.admin.remove(path):
            warnings.warn(f"a test locked znodes under {path}; they stay", stacklevel=2)

    def trouble(self) -> str | None:
        server = self.server
        if isinstance(server, ExternalServer):
            if self.admin.connected:
                return None
            return f"the live server at {server.hosts} does not answer any more"
        deadline = time.monotonic() + _NOTICE
        while server.running:
            if self.admin.connected or time.monotonic() > deadline:
                return None
            time.sleep(0.01)
        return "\n".join(_how_it_ended(member) for member in server.members if not member.running)

    def revive(self) -> None:
        if isinstance(self.server, LiveZooKeeper):
            self.server.start()

    def begin_test(self) -> None:
        if isinstance(self.server, LiveZooKeeper):
            self.log_before = tuple(len(member.log) for member in self.server.members)

    def put_back(self) -> None:
        if self.chroots or isinstance(self.server, ExternalServer):
            return
        for name in self.admin.children("/"):
            if name not in self._tops:
                self.admin.remove(f"/{name}")
        self.admin.load(self.load)

    def sessions(self) -> dict[int, str]:
        if isinstance(self.server, ExternalServer):
            return {}  # other runs have theirs there
        found: dict[int, str] = {}
        for host in self.server.hosts.split(","):
            name, _, port = host.rpartition(":")
            with contextlib.suppress(OSError):
                found.update(_sessions(four_letter_word(name, int(port), "cons")))
        return found

    def close(self) -> None:
        self.admin.close()
        if isinstance(self.server, LiveZooKeeper):
            self.server.close()


def _how_it_ended(member: LiveMember) -> str:
    status = member.exit_status
    if status is None:
        return f"the live server at {member.hosts} was stopped and not started again."
    how = f"was killed by signal {status - 128}" if status > 128 else f"ended with status {status}"
    log = member.log.strip()[-_TAIL:]
    return f"the live server at {member.hosts} {how}. The end of its log:\n{log or '(empty)'}"


def _sessions(cons: str) -> dict[int, str]:
    """Session ids and addresses from the answer to ``cons``."""
    found = {}
    for line in cons.splitlines():
        address, _, rest = line.strip().partition("[")
        _, sid, rest = rest.partition("sid=0x")
        if sid:
            found[int(rest.split(",")[0], 16)] = f"of the client at {address.lstrip('/')}"
    return found


class ServerPool:
    """The servers of one test run, started when first asked for."""

    def __init__(self, *, hosts: str | None = None, home: str | None = None) -> None:
        """``hosts``: somebody else's live server. ``home``: where the one to start is."""
        self._hosts, _, base = (hosts or "").partition("/")
        self._base = f"/{base}".rstrip("/")
        self._home = home
        self._running: dict[tuple[object, ...], _Fake | _Live | Exception] = {}
        self._password = secrets.token_hex(16)
        #: What a test has from its factory of servers.
        self.lent: list[OwnServer] = []
        self.requests = RequestLog()
        self.requests.attach()

    # -- servers

    @property
    def external(self) -> bool:
        """Whether the live server is somebody else's."""
        return bool(self._hosts)

    def get(self, spec: ServerSpec) -> ZooKeeperServer:
        """The server that is so. Raises, again and again, what its start raised."""
        if spec.key not in self._running:
            try:
                self._running[spec.key] = self._start(spec)
            except Exception as error:
                self._running[spec.key] = error
        found = self._running[spec.key]
        if isinstance(found, Exception):
            raise found
        return found.server

    def _start(self, spec: ServerSpec) -> _Fake | _Live:
        if spec.backend == "fake":
            return _Fake(cast("FakeServer", self.own(spec)), spec.load)
        if self._hosts:
            self._check_external(spec)
            server = ExternalServer.at(self._hosts)
            _check_version(spec, server.version)
            return _Live(server, spec.load, base=self._base)
        # The run may clean up whatever its tests lock away, but for a superuser of the test's own.
        name = "DigestAuthenticationProvider.superDigest"
        ours = not {name, "superDigest", f"zookeeper.{name}"} & set(spec.settings)
        more = {name: super_digest(self._password)} if ours else {}
        live = self.own(spec, more)
        try:
            return _Live(
                cast("LiveZooKeeper", live),
                spec.load,
                password=self._password if ours else None,
            )
        except BaseException:
            live.close()
            raise

    def _check_external(self, spec: ServerSpec) -> None:
        if spec.servers != 1 or spec.settings or spec.tls is not None:
            raise UnsuitableServerError(
                "needs a server of its own, and --zk-hosts names somebody else's"
            )

    def own(self, spec: ServerSpec, more: Mapping[str, object] | None = None) -> OwnServer:
        """A further server, which the caller has to close. ``more``: further settings."""
        settings = {**spec.settings, **(more or {})}
        if spec.backend == "fake":
            return FakeServer(settings, servers=spec.servers, version=spec.version, tls=spec.tls)
        if self._hosts:
            raise UnsuitableServerError(
                "needs a server of its own, and --zk-hosts names somebody else's"
            )
        if spec.tls is not None:
            raise UnsuitableServerError("tls= is for the fake; no live server is set up with it")
        if spec.version is not None:
            _check_version(spec, installed_version(self._home))
        live = LiveZooKeeper(self._home, settings=settings, servers=spec.servers)
        try:
            live.start()
        except BaseException:
            live.close()
            raise
        return live

    def load(self, server: OwnServer, znodes: Mapping[str, bytes | None]) -> None:
        """Make znodes on a server that was had from `own`."""
        if isinstance(server, FakeServer):
            server.load(znodes)
            return
        with contextlib.closing(Admin(server.hosts)) as admin:
            admin.load(znodes)

    def end(self, spec: ServerSpec) -> None:
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

    def begin_test(self) -> None:
        """What is told of a failure begins here."""
        self.requests.begin()
        for held in self.held:
            held.begin_test()

    @contextlib.contextmanager
    def chroot(
        self, server: ZooKeeperServer, znodes: Mapping[str, bytes | None] | None = None
    ) -> Iterator[str]:
        """A new znode for one test, with ``znodes`` below it; it goes, with all below it, at the
        end.
        """
        held = self._holding(server)
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        path = f"{held.base}/pytest-{worker}-{secrets.token_hex(6)}"
        held.make(path, {**held.load, **(znodes or {})})
        held.chroots.add(path)
        try:
            yield path
        finally:
            held.chroots.discard(path)
            if held.trouble() is not None:
                held.revive()
            held.remove(path)

    def _holding(self, server: ZooKeeperServer) -> _Fake | _Live:
        for held in self.held:
            if held.server is server:
                return held
        raise ValueError(f"{server!r} is not a server that the run shares")

    @property
    def held(self) -> list[_Fake | _Live]:
        """The servers that were started."""
        return [held for held in self._running.values() if not isinstance(held, Exception)]


def _check_version(spec: ServerSpec, version: str) -> None:
    wanted = spec.version
    if wanted is not None and version != wanted and not version.startswith(f"{wanted}."):
        raise UnsuitableServerError(
            f"wants ZooKeeper {wanted}, and the live server is {version or 'of another version'}"
        )
