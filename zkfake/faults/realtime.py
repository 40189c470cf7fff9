"""The faults of a `FakeZooKeeper`, on real sockets and in real time.

Rules that live here: when the `FakeZooKeeper` stops, every fault ends. A server that a fault has
stopped runs again when the `FakeZooKeeper` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from zkfake.faults.connections import ConnectionFaults, Owner, RealTime
from zkfake.faults.servers import ServerFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake.ensemble import Ensemble
    from zkfake.member import Member
    from zkfake.replica import Replica

__all__ = ["Faults"]


class Fake(Owner, Protocol):
    """The `FakeZooKeeper`, as its faults see it."""

    replicas: list[Replica]

    @property
    def members(self) -> Sequence[Member]: ...
    @property
    def running(self) -> bool: ...


class World(RealTime):
    """A `FakeZooKeeper`: `zkfake.faults.servers.ServerWorld` in real time."""

    _owner: Fake

    def __init__(self, owner: Fake, ensemble: Ensemble) -> None:
        super().__init__(owner, ensemble.now)
        self.ensemble = ensemble
        self.replicas = owner.replicas

    def call(self, action: Callable[[], object]) -> None:
        action()

    def stop_server(self, number: int) -> None:
        self._owner.members[number - 1].stop()

    def start_server(self, number: int) -> None:
        if self._owner.running and not self.replicas[number - 1].expelled:
            self._owner.members[number - 1].start()


class Faults(ConnectionFaults, ServerFaults):
    """The faults of one `FakeZooKeeper`: ``server.faults``.

    Every action raises `RuntimeError` unless the server runs, `ValueError` or `TypeError` for an
    argument that is not valid.
    """

    _world: World

    def __init__(self, owner: Fake, ensemble: Ensemble) -> None:
        super().__init__(World(owner, ensemble))

    @property
    def server_count(self) -> int:
        """How many servers there are, stopped ones and observers included."""
        return len(self._world.replicas)

    def expire(self, client: Any) -> bool:
        """Close the client's present session on the servers. False where it has none any more."""
        with self._world.acting():
            one = self._named(client)
            self._world.note("expire", str(one))
            session = self._world.ensemble.sessions.get(one.session_id)
            if session is not None:
                self._world.ensemble.expire(session)
            return session is not None
