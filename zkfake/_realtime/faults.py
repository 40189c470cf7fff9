"""The faults of a `FakeZooKeeper`, on real sockets and in real time.

Rules that live here: when the `FakeZooKeeper` stops, every fault ends. A server that a fault has
stopped runs again when the `FakeZooKeeper` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from zkfake._channel.connections import ConnectionFaults, Hold, Owner, RealTime
from zkfake._control.server_faults import ServerFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._channel.wire import Wire
    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.replica import Replica
    from zkfake._realtime.member import Member

__all__ = ["Faults"]


class RunningFake(Owner, Protocol):
    """The `FakeZooKeeper`, as its faults see it."""

    @property
    def replicas(self) -> Sequence[Replica]: ...
    @property
    def members(self) -> Sequence[Member]: ...
    @property
    def running(self) -> bool: ...


class RealTimeDriver(RealTime):
    """A `FakeZooKeeper`: `zkfake._control.server_faults.ServerWorld` in real time."""

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


class Faults(ConnectionFaults, ServerFaults):
    """The faults of one `FakeZooKeeper`: ``server.faults``.

    Every action raises `RuntimeError` unless the server runs, `ValueError` or `TypeError` for an
    argument that is not valid.
    """

    _world: RealTimeDriver

    def __init__(self, owner: RunningFake, ensemble: Ensemble) -> None:
        super().__init__(RealTimeDriver(owner, ensemble))

    @property
    def server_count(self) -> int:
        """How many servers there are, stopped ones and observers included."""
        return len(self._world.replicas)

    def pause_server(self, server: int | None = None, *, duration: float | None = None) -> Hold:
        """Stop a server's process where it stands, ``None``: the leader's. Its connections stay
        open, and what is sent to it waits.

        The others give it up after ``syncLimit`` ticks of silence, and elect a new leader. When it
        goes on it serves what it had, syncs included, until it notices.
        """
        with self._world.acting():
            number = self._number(server)
            replica = self._world.replicas[number - 1]

            def begin() -> None:
                self._stops[hold] = lambda wire, way, _: (
                    way == "to_server" and (wire.server == number)
                )
                replica.pause()

            def end() -> None:
                replica.resume()
                self._release(hold)

            hold = Hold(self._world, "pause server", str(number), end)
            return self._begin(hold, begin, duration)

    def mute_server(self, server: int | None = None, *, duration: float | None = None) -> Hold:
        """Let a server take connections and never answer on them; ``None``: the leader. Those that
        it has go on.

        As with a server whose system takes connections while its own thread for that is stuck. What
        clients have sent is read when it heals.
        """
        with self._world.acting():
            number = self._number(server)
            before = set(self._wires)

            def stops(wire: Wire, way: str, _tag: object) -> bool:
                return way == "to_server" and wire.server == number and wire not in before

            return self._hold("mute server", str(number), stops, duration)

    def expire(self, client: Any) -> bool:
        """Close the client's present session on the servers. False where it has none any more."""
        with self._world.acting():
            one = self._named(client)
            self._world.note("expire", str(one))
            session = self._world.ensemble.sessions.get(one.session_id)
            if session is not None:
                self._world.ensemble.expire(session)
            return session is not None
