"""The virtual-time driver: an ensemble, its network and the real `KazooClient` in one thread.

`Simulation` runs a program with its servers and clients. A `Profile` sets latencies, and the rates
of faults by chance. `sweep` runs a program once for every fault at every request, and in every
other order. `explore` runs it in a world for each seed, and shrinks the worlds in which it fails.
"""

try:
    import greenlet as _greenlet  # noqa: F401  # before what needs it, to say how to get it
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "virtual time needs greenlet: pip install 'zkdict[simulation]'", name=error.name
    ) from error

from zkfake._channel.outages import Outage
from zkfake._channel.rules import Rule
from zkfake._history.recorder import History
from zkfake._search.causes import FailureCause
from zkfake._search.exploration import Exploration, Failure
from zkfake._search.explore import explore
from zkfake._search.probes import PROBES, Probe
from zkfake._search.sweep import SweepFailure, SweepReport, replay, sweep
from zkfake._simulation.chance.profiles import PROFILES, Profile
from zkfake._simulation.clients.clients import ClientView
from zkfake._simulation.errors import (
    NondeterministicProgram,
    SimulationBlocked,
    SimulationDeadlock,
    SimulationError,
    SimulationLimit,
    SimulationTimeout,
    TaskFailed,
    UnsupportedKazoo,
)
from zkfake._simulation.faults.faults import Faults
from zkfake._simulation.faults.points import ALL, CLIENT_FAULTS, SERVER_FAULTS, FaultPoint
from zkfake._simulation.scheduling.tasks import Task
from zkfake._simulation.simulation import Simulation

__all__ = [
    "ALL",
    "CLIENT_FAULTS",
    "PROBES",
    "PROFILES",
    "SERVER_FAULTS",
    "ClientView",
    "Exploration",
    "Failure",
    "FailureCause",
    "FaultPoint",
    "Faults",
    "History",
    "NondeterministicProgram",
    "Outage",
    "Probe",
    "Profile",
    "Rule",
    "Simulation",
    "SimulationBlocked",
    "SimulationDeadlock",
    "SimulationError",
    "SimulationLimit",
    "SimulationTimeout",
    "SweepFailure",
    "SweepReport",
    "Task",
    "TaskFailed",
    "UnsupportedKazoo",
    "explore",
    "replay",
    "sweep",
]
