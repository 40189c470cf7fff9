"""The kazoo clients of a simulation: how they are made and started, and when they are at rest.

Rules that live here: a client is a plain `KazooClient` with a simulated handler; no two have one
name; a start that the first faults undo is tried again; what it retries it retries in virtual time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import kazoo.client
from kazoo.exceptions import ConnectionLoss, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

from zkfake._history.events import Queued, StateChange
from zkfake._simulation.clients.handler import SimulationHandler
from zkfake._simulation.errors import SimulationError
from zkfake._simulation.stand_ins import virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from zkfake._simulation.network.network import Network
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = ["ClientView", "Clients"]


class ClientView(NamedTuple):
    """A client at one time, as it knows the world."""

    state: str
    """kazoo's: ``"CONNECTED"``, ``"SUSPENDED"`` or ``"LOST"``."""
    server: int
    """The one that it is connected to; 0 for none."""
    session_id: int
    """0 where it has no session."""
    last_zxid: int
    """The newest that it has seen."""
    waiting: int
    """How many of its requests have no answer yet."""


class Clients:
    """The clients of one simulation."""

    def __init__(self, network: Network, on_start: Callable[[ScheduledTask], object]) -> None:
        """``on_start`` is called with each task of a client when it starts."""
        self._network = network
        self._on_start = on_start
        self._clients: list[KazooClient] = []
        self._named = 0

    @property
    def at_rest(self) -> bool:
        """Whether each that was started is connected and has run all its callbacks."""
        return all(_is_at_rest(client) for client in self._clients)

    def look(self) -> dict[str, ClientView]:
        """Each client as it is, by its name."""
        servers = {each.client: each.server for each in self._network.channels}
        return {
            name: ClientView(
                str.__str__(client.state),
                servers.get(name, 0) if client.connected else 0,
                session[0] if (session := client.client_id) else 0,
                client.last_zxid,
                len(getattr(client, "_pending", ())) + len(getattr(client, "_queue", ())),
            )
            for client in self._clients
            for name in [client.handler.client_name]
        }

    def make(self, name: str | None, arguments: dict[str, Any]) -> KazooClient:
        """A client; see `Simulation.client`."""
        network = self._network
        if "handler" in arguments:
            raise SimulationError(
                "a client in a simulation uses the simulation's handler: leave handler= out"
            )
        for key in ("connection_retry", "command_retry"):
            if key in arguments:
                arguments[key] = _virtual_retry(arguments[key])
        arguments.setdefault("hosts", network.servers.hosts)
        handler = self.handler(name)
        client = kazoo.client.KazooClient(handler=handler, **arguments)
        client.add_listener(partial(self._state_changed, client))
        self._clients.append(client)
        return client

    def _state_changed(self, client: Any, state: Any) -> None:
        network, name = self._network, client.handler.client_name
        # Typed kazoos have an enumeration of strings, whose own str() names the class.
        state = str.__str__(state)
        network.history.append(StateChange(network.time, name, state))
        # kazoo tells of it before it sends anything: what waits was asked for before.
        waiting = len(getattr(client, "_queue", ())) if state == "CONNECTED" else 0
        if waiting:
            network.history.append(Queued(network.time, name, waiting))

    def start(self, client: KazooClient, timeout: float) -> None:
        """Start, repeatedly if necessary: kazoo fails when the first connection breaks at once."""
        deadline = self._network.time + timeout
        while not self._try_to_start(client, deadline):
            pass

    def _try_to_start(self, client: KazooClient, deadline: float) -> bool:
        try:
            client.start(max(deadline - self._network.time, 0.0))
        except KazooTimeoutError:
            if self._network.time >= deadline:
                raise
            # kazoo has ordered itself to close. Where its session ended meanwhile it never carried
            # that out, and would do so as soon as it is connected again.
            client._queue.clear()  # noqa: SLF001  # nothing public empties it
            return False
        except (ConnectionLoss, SessionExpiredError):
            pass  # It did start, and failed to look for its chroot.
        return True

    def handler(self, name: str | None) -> SimulationHandler:
        """A handler for one client, with a name of its own."""
        names = self._network.clients
        if name is None:
            self._named += 1
            name = f"client-{self._named}"
        if name in names:
            raise SimulationError(f"a client is already named {name!r}")
        names[name] = None
        return SimulationHandler(self._network, name, self._on_start)


def _virtual_retry(retry: Any) -> Any:
    """A `KazooRetry` made outside the simulation, sleeping in virtual time."""
    if isinstance(retry, kazoo.client.KazooRetry) and retry.sleep_func is virtual_time.real_sleep:
        retry = retry.copy()
        retry.sleep_func = virtual_time.sleep
    return retry


def _is_at_rest(client: Any) -> bool:
    handler = client.handler
    return not handler.running or bool(
        client.connected
        and not handler.callback_queue.unfinished_tasks
        and not handler.completion_queue.unfinished_tasks
    )
