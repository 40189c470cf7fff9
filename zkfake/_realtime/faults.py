"""The faults of a `FakeZooKeeper`, on real sockets and in real time.

Rules that live here: when the `FakeZooKeeper` stops, every fault ends. A server that a fault has
stopped runs again when the `FakeZooKeeper` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._control.faults import EnsembleFaults
from zkfake._realtime.connection_faults import RealTime, SocketFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.replica import Replica
    from zkfake._realtime.loop import Loop
    from zkfake._realtime.member import Member

__all__ = ["Faults", "RealTimeDriver"]


class RealTimeDriver(RealTime):
    """A `FakeZooKeeper`: `zkfake._control.server_faults.ServerDriver` in real time."""

    def __init__(
        self,
        loop: Loop,
        ensemble: Ensemble,
        replicas: Callable[[], Sequence[Replica]],
        members: Callable[[], Sequence[Member]],
    ) -> None:
        super().__init__(loop, ensemble.now)
        self.ensemble = ensemble
        self._replicas = replicas
        self._members = members

    @property
    def replicas(self) -> Sequence[Replica]:
        return self._replicas()

    def call(self, action: Callable[[], object]) -> None:
        action()

    def stop_server(self, number: int) -> None:
        self._members()[number - 1].stop()

    def start_server(self, number: int) -> None:
        if self._loop.running and not self.replicas[number - 1].expelled:
            self._members()[number - 1].start()


class Faults(SocketFaults, EnsembleFaults):
    """The faults of one `FakeZooKeeper`: ``server.faults``.

    Every method raises `RuntimeError` in a forked child; all but `heal` also unless the server
    runs, and where ``None`` is to be the leader while no server leads. They raise `ValueError` or
    `TypeError` for an invalid argument. Times are real seconds. Methods may be called from any
    thread, and do not wait for the fault's effects. What several methods take means the same in
    each:

    - ``client``: a session id, or a `KazooClient` in this process, which is connected or was when
      it was last given to one of these methods; ``None``: every client, those included that are to
      come.
    - ``server``: a number from 1; ``None``: the leader, or, for faults of connections, every
      server.
    - ``duration``: the seconds after which the fault heals by itself. Without it, it lasts until
      its `Outage.heal`, the end of its ``with`` block, `heal`, or the end of the fake.
    - Which requests a `Rule` is for: ``operation``, a name of ZooKeeper's such as ``"create"``, or
      ``"connect"``; ``path``, where ``*`` matches as in `fnmatch`; ``number``, the request's number
      in the history (`Sent`). ``None`` is any. ``nth``: the first of the matching requests that it
      strikes, from 1. ``times``: how many it strikes from there on; ``None``: all.
    """

    _driver: RealTimeDriver

    def __init__(self, driver: RealTimeDriver) -> None:
        super().__init__(driver)
