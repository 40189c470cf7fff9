"""The scenarios on three live servers: signals, sockets, and time as it passes."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from pytest_zkdict.live import LiveZooKeeper

from .world import INIT_LIMIT, SYNC_LIMIT, TICK, Client, DisturbedError, Line, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .scenarios import Scenario
    from .world import Outcome

PATIENCE = 10.0
"""Seconds."""


class LiveWorld(World):
    """One run on a live ensemble."""

    def __init__(self, servers: LiveZooKeeper, dice: Random, root: str) -> None:
        self._servers = servers
        super().__init__(dice, root)

    def _line(self, server: int) -> Line | None:
        port = self._servers.members[server - 1].port
        try:
            line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except OSError:
            return None
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def mode(self, server: int) -> str | None:
        return self._servers.members[server - 1].mode

    def wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise DisturbedError("the servers do not come to what is waited for")
            time.sleep(0.01)  # between two questions: the servers need the processor

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def nudge(self) -> None:
        # 3.8.0's servers now and then overlook a commit until they hear of another request.
        for server in (1, 2, 3):
            self._clients.append(Client(self._line(server)))

    def _signal(self, server: int, *, stop: bool) -> None:
        member = self._servers.members[server - 1]
        if stop:
            member.pause()
            self.wait(lambda: _stands_still(member.pid))
        else:
            member.resume()

    def _kill(self, server: int) -> None:
        self._servers.members[server - 1].stop(kill=True)

    def _restart(self, server: int) -> None:
        self._servers.members[server - 1].start(wait=False)


def _stands_still(pid: int) -> bool:
    """Whether a signal to stop has reached every thread, which takes a while on a busy machine."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.exists():
        return True  # not Linux: nobody tells
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()]
    return all(state == "T" for state in states)


class LiveRuns:
    """Runs of scenarios on one live ensemble, one after the other."""

    def __init__(self, servers: LiveZooKeeper, seed: int | None = None) -> None:
        self._servers = servers
        self._dice = Random(seed)
        self._number = 0
        self.version = servers.version

    def run(self, scenario: Scenario) -> Outcome:
        """Raises `DisturbedError`."""
        self._number += 1
        world = LiveWorld(self._servers, self._dice, f"/run{self._number}")
        try:
            return scenario(world)
        finally:
            world.close()


@contextmanager
def live(home: str | None = None) -> Iterator[LiveRuns]:
    """Three servers with the limits that the scenarios are written for."""
    limits = {"initLimit": INIT_LIMIT, "syncLimit": SYNC_LIMIT}
    with LiveZooKeeper(home, servers=3, tick_time=TICK, settings=limits) as servers:
        yield LiveRuns(servers)
