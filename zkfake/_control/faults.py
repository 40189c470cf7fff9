"""The faults of a fake, in real time and in virtual time: what can be done to its servers, to its
clients' connections, and to both at once.
"""

from __future__ import annotations

from typing import Any, Protocol

from zkfake._channel.conditions import ConnectionDriver, Stop
from zkfake._channel.connections import ConnectionFaults
from zkfake._channel.outages import ChannelHold, Hold
from zkfake._control.server_faults import ServerDriver, ServerFaults

__all__ = ["EnsembleFaults"]


class EnsembleDriver(ServerDriver, ConnectionDriver, Protocol):
    """The driver of a fake."""


class EnsembleFaults(ServerFaults, ConnectionFaults):
    """The faults of clients, connections and servers."""

    _driver: EnsembleDriver

    def pause_server(self, server: int | None = None, *, duration: float | None = None) -> Hold:
        """Pause a server's process, as SIGSTOP does; ``None``: the leader's. Its connections stay
        open, and what is sent to it waits.

        The other servers close their connections to it after ``syncLimit`` ticks of silence, and
        elect a new leader. When it goes on, it serves its old state, syncs included, until it
        notices. Raises `RuntimeError` for ``None`` while no server leads.
        """
        driver = self._driver
        with driver.acting():
            number = self._number(server)
            replica = driver.replicas[number - 1]
            stop = Stop(lambda channel: bool(channel.server == number), ("to_server",))

            def begin() -> None:
                self._stop(hold, stop)
                driver.call(replica.pause)

            def end() -> None:
                driver.call(replica.resume)
                self._release(hold)

            hold = ChannelHold(driver, "pause server", str(number), end)
            return self._begin(hold, begin, duration)

    def mute_server(self, server: int | None = None, *, duration: float | None = None) -> Hold:
        """Let a server accept new connections and not answer on them; ``None``: the leader. Its
        present connections go on.

        A real server behaves so while its acceptor thread is stuck: the system completes the
        connections. What clients have sent is read when the fault heals.
        """
        with self._driver.acting():
            number = self._number(server)
            stop = Stop(lambda channel: bool(channel.server == number), ("to_server",), since={})
            return self._hold("mute server", str(number), stop, duration)

    def expire(self, client: Any) -> bool:
        """Close the client's present session on the servers, as if it had been silent for its
        timeout. Returns whether the session was open. Does nothing while no server leads.
        """
        driver = self._driver
        with driver.acting():
            one = self._named(client)
            driver.note("expire", str(one))
            session = driver.ensemble.session(one.session_id)
            if session is None:
                return False
            driver.call(lambda: driver.ensemble.expire(session))
            return True
