"""How users of kazoo's recipes are run, and what the log says of what they did."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kazoo.exceptions import (
    ConnectionLoss,
    LockTimeout,
    OperationTimeoutError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import RetryFailedError

from zkfake._database.log import Create, Delete
from zkfake._history.causes import Circumstances
from zkfake.history import Committed, Reply, Sent
from zkfake.simulation import SimulationTimeout

from ..people import TIMEOUT, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

__all__ = [
    "TROUBLE",
    "again",
    "changes",
    "cut_off",
    "everybody",
    "has_twin",
    "lost_claims",
    "made_unheard",
    "recorded",
]

TROUBLE = (
    ConnectionLoss,
    LockTimeout,
    OperationTimeoutError,
    RetryFailedError,
    SessionExpiredError,
)
"""What a user of a recipe is told to expect, and to try again after."""
_ATTEMPTS = 4
_BUSY, _PATIENCE = 60.0, 300.0
T = TypeVar("T")


def again(sim: Simulation, attempt: Callable[..., T], *given: Any, **named: Any) -> T | None:
    """What ``attempt`` returns; it is tried again after trouble, some times."""
    for _ in range(_ATTEMPTS):
        try:
            return attempt(*given, **named)
        except TROUBLE:  # noqa: PERF203
            sim.sleep(1)
    return None


def everybody(
    sim: Simulation,
    work: Callable[[Simulation, KazooClient], object],
    *names: str,
    busy: float = _BUSY,
) -> None:
    """Everybody works at the same time, each a process of its own, for ``busy`` seconds at most
    before all is healed. Who is not done when all has been calm for minutes is recorded: it waits
    for ever.
    """

    def one(name: str) -> None:
        with suppress(KazooTimeoutError):
            work(sim, sim.client(name, timeout=TIMEOUT))

    tasks = {name: sim.spawn(one, name, name=f"{name}/work") for name in names}

    def wait(seconds: float) -> None:
        with suppress(SimulationTimeout):
            sim.run_until(lambda: all(task.done for task in tasks.values()), seconds)

    wait(busy)
    sim.settle()
    wait(_PATIENCE)
    for name, task in tasks.items():
        if task.done:
            task.result()
        else:
            sim.history.record("waits for ever", name)


def changes(sim: Simulation, folder: str) -> Iterator[tuple[str, str, bytes]]:
    """What was committed below a znode: ``made`` or ``gone``, the name of the child, its data."""
    for entry in sim.history.log or ():
        for operation in entry.transaction.operations if isinstance(entry, Committed) else ():
            parent, _, name = operation.path.rpartition("/")
            if parent == folder and isinstance(operation, Create):
                yield "made", name, operation.data or b""
            elif parent == folder and isinstance(operation, Delete):
                yield "gone", name, b""


def has_twin(sim: Simulation, lock: str, left: str) -> bool:
    """Whether the client of a znode of a lock has made another one for the same attempt."""
    prefix = left[:-10]
    there: set[str] = set()
    for what, name, _data in changes(sim, lock):
        if what == "made" and name.startswith(prefix):
            there.add(name)
        elif what == "gone":
            there.discard(name)
        if left in there and len(there) > 1:
            return True
    return False


def cut_off(sim: Simulation, client: str, operation: str, path: str) -> bool:
    """Whether the last such request of a client has no reply."""
    sent = [
        event.number
        for event in sim.history.of(Sent)
        if client == event.client and event.operation == operation and path in event.paths
    ]
    return bool(sent) and not _answered(sim, sent[-1])


def made_unheard(sim: Simulation, path: str) -> bool:
    """Whether the client that made the znode was not told so."""
    done = Circumstances(list(sim.history.in_order()), has_log=True).done
    made = [
        number
        for number, committed in done.items()
        for operation in committed.transaction.operations
        if operation.path == path and isinstance(operation, Create)
    ]
    return bool(made) and not _answered(sim, made[-1])


def _answered(sim: Simulation, number: int) -> bool:
    return any(event.number == number for event in sim.history.of(Reply))


def lost_claims(sim: Simulation, how: str) -> list[str]:
    """Where two believed that they have it, and one had lost it in that way."""
    remarks = [remark.text for remark in sim.history.check().remarks]
    return [text for text in remarks if f"(lost: {how})" in text]
