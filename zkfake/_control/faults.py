"""The faults of a fake, in real time and in virtual time: what can be done to its servers, to its
clients' connections, and to both at once.
"""

from __future__ import annotations

from typing import Any, Protocol

from zkfake._channel.conditions import ConnectionWorld, Stop
from zkfake._channel.connections import ConnectionFaults
from zkfake._channel.outages import Hold
from zkfake._control.server_faults import ServerFaults, ServerWorld

__all__ = ["EnsembleFaults"]


class EnsembleWorld(ServerWorld, ConnectionWorld, Protocol):
    """The driver of a fake."""


class EnsembleFaults(ServerFaults, ConnectionFaults):
    """The faults of clients, connections and servers."""

    _world: EnsembleWorld

    def pause_server(self, server: int | None = None, *, duration: float | None = None) -> Hold:
        """Stop a server's process where it stands, ``None``: the leader's. Its connections stay
        open, and what is sent to it waits.

        The others give it up after ``syncLimit`` ticks of silence, and elect a new leader. When it
        goes on it serves what it had, syncs included, until it notices.
        """
        world = self._world
        with world.acting():
            number = self._number(server)
            replica = world.replicas[number - 1]
            stop = Stop(lambda channel: bool(channel.server == number), ("to_server",))

            def begin() -> None:
                self._stop(hold, stop)
                world.call(replica.pause)

            def end() -> None:
                world.call(replica.resume)
                self._release(hold)

            hold = Hold(world, "pause server", str(number), end)
            return self._begin(hold, begin, duration)

    def mute_server(self, server: int | None = None, *, duration: float | None = None) -> Hold:
        """Let a server take connections and never answer on them; ``None``: the leader. Those that
        it has go on.

        As with a server whose system takes connections while its own thread for that is stuck. What
        clients have sent is read when it heals.
        """
        with self._world.acting():
            number = self._number(server)
            stop = Stop(lambda channel: bool(channel.server == number), ("to_server",), since={})
            return self._hold("mute server", str(number), stop, duration)

    def expire(self, client: Any) -> bool:
        """Close the client's present session on the servers. False where it has none any more."""
        world = self._world
        with world.acting():
            one = self._named(client)
            world.note("expire", str(one))
            session = world.ensemble.sessions.get(one.session_id)
            if session is None:
                return False
            world.call(lambda: world.ensemble.expire(session))
            return True
