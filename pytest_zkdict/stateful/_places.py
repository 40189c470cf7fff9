"""Where a machine runs: in virtual time, or on the clients and faults of fixtures.

The rules that live here: nothing of an example outlives it; `settle` heals what the example's
faults did and returns when every call is answered.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kazoo.client import KazooClient

    from zkfake.history import History
    from zkfake.simulation import Simulation

__all__ = ["Place", "Running", "ServedPlace", "SimulatedPlace"]


class Running(Protocol):
    """A call under way."""

    @property
    def done(self) -> bool: ...


class Place(Protocol):
    """What a machine needs of the world around it."""

    clients: Sequence[KazooClient]
    faults: Any
    history: History | None
    repeats: bool
    """Whether the same steps are the same run."""

    def stranger(self) -> KazooClient:
        """A client that no fault strikes, but for those of servers."""
        ...

    def start(
        self, call: Callable[[], None], client: KazooClient, name: str | None = None
    ) -> Running: ...

    def wait(self, running: Running, timeout: float) -> bool:
        """Whether it is done within so many seconds."""
        ...

    def comes_true(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Whether it is true within so many seconds; time passes until then."""
        ...

    def scale(self, seconds: float) -> float:
        """How long a fault lasts that lasts so many seconds in virtual time."""
        ...

    def sleep(self, seconds: float) -> None: ...

    def settle(self, outages: Sequence[Any]) -> bool:
        """Heal all; whether nothing that was sent can still be on its way."""
        ...

    def close(self, error: BaseException | None) -> None: ...


class SimulatedPlace:
    """A simulation for each example, with nothing left to chance."""

    repeats = True

    def __init__(self, size: int, arguments: dict[str, Any]) -> None:
        try:
            from zkfake.simulation import Simulation
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "state machines in virtual time need greenlet: pip install 'zkdict[simulation]'",
                name=error.name,
            ) from error
        self.simulation: Simulation = Simulation(**arguments)
        # Hypothesis prints the program; the seed is always the same one.
        self.simulation.quiet = True
        self.simulation.__enter__()
        self.clients: Sequence[KazooClient] = [
            self._client(f"client-{number}", number) for number in range(size)
        ]
        self.faults = self.simulation.faults
        self.history: History | None = self.simulation.history
        self._stranger: KazooClient | None = None

    def _client(self, name: str, number: int) -> KazooClient:
        """The first begins at the leader, each further one at the next server. From then on it goes
        to any.
        """
        hosts = self.simulation.hosts.split(",")
        first = ((self.simulation.leader or 1) - 1 + number) % len(hosts)
        client = self.simulation.client(
            name, hosts=",".join(hosts[first:] + hosts[:first]), randomize_hosts=False
        )
        client.set_hosts(self.simulation.hosts, randomize_hosts=True)
        return client

    def stranger(self) -> KazooClient:
        if self._stranger is None:
            self._stranger = self._client("stranger", len(self.clients))
        return self._stranger

    def start(
        self, call: Callable[[], None], client: KazooClient, name: str | None = None
    ) -> Running:
        return self.simulation.spawn(call, process=client, name=name)

    def wait(self, running: Running, timeout: float) -> bool:
        return self.comes_true(lambda: running.done, timeout)

    def comes_true(self, condition: Callable[[], bool], timeout: float) -> bool:
        from zkfake.simulation import SimulationTimeout

        try:
            self.simulation.run_until(condition, timeout=timeout)
        except SimulationTimeout:
            return False
        return True

    def scale(self, seconds: float) -> float:
        return seconds

    def sleep(self, seconds: float) -> None:
        self.simulation.sleep(seconds)

    def settle(self, outages: Sequence[Any]) -> bool:  # noqa: ARG002  all are healed
        self.simulation.settle()
        return True

    def close(self, error: BaseException | None) -> None:
        if error is None and self.history is not None:
            _tell_what_was_seen(self.history)
        self.simulation.__exit__(None if error is None else type(error), error, None)


def _tell_what_was_seen(history: History) -> None:
    """Hypothesis's statistics have what is rare in ZooKeeper.

    It is no `target`: Hypothesis would print the score below a failing program, which would no
    longer be one that can be pasted.
    """
    from hypothesis import event
    from hypothesis.control import currently_in_test_context

    from zkfake._search.happenings import happenings

    if not currently_in_test_context():
        return  # a program that was printed, and pasted
    for name in sorted(happenings(history)):
        event(f"ZooKeeper: {name}")


class _Thread(threading.Thread):
    @property
    def done(self) -> bool:
        return not self.is_alive()


class ServedPlace:
    """Clients of a server in real time, and its faults, if it has any."""

    repeats = False

    history: History | None = None

    def __init__(self, clients: Sequence[KazooClient], faults: Any = None) -> None:
        """``clients``: one for each dict, and the stranger's last."""
        self.clients = clients
        self.faults = faults

    def stranger(self) -> KazooClient:
        return self.clients[-1]

    def start(
        self,
        call: Callable[[], None],
        client: KazooClient,  # noqa: ARG002
        name: str | None = None,
    ) -> Running:
        thread = _Thread(target=call, daemon=True, name=name)
        thread.start()
        return thread

    def wait(self, running: Running, timeout: float) -> bool:
        assert isinstance(running, _Thread)
        running.join(timeout)
        return running.done

    def comes_true(self, condition: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def scale(self, seconds: float) -> float:
        return seconds / 100

    def sleep(self, seconds: float) -> None:
        time.sleep(min(self.scale(seconds), 0.1))

    def settle(self, outages: Sequence[Any]) -> bool:
        for outage in outages:
            outage.heal()
        return False

    def close(self, error: BaseException | None) -> None: ...
