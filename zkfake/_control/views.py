"""Views of the state inside the fake, for tests: plain, frozen copies.

A view does not change when the fake goes on. Each costs time linear in what it lists.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from zkfake._connection.connection import Connection
from zkfake._database.tree import Tree
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._ensemble.watches import PERSISTENT, RECURSIVE, STANDARD, WatchTable
from zkfake._protocol.records import Acl, Id, Stat


@dataclass(frozen=True, slots=True)
class SessionView:
    """An open session. ``timeout``: milliseconds. ``server_id``: the server that owns it.
    ``ephemerals``: the paths of its ephemeral znodes.
    """

    id: int
    timeout: int
    server_id: int
    ephemerals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WatchView:
    """One watch. ``table``: ``"data"`` ones are set by getData and exists, ``"child"`` ones by
    getChildren. ``mode``: ``"standard"`` ones fire once; ``"persistent"`` and ``"recursive"`` ones
    are set by addWatch and stay. A persistent one is listed once for each table; so is a recursive
    one of version 3.8, while one of version 3.9 is listed as ``"data"`` alone.
    """

    path: str
    session_id: int
    server_id: int
    table: Literal["data", "child"]
    mode: Literal["standard", "persistent", "recursive"]


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """An open connection. ``session_id`` is 0 before the handshake; ``server_id``: the server that
    it leads to; ``address``: the client's; ``ids``: what the client has proved to be; ``received``
    and ``sent`` count packets.
    """

    session_id: int
    server_id: int
    address: str
    ids: tuple[Id, ...]
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class ZnodeView:
    """A znode with its data, ACL and ``Stat``."""

    data: bytes | None
    acl: tuple[Acl, ...]
    stat: Stat


def sessions(ensemble: Ensemble) -> tuple[SessionView, ...]:
    """The open sessions, oldest first."""
    return tuple(
        SessionView(
            session.id,
            session.timeout,
            session.server_id,
            tuple(ensemble.tip.ephemerals.get(session.id, ())),
        )
        for tracker in (ensemble.sessions, ensemble.local_sessions)
        for session in tracker
        if not session.closing
    )


def watches(replicas: Iterable[Replica]) -> tuple[WatchView, ...]:
    """Every watch of every server."""
    return tuple(
        WatchView(path, watcher.session_id, replica.id, table, mode)
        for replica in replicas
        for table, watch_table in _tables(replica)
        for path, watcher, modes in watch_table
        for bit, mode in _MODES
        if modes & bit
    )


def _tables(replica: Replica) -> tuple[tuple[Literal["data", "child"], WatchTable], ...]:
    return (("data", replica.watches.data), ("child", replica.watches.child))


_MODES: tuple[tuple[int, Literal["standard", "persistent", "recursive"]], ...] = (
    (STANDARD, "standard"),
    (PERSISTENT, "persistent"),
    (RECURSIVE, "recursive"),
)


def connections(replicas: Iterable[Replica]) -> tuple[ConnectionView, ...]:
    """Every open connection of every server, oldest first."""
    return tuple(
        ConnectionView(
            client.session_id,
            replica.id,
            client.address,
            client.ids,
            client.stats.received,
            client.stats.sent,
        )
        for replica in replicas
        for client in replica.clients
        if isinstance(client, Connection)
    )


def znodes(tree: Tree) -> Mapping[str, ZnodeView]:
    """Every znode by path, ``/zookeeper`` included, parents before children."""
    return {
        path: ZnodeView(node.data, node.acl, tree.stat(path, node))
        for path, node in sorted(tree.nodes.items())
    }
