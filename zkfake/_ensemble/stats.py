"""The figures of a server: what it counts, and what the four-letter words may ask of it.

Plain numbers and two protocols, without sockets or trees. What the layers above count
(``ServerStats`` once for a server, ``ConnectionStats`` once for a connection):

- A packet is *received* when it was read whole, the connect request and a four-letter word
  included: a word counts itself before its text is made. A packet is *sent* when it is queued for
  the peer: replies, watch events, the connect response, and one for the whole text of a word
  (counted after the text was made).
- ``answered`` is called for each reply that went through the pipeline, and for the response to the
  connect request of a **new** session (``SESS``, cxid 0). Not for a renewed session, whose ``lop``
  reads ``null`` until its first request, nor for ``auth`` and ``sasl``, which the server answers
  inline. Latency: receipt to reply, in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "DEFAULT_TRACE_MASK",
    "ConnectionStats",
    "ConnectionView",
    "Latency",
    "Mode",
    "ServerStats",
    "ServerView",
]

Mode = Literal["standalone", "leader", "follower", "observer", "read-only"]

DEFAULT_TRACE_MASK = 306
"""What ``gtmk`` answers on a server that nobody told otherwise."""

_NEVER = -1


@dataclass(slots=True)
class Latency:
    """Request latencies in milliseconds: their number, sum, smallest and greatest.

    ``add`` is O(1).
    """

    count: int = 0
    total: int = 0
    minimum: int = 0
    maximum: int = 0

    def add(self, elapsed: int) -> None:
        """Count one request that took ``elapsed`` milliseconds."""
        if not self.count or elapsed < self.minimum:
            self.minimum = elapsed
        if elapsed > self.maximum:
            self.maximum = elapsed
        self.count += 1
        self.total += elapsed

    def reset(self) -> None:
        """Forget all."""
        self.count = self.total = self.minimum = self.maximum = 0


@dataclass(slots=True)
class ServerStats:
    """What one server counts since its start or the last ``srst``."""

    received: int = 0
    sent: int = 0
    latency: Latency = field(default_factory=Latency)

    def reset(self) -> None:
        """As ``srst``."""
        self.received = self.sent = 0
        self.latency.reset()


@dataclass(slots=True)
class Counts:
    """What one server has counted since it was made, by the names that ``mntr`` has for it."""

    bytes_received_count: int = 0
    connection_rejected: int = 0
    """Connections that a limit refused."""
    connection_request_count: int = 0
    """Connect requests."""
    sessionless_connections_expired: int = 0
    """Connections that sent no connect request in time."""


@dataclass(slots=True)
class ConnectionStats:
    """What one connection counts since it was made or the last ``crst``.

    The smallest latency of a connection starts at 0, so it stays there until a ``crst``: the real
    server's habit.
    """

    received: int = 0
    sent: int = 0
    last_operation: str = "null"
    last_cxid: int = 0
    last_zxid: int = 0
    last_response: int = 0
    last_latency: int = 0
    latency: Latency = field(default_factory=Latency)
    was_reset: bool = False

    def answered(self, label: str, cxid: int, zxid: int, start: int, end: int) -> None:
        """A request was answered.

        ``label``: the operation's four letters (``GETD``, ``SESS``, ...). ``start``, ``end``: when
        it arrived and was answered, in milliseconds of one monotonic clock. A negative ``cxid``
        (ping, setWatches) leaves the last one.
        """
        if cxid >= 0:
            self.last_cxid = cxid
        self.last_operation = label
        self.last_zxid = zxid
        self.last_response = end
        self.last_latency = end - start
        self.latency.add(end - start)

    def reset(self) -> None:
        """As ``crst``."""
        self.received = self.sent = 0
        self.last_operation = "NA"
        self.last_cxid = self.last_zxid = _NEVER
        self.last_response = self.last_latency = 0
        self.latency.reset()
        self.was_reset = True

    @property
    def shown_minimum(self) -> int:
        """The smallest latency as ``cons`` prints it, in milliseconds."""
        return self.latency.minimum if self.was_reset else 0


class ConnectionView(Protocol):
    """What ``stat``, ``cons`` and ``crst`` need of one open connection."""

    @property
    def address(self) -> str:
        """The peer as `zkfake._ensemble.addresses.java_address` writes it."""

    @property
    def interest(self) -> int:
        """The select operations it waits for: 1 (read) for a client, 0 for a connection that is
        about to be closed.
        """

    @property
    def outstanding(self) -> int:
        """Requests read and not answered yet."""

    @property
    def session_id(self) -> int:
        """0 before the handshake and for a four-letter word."""

    @property
    def session_timeout(self) -> int:
        """Milliseconds, as negotiated."""

    @property
    def established(self) -> int:
        """When it connected, in milliseconds since the epoch."""

    @property
    def handshake_due(self) -> int:
        """When it is dropped if it has no session by then, in milliseconds since the epoch."""

    @property
    def stats(self) -> ConnectionStats: ...


class ServerView(Protocol):
    """What the words need of one server.

    The asking connection is already among ``connections()`` and counted as received.
    """

    trace_mask: int

    @property
    def version(self) -> str:
        """The whole text, such as ``3.9.5-<hash>, built on 2026-02-11 20:18 UTC``."""

    @property
    def mode(self) -> Mode | None:
        """None: no quorum, not serving."""

    @property
    def peer_state(self) -> str | None:
        """Such as ``leading - broadcast``; None standalone and read-only."""

    @property
    def whitelist(self) -> frozenset[str]:
        """See `zkfake._connection.four_letter.parse_whitelist`."""

    @property
    def stats(self) -> ServerStats: ...

    @property
    def zxid(self) -> int:
        """The last one this server has processed."""

    @property
    def outstanding(self) -> int:
        """Requests of all connections read and not answered yet."""

    @property
    def node_count(self) -> int:
        """Znodes; the root counts twice, as it is known by two names (``""`` and ``/``)."""

    @property
    def proposal_sizes(self) -> tuple[int, int, int]:
        """Last, smallest, greatest in bytes; -1 each before the first. Shown by a leader only."""

    def connections(self) -> Iterable[ConnectionView]: ...

    def data_watches(self) -> Mapping[int, Iterable[str]]:
        """Session id -> paths in its data-watch table.

        A connection whose watches all fired stays, with no path.
        """

    def session_sets(self) -> Sequence[tuple[int, Sequence[int]]]:
        """(when they expire, in milliseconds since the epoch; the session ids) for each expiry
        bucket, soonest first.
        """

    def local_session_sets(self) -> Sequence[tuple[int, Sequence[int]]] | None:
        """The same for the sessions that only this server knows; None where there cannot be any."""

    def global_sessions(self) -> Mapping[int, int]:
        """Session id -> timeout in milliseconds: what a server that does not expire sessions itself
        knows of them.
        """

    def connection_sets(self) -> Sequence[tuple[int, Sequence[tuple[str, int]]]]:
        """(when it is dropped, in milliseconds since the epoch; the (address, session id) pairs),
        soonest first.
        """

    def ephemerals(self) -> Mapping[int, Iterable[str]]:
        """Session id -> paths of its ephemeral znodes, for each session that has some."""

    def configuration(self) -> Iterable[tuple[str, object]]:
        """The lines of ``conf`` in their order, ``clientPort`` first."""

    def membership(self) -> str | None:
        """The text of ``/zookeeper/config``; None standalone and read-only."""

    def environment(self) -> Iterable[tuple[str, object]]:
        """The lines of ``envi`` after ``zookeeper.version``."""

    def metrics(self) -> Iterable[tuple[str, object]]:
        """The lines of ``mntr`` (names without ``zk_``) that are not derived from the properties
        above.
        """

    def directory_sizes(self) -> tuple[int, int]:
        """Bytes under ``dataDir`` and ``dataLogDir``."""

    def digests(self) -> Iterable[tuple[int, int]]:
        """(zxid, digest of the tree at it), one in each 128 transactions."""
