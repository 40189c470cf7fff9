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
import threading
import time
import warnings
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pytest_zkdict.admin import Admin, super_digest
from pytest_zkdict.kazoo_log import RequestLog
from pytest_zkdict.live import LiveZooKeeper, four_letter_word, installed_version
from pytest_zkdict.servers import ExternalServer, FakeServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from pytest_zkdict.live import LiveMember
    from pytest_zkdict.servers import Backend, OwnServer, ZooKeeperServer

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


class _Held:
    """A server of the run, and how it is put back between two tests."""

    server: FakeServer | LiveZooKeeper | ExternalServer

    def __init__(self, load: Mapping[str, bytes | None]) -> None:
        self.load = load
        self.base = ""
        self.chroots: set[str] = set()
        self.noticed: list[str] = []
        """What became of the server in this test."""
        self.dead: str | None = None
        """Why it can not be started again."""
        self.log_before: tuple[int, ...] = ()
        """How much of each member's log there was before the test, on live."""

    @property
    def admin(self) -> Admin | None:
        """The run's own client, which the fake does not need."""
        return None

    def begin_test(self) -> None:
        """A test begins."""

    def trouble(self) -> str | None:
        """What has become of the server; `None` while it serves."""
        raise NotImplementedError

    def recover(self) -> None:
        """Start the server again where it has ended, and keep in mind what became of it."""
        trouble = self.trouble()
        if trouble is None:
            self.dead = None
        elif isinstance(self.server, ExternalServer):
            self.dead = trouble
            self.noticed.append(trouble)
        elif self.dead is None:
            self.noticed.append(trouble)
            try:
                self.server.start()
            except Exception as error:
                self.dead = f"{trouble}\nIt could not be started again: {error}"

    def make(self, path: str, znodes: Mapping[str, bytes | None]) -> None:
        """Make a test's znode, with ``znodes`` below it."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Remove a test's znode with all below it."""
        raise NotImplementedError

    def put_back(self) -> None:
        """End what a test has done to the server, and remove what it left outside its znode."""
        raise NotImplementedError

    def sessions(self) -> set[int]:
        """The ids of the open sessions whose clients are connected: that of a client which was
        stopped while its server was away goes by itself.
        """
        raise NotImplementedError

    def describe(self, session: int) -> str:
        """Whose session that is."""
        raise NotImplementedError

    def close(self) -> None:
        """End the server."""
        raise NotImplementedError


class _Fake(_Held):
    server: FakeServer

    def __init__(self, server: FakeServer, load: Mapping[str, bytes | None]) -> None:
        super().__init__(load)
        self.server = server
        self.server.load(load)
        self._seed = server.snapshot()
        self._failed: str | None = None
        self._seen: dict[int, str] = {}
        """What sessions had before the znodes of the test went."""
        self._later: list[str] = []
        """What is to be removed once the server can be written to again."""

    def make(self, path: str, znodes: Mapping[str, bytes | None]) -> None:
        self.server.load({path: b"", **{path + below: data for below, data in znodes.items()}})

    def recover(self) -> None:
        super().recover()
        self._failed = None

    def begin_test(self) -> None:
        self._seen.clear()

    def remove(self, path: str) -> None:
        self._seen.update({session: self.describe(session) for session in self.sessions()})
        if self.server.running and self.server.writable:
            self.server.remove(path)
        else:
            self._later.append(path)

    def trouble(self) -> str | None:
        if (failure := self.server.take_failure()) is not None:
            cause = failure.__cause__
            self._failed = f"{failure}: {type(cause).__name__}: {cause}"
        if self._failed is not None:
            return self._failed
        if self.server.running:
            return None
        return f"the fake server at {self.server.hosts} was stopped and not started again."

    def put_back(self) -> None:
        self.server.put_back()
        while self._later:
            self.server.remove(self._later.pop())
        if not self.chroots:
            self.server.restore(self._seed)

    def sessions(self) -> set[int]:
        return {view.session_id for view in self.server.connections} - {0}

    def describe(self, session: int) -> str:
        return self._seen.get(session) or self.server.describe(session)

    def close(self) -> None:
        self.server.close()


class _Live(_Held):
    server: LiveZooKeeper | ExternalServer

    def __init__(
        self,
        server: LiveZooKeeper | ExternalServer,
        load: Mapping[str, bytes | None],
        *,
        base: str = "",
        password: str | None = None,
    ) -> None:
        super().__init__(load)
        self.server = server
        self.base = base
        self._admin = Admin(server.hosts, password)
        self._tops: set[str] = set()
        self._addresses: dict[int, str] = {}
        if isinstance(server, LiveZooKeeper):
            self._admin.load(load)
            self._tops = set(self._admin.children("/"))

    @property
    def admin(self) -> Admin:
        return self._admin

    def make(self, path: str, znodes: Mapping[str, bytes | None]) -> None:
        self._admin.load({path: b"", **{path + below: data for below, data in znodes.items()}})

    def remove(self, path: str) -> None:
        if not self._admin.remove(path):
            warnings.warn(f"a test locked znodes under {path}; they stay", stacklevel=2)

    def trouble(self) -> str | None:
        server = self.server
        if isinstance(server, ExternalServer):
            if self._admin.wait(_NOTICE if self.dead is None else 0):
                return None
            return f"the live server at {server.hosts} does not answer any more."
        deadline = time.monotonic() + _NOTICE
        while server.running:
            if self._admin.connected or time.monotonic() > deadline:
                return None
            time.sleep(0.01)
        return "\n".join(_how_it_ended(member) for member in server.members if not member.running)

    def begin_test(self) -> None:
        if isinstance(self.server, LiveZooKeeper):
            self.log_before = tuple(len(member.log) for member in self.server.members)

    def put_back(self) -> None:
        if self.chroots or isinstance(self.server, ExternalServer):
            return
        for name in self._admin.children("/"):
            if name not in self._tops:
                self._admin.remove(f"/{name}")
        self._admin.load(self.load)

    def sessions(self) -> set[int]:
        if isinstance(self.server, ExternalServer):
            return set()  # other runs have theirs there
        self._addresses = {}
        for member in self.server.members:
            with contextlib.suppress(OSError):
                answer = four_letter_word("127.0.0.1", member.port, "cons")
                self._addresses.update(_sessions(answer))
        return set(self._addresses) - {self._admin.session_id}

    def describe(self, session: int) -> str:
        return f"of the client at {self._addresses[session]}"

    def close(self) -> None:
        self._admin.close()
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
            found[int(rest.split(",")[0], 16)] = address.lstrip("/")
    return found


class ServerPool:
    """The servers of one test run, started when first asked for."""

    def __init__(self, *, hosts: str | None = None, home: str | None = None) -> None:
        """``hosts``: somebody else's live server. ``home``: where the one to start is."""
        self._hosts, _, base = (hosts or "").partition("/")
        self._base = f"/{base}".rstrip("/")
        self._home = home
        self._running: dict[tuple[object, ...], _Held | Exception] = {}
        self._password = secrets.token_hex(16)
        #: What a test has from its factory of servers.
        self.lent: list[OwnServer] = []
        #: What its servers have brought along.
        self.own_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self.own_sessions: set[int] = set()
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
            before = set(threading.enumerate())
            try:
                held = self._running[spec.key] = self._start(spec)
            except Exception as error:
                self._running[spec.key] = error
            else:
                # A fixture may ask for it in the middle of a test, which has not left these.
                self.own_threads.update(set(threading.enumerate()) - before)
                self.own_sessions |= held.sessions()
        found = self._running[spec.key]
        if isinstance(found, Exception):
            raise found
        return cast("ZooKeeperServer", found.server)

    def _start(self, spec: ServerSpec) -> _Held:
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
        with Admin(server.hosts) as admin:
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
            held.recover()
            if held.dead is None:
                held.remove(path)

    def _holding(self, server: ZooKeeperServer) -> _Held:
        for held in self.held:
            if held.server is server:
                return held
        raise ValueError(f"{server!r} is not a server that the run shares")

    @property
    def held(self) -> list[_Held]:
        """The servers that were started."""
        return [held for held in self._running.values() if not isinstance(held, Exception)]


def _check_version(spec: ServerSpec, version: str) -> None:
    wanted = spec.version
    if wanted is not None and version != wanted and not version.startswith(f"{wanted}."):
        raise UnsuitableServerError(
            f"wants ZooKeeper {wanted}, and the live server is {version or 'of another version'}"
        )
