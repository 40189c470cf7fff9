"""The ensemble of a simulation, as tests see it that run on the backend ``simulation``.

The rules that live here: a simulation lasts as long as one test, and what a fixture of a wider
scope keeps is this server, which leads to the simulation of the test that runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pytest_zkdict.options import DEFAULT_VERSION
from pytest_zkdict.servers import InspectedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.history import History
    from zkfake.simulation import Faults, Outage, Simulation

__all__ = ["OutsideOfTestError", "SimulatedServer"]


class OutsideOfTestError(Exception):
    """A simulated server was used where no test runs; the text says what to do."""


class SimulatedServer(InspectedServer):
    """The ensemble of the test's simulation, as an `OwnServer`.

    Every test has a new ensemble, and a fixture of a wider scope keeps this object. Where no test
    runs, what asks the ensemble raises `OutsideOfTestError`, and ``history`` is ``None``.
    """

    backend: Literal["simulation"] = "simulation"

    def __init__(
        self,
        settings: Mapping[str, object],
        version: str | None,
        current: Callable[[], Simulation | None],
    ) -> None:
        """``current``: the simulation of the test that runs."""
        self._settings = self.completed(settings)
        self._version = version
        self._current = current
        self._stopped: list[Outage] = []

    @property
    def simulation(self) -> Simulation:
        """That of the test that runs."""
        simulation = self._current()
        if simulation is None:
            raise OutsideOfTestError(
                "a simulated server lasts as long as one test: a fixture of a wider scope cannot "
                "use it. Give the fixture the scope of a function, or keep its tests in real time: "
                "@pytest.mark.zk_backend('both')"
            )
        return simulation

    @property
    def _control(self) -> Simulation:
        return self.simulation

    @property
    def hosts(self) -> str:
        """The connect string, without a chroot: ``"zk1:2181"``. Only simulated clients know it."""
        return self.simulation.hosts

    @property
    def direct_hosts(self) -> str:
        """The same."""
        return self.hosts

    @property
    def version(self) -> str:
        """The version that it says it has: ``"3.9.5"``."""
        from zkfake._versions import DEFAULT, VERSIONS

        return VERSIONS[self._version or DEFAULT].name

    @property
    def faults(self) -> Faults:
        """What can be done to its servers, clients and connections, and to its links."""
        return self.simulation.faults

    @property
    def history(self) -> History | None:
        """Everything that has happened in the test that runs; ``None`` where none does."""
        simulation = self._current()
        return None if simulation is None else simulation.history

    def lacks(self, wanted: Mapping[str, object]) -> str:
        """What of ``wanted``, arguments of a server, it is not: ``"servers=3"``; empty where it is
        all that.
        """
        is_so: dict[str, object] = {
            "servers": len(self.simulation.replicas),
            "version": self._version or DEFAULT_VERSION,
            "tls": None,
        }
        wrong = {key: value for key, value in wanted.items() if value not in (None, is_so.get(key))}
        settings = wrong.pop("settings", None) or {}
        assert isinstance(settings, Mapping)
        others = {
            name: value
            for name, value in settings.items()
            if str(self._settings.get(name)) != str(value)
        }
        if others:
            wrong["settings"] = others
        return ", ".join(f"{key}={value!r}" for key, value in wrong.items())

    # -- life

    @property
    def running(self) -> bool:
        """Whether all of its servers run."""
        return all(replica.running for replica in self.simulation.replicas)

    def stop(self) -> None:
        """Stop serving; what is stored stays."""
        simulation = self.simulation
        self._stopped += [
            simulation.faults.stop_server(replica.id)
            for replica in simulation.replicas
            if replica.running
        ]

    def start(self) -> None:
        """Serve again what was stored before."""
        while self._stopped:
            self._stopped.pop().heal()

    def close(self) -> None:
        """It ends with its test."""

    def heal(self) -> None:
        """Heals every fault, and begins no more of them by chance."""
        simulation = self._current()
        if simulation is not None:
            simulation.faults.heal()
            simulation.faults.stop_chance()

    def begin_test(self) -> None:
        """Forget what was done to the simulation of the last test."""
        self._stopped.clear()
