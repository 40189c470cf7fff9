"""How the applications of the corpus are run: some processes, each with a client and a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from zkfake.history import Recorded, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation, Task

__all__ = ["lost_its_session", "recorded", "start", "together"]

TIMEOUT = 4.0
"""Of the sessions, in seconds."""
_ANSWERS = (BadVersionError, NodeExistsError, NoNodeError)
"""What a program has to expect of ZooKeeper. Anything else means that there was none."""


def start(
    sim: Simulation,
    work: Callable[[Simulation, KazooClient], object],
    *names: str,
    apart: float = 0.0,
) -> list[Task]:
    """Starts a process for each name, ``apart`` seconds one after the other. One that has no
    ZooKeeper any more gives up, which is recorded.
    """

    def one(name: str, after: float) -> None:
        sim.sleep(after)
        try:
            client = sim.client(name, timeout=TIMEOUT)
        except KazooTimeoutError:
            sim.history.record("gives up", name)
            return
        try:
            work(sim, client)
        except _ANSWERS as error:
            raise AssertionError(f"{name} did not expect {error!r}") from error
        except KazooException:
            sim.history.record("gives up", name)
            client.stop()  # nobody waits for what it has

    return [
        sim.spawn(one, name, apart * number, name=name, process=name)
        for number, name in enumerate(names)
    ]


def together(
    sim: Simulation,
    work: Callable[[Simulation, KazooClient], object],
    *names: str,
    apart: float = 0.0,
) -> None:
    """Starts a process for each name, and waits until all have ended."""
    for task in start(sim, work, *names, apart=apart):
        task.result()


def recorded(sim: Simulation, name: str) -> list[Any]:
    """The keys that the program has recorded under that name."""
    return [event.key for event in sim.history.of(Recorded) if event.name == name]


def lost_its_session(sim: Simulation, name: str) -> bool:
    """Whether a session of that client has ended against its will."""
    return any(
        event.client == name and event.state == "LOST" for event in sim.history.of(StateChange)
    )
