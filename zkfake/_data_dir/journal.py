"""What a running ensemble tells its data directory.

Rules that live here: what is committed waits here until `flush`, which the driver calls before it
sends anything. So no client hears of what could still be lost. A snapshot is taken at each start,
as a real server does, after a change that is no transaction, and after many transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._data_dir.database import KeptState
from zkfake._ensemble.committed import KeeperError
from zkfake._ensemble.store import fold
from zkfake._protocol.records import SESSION_OPS

if TYPE_CHECKING:
    from zkfake._data_dir.directory import DataDirectory
    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree
    from zkfake._ensemble.ensemble import Ensemble

__all__ = ["Journal"]

SNAPSHOT_AFTER = 20_000
"""Transactions after which a snapshot is taken, and one for each znode more."""


class Journal:
    """The journal of one ensemble, from one start to the next stop."""

    def __init__(self, directory: DataDirectory, ensemble: Ensemble, state: KeptState) -> None:
        """``state``: what the directory has."""
        self._directory = directory
        self._ensemble = ensemble
        self._log = ensemble.log
        self._sessions = dict(state.sessions)
        self._waiting: list[Transaction] = []
        self._last = state.tree.zxid
        """The last transaction."""
        self._zxid = state.zxid
        """The last zxid that is written."""
        self._since = 0
        """Transactions since the last snapshot."""
        self._marked = False
        self._error: str | None = None

    # -- called by the core

    def append(self, transaction: Transaction) -> None:
        """A transaction is committed."""
        self._waiting.append(transaction)
        self._last = transaction.zxid
        if transaction.op in SESSION_OPS:
            fold(self._sessions, transaction)

    def mark(self, tree: Tree) -> None:
        """The log goes on from ``tree``, which no transaction has made."""
        self._last = tree.zxid
        self._marked = True

    # -- called by the driver

    def flush(self) -> None:
        """Writes what waits. Raises `KeeperError`, now and at every further call."""
        if not self._waiting and not self._marked and self._log.last_zxid <= self._zxid:
            return
        if self._error is not None:
            raise KeeperError(self._error)
        state = None
        if self._marked or self._since + len(self._waiting) > SNAPSHOT_AFTER:
            state = self._state()
            # Without the tree of a mark the transactions after it mean nothing. Whoever marks has
            # every server take the tree, and the driver writes it before anything else happens.
            assert state is not None or not self._marked
        try:
            self._directory.add(self._waiting, self._log.last_zxid, state)
        except OSError as error:
            self._error = f"cannot write to the data directory: {error}"
            raise KeeperError(self._error) from None
        self._since += len(self._waiting)
        self._waiting.clear()
        self._zxid = self._log.last_zxid
        if state is not None:
            self._marked = False
            self._since = 0

    def _state(self) -> KeptState | None:
        """The state after the last transaction; ``None`` while no server has applied all of it, or
        while a snapshot would be larger than the log.
        """
        for replica in self._ensemble.replicas:
            tree = replica.store.tree
            if tree.zxid == self._last:
                many = self._since + len(self._waiting) > SNAPSHOT_AFTER + len(tree.nodes)
                if self._marked or many:
                    return KeptState(tree, self._sessions, 0, 0, self._ensemble.now)
                return None
        return None
