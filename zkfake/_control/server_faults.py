"""What can happen to the servers of an ensemble and to the links between them.

Rules that live here: servers have the numbers 1, 2, ... of their places in the ensemble; ``None``,
where it is allowed, is the present leader. A stopped server keeps what is on its disk. No fault
here loses a committed transaction, as no such fault does on a real ensemble. ``duration`` is in
seconds, virtual ones in a simulation; without it a fault lasts until it is healed. Each method
raises `RuntimeError` for ``None`` while no server leads, `TypeError` or `ValueError` for an invalid
server or range.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Literal, Protocol

from zkfake._channel.outages import (
    Driver,
    Outage,
    Outages,
    check_choice,
    check_server,
    milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.replica import Replica

__all__ = ["ServerDriver", "ServerFaults", "Way"]

Way = Literal["both", "out", "in"]
"""Both directions, or only what the server named first sends, or only what it receives."""


class ServerDriver(Driver, Protocol):
    """The driver of a fake, with servers to stop, start and change."""

    @property
    def ensemble(self) -> Ensemble: ...
    @property
    def replicas(self) -> Sequence[Replica]: ...
    def call(self, action: Callable[[], object]) -> None:
        """Run ``action`` in the core, and send what it has caused."""

    def stop_server(self, number: int) -> None: ...
    def start_server(self, number: int) -> None: ...


class ServerFaults(Outages):
    """The part of the faults that concerns servers."""

    _driver: ServerDriver

    def __init__(self, driver: ServerDriver) -> None:
        super().__init__(driver)
        self._values: dict[object, list[list[Any]]] = {}
        """By what outages change: its original value, then one for each outage in force."""

    @property
    def server_count(self) -> int:
        """How many servers there are, stopped ones and observers included."""
        return len(self._driver.replicas)

    def stop_server(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Stop a server: its connections break, new ones are refused. It restarts with its log when
        the outage heals, also if another outage has stopped it as well.
        """
        driver = self._driver
        with driver.acting():
            number = self._number(server)
            outage = Outage(driver, "stop server", str(number), lambda: driver.start_server(number))
            return self._begin(outage, lambda: driver.stop_server(number), duration)

    def cut_power(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Stop a server as a loss of power does: it loses what it had accepted and its disk had not
        synced. Without `slow_disk` a sync takes no time, so nothing is lost.

        A server acknowledges only what its disk has synced, so nothing acknowledged is lost.
        """
        driver = self._driver
        with driver.acting():
            number = self._number(server)

            def cut() -> None:
                driver.stop_server(number)
                driver.call(driver.replicas[number - 1].lose_power)

            outage = Outage(driver, "cut power", str(number), lambda: driver.start_server(number))
            return self._begin(outage, cut, duration)

    def lose_quorum(self, *, duration: float | None = None) -> Outage:
        """Stop servers with a vote, the highest numbers first, until those that are left are not a
        quorum.
        """
        driver = self._driver
        with driver.acting():
            config = driver.ensemble.config
            left = [r.id for r in driver.replicas if r.running and r.id in config.voters]
            stopped: list[int] = []
            while left and config.has_quorum(left):
                stopped.append(left.pop())

            def stop() -> None:
                for number in stopped:
                    driver.stop_server(number)

            def start() -> None:
                for number in stopped:
                    driver.start_server(number)

            outage = Outage(driver, "lose quorum", f"servers {stopped}", start)
            return self._begin(outage, stop, duration)

    def isolate(
        self, server: int | None = None, *, way: Way = "both", duration: float | None = None
    ) -> Outage:
        """Cut the links between a server and all others: both ways, or only what the server sends
        (``"out"``) or receives (``"in"``).

        Clients still reach it, and read its old state, until it notices.
        """
        with self._driver.acting():
            number = self._number(server)
            others = [other for other in range(1, self.server_count + 1) if other != number]
            text = f"{number}, {way}"
            return self._cut("isolate server", text, number, others, way, duration)

    def partition_servers(
        self, one: int, other: int, *, way: Way = "both", duration: float | None = None
    ) -> Outage:
        """Cut the link between two servers: both ways, or only what ``one`` sends (``"out"``) or
        receives (``"in"``).
        """
        with self._driver.acting():
            one, other = self._two(one, other)
            text = f"{one} and {other}, {way}"
            return self._cut("partition servers", text, one, [other], way, duration)

    def _cut(
        self,
        name: str,
        text: str,
        one: int,
        others: Iterable[int],
        way: Way,
        duration: float | None,
    ) -> Outage:
        check_choice("way", way, ("both", "out", "in"))
        cuts = [(one, other) for other in others] if way != "in" else []
        cuts += [(other, one) for other in others] if way != "out" else []
        driver = self._driver

        def cut() -> None:
            for source, target in cuts:
                driver.ensemble.cut(source, target)

        def mend() -> None:
            for source, target in cuts:
                driver.ensemble.mend(source, target)

        outage = Outage(driver, name, text, lambda: driver.call(mend))
        return self._begin(outage, lambda: driver.call(cut), duration)

    def freeze(self, server: int | None = None, *, duration: float | None = None) -> Outage:
        """Stop a server from applying transactions: it serves reads of what it had applied."""
        driver = self._driver
        with driver.acting():
            number = self._number(server)
            applying = driver.replicas[number - 1].applying
            outage = Outage(
                driver, "freeze server", str(number), lambda: driver.call(applying.unfreeze)
            )
            return self._begin(outage, applying.freeze, duration)

    def lag(
        self,
        server: int | None,
        lag: tuple[float, float],
        *,
        duration: float | None = None,
    ) -> Outage:
        """Let a server apply each transaction late, by ``lag``: a range of seconds after its
        commit.
        """
        milli = milliseconds(lag)
        with self._driver.acting():
            number = self._number(server)
            applying = self._driver.replicas[number - 1].applying
            text = f"server {number}, {lag[0]} to {lag[1]} s"
            return self._change("lag", text, applying, "lag", milli, duration)

    def slow_disk(
        self,
        server: int | None,
        sync_time: tuple[float, float],
        *,
        duration: float | None = None,
    ) -> Outage:
        """Let each sync of a server's disk take ``sync_time``, a range of seconds. The server
        acknowledges a proposal after the sync.

        A write is slow if the quorum needs that server, or on a standalone server.
        """
        milli = milliseconds(sync_time)
        with self._driver.acting():
            number = self._number(server)
            disk = self._driver.replicas[number - 1].disk
            text = f"server {number}, {sync_time[0]} to {sync_time[1]} s"
            return self._change("slow disk", text, disk, "sync_time", milli, duration)

    def _change(
        self,
        name: str,
        text: str,
        place: object,
        attribute: str,
        value: tuple[int, int],
        duration: float | None,
    ) -> Outage:
        """Changes an attribute for the outage. Of several such outages the latest counts."""
        driver = self._driver
        change, restore = self._replace(
            (place, attribute),
            lambda: getattr(place, attribute),
            lambda value: setattr(place, attribute, value),
            value,
        )
        outage = Outage(driver, name, text, lambda: driver.call(restore))
        return self._begin(outage, lambda: driver.call(change), duration)

    def _replace(
        self,
        what: object,
        read: Callable[[], object],
        put: Callable[[Any], object],
        value: object,
    ) -> tuple[Callable[[], None], Callable[[], None]]:
        """What begins an outage that gives something another value, and what ends it. Of several
        such outages the latest counts.
        """
        values = self._values.setdefault(what, [])
        own = [value]  # compared by identity: two outages may have equal values

        def change() -> None:
            if not values:
                values.append([read()])
            values.append(own)
            put(value)

        def restore() -> None:
            values[:] = [each for each in values if each is not own]
            put(values[-1][0])
            if len(values) == 1:
                values.clear()

        return change, restore

    def skew_clock(
        self, server: int | None, seconds: float, *, duration: float | None = None
    ) -> Outage:
        """Set a server's clock forward by ``seconds``, or back if they are negative. Several such
        outages of one server add up.

        While it leads, its clock gives znodes their times and TTL znodes their age. Sessions
        expire by elapsed time, so the clock does not affect them.
        """
        with self._driver.acting():
            number = self._number(server)
            replica = self._driver.replicas[number - 1]
            if not -inf < seconds < inf:
                raise ValueError(f"seconds={seconds!r}; expected a finite number")
            offset = round(seconds * 1000)

            def change() -> None:
                replica.clock_offset += offset

            def restore() -> None:
                replica.clock_offset -= offset

            text = f"server {number}, {seconds:+} s"
            return self._begin(Outage(self._driver, "skew clock", text, restore), change, duration)

    def slow_servers(
        self, one: int, other: int, latency: tuple[float, float], *, duration: float | None = None
    ) -> Outage:
        """Give the link between two servers another latency, a range of seconds one way. Of several
        such outages of one link the latest counts.
        """
        milli = milliseconds(latency)
        with self._driver.acting():
            one, other = self._two(one, other)
            links = self._driver.ensemble.links

            def put(latency: tuple[int, int] | None) -> None:
                links.set_latency(one, other, latency)
                links.set_latency(other, one, latency)

            change, restore = self._replace(frozenset((one, other)), lambda: None, put, milli)
            text = f"{one} and {other}, {latency[0]} to {latency[1]} s"
            outage = Outage(self._driver, "slow servers", text, restore)
            return self._begin(outage, change, duration)

    def _two(self, one: int, other: int) -> tuple[int, int]:
        """The numbers of two servers."""
        one, other = self._number(one), self._number(other)
        if one == other:
            raise ValueError(f"server {one} has no link to itself: expected two servers")
        return one, other

    def _number(self, server: int | None) -> int:
        """A server's number; ``None`` is the leader."""
        if server is None:
            leader = self._driver.ensemble.leader
            if leader is None:
                raise RuntimeError("no server leads at present")
            return leader.id
        return check_server(server, self.server_count)
