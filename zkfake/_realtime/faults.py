"""The faults of a `FakeZooKeeper`, on real sockets and in real time.

Rules that live here: when the `FakeZooKeeper` stops, every fault ends. A server that a fault has
stopped runs again when the `FakeZooKeeper` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zkfake._control.faults import EnsembleFaults
from zkfake._realtime.connection_faults import ConnectionsOwner, RealTime, SocketFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.replica import Replica
    from zkfake._realtime.member import Member

__all__ = ["Faults"]


class RunningFake(ConnectionsOwner, Protocol):
    """The `FakeZooKeeper`, as its faults see it."""

    @property
    def replicas(self) -> Sequence[Replica]: ...
    @property
    def members(self) -> Sequence[Member]: ...
    @property
    def running(self) -> bool: ...


class RealTimeDriver(RealTime):
    """A `FakeZooKeeper`: `zkfake._control.server_faults.ServerDriver` in real time."""

    _owner: RunningFake

    def __init__(self, owner: RunningFake, ensemble: Ensemble) -> None:
        super().__init__(owner, ensemble.now)
        self.ensemble = ensemble

    @property
    def replicas(self) -> Sequence[Replica]:
        return self._owner.replicas

    def call(self, action: Callable[[], object]) -> None:
        action()

    def stop_server(self, number: int) -> None:
        self._owner.members[number - 1].stop()

    def start_server(self, number: int) -> None:
        if self._owner.running and not self.replicas[number - 1].expelled:
            self._owner.members[number - 1].start()


class Faults(SocketFaults, EnsembleFaults):
    """The faults of one `FakeZooKeeper`: ``server.faults``.

    Every method raises `RuntimeError` unless the server runs, and `ValueError` or `TypeError` for
    an invalid argument. Times are real seconds. Methods may be called from any thread.
    """

    _driver: RealTimeDriver

    def __init__(self, owner: RunningFake, ensemble: Ensemble) -> None:
        super().__init__(RealTimeDriver(owner, ensemble))
