"""The scenarios on the fake's three servers in virtual time: one seed, one run."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, cast

from zkfake.simulation import Profile, Simulation

from .world import INIT_LIMIT, LONG, SYNC_LIMIT, TICK, DisturbedError, Line, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.outages import Outage

    from .scenarios import Scenario
    from .world import Outcome

_SETTINGS = {
    "tickTime": TICK,
    "initLimit": INIT_LIMIT,
    "syncLimit": SYNC_LIMIT,
    "maxSessionTimeout": LONG,
}


class OurWorld(World):
    """One run in a simulation."""

    def __init__(self, sim: Simulation, dice: Random) -> None:
        self._sim = sim
        self._outages: dict[int, Outage] = {}
        self._connections = 0
        super().__init__(dice, "/run")

    def _line(self, server: int) -> Line | None:
        self._connections += 1
        handler = self._sim.handler(f"client {self._connections}")
        try:
            return cast("Line", handler.create_connection((f"zk{server}", 2181), 30.0))
        except OSError:
            return None

    def mode(self, server: int) -> str | None:
        return self._sim.replicas[server - 1].mode

    def wait(self, holds: Callable[[], bool]) -> None:
        self._sim.run_until(holds)

    def sleep(self, seconds: float) -> None:
        self._sim.sleep(seconds)

    def nudge(self) -> None:
        pass  # no server of ours overlooks anything

    def _signal(self, server: int, *, stop: bool) -> None:
        if stop:
            self._outages[server] = self._sim.faults.pause_server(server)
        else:
            self._outages.pop(server).heal()

    def _kill(self, server: int) -> None:
        if server in self._outages:
            self._signal(server, stop=False)
        self._outages[server] = self._sim.faults.stop_server(server)

    def _restart(self, server: int) -> None:
        self._outages.pop(server).heal()


def run(scenario: Scenario, seed: int, version: str) -> Outcome:
    """What the clients are told in the world of one seed. ``version``: ``"3.8"`` or ``"3.9"``."""
    dice = Random(seed)
    profile = Profile(
        latency=(0.0001, dice.choice((0.0001, 0.01, 0.4))),
        reorder=0.5,
        replica_lag=(0.0, dice.choice((0.0, 0.01, 0.3))),
        server_latency=(0.0, dice.choice((0.0, 0.01, 0.1))),
        election_time=(0.0, dice.choice((0.3, 1.0))),
    )
    with Simulation(
        seed=seed, servers=3, version=version, settings=_SETTINGS, profile=profile
    ) as sim:
        sim.quiet = True
        return scenario(OurWorld(sim, dice))


__all__ = ["DisturbedError", "run"]
