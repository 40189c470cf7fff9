"""Which simulation the running thread has. Each thread has its own, or none."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from random import Random

    from zkfake._simulation.scheduling.scheduler import Scheduler

__all__ = ["LOCAL", "CurrentSimulation", "current", "enter"]


class CurrentSimulation(Protocol):
    """A simulation, as the patches see it."""

    scheduler: Scheduler

    @property
    def client_random(self) -> Random: ...
    @property
    def epoch_time(self) -> float: ...
    def resolve(self, host: str) -> str | None: ...
    def plain_handler(self) -> Any: ...
    def is_patched(self, module: str) -> bool:
        """Whether the module of that name was named in ``patch=``, or its package was."""

    @property
    def process_id(self) -> int: ...


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
