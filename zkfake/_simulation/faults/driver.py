"""A simulation, as its faults see it: `zkfake._channel.outages.Driver` in virtual time.

Rules that live here: everything happens between two tasks, so nobody is ever in the way; every
fault that begins, strikes or ends is in the history.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from zkfake._history.events import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.replica import Replica
    from zkfake._simulation.network.network import Network
    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["VirtualTimeDriver"]


class VirtualTimeDriver:
    """One simulation."""

    def __init__(self, scheduler: Scheduler, network: Network) -> None:
        self._scheduler = scheduler
        self._network = self.conditions = network
        self._servers = network.servers
        self._waiting: dict[ScheduledTask, None] = {}
        self.call = self._servers.call
        self.stop_server = self._servers.stop
        self.start_server = self._servers.start

    @property
    def ensemble(self) -> Ensemble:
        return self._servers.ensemble

    @property
    def replicas(self) -> list[Replica]:
        return self._servers.replicas

    def acting(self) -> AbstractContextManager[None]:
        return nullcontext()

    at_work = acting

    def later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        scheduler = self._scheduler
        when = scheduler.deadline_after(seconds)
        if when is not None:
            scheduler.call_at(when, action)  # an outage that is over heals no second time
        return lambda: None

    def note(self, name: str, text: str) -> None:
        self._network.history.append(Fault(self._network.time, name, text))

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        scheduler = self._scheduler
        deadline = scheduler.deadline_after(timeout)
        while not condition():
            task = scheduler.current
            self._waiting[task] = None
            try:
                if not scheduler.block("a fault to strike", deadline):
                    return condition()
            finally:
                self._waiting.pop(task, None)
        return True

    def act(self, action: Callable[[], object]) -> None:
        action()

    def tell(self) -> None:
        for task in self._waiting:
            self._scheduler.wake(task)
