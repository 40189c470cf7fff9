"""What `FakeZooKeeper` and `Simulation` have in common: the state of an ensemble, for a test.

Rules that live here: a change excludes the driver while it is made, and the driver then sends what
the change has caused. A read returns copies, or objects that never change.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

from zkfake._channel.outages import milliseconds
from zkfake._control import seeding, views
from zkfake._trees import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from zkfake._control.seeding import Snapshot
    from zkfake._control.views import ConnectionView, SessionView, WatchView, ZnodeView
    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree
    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.replica import Replica
    from zkfake._trees.plain import PlainZnode

__all__ = ["EnsembleControl"]


class EnsembleControl(ABC):
    """The state of an ensemble: to read, to set and to restore.

    What is read is the leader's state, with what it has accepted and not yet committed; without a
    leader, the newest state that a server has. A stopped `FakeZooKeeper` can be read. Methods that
    write raise `RuntimeError` while no server leads, unless they say otherwise. Everything but
    `replicas` raises it in a forked child. In a `Simulation` reading raises
    `zkfake.simulation.SimulationError` before it begins, and writing raises it unless it runs. With
    a data directory everything raises `OSError` once that cannot be written to.
    """

    _ensemble: Ensemble

    @abstractmethod
    def _acting(self) -> AbstractContextManager[object]:
        """Excludes the driver during the block; the driver then sends what the block has caused."""

    @abstractmethod
    def _looking(self) -> AbstractContextManager[object]:
        """Excludes the driver during the block."""

    # -- the state

    def load(
        self, znodes: Mapping[str, bytes | PlainZnode | None] | str | os.PathLike[str]
    ) -> None:
        """Creates or overwrites znodes, and creates missing parents.

        ``znodes``: data by path, or the name of a tree file or of a data directory of a real
        ZooKeeper (``docs/offline.md``), whose ephemerals are left out. With data alone a new znode
        has an open ACL, and one that exists keeps its own. Each write is a transaction and triggers
        watches. In a simulation with a calm network it takes no virtual time. Cost: linear in the
        znodes.

        Raises `ValueError` for an invalid path, a znode below an ephemeral one, an ACL that the
        servers do not accept, a time to live without the setting ``extendedTypesEnabled``, and for
        what is wrong in a file; `TypeError` for data that is not bytes or ``None``; `OSError` for a
        file that cannot be read; `RuntimeError` while no server leads. Nothing is changed then. A
        write that a hard quota refuses is left out, without an error.
        """
        if isinstance(znodes, (str, os.PathLike)):
            znodes = files.read(znodes)
        with self._acting():
            seeding.load(self._ensemble, znodes)

    def dump(self, path: str = "/") -> dict[str, bytes | None]:
        """The data of a znode and of all its descendants by path, parents first. A dump of ``/``
        leaves out ``/`` itself and ``/zookeeper``. Cost: O(n log n) in what it returns. Raises
        `KeyError` if there is no such znode.
        """
        with self._looking():
            return seeding.dump(self._ensemble, path)

    def snapshot(self) -> Snapshot:
        """The whole tree as it is now. Later changes do not alter it. Cost: one reference per
        znode.
        """
        with self._looking():
            return seeding.take(self._ensemble)

    def restore(self, snapshot: Snapshot) -> None:
        """Goes back to a snapshot of this ensemble or of another one. Cost: O(n log n) in the
        znodes.

        To connected clients it looks like one transaction with a new zxid, which triggers the
        watches of every znode that differs. Sessions stay open; an ephemeral znode comes back only
        if its session is still open. What is proposed and not committed is lost. If servers lag, or
        messages between them are on their way, connections break and the servers elect anew.
        Raises `RuntimeError` while no server leads.
        """
        with self._acting():
            seeding.restore(self._ensemble, snapshot)

    def remove(self, path: str) -> None:
        """Removes a znode with all its descendants, whatever their ACLs. Does nothing if there is
        no such znode.

        To clients it looks like one transaction, as `restore` does. Cost: linear in the tree.
        Raises `RuntimeError` while no server leads, `ValueError` for ``/``, ``/zookeeper`` and what
        is below it.
        """
        with self._acting():
            seeding.remove(self._ensemble, path)

    def expire(self, session_id: int) -> None:
        """Ends a session as if its client had been silent for the session's timeout. Does nothing
        while no server leads, unless the session is local to its server. Raises `KeyError` if there
        is no such open session.
        """
        with self._acting():
            session = self._ensemble.session(session_id)
            if session is None:
                raise KeyError(session_id)
            self._ensemble.expire(session)

    # -- looking in

    @property
    def sessions(self) -> tuple[SessionView, ...]:
        """The open sessions, oldest first; those that are local to a server come last. Cost: linear
        in them and their ephemerals.
        """
        with self._looking():
            return views.sessions(self._ensemble)

    @property
    def watches(self) -> tuple[WatchView, ...]:
        """Every watch of every server. Cost: linear in them."""
        with self._looking():
            return views.watches(self.replicas)

    @property
    def connections(self) -> tuple[ConnectionView, ...]:
        """Every open connection, by server, oldest first. Cost: linear in them."""
        with self._looking():
            return views.connections(self.replicas)

    @property
    def znodes(self) -> Mapping[str, ZnodeView]:
        """Every znode by path, ``/zookeeper`` included. Cost: O(n log n) in the znodes."""
        with self._looking():
            return views.znodes(self._ensemble.tip)

    @property
    def log(self) -> tuple[Transaction, ...]:
        """Every committed transaction, oldest first. Cost: linear in them. Raises `ValueError`
        where the log is not kept: see ``keep_log`` of `zkfake.FakeZooKeeper`.
        """
        with self._looking():
            return self._ensemble.log.whole()

    @property
    def last_zxid(self) -> int:
        """The zxid of the last committed transaction. Cost: O(1)."""
        with self._looking():
            return self._ensemble.log.last_zxid

    def at(self, zxid: int) -> Tree:
        """The tree right after the last transaction up to ``zxid``. Cost: linear in the log. Raises
        `ValueError` where the log is not kept, and for a ``zxid`` before the first state of the
        log: see ``keep_log`` of `zkfake.FakeZooKeeper`. A simulation keeps it.
        """
        with self._looking():
            return self._ensemble.log.at(zxid)

    # -- the servers

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The servers, stopped ones included. Each has ``zxid``, ``mode``, ``tree`` and the other
        attributes of `zkfake._ensemble.replica.Replica`.
        """
        # The core knows its servers by a protocol; every server that has joined is a `Replica`.
        return tuple(cast("list[Replica]", self._ensemble.replicas))

    @property
    def leader(self) -> int | None:
        """The number of the server that leads, from 1; ``None`` while none does."""
        with self._looking():
            leader = self._ensemble.leader
            return None if leader is None else leader.id

    @property
    def server_latency(self) -> tuple[float, float]:
        """The shortest and the longest time of a message between two servers, in seconds. May be
        set at any time. Raises `ValueError` for an invalid range.
        """
        with self._looking():
            low, high = self._ensemble.links.latency
        return low / 1000, high / 1000

    @server_latency.setter
    def server_latency(self, seconds: tuple[float, float]) -> None:
        with self._acting():
            self._ensemble.links.latency = milliseconds(seconds)

    @property
    def election_time(self) -> tuple[float, float]:
        """The shortest and the longest time from the loss of a leader until a server takes part in
        the next election, in seconds. May be set at any time. Raises `ValueError` for an invalid
        range.
        """
        with self._looking():
            low, high = self._ensemble.election_time
        return low / 1000, high / 1000

    @election_time.setter
    def election_time(self, seconds: tuple[float, float]) -> None:
        with self._acting():
            self._ensemble.election_time = milliseconds(seconds)
