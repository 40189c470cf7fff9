"""What a server counts, for the four-letter words.

Plain numbers, without sockets or trees. What the layers above count
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
from typing import Literal

__all__ = [
    "DEFAULT_TRACE_MASK",
    "ConnectionStats",
    "Latency",
    "Mode",
    "ServerStats",
]

Mode = Literal["standalone", "leader", "follower", "observer", "read-only"]

DEFAULT_TRACE_MASK = 306
"""The default trace mask, which ``gtmk`` answers."""

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
        """Start again from 0."""
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

    As on the real server, the smallest latency of a connection starts at 0, so it stays 0 until a
    ``crst``.
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
        self.last_latency = elapsed = end - start
        self.latency.add(elapsed)

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
