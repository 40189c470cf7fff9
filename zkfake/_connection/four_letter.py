"""The four-letter words: which there are, who may use them, what they answer.

Everything that shapes their text lives in this file; it formats plain statistics and knows neither
sockets nor trees. A connection whose first four bytes are one of ``WORDS`` is no client session: it
gets ``answer(...)`` and is closed. Other bytes there are a frame length.

- Known but outside the whitelist: one line says so. ``srvr`` is always in the whitelist, ``isro``
  whenever ``readonlymode.enabled`` is set, ``*`` stands for all.
- A server without a quorum (``ServerStatus.mode`` is None) still answers ``ruok``, ``isro``
  (``null``), ``envi``, ``gtmk`` and ``stmk``; every other word gets one line saying that it serves
  nobody.
- ``stmk`` takes eight more bytes, the new mask; without all of them the connection is closed
  unanswered.
- ``cons`` prints the clock of the last reply in milliseconds of a monotonic clock, the establishing
  of the session in milliseconds since the epoch.

Source: the ZooKeeper Administrator's Guide ("The Four Letter Words"); formats from servers 3.8.0
and 3.9.5, which agree.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from time import gmtime, strftime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zkfake._ensemble.stats import ConnectionStats, Latency, Mode, ServerStats

__all__ = ["WORDS", "ConnectionStatus", "ServerStatus", "answer", "parse_whitelist"]

_MASK_LENGTH = 8


class ConnectionStatus(Protocol):
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


class ServerStatus(Protocol):
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
        """See `parse_whitelist`."""

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

    def connections(self) -> Iterable[ConnectionStatus]: ...

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


def parse_whitelist(setting: str | None, read_only_enabled: bool) -> frozenset[str]:
    """The words that ``4lw.commands.whitelist=setting`` allows.

    Names that are no word do no harm.
    """
    names = {name.strip() for name in (setting or "").split(",")}
    allowed = set(_ANSWERS) if "*" in names else names & set(_ANSWERS)
    allowed.add("srvr")  # zkServer.sh asks for it
    if read_only_enabled:
        allowed.add("isro")  # clients look for a read-write server with it
    return frozenset(allowed)


def answer(word: bytes, server: ServerStatus, argument: bytes = b"") -> bytes | None:
    """What ``server`` answers to ``word``; None: no text, just close.

    ``word``: the first four bytes of a connection, one of ``WORDS`` (None for any other).
    ``argument``: what came after it. Only ``crst``, ``srst`` and ``stmk`` change anything. Costs
    are those of what is listed: O(1) for ``ruok``, O(number of watches) for ``wchc``.
    """
    if word not in WORDS:
        return None
    name = word.decode("ascii")
    if name not in server.whitelist:
        return f"{name} is not executed because it is not in the whitelist.\n".encode()
    if name == "stmk":
        return _set_trace_mask(server, argument)
    if server.mode is None and name not in _WITHOUT_QUORUM:
        text = "This ZooKeeper instance is not currently serving requests"
        return (text if name == "hash" else text + "\n").encode()
    return _ANSWERS[name](server).encode()


def _set_trace_mask(server: ServerStatus, argument: bytes) -> bytes | None:
    if len(argument) < _MASK_LENGTH:
        return None
    server.trace_mask = int.from_bytes(argument[:_MASK_LENGTH], "big", signed=True)
    return _trace_mask(server).encode()


def _trace_mask(server: ServerStatus) -> str:
    return str(server.trace_mask)


def _ruok(_: ServerStatus) -> str:
    return "imok"


def _isro(server: ServerStatus) -> str:
    if server.mode is None:
        return "null"
    return "ro" if server.mode == "read-only" else "rw"


def _srvr(server: ServerStatus) -> str:
    return _server_text(server, clients="")


def _stat(server: ServerStatus) -> str:
    lines = "".join(f" /{_short(connection)})\n" for connection in server.connections())
    return _server_text(server, clients=f"Clients:\n{lines}\n")


def _server_text(server: ServerStatus, clients: str) -> str:
    stats = server.stats
    latency = stats.latency
    read_only = server.mode == "read-only"
    lines = [
        f"Latency min/avg/max: {latency.minimum}/{_average(latency)}/{latency.maximum}",
        f"Received: {stats.received}",
        f"Sent: {stats.sent}",
        f"Connections: {_count(server.connections())}",
        f"Outstanding: {server.outstanding}",
        f"Zxid: {_hexadecimal(server.zxid)}",
        f"Mode: {server.mode}",
        f"Node count: {server.node_count}",
    ]
    if server.mode == "leader":
        lines.append("Proposal sizes last/min/max: " + "/".join(map(str, server.proposal_sizes)))
    return (
        f"Zookeeper version: {server.version}\n"
        + ("READ-ONLY mode; serving only read-only clients\n" if read_only else "")
        + clients
        + "\n".join(lines)
        + "\n"
    )


def _cons(server: ServerStatus) -> str:
    return "".join(f" /{_long(connection)})\n" for connection in server.connections()) + "\n"


def _short(connection: ConnectionStatus) -> str:
    stats = connection.stats
    return (
        f"{connection.address}[{connection.interest:x}](queued={connection.outstanding},"
        f"recved={stats.received},sent={stats.sent}"
    )


def _long(connection: ConnectionStatus) -> str:
    text = _short(connection)
    if not connection.session_id:
        return text
    stats = connection.stats
    latency = stats.latency
    cxid = f",lcxid={_hexadecimal(stats.last_cxid)}" if stats.last_cxid >= 0 else ""
    return (
        f"{text},sid={_hexadecimal(connection.session_id)},lop={stats.last_operation}"
        f",est={connection.established},to={connection.session_timeout}{cxid}"
        f",lzxid={_hexadecimal(stats.last_zxid)},lresp={stats.last_response}"
        f",llat={stats.last_latency},minlat={stats.shown_minimum}"
        f",avglat={latency.total // latency.count if latency.count else 0},maxlat={latency.maximum}"
    )


def _crst(server: ServerStatus) -> str:
    for connection in server.connections():
        connection.stats.reset()
    return "Connection stats reset.\n"


def _srst(server: ServerStatus) -> str:
    server.stats.reset()
    return "Server stats reset.\n"


def _wchs(server: ServerStatus) -> str:
    watches = {session: list(paths) for session, paths in server.data_watches().items()}
    paths = {path for watched in watches.values() for path in watched}
    total = sum(map(len, watches.values()))
    return f"{len(watches)} connections watching {len(paths)} paths\nTotal watches:{total}\n"


def _wchc(server: ServerStatus) -> str:
    return _grouped(
        (_hexadecimal(session), paths) for session, paths in server.data_watches().items()
    )


def _wchp(server: ServerStatus) -> str:
    sessions: dict[str, list[str]] = {}
    for session, paths in server.data_watches().items():
        for path in paths:
            sessions.setdefault(path, []).append(_hexadecimal(session))
    return _grouped(sessions.items())


def _grouped(groups: Iterable[tuple[str, Iterable[str]]]) -> str:
    return "".join(_group(title, members) for title, members in groups) + "\n"


def _group(title: str, members: Iterable[str]) -> str:
    return f"{title}\n" + "".join(f"\t{member}\n" for member in members)


def _dump(server: ServerStatus) -> str:
    ephemerals = server.ephemerals()
    return (
        "SessionTracker dump:\n"
        + _session_sets(server)
        + "ephemeral nodes dump:\n"
        + f"Sessions with Ephemerals ({len(ephemerals)}):\n"
        + "".join(_group(f"{_hexadecimal(s)}:", paths) for s, paths in ephemerals.items())
        + "Connections dump:\n"
        + _connection_sets(server)
    )


def _session_sets(server: ServerStatus) -> str:
    local = server.local_session_sets()
    text = "" if local is None else _expiring_sessions("Local Session", local)
    if server.mode not in _EXPIRING:
        return text + _global_sessions(server)
    title = "Session" if local is None else "Global Session"
    return text + _expiring_sessions(title, server.session_sets())


def _expiring_sessions(title: str, sets: Sequence[tuple[int, Sequence[int]]]) -> str:
    return _expiry_sets(title, [(when, [_hexadecimal(s) for s in ids]) for when, ids in sets])


def _connection_sets(server: ServerStatus) -> str:
    sets = [
        (when, [f"ip: /{a} sessionId: {_hexadecimal(s)}" for a, s in members])
        for when, members in server.connection_sets()
    ]
    return _expiry_sets("Connections", sets)


def _expiry_sets(title: str, sets: Sequence[tuple[int, Sequence[str]]]) -> str:
    total = sum(len(members) for _, members in sets)
    return f"{title} Sets ({len(sets)})/({total}):\n" + "".join(
        _group(f"{len(members)} expire at {_java_date(when)}:", members) for when, members in sets
    )


def _global_sessions(server: ServerStatus) -> str:
    sessions = server.global_sessions()
    lines = "".join(f"{_hexadecimal(s)}\t{timeout}ms\n" for s, timeout in sorted(sessions.items()))
    return f"Global Sessions({len(sessions)}):\n{lines}"


def _conf(server: ServerStatus) -> str:
    membership = server.membership()
    return _properties(server.configuration()) + (
        "" if membership is None else f"membership: \n{membership}"
    )


def _envi(server: ServerStatus) -> str:
    return f"Environment:\nzookeeper.version={server.version}\n" + _properties(server.environment())


def _properties(pairs: Iterable[tuple[str, object]]) -> str:
    return "".join(f"{name}={value}\n" for name, value in pairs)


def _mntr(server: ServerStatus) -> str:
    stats = server.stats
    latency = stats.latency
    ephemerals = server.ephemerals()
    lines: list[tuple[str, object]] = [("version", server.version), ("server_state", server.mode)]
    if server.peer_state is not None:
        lines.append(("peer_state", server.peer_state))
    lines += [
        ("avg_latency", _average(latency)),
        ("min_latency", latency.minimum),
        ("max_latency", latency.maximum),
        ("packets_received", stats.received),
        ("packets_sent", stats.sent),
        ("num_alive_connections", _count(server.connections())),
        ("outstanding_requests", server.outstanding),
        ("znode_count", server.node_count),
        ("ephemerals_count", sum(_count(paths) for paths in ephemerals.values())),
    ]
    return "".join(f"zk_{name}\t{value}\n" for name, value in [*lines, *server.metrics()])


def _dirs(server: ServerStatus) -> str:
    data, log = server.directory_sizes()
    return f"datadir_size: {data}\nlogdir_size: {log}\n"


def _hash(server: ServerStatus) -> str:
    return "".join(f"{zxid:x}: {digest}\n" for zxid, digest in server.digests())


def _count(items: Iterable[object]) -> int:
    return sum(1 for _ in items)


def _hexadecimal(number: int) -> str:
    """``0x..`` of the 64 bits of a Java long."""
    return hex(number & 0xFFFF_FFFF_FFFF_FFFF)


def _average(latency: Latency) -> float:
    if not latency.count:
        return 0.0
    exact = Decimal(latency.total / latency.count)
    return float(exact.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP))


def _java_date(milliseconds: int) -> str:
    """As ``java.util.Date`` prints it, in UTC."""
    return strftime("%a %b %d %H:%M:%S UTC %Y", gmtime(milliseconds / 1000))


_EXPIRING = ("standalone", "leader")
_WITHOUT_QUORUM = frozenset({"ruok", "isro", "envi", "gtmk"})
_ANSWERS: dict[str, Callable[[ServerStatus], str]] = {
    "conf": _conf,
    "cons": _cons,
    "crst": _crst,
    "dirs": _dirs,
    "dump": _dump,
    "envi": _envi,
    "gtmk": _trace_mask,
    "hash": _hash,
    "isro": _isro,
    "mntr": _mntr,
    "ruok": _ruok,
    "srst": _srst,
    "srvr": _srvr,
    "stat": _stat,
    "stmk": _trace_mask,
    "wchc": _wchc,
    "wchp": _wchp,
    "wchs": _wchs,
}

WORDS: frozenset[bytes] = frozenset(name.encode("ascii") for name in _ANSWERS)
"""Every word the server knows, whether the whitelist allows it or not."""
