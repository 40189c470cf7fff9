"""The faults of a proxy: those of connections, in front of any server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from zkfake._realtime.connection_faults import ConnectionsOwner, RealTime, SocketFaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkfake._proxy.hosts import ServerAddress

__all__ = ["ProxyFaults"]


class Proxy(ConnectionsOwner, Protocol):
    """The `ZooKeeperProxy`, as its faults see it."""

    @property
    def targets(self) -> Sequence[ServerAddress]: ...
    def close_session(self, session_id: int) -> bool:
        """Ends a session on the servers."""


class ProxyFaults(SocketFaults):
    """The faults of one `ZooKeeperProxy`: ``proxy.faults``.

    The methods are those of ``FakeZooKeeper.faults`` that concern clients and their connections.
    Servers have the numbers of their places in the connect string, from 1. Every method raises
    `RuntimeError` unless the proxy runs, and `ValueError` or `TypeError` for an invalid argument.
    Times are real seconds. Methods may be called from any thread.
    """

    def __init__(self, proxy: Proxy, now: int) -> None:
        """``now``: milliseconds since the epoch."""
        super().__init__(RealTime(proxy, now))
        self._proxy = proxy

    @property
    def server_count(self) -> int:
        """The number of servers that the proxy connects to."""
        return len(self._proxy.targets)

    def expire(self, client: Any) -> bool:
        """End the client's present session on the servers, and break its connection. False if the
        session has ended already.

        Another connection resumes the session and closes it. Blocks until a server has done so, up
        to five seconds per answer. Raises `OSError` if no server answers, `ValueError` for a
        session that has not passed through this proxy.
        """
        with self._driver.acting():
            session_id = self._named(client).session_id
            self._driver.note("expire", f"session {session_id & 0xFFFFFFFFFFFFFFFF:#x}")
        # The client is cut off meanwhile. Otherwise a request could be answered by an error that a
        # client never gets when its session expires.
        with self.partition(session_id):
            ended = self._proxy.close_session(session_id)
            self.drop(session_id)
        return ended
