"""The servers that are put side by side, each fresh, each with the same settings.

Rules that live here: the settings both sides run under (timers that would act on their own are set
out of reach: what a server does by itself cannot be compared step by step) and how a channel to
each is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_zkdict.live import LiveZooKeeper
from zkfake import FakeZooKeeper
from zkfake._compare import side

from ...support.client import PATIENCE
from ...support.wire import RawChannel, SocketChannel, digest

if TYPE_CHECKING:
    import os

SUPER = "super:secret"
FAR_AWAY_MS = 2_000_000_000
SETTINGS: dict[str, object] = {
    "tickTime": 2000,
    # A machine that stands still for a while must not expire a session on one side alone.
    "minSessionTimeout": 120_000,
    "maxSessionTimeout": 600_000,
}
#: What a newly installed server has: nothing set but the tick.
PLAIN_SETTINGS: dict[str, object] = {"tickTime": 2000}
_SWITCHES: dict[str, object] = {
    "maxClientCnxns": 0,
    "extendedTypesEnabled": "true",
    "enforceQuota": "true",
    "4lw.commands.whitelist": "*",
    "znode.container.checkIntervalMs": FAR_AWAY_MS,
}
_CLASSES = "org.apache.zookeeper.server.auth."
_SWITCHES |= {
    "authProvider.1": _CLASSES + "SASLAuthenticationProvider",
    "authProvider.2": _CLASSES + "X509AuthenticationProvider",
    "authProvider.3": _CLASSES + "EnsembleAuthenticationProvider",
}
_SUPER_DIGEST = "zookeeper.DigestAuthenticationProvider.superDigest"
_FEW_THREADS = {
    "zookeeper.nio.numSelectorThreads": 1,
    "zookeeper.nio.numWorkerThreads": 2,
}


def fake_settings(settings: dict[str, object] = SETTINGS) -> dict[str, object]:
    """What the fake is given, by its own names."""
    return {**settings, **_SWITCHES, "superDigest": digest(SUPER)}


def live_settings(
    settings: dict[str, object] = SETTINGS,
) -> tuple[dict[str, object], dict[str, object]]:
    """What a live server is given: the lines of its configuration, and Java properties."""
    switches = dict(_SWITCHES)
    given = {**settings, "maxClientCnxns": switches.pop("maxClientCnxns")}
    if "maxSessionTimeout" not in given:
        given["maxSessionTimeout"] = 20 * int(str(given["tickTime"]))
    properties: dict[str, object] = {
        # znode.* is read without the prefix that all others have.
        (name if name.startswith("znode.") else f"zookeeper.{name}"): value
        for name, value in switches.items()
    }
    return given, properties | {_SUPER_DIGEST: digest(SUPER), **_FEW_THREADS}


class Server(side.Server, Protocol):
    """A running server."""

    version: str  # "3.8" or "3.9"


class LiveServer:
    """The real server in a JVM of its own; `home=None` is Debian's package."""

    def __init__(
        self, home: str | os.PathLike[str] | None = None, settings: dict[str, object] = SETTINGS
    ) -> None:
        given, properties = live_settings(settings)
        self._live = LiveZooKeeper(home, settings=given, properties=properties)
        self._live.start()
        self.address = ("127.0.0.1", self._live.port)
        self.version = ".".join(self._live.version.split(".")[:2])
        self.name = f"live {self._live.version}"

    def channel(self) -> RawChannel:
        return SocketChannel(self.address, PATIENCE)

    def stop(self) -> None:
        self._live.close()


class FakeServer:
    """The fake, over its sockets, under the same settings."""

    def __init__(self, version: str, settings: dict[str, object] = SETTINGS) -> None:
        self.version = version
        self.name = f"fake {version}"
        self._fake = FakeZooKeeper(version=version, settings=fake_settings(settings))
        self._fake.start()
        host, _, port = self._fake.hosts.rpartition(":")
        self._address = (host, int(port))

    def channel(self) -> RawChannel:
        return SocketChannel(self._address, PATIENCE)

    def stop(self) -> None:
        self._fake.stop()
