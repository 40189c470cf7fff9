"""What stands behind a test's connect string, and the znode that each test has to itself there.

The rules that live here:

- both backends look alike (`ZooKeeperServer`) and have the same times: a 200 ms tick, so sessions
  from 0.4 s to a minute;
- a server is started when a test first asks for it and ends with the run; a failed start is not
  tried again, every test that needs that server fails for the same reason;
- no test shares a znode with another one: each gets a chroot with a name nobody else has, on a
  server of the run's own as well as on one shared by many runs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import secrets
import socket
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

from pytest_zkdict.live import MAX_SESSION_TIMEOUT, TICK_TIME, LiveZooKeeper, four_letter_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kazoo.client import KazooClient

    from zkfake import FakeZooKeeper
    from zkfake.faults import Faults

Backend = Literal["fake", "live"]


class ZooKeeperServer(Protocol):
    """A running ZooKeeper, fake or live."""

    @property
    def backend(self) -> Backend:
        """``"fake"`` or ``"live"``."""
        ...

    @property
    def hosts(self) -> str:
        """The connect string, without a chroot: ``"127.0.0.1:40001"``."""
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


class OwnServer(ZooKeeperServer, Protocol):
    """A server that one test has to itself, so it may take it down."""

    def stop(self) -> None:
        """Stop serving; what is stored stays."""
        ...

    def start(self) -> None:
        """Serve again, at the same connect string, what was stored before."""
        ...

    def close(self) -> None:
        """End for good."""
        ...


class FakeServer:
    """A `FakeZooKeeper` of this process as an `OwnServer`, set up as a live one is."""

    backend: Literal["fake"] = "fake"

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        from zkfake import FakeZooKeeper

        self._settings: dict[str, object] = {
            "tickTime": TICK_TIME,
            "maxSessionTimeout": MAX_SESSION_TIMEOUT,
            "maxClientCnxns": 0,
            "4lw.commands.whitelist": "*",
            "extendedTypesEnabled": True,
            **(settings or {}),
        }
        self._fake: FakeZooKeeper = FakeZooKeeper(settings=self._settings)
        self._fake.start()
        self.hosts: str = self._fake.hosts

    @property
    def version(self) -> str:
        return _version(self.hosts)

    @property
    def tick_time(self) -> int:
        return int(str(self._settings["tickTime"]))

    @property
    def min_session_timeout(self) -> float:
        return int(str(self._settings.get("minSessionTimeout", 2 * self.tick_time))) / 1000

    @property
    def faults(self) -> Faults:
        """What can be done to this server, its clients and their connections."""
        return self._fake.faults

    def stop(self) -> None:
        for member in self._fake.members:
            member.stop()

    def start(self) -> None:
        for member in self._fake.members:
            member.start()

    def close(self) -> None:
        self._fake.stop()


@dataclass(frozen=True)
class ExternalServer:
    """A server that somebody else runs, named by ``--zk-hosts``."""

    hosts: str
    version: str
    tick_time: int
    min_session_timeout: float
    backend: Literal["live"] = "live"

    @classmethod
    def at(cls, hosts: str) -> ExternalServer:
        """Ask the first host what it is. Raises `OSError` when nobody accepts there."""
        shortest = _shortest_session(*_first_host(hosts))
        # A server tells its shortest session, not its tick; two ticks are the default.
        return cls(hosts, _version(hosts), shortest // 2, shortest / 1000)


def _first_host(hosts: str) -> tuple[str, int]:
    from kazoo.hosts import collect_hosts

    found, _ = collect_hosts(hosts)
    host, port = found[0]
    return host, int(port)


def _version(hosts: str) -> str:
    answer = four_letter_word(*_first_host(hosts), "srvr")
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


class ServerPool:
    """The servers of one test run: at most one of each backend, started when first asked for."""

    def __init__(self, *, hosts: str | None, home: str | None) -> None:
        self._hosts, _, base = (hosts or "").partition("/")
        self._base = f"/{base}".rstrip("/")
        self._home = home
        self._running: dict[str, ZooKeeperServer | Exception] = {}
        self._owned: list[OwnServer] = []
        self._password = secrets.token_hex(16)

    def get(self, backend: str) -> ZooKeeperServer:
        """The server of this backend. Raises, again and again, what its start raised."""
        if backend not in self._running:
            try:
                self._running[backend] = self._start(backend)
            except Exception as error:
                self._running[backend] = error
        server = self._running[backend]
        if isinstance(server, Exception):
            raise server
        return server

    def _start(self, backend: str) -> ZooKeeperServer:
        if backend == "live" and self._hosts:
            return ExternalServer.at(self._hosts)
        # The run may clean up whatever its tests lock away.
        digest = base64.b64encode(hashlib.sha1(f"super:{self._password}".encode()).digest())
        setting = {"DigestAuthenticationProvider.superDigest": f"super:{digest.decode()}"}
        server = self.own(backend, setting)
        self._owned.append(server)
        return server

    def own(self, backend: str, settings: Mapping[str, object] | None = None) -> OwnServer:
        """A further server that the caller has to close."""
        if backend == "fake":
            return FakeServer(settings)
        live = LiveZooKeeper(self._home, settings=settings)
        try:
            live.start()
        except BaseException:
            live.close()
            raise
        return live

    @property
    def external(self) -> bool:
        """Whether the live server is somebody else's."""
        return bool(self._hosts)

    @contextlib.contextmanager
    def chroot(self, server: ZooKeeperServer) -> Iterator[str]:
        """A new znode for one test; it goes, with all below it, at the end."""
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        base = self._base if isinstance(server, ExternalServer) else ""
        path = f"{base}/pytest-{worker}-{secrets.token_hex(6)}"
        self._as_admin(server, lambda admin: admin.ensure_path(path))
        try:
            yield path
        finally:
            self._as_admin(server, lambda admin: _remove(admin, path))

    def _as_admin(self, server: ZooKeeperServer, act: Callable[[KazooClient], object]) -> None:
        from kazoo.client import KazooClient

        own = server in self._owned
        auth = [("digest", f"super:{self._password}")] if own else None
        admin = KazooClient(server.hosts, auth_data=auth)
        admin.start()
        try:
            act(admin)
        finally:
            admin.stop()
            admin.close()

    def close(self) -> None:
        while self._owned:
            self._owned.pop().close()
        self._running.clear()


def _remove(admin: KazooClient, path: str) -> None:
    from kazoo.exceptions import NoAuthError, NotEmptyError

    try:
        # A client that the test left behind may still be writing.
        for _ in range(50):
            with contextlib.suppress(NotEmptyError):
                admin.delete(path, recursive=True)
                return
        admin.delete(path, recursive=True)
    except NoAuthError:
        # Only on somebody else's server: the run has no rights there but the test's.
        warnings.warn(f"a test locked znodes under {path}; they stay", stacklevel=2)
