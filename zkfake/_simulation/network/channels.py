"""Channels in virtual time: a simulated socket at one end, a server of the simulated ensemble at
the other.

Rules that live here: what the server says is taken from it once it has done what it is at
(`Servers.after_call`), and everything takes its latency to arrive, be it none.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from zkfake._channel.channel import END, Channel, Stream
from zkfake._protocol.frames import FrameSplitter
from zkfake._simulation.network.sockets import SimulatedSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.channel import Listener
    from zkfake._channel.conditions import Conditions, Way
    from zkfake._connection.connection import Connection
    from zkfake._simulation.network.servers import Servers
    from zkfake._simulation.scheduling.scheduler import Scheduler

__all__ = ["VirtualChannel"]


class VirtualChannel(Channel):
    """One connection between a simulated client and a server. Made by `Network.connect`."""

    def __init__(
        self,
        conditions: Conditions[Any],
        scheduler: Scheduler,
        servers: Servers,
        listener: Listener,
        sessions: dict[str, int],
        *,
        client: str,
        ip: str,
        server: int,
    ) -> None:
        """``sessions``: where each client's present one is kept, by the client's name."""
        self._scheduler = scheduler
        super().__init__(conditions, client, server, FrameSplitter(), listener)
        self.ip = ip
        self.socket = SimulatedSocket(scheduler, self, self.upstream)
        self._to_client = self.socket.deliver
        self._sessions = sessions
        self._flushing = False
        self._servers = servers
        self._to_core = servers.receive  # type: ignore[method-assign]  # saves a call
        self._after_call = servers.after_call
        self._core = servers.accept(server, ip, self._has_output)
        servers.flush()

    def _stream(self, way: Way, deliver: Callable[[bytes, Any], None]) -> Stream:
        call_at = self._scheduler.call_at
        if way == "to_server":
            call_at = partial(self._scheduler.arrive_at, self)
        return Stream(self._conditions, self, way, deliver, call_at)

    def __str__(self) -> str:
        return f"connection {self.number} of {self.client}"

    @property
    def awaited(self) -> str:
        """What the client waits for, in words."""
        return f"data on connection {self.number} to server {self.server}"

    @property
    def address(self) -> tuple[str, int]:
        """The client's host and port."""
        return self.ip, 40_000 + self.number

    @property
    def peer_address(self) -> tuple[str, int]:
        """The server's host and port."""
        return self._servers.addresses[self.server - 1]

    @property
    def arriving(self) -> bool:
        """Whether the server hears what arrives now."""
        return self._core is not None and not self.upstream.idle

    @property
    def quiet(self) -> bool:
        """Whether nothing is on the way and no request waits for its reply."""
        return self.upstream.idle and self.downstream.idle and not self._pending

    # -- the client's end

    def send(self, data: bytes) -> None:
        """The client writes."""
        for frame in self._frames.feed(data):
            self._send_frame(frame)

    def client_closes(self) -> None:
        """The client closes its socket: the server finds out after what is on its way."""
        if not self._client_gone:
            self._end_of_client("client")
        self.upstream.send(END)

    # -- the server's end

    def _identify(self, session_id: int) -> None:
        super()._identify(session_id)
        if session_id:
            self._sessions[self.client] = session_id

    def _tell_core(self, core: Connection) -> None:
        self._servers.lost(core)

    def _has_output(self, _connection: object) -> None:
        """The server has output to send or wants the connection closed."""
        if not self._flushing:
            self._flushing = True
            self._after_call(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        core = self._core
        if core is not None:
            self._take_output(core)

    def _unasked(self, xid: int) -> None:
        raise AssertionError(f"the reply with xid {xid} matches no request")
