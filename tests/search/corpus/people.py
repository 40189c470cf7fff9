"""How the applications of the corpus are run: some clients, each in a task of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from zkfake.history import Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

__all__ = ["recorded", "together"]

TIMEOUT = 4.0
"""Of the sessions, in seconds."""
_ANSWERS = (BadVersionError, NodeExistsError, NoNodeError)
"""What a program has to expect of ZooKeeper. Anything else means that there was none."""


def together(
    sim: Simulation, work: Callable[[Simulation, KazooClient], object], *names: str
) -> None:
    """Everybody works at the same time. Who has no ZooKeeper any more gives up."""

    def one(name: str) -> None:
        try:
            client = sim.client(name, timeout=TIMEOUT)
        except KazooTimeoutError:
            return
        try:
            work(sim, client)
        except _ANSWERS as error:
            raise AssertionError(f"{name} did not expect {error!r}") from error
        except KazooException:
            client.stop()  # nobody waits for what it has

    for task in [sim.spawn(one, name, name=name) for name in names]:
        task.result()


def recorded(sim: Simulation, name: str) -> list[Any]:
    """The keys that the program has recorded under that name."""
    return [event.key for event in sim.history.of(Recorded) if event.name == name]
