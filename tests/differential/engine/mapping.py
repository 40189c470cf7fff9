"""What must differ between two servers of ours, taken out of their answers; everything else stays
as sent.

Both servers start fresh and are sent the same bytes, so zxids, versions, counters, the order of
child lists and of events are compared as they are. Mapped are only:

- session ids: a server derives its first from the clock; ids become their distance to it;
- session passwords: the server's function of the id; checked here, then replaced by a mark;
- ctime and mtime: the clock; a server must give one time per zxid, so each becomes its zxid (and
  stays as it is, for everyone to see, when two answers name different times for one zxid);
- in four-letter words: ports, latencies, dates, directories (see `WORDS`).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from zkfake._compare.replies import Mapping

if TYPE_CHECKING:
    from collections.abc import Callable

SESSIONS_OF_A_SERVER = 1_000_000
A_DAY_MS = 86_400_000


class ExactMapping(Mapping):
    """The mapping of one server's answers; lives as long as the server."""

    def __init__(self) -> None:
        self._first_sessions: dict[int, int] = {}
        self._times: dict[int, int] = {}

    def forget_times(self) -> None:
        """Drop what was learnt about times (between examples, to stay small)."""
        self._times.clear()

    # -- values --

    def session(self, session: int) -> int:
        """A session id as its distance to its server's first, counted from 1; 0 stays 0."""
        if session == 0:
            return 0
        server = session >> 56
        first = self._first_sessions.setdefault(server, session)
        return session - first + 1 + self.place(server) * SESSIONS_OF_A_SERVER

    def place(self, server: int) -> int:
        """Which of the servers that are compared has this number; 0 for the first."""
        return 0

    def time(self, zxid: int, at: int) -> int:
        known = self._times.setdefault(zxid, at)
        if known == at and abs(at - time.time() * 1000) < A_DAY_MS:
            return zxid
        return at

    # -- four-letter words --

    def word(self, word: bytes, text: bytes) -> bytes:
        """A four-letter word's output."""
        rules = WORDS.get(word)
        return rules(self, text) if rules else text

    def hexadecimal_sessions(self, text: bytes) -> bytes:
        return re.sub(
            rb"0x([1-9a-f][0-9a-f]{14})\b",
            lambda match: b"0x<session %d>" % self.session(int(match.group(1), 16)),
            text,
        )


# -- four-letter words: (pattern, replacement) in order, then whether lines are sorted -------------


def _masked(
    *rules: tuple[bytes, bytes], sort: bool = False
) -> Callable[[ExactMapping, bytes], bytes]:
    def mask(mapping: ExactMapping, text: bytes) -> bytes:
        text = mapping.hexadecimal_sessions(text)
        for pattern, replacement in rules:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        return b"\n".join(sorted(text.split(b"\n"))) if sort else text

    return mask


_VERSION = (rb"^Zookeeper version: \S+, built on .*$", b"Zookeeper version: <version>")
_LATENCY = (
    rb"^Latency min/avg/max: \d+/\d+(\.\d+)?/\d+$",
    b"Latency min/avg/max: <latency>",
)
# Of all connections so far. A request or reply in flight when a connection ends may count or not;
# each open connection's own counts are compared (`stat`, `cons`).
_TRAFFIC = (rb"^(Received|Sent|Outstanding): -?\d+$", rb"\1: <count>")
_PORT = (rb"/127\.0\.0\.1:\d+", b"/127.0.0.1:<port>")
_CLOCKS = (rb"\b(est|lresp|llat|minlat|avglat|maxlat)=\d+", rb"\1=<clock>")
# How many expire together depends on when in the tick each spoke last.
_DATES = (rb"^\d+ expire at .*:\n", b"")
# A reply just read here may still stand in the server's queue, uncounted.
_QUEUE = (
    rb"\[[0-9a-f]+\]\(queued=\d+,recved=(\d+),sent=\d+",
    rb"[<ops>](queued=<count>,recved=\1,sent=<count>",
)
_BUCKETS = (rb"^((Session|Connections) Sets )\(\d+\)/", rb"\1(<buckets>)/")
_DIRECTORIES = ((rb"^(dataDir|dataLogDir|dataDirSize|dataLogSize|clientPort)=.*$", rb"\1=<place>"),)

# Of the figures of `mntr` those that tell of znodes, watches and sessions.
_MONITORED = (
    *(b"zk_server_state", b"zk_znode_count", b"zk_watch_count", b"zk_ephemerals_count"),
    *(b"zk_num_alive_connections", b"zk_global_sessions", b"zk_local_sessions"),
)


def _monitored(_: ExactMapping, text: bytes) -> bytes:
    lines = text.split(b"\n")
    return b"\n".join(sorted(line for line in lines if line.split(b"\t")[0] in _MONITORED))


WORDS: dict[bytes, Callable[[ExactMapping, bytes], bytes]] = {
    b"srvr": _masked(_VERSION, _LATENCY, _TRAFFIC),
    b"stat": _masked(_VERSION, _LATENCY, _TRAFFIC, _PORT, _QUEUE, sort=True),
    b"cons": _masked(_PORT, _QUEUE, _CLOCKS, sort=True),
    b"conf": _masked(*_DIRECTORIES),
    b"dump": _masked(_DATES, _BUCKETS, _PORT, sort=True),
    b"mntr": _monitored,
    b"wchc": _masked(sort=True),
    b"wchp": _masked(sort=True),
}
