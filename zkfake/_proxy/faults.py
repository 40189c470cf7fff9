"""The faults of a proxy: those of connections, in front of any server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._channel.channel import session_text
from zkfake._realtime.connection_faults import RealTime, SocketFaults

if TYPE_CHECKING:
    from zkfake._proxy.sessions import PassedSessions

__all__ = ["ProxyFaults"]


class ProxyFaults(SocketFaults):
    """The faults of one `ZooKeeperProxy`: ``proxy.faults``.

    The methods are those of `zkfake.Faults` that concern clients and their connections, and what
    they take means the same. Servers have the numbers of their places in the connect string, from
    1; ``None``: every server. Every method raises `RuntimeError` in a forked child, and all but
    `heal` also unless the proxy runs; they raise `ValueError` or `TypeError` for an invalid
    argument. Times are real seconds. Methods may be called from any thread. Only `expire` waits.
    """

    def __init__(self, driver: RealTime, servers: int, sessions: PassedSessions) -> None:
        """``servers``: how many there are."""
        super().__init__(driver)
        self._server_count = servers
        self._sessions = sessions

    @property
    def server_count(self) -> int:
        """The number of servers that the proxy connects to."""
        return self._server_count

    def expire(self, client: Any) -> bool:
        """End the client's present session on the servers, and break its connection. False if the
        session has ended already.

        Another connection resumes the session and closes it. Waits until a server has done so, at
        most five seconds for each answer, so an action of `upon` must not call it. Raises `OSError`
        if no server answers, `ValueError` for a session that has not passed through this proxy, or
        was 10,000 sessions ago.
        """
        with self._driver.acting():
            session_id = self._named(client).session_id
            self._driver.note("expire", session_text(session_id))
            handshake = self._sessions.handshake(session_id)
        # The client is cut off meanwhile. Otherwise a request could be answered by an error that a
        # client never gets when its session expires.
        with self.partition(session_id):
            ended = self._sessions.close(handshake)
            self.drop(session_id)
        return ended
