"""Which simulation the running thread has. Each thread has its own, or none."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from zkfake._simulation.scheduling.scheduler import Scheduler

__all__ = ["LOCAL", "CurrentSimulation", "current", "enter"]


@dataclass(frozen=True, eq=False)
class CurrentSimulation:
    """A simulation, as stand-ins and patches see it."""

    scheduler: Scheduler
    client_random: Random
    """What the program draws from."""
    modules: tuple[str, ...]
    """The names of the modules and packages that are patched for it."""
    epoch_time: Callable[[], float]
    """What ``time.time()`` returns."""
    process_id: Callable[[], int]
    """What ``os.getpid()`` returns."""
    resolve: Callable[[str], str | None]
    """The address of a simulated host; ``None`` for an unknown one."""
    plain_handler: Callable[[], Any]
    """A handler for a client that is created without one."""
    lines: Any = None
    """The `LogLines` of what the program logs, where the simulation wants it."""

    def is_patched(self, module: str) -> bool:
        """Whether ``module`` is one of `modules`, or inside one."""
        return any(module == name or module.startswith(f"{name}.") for name in self.modules)


class _Local(threading.local):
    simulation: CurrentSimulation | None = None


LOCAL = _Local()
"""``LOCAL.simulation`` is what `current` returns; read directly where every call counts."""


def current() -> CurrentSimulation | None:
    """The simulation that runs in this thread."""
    return LOCAL.simulation


def enter(simulation: CurrentSimulation | None) -> None:
    """Make ``simulation`` this thread's simulation; ``None`` ends it."""
    LOCAL.simulation = simulation
