"""An ensemble of real servers, each in a JVM of its own.

Rules that live here: which ports the servers use among themselves (free ones of loopback; another
try with others when one was taken meanwhile), and that an ensemble counts as started when every
server serves.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_zkdict.live import LiveStartError, LiveZooKeeper, four_letter_word, free_port

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

TICK = 200
PATIENCE = 60.0


class LiveMember(LiveZooKeeper):
    """One server of an ensemble."""

    _MAIN_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"

    def __init__(
        self,
        home: str | os.PathLike[str] | None,
        number: int,
        *,
        settings: Mapping[str, object],
        properties: Mapping[str, object],
    ) -> None:
        super().__init__(home, settings=settings, properties=properties)
        self.number = number

    def launch(self) -> None:
        """Starts the process; `wait` waits until it serves."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="zookeeper-"))
            self._arm(None)
        if self._port is None:
            self._port = free_port()
        self._spawn(self._directory, self._port)

    def wait(self) -> None:
        """Returns when it serves; raises `LiveStartError`."""
        assert self._directory is not None
        if not self._is_up(self._directory, self.port, time.monotonic() + PATIENCE):
            raise LiveStartError(f"port {self.port} was taken before the server could listen")

    def start(self) -> None:
        if not self.running:
            self.launch()
            self.wait()

    @property
    def mode(self) -> str | None:
        """ "leader", "follower", "observer", "read-only"; None while it serves nobody."""
        try:
            answer = four_letter_word("127.0.0.1", self.port, "srvr")
        except OSError:
            return None
        _, _, mode = answer.partition("Mode: ")
        return mode.split("\n")[0] or None

    def _spawn(self, directory: Path, port: int) -> None:
        data = directory / "data"
        data.mkdir(exist_ok=True)
        (data / "myid").write_text(f"{self.number}\n")
        super()._spawn(directory, port)


class LiveEnsemble:
    """Voters, then observers; numbers count from 1. `close` it, also where `start` failed."""

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        *,
        servers: int = 3,
        observers: int = 0,
        settings: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        self._home = home
        self._roles = ["participant"] * servers + ["observer"] * observers
        self._settings = {"tickTime": TICK, "initLimit": 50, "syncLimit": 25, **(settings or {})}
        self._properties = {"zookeeper.admin.enableServer": False, **(properties or {})}
        self.members: tuple[LiveMember, ...] = ()

    def start(self) -> None:
        """Starts all servers and waits until they serve."""
        for attempt in range(3):
            self._make()
            try:
                for member in self.members:
                    member.launch()
                for member in self.members:
                    member.wait()
                return
            except LiveStartError:  # most likely a port that somebody else took meanwhile
                self.close()
                if attempt == 2:
                    raise

    def _make(self) -> None:
        lines: dict[str, object] = {}
        for number, role in enumerate(self._roles, 1):
            lines[f"server.{number}"] = f"127.0.0.1:{free_port()}:{free_port()}:{role}"
        self.members = tuple(
            LiveMember(
                self._home,
                number,
                settings={
                    **self._settings,
                    **({"peerType": "observer"} if role == "observer" else {}),
                    **lines,
                },
                properties=self._properties,
            )
            for number, role in enumerate(self._roles, 1)
        )

    def close(self) -> None:
        for member in self.members:
            member.close()
