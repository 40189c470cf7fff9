"""``kazoo.testing`` on the fake: ``pytest -p pytest_zkdict.kazoo_harness``.

Projects test their kazoo code with `kazoo.testing.KazooTestHarness`, which starts a cluster of Java
servers. With this plugin the same tests, unchanged, run on a `zkfake.FakeZooKeeper` in the test
process. The rules that live here:

- how a cluster of `kazoo.testing` maps to a fake: its size and observers, its lines of ``zoo.cfg``,
  Java properties and JAAS users to the fake's settings, its certificates to the fake's TLS port;
- what ``run``, ``stop``, ``reset``, ``destroy`` and ``terminate`` mean: a stopped member keeps what
  it knows, as on its disk; what all members have lost is gone;
- the environment variables that `kazoo.testing` reads keep their meaning; ``ZOOKEEPER_VERSION``,
  which it demands, gets a default;
- a kazoo whose ``kazoo.testing`` is built in another way is refused when the run begins;
- a project that uses no TLS needs neither pyOpenSSL nor pyjks, which `kazoo.testing` imports.

A line of the configuration that the fake does not know is an error, never ignored: a test might
depend on it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import re
import ssl
import sys
import tempfile
import threading
import time
import types
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zkfake import FakeZooKeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["FakeCluster", "FakeClusterMember"]

_SUPPORTED = "2.8 to 2.11"
_DEFAULT_VERSION = "3.9.5"

#: What every server of ``kazoo.testing`` has in its ``zoo.cfg`` and on its command line.
_SETTINGS: dict[str, object] = {
    "tickTime": 2000,
    "maxClientCnxns": 0,
    "4lw.commands.whitelist": "*",
    "readonlymode.enabled": True,
}
#: The longest wait for an election, seconds.
_START_LIMIT = 10.0
#: The longest wait until a lost quorum is noticed, seconds: a leader takes a tick, by default two.
_NOTICE_LIMIT = 10.0
_JAAS_USER = re.compile(r'\buser_(\w+)\s*=\s*"([^"]*)"')
_HOST = "127.0.0.1"
_NO_TLS = (
    "no certificates for TLS: kazoo.testing makes them with pyjks and pyOpenSSL before 24; install "
    "both (zkdict's extra kazoo-suite has them)"
)


class FakeClusterMember:
    """One member, as ``kazoo.testing.common.ManagedZooKeeper`` shows it to tests."""

    def __init__(self, cluster: FakeCluster, number: int) -> None:
        self._cluster = cluster
        self._number = number
        self.host = _HOST

    @property
    def running(self) -> bool:
        return self._cluster.is_running(self._number)

    @property
    def client_port(self) -> int:
        return self._cluster.ports(self._number)[0]

    @property
    def secure_client_port(self) -> int:
        """Raises `RuntimeError` without certificates: see
        `FakeCluster.get_ssl_client_configuration`.
        """
        port = self._cluster.ports(self._number)[1]
        if port is None:
            raise RuntimeError(_NO_TLS)
        return port

    @property
    def address(self) -> str:
        return f"{self.host}:{self.client_port}"

    @property
    def secure_address(self) -> str:
        return f"{self.host}:{self.secure_client_port}"

    def run(self) -> None:
        """Start serving; without effect where it runs."""
        self._cluster.run_member(self._number)

    def stop(self) -> None:
        """Drop the clients and refuse new ones; what is stored stays.

        Where that leaves no quorum, this waits until the others have noticed, which takes a leader
        up to a tick, and for ten seconds at most: a client that connects next is not dropped once
        more.
        """
        self._cluster.stop_member(self._number, wipe=False)
        self._cluster.wait_until_noticed()

    def reset(self) -> None:
        """Stop, and forget what is stored: the others' state, if there is any, is taken at the next
        start. It waits as `stop` does.
        """
        self._cluster.stop_member(self._number, wipe=True)
        self._cluster.wait_until_noticed()

    def destroy(self) -> None:
        """Like `reset`."""
        self.reset()

    def get_logs(self, num_lines: int = 100) -> list[str]:  # noqa: ARG002
        """The fake writes no log."""
        return []


class FakeCluster:
    """Members on one fake ensemble, as ``kazoo.testing.common.ZookeeperCluster`` shows them.

    The fake is made when something is first asked of it, and given up, with all that is stored,
    when every member was reset or destroyed. Ports stay for as long as the fake does.
    """

    def __init__(
        self,
        install_path: str | None = None,  # noqa: ARG002
        classpath: str | None = None,  # noqa: ARG002
        size: int = 3,
        port_offset: int = 0,  # noqa: ARG002
        observer_start_id: int = -1,
        configuration_entries: Sequence[str] = (),
        java_system_properties: Sequence[str] = (),
        jaas_config: str | None = None,
        *,
        latency: int = 0,
        **unknown: object,
    ) -> None:
        """Takes what `kazoo.testing` gives; paths and the port offset mean nothing here.
        ``latency``: milliseconds that a message between two members takes.

        Raises `ValueError` for JAAS users of another mechanism than DIGEST-MD5, and `RuntimeError`
        for an argument that no supported kazoo gives. What first needs the fake, such as `start`,
        raises `ValueError` for a version or a setting that the fake does not know.
        """
        if unknown:
            raise RuntimeError(_unsupported(f"it gives its cluster {', '.join(sorted(unknown))}"))
        self._version = ".".join(_version().split(".")[:2])
        self._settings = _settings(configuration_entries, java_system_properties, jaas_config)
        self._observers = 0 if observer_start_id < 0 else max(size - observer_start_id + 1, 0)
        self._latency = latency
        self._ssl_configuration: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._fake: FakeZooKeeper | None = None
        self._wiped: set[int] = set()
        self._servers = [FakeClusterMember(self, number) for number in range(size)]

    def __getitem__(self, number: int) -> FakeClusterMember:
        return self._servers[number]

    def __iter__(self) -> Iterator[FakeClusterMember]:
        return iter(self._servers)

    def start(self) -> None:
        """Start every member that does not run, and wait until all serve clients, for ten seconds
        at most.

        Kazoo's own cluster waits for two seconds here.
        """
        for server in self:
            server.run()
        _wait_until(self._serves, _START_LIMIT)

    def _serves(self) -> bool:
        with self._lock:
            return all(member.mode for member in self._ensemble().members)

    def stop(self) -> None:
        """Stop every member; what is stored stays."""
        for number in range(len(self._servers)):
            self.stop_member(number, wipe=False)

    def reset(self) -> None:
        """Stop every member and forget what is stored."""
        for number in range(len(self._servers)):
            self.stop_member(number, wipe=True)

    def terminate(self) -> None:
        """Stop every member and forget what is stored; `start` makes a new, empty ensemble."""
        self.reset()

    def get_logs(self) -> list[str]:
        """The fake writes no log."""
        return []

    def get_ssl_client_configuration(self) -> dict[str, bytes]:
        """The PEM texts of a client's key and certificate and of the authority behind both sides.

        Raises `RuntimeError` where the packages that make them are missing.
        """
        if not self._make_certificates():
            raise RuntimeError(_NO_TLS)
        made = self._ssl_configuration
        return {
            "client_key": made["client_key_pem"],
            "client_cert": made["client_cert_pem"],
            "ca_cert": made["ca_cert_pem"],
        }

    # -- for the members

    def is_running(self, number: int) -> bool:
        """Whether the member serves, or would if there was a quorum."""
        with self._lock:
            return self._fake is not None and self._fake.members[number].running

    def ports(self, number: int) -> tuple[int, int | None]:
        """The member's port, and its port for TLS."""
        with self._lock:
            member = self._ensemble().members[number]
            return member.port, member.secure_port

    def run_member(self, number: int) -> None:
        """Start the member where it does not run. Does not wait for it."""
        with self._lock:
            self._wiped.discard(number)
            member = self._ensemble().members[number]
            if not member.running:
                member.start()

    def stop_member(self, number: int, *, wipe: bool) -> None:
        """Stop the member; ``wipe``: it forgets what is stored."""
        with self._lock:
            if self._fake is None:
                return
            member = self._fake.members[number]
            if member.running:
                member.stop()
            if wipe:
                self._wiped.add(number)
                if len(self._wiped) == len(self._servers):
                    self._fake.stop()
                    self._fake = None

    def wait_until_noticed(self) -> None:
        """Wait until no member that runs serves as part of an ensemble that has lost its quorum.

        A leader serves on until its next check, once a tick.
        """
        _wait_until(self._has_noticed, _NOTICE_LIMIT)

    def _has_noticed(self) -> bool:
        with self._lock:
            fake = self._fake
            if fake is None:
                return True
            running = [replica for replica in fake.replicas if replica.running]
            voters = sum(not replica.observer for replica in running)
            if voters > (len(self._servers) - self._observers) // 2:
                return True
            return all(replica.mode in {None, "read-only"} for replica in running)

    def _ensemble(self) -> FakeZooKeeper:
        """The fake; a new one's members do not run yet."""
        if self._fake is None:
            self._fake = FakeZooKeeper(
                host=_HOST,
                servers=len(self._servers) - self._observers,
                observers=self._observers,
                version=self._version,
                settings=self._settings,
                tls=self._tls(),
            )
            self._fake.server_latency = (self._latency / 1000, self._latency / 1000)
            self._fake.start()
            for member in self._fake.members:
                member.stop()
            self._wiped.clear()
        return self._fake

    # -- TLS

    def _make_certificates(self) -> bool:
        """Has kazoo.testing make its certificates, once; whether there are any."""
        if not self._ssl_configuration and _has_tls_packages():
            from kazoo.testing.common import ZookeeperCluster

            # Older versions of kazoo make none, and newer ones of pyOpenSSL deprecate, or have
            # lost, what they are made with.
            with warnings.catch_warnings(), contextlib.suppress(AttributeError):
                warnings.simplefilter("ignore")
                ZookeeperCluster.perform_ssl_certs_generation(self)
        return bool(self._ssl_configuration)

    def _tls(self) -> ssl.SSLContext | None:
        """The server's side: its certificate, and clients are to have one, as the real default."""
        if not self._make_certificates():
            return None
        from OpenSSL import crypto

        made = self._ssl_configuration
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "server.pem")
            path.touch(mode=0o600)
            path.write_bytes(
                crypto.dump_privatekey(crypto.FILETYPE_PEM, made["server_key"])
                + crypto.dump_certificate(crypto.FILETYPE_PEM, made["server_cert"])
            )
            context.load_cert_chain(path)
        context.load_verify_locations(cadata=made["ca_cert_pem"].decode())
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def _wait_until(condition: Callable[[], bool], limit: float) -> None:
    deadline = time.monotonic() + limit
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def _has_tls_packages() -> bool:
    return all(map(importlib.util.find_spec, ("OpenSSL", "jks")))


def _version() -> str:
    return os.environ.get("ZOOKEEPER_VERSION", _DEFAULT_VERSION)


def _settings(
    entries: Sequence[str], properties: Sequence[str], jaas: str | None
) -> dict[str, object]:
    """The fake's settings for lines of ``zoo.cfg``, ``-D`` options and a JAAS file."""
    found = dict(_SETTINGS)
    for line in (*entries, *(option.removeprefix("-D") for option in properties)):
        name, _, value = line.partition("=")
        found[name.strip().removeprefix("zookeeper.")] = value.strip()
    if jaas and jaas.strip():
        if "DigestLoginModule" not in jaas:
            raise ValueError(
                "jaas_config: the fake's SASL has users of DigestLoginModule only, and this text "
                "has none"
            )
        found["sasl.users"] = dict(_JAAS_USER.findall(jaas))
    return found


# -- the plugin


_PATCHES = pytest.StashKey[pytest.MonkeyPatch]()
_LATENCY = "kazoo_harness_latency"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        _LATENCY,
        "milliseconds that a message between two members of kazoo.testing's fake cluster takes "
        "(default: 0: a write has reached all of them when its reply arrives)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    # A conftest may import kazoo.testing already.
    _install(early_config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Where a conftest named the plugin, the hook above came too early for it.
    _install(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    harness: Any = sys.modules.get("kazoo.testing.harness")
    if harness is not None and isinstance(harness.CLUSTER, FakeCluster):
        harness.CLUSTER.terminate()
        harness.CLUSTER = None
    patches = config.stash.get(_PATCHES, None)
    if patches is not None:
        patches.undo()


def _install(config: pytest.Config) -> None:
    if _PATCHES in config.stash:
        return
    cluster = functools.partial(FakeCluster, latency=_latency(config))
    patches = config.stash[_PATCHES] = pytest.MonkeyPatch()
    patches.setenv("ZOOKEEPER_VERSION", _version())
    if not _has_tls_packages():
        stand_in = types.ModuleType("kazoo.testing.common")
        stand_in.ZookeeperCluster = cluster  # type: ignore[attr-defined]
        patches.setitem(sys.modules, "kazoo.testing.common", stand_in)
    missing = _missing()
    if missing:
        patches.undo()
        raise pytest.UsageError(_unsupported(missing))
    patches.setattr("kazoo.testing.harness.ZookeeperCluster", cluster)


def _missing() -> str:
    """What `kazoo.testing` lacks of what is replaced or used here; empty if there is everything."""
    try:
        harness = importlib.import_module("kazoo.testing.harness")
    except ImportError as error:
        return f"kazoo.testing.harness cannot be imported ({error})"
    names = ("CLUSTER", "KazooTestCase", "KazooTestHarness", "ZookeeperCluster")
    gone = [name for name in names if not hasattr(harness, name)]
    return f"kazoo.testing.harness has no {', '.join(gone)}" if gone else ""


def _unsupported(why: str) -> str:
    return (
        f"pytest_zkdict.kazoo_harness supports kazoo {_SUPPORTED}, not the installed one "
        f"({metadata.version('kazoo')}): {why}"
    )


def _latency(config: pytest.Config) -> int:
    value = str(config.getini(_LATENCY) or "0")
    if not value.isdecimal():
        raise pytest.UsageError(f"{_LATENCY} = {value}: expected milliseconds, 0 or more")
    return int(value)
