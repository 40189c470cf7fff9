"""The faults of a live server: those of connections by a proxy, those of servers by signals.

The rules that live here:

- names, arguments and meaning are those of `zkfake.Faults`, so that one test runs on both;
- a server is stopped as a crash does it: its process is killed. When the fault is healed it is
  started, which is not waited for;
- what cannot be done to a real server is an `AttributeError` that says what to do instead, so that
  ``hasattr`` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake import Hold, Outage
from zkfake._channel.conditions import Stop
from zkfake._channel.outages import ChannelHold, check_server
from zkfake.proxy import ProxyFaults, ZooKeeperProxy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from typing_extensions import Self

    from pytest_zkdict.live._member import LiveMember
    from zkfake._proxy.sessions import PassedSessions
    from zkfake._realtime.connection_faults import RealTime

__all__ = ["ExternalFaults", "ExternalProxy", "LiveFaults", "LiveProxy"]

_APPLYING = "nothing tells a real server to apply late; pause_server() stops the whole process"
_DISK = "the disk is the machine's; stop_server() kills the process, which loses nothing written"
_LINKS = "the servers reach each other past the proxy; pause_server() makes one of them silent"
_MISSING = {
    "cut_power": _DISK,
    "freeze": _APPLYING,
    "isolate": _LINKS,
    "lag": _APPLYING,
    "mute_server": "the process takes part as a whole; pause_server() stops all that it does",
    "partition_servers": _LINKS,
    "skew_clock": "the clock is the machine's",
    "slow_disk": _DISK,
    "slow_servers": _LINKS,
}
"""The faults of the fake that no real server has, with the reason and what comes closest."""

_OF_PROCESSES = ("lose_quorum", "pause_server", "stop_server")


class ExternalFaults(ProxyFaults):
    """The faults of a live server that somebody else runs: those of connections.

    A fault that only a fake has raises `AttributeError`, which says what to do instead; so
    ``hasattr`` tells which there are.
    """

    if not TYPE_CHECKING:  # or every misspelt name would be an attribute

        def __getattr__(self, name: str) -> NoReturn:
            """Tells what to do instead of a fault that there is not."""
            if name in _MISSING:
                reason, separator, instead = _MISSING[name].partition("; ")
                if not instead.startswith(_OF_PROCESSES) or hasattr(type(self), "pause_server"):
                    reason += separator + instead
            elif name in _OF_PROCESSES:
                reason = "--zk-hosts names a server that the plugin did not start"
            else:
                raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
            raise AttributeError(
                f"a live server has no fault {name!r}: {reason}. Mark the test with "
                "zk_backend('fake') to run it on the fake only"
            )


class LiveFaults(ExternalFaults):
    """The faults of a `pytest_zkdict.live.LiveZooKeeper`: those of connections, by a proxy, and
    those of processes, by signals. They are a `zkfake.Faults` with fewer methods, and what these
    take means the same.
    """

    def __init__(
        self,
        driver: RealTime,
        sessions: PassedSessions,
        members: Sequence[LiveMember],
        voters: int,
    ) -> None:
        """``voters``: how many of the members have a vote; they are the first ones."""
        super().__init__(driver, len(members), sessions)
        self._members = members
        self._voters = voters
        self._stopped: list[int] = []
        self._paused: list[int] = []

    @property
    def stopped_servers(self) -> frozenset[int]:
        """The numbers of the servers that a fault keeps stopped."""
        return frozenset(self._stopped)

    def stop_server(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Kill a server's process; ``None``: the leader's. Its data stays. The server is started
        again when the fault heals, and serves about half a second later: nothing waits for that.

        Raises `RuntimeError` for ``None`` while no server leads, `TypeError` or `ValueError` for
        what is no server.
        """
        number = self._number(server)
        return self._kill("stop server", str(number), [number], duration)

    def lose_quorum(self, *, duration: float | None = None) -> Outage:
        """Kill servers, the highest numbers first, until the rest is not a quorum: no more than
        half of those that had a vote in the beginning.
        """
        running = [number for number in range(1, self._voters + 1) if self._at(number).running]
        enough = self._voters // 2 + 1
        stopped = list(reversed(running[enough - 1 :]))
        return self._kill("lose quorum", f"servers {stopped}", stopped, duration)

    def pause_server(self, server: int | None = None, *, duration: float | None = None) -> Hold:
        """Pause a server's process by SIGSTOP; ``None``: the leader's. Its connections stay open,
        and what is sent to it waits.

        The other servers close their connections to it after ``syncLimit`` ticks of silence, 5 s as
        the plugin configures them. If it was their leader, they elect a new one. Raises
        `RuntimeError` on a system without ``SIGSTOP``, where the server does not run, and for
        ``None`` while no server leads; `TypeError` or `ValueError` for what is no server.
        """
        number = self._number(server)
        with self._driver.acting():
            stop = Stop(lambda channel: bool(channel.server == number), ("to_server",))

            def begin() -> None:
                self._at(number).pause()
                self._paused.append(number)
                # Held by the proxy as well: so it is told, and no request passes while the signal
                # is on its way to the process's threads.
                self._stop(hold, stop)

            def end() -> None:
                self._paused.remove(number)
                if number not in self._paused:
                    self._at(number).resume()
                self._release(hold)

            hold = ChannelHold(self._driver, "pause server", str(number), end)
            return self._begin(hold, begin, duration)

    def _kill(self, name: str, text: str, numbers: Sequence[int], duration: float | None) -> Outage:
        def begin() -> None:
            self._stopped += numbers
            for number in numbers:
                self._at(number).stop(kill=True)

        def end() -> None:
            for number in numbers:
                self._stopped.remove(number)
                self._at(number).start(wait=False)

        with self._driver.acting():
            return self._begin(Outage(self._driver, name, text, end), begin, duration)

    def _at(self, number: int) -> LiveMember:
        return self._members[number - 1]

    def _number(self, server: int | None) -> int:
        """A server's number; ``None`` is the leader, which the servers tell."""
        if server is not None:
            return check_server(server, self.server_count)
        for member in self._members:
            if member.id not in self._paused and member.mode in ("leader", "standalone"):
                return member.id
        raise RuntimeError("no server leads at the moment")


class ExternalProxy(ZooKeeperProxy):
    """A proxy in front of a server that somebody else runs."""

    def _new_faults(self, driver: RealTime, servers: int, sessions: PassedSessions) -> ProxyFaults:
        return ExternalFaults(driver, servers, sessions)


class LiveProxy(ZooKeeperProxy):
    """A proxy in front of the servers of a `LiveZooKeeper`, whose `LiveZooKeeper.proxied` makes
    it.
    """

    def __init__(
        self, members: Sequence[LiveMember], voters: int, *, history: bool = False
    ) -> None:
        """``voters``: how many of the members have a vote; they are the first ones."""
        self._members = tuple(members)
        self._voters = voters
        hosts = ",".join(member.direct_hosts for member in members)
        super().__init__(hosts, history=history)

    def _new_faults(self, driver: RealTime, _servers: int, sessions: PassedSessions) -> ProxyFaults:
        return LiveFaults(driver, sessions, self._members, self._voters)

    def start(self) -> Self:
        super().start()
        for member, hosts in zip(self._members, self.hosts.split(","), strict=True):
            member.proxied_hosts = hosts
        return self

    def stop(self) -> None:
        for member in self._members:
            member.proxied_hosts = None
        super().stop()
