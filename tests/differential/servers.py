"""The servers that are put side by side, each fresh, each with the same settings.

Rules that live here: the settings both sides run under (timers that would act on their own are set
out of reach: what a server does by itself cannot be compared step by step) and how a channel to
each is opened.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import IO, Protocol

from zkfake import FakeZooKeeper

from .wire import Channel, Silent, SocketChannel, digest

SUPER = "super:secret"
FAR_AWAY_MS = 2_000_000_000
ZOO_CFG = {
    "tickTime": 2000,
    # A machine that stalls for some seconds must not expire a session on one side alone.
    "minSessionTimeout": 20_000,
    "maxSessionTimeout": 90_000,
    "maxClientCnxns": 0,
}
PROPERTIES = {
    "zookeeper.extendedTypesEnabled": "true",
    "zookeeper.enforceQuota": "true",
    "zookeeper.4lw.commands.whitelist": "*",
    "zookeeper.DigestAuthenticationProvider.superDigest": digest(SUPER),
    "znode.container.checkIntervalMs": str(FAR_AWAY_MS),
}
# What only a server on a disk has.
_LIVE_PROPERTIES = {
    "zookeeper.forceSync": "no",
    "zookeeper.admin.enableServer": "false",
    "zookeeper.nio.numSelectorThreads": "1",
    "zookeeper.nio.numWorkerThreads": "2",
    "zookeeper.commitProcessor.numWorkerThreads": "1",
    "zookeeper.sessionlessCnxnTimeout": "600000",
    "log4j2.level": "ERROR",
}
DEBIAN_JAR = Path("/usr/share/java/zookeeper.jar")


class Server(Protocol):
    """A running server."""

    name: str
    version: str  # "3.8" or "3.9"

    def channel(self) -> Channel: ...

    def stop(self) -> None: ...


def class_path(home: Path | None) -> str:
    """Debian's jar with what its manifest names, or every jar under a `zookeeper` home."""
    if home is not None:
        jars = sorted(str(jar) for jar in {*home.glob("*.jar"), *home.glob("lib/*.jar")})
        return ":".join(jars)
    with zipfile.ZipFile(DEBIAN_JAR) as jar:
        manifest = jar.read("META-INF/MANIFEST.MF").decode().replace("\r\n", "\n")
    for line in manifest.replace("\n ", "").splitlines():
        if line.startswith("Class-Path:"):
            return ":".join([str(DEBIAN_JAR), *line.partition(":")[2].split()])
    raise AssertionError(f"{DEBIAN_JAR} names no class path")


class LiveServer:
    """The real server in a JVM of its own; `home=None` is Debian's package."""

    def __init__(
        self, home: Path | None = None, config: dict[str, object] | None = None
    ) -> None:
        # Debian's package is 3.8; another home is expected to hold a 3.9.
        self.version = "3.8" if home is None else "3.9"
        self.name = f"live {self.version}"
        self._directory = Path(tempfile.mkdtemp(prefix="zk-differential-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = ("127.0.0.1", port)
        settings = {**(ZOO_CFG if config is None else config)}
        lines = {**settings, "dataDir": self._directory / "data", "clientPort": port}
        (self._directory / "zoo.cfg").write_text(
            "".join(f"{key}={value}\n" for key, value in lines.items())
            + "clientPortAddress=127.0.0.1\n"
        )
        self._log: IO[bytes] = (self._directory / "log").open("wb")
        flags = [f"-D{k}={v}" for k, v in {**PROPERTIES, **_LIVE_PROPERTIES}.items()]
        self._process = subprocess.Popen(
            [
                "java",
                *("-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:TieredStopAtLevel=1"),
                *flags,
                *("-cp", class_path(home)),
                "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                str(self._directory / "zoo.cfg"),
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, Silent):
                probe = SocketChannel(self.address, patience=0.5)
                probe.send(b"srvr")
                if probe.read_raw().startswith(b"Zookeeper version"):
                    return
            time.sleep(0.02)
        log = (self._directory / "log").read_text(errors="replace")[-2000:]
        self.stop()
        raise AssertionError(f"{self.name} did not start: {log}")

    def channel(self) -> Channel:
        return SocketChannel(self.address)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._directory, ignore_errors=True)


class FakeServer:
    """The fake, over its sockets, under the same settings."""

    def __init__(self, version: str, config: dict[str, object] | None = None) -> None:
        self.version = version
        self.name = f"fake {version}"
        settings = {**(ZOO_CFG if config is None else config)}
        settings |= {key.removeprefix("zookeeper."): value for key, value in PROPERTIES.items()}
        settings["superDigest"] = settings.pop("DigestAuthenticationProvider.superDigest")
        self._fake = FakeZooKeeper(version=version, settings=settings)
        self._fake.start()
        host, _, port = self._fake.hosts.rpartition(":")
        self._address = (host, int(port))

    def channel(self) -> Channel:
        return SocketChannel(self._address)

    def stop(self) -> None:
        self._fake.stop()
