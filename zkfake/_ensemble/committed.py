"""What an ensemble has committed: one log, and the tree at any point of it.

A tree is a pure function of the log, so any past state can be rebuilt from an older one by
applying what was committed in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zkfake._database.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree


class KeeperError(Exception):
    """What is committed cannot be kept, so nothing may be acknowledged any more."""


class Keeper(Protocol):
    """Whoever keeps what is committed when the process ends."""

    def append(self, transaction: Transaction) -> None:
        """A transaction is committed."""

    def mark(self, tree: Tree) -> None:
        """The log goes on from ``tree``, which no transaction has made."""


class CommittedLog(Log):
    """The committed transactions of an ensemble, in their one order."""

    def __init__(self, keep: int | None = None) -> None:
        """``keep``: the number of transactions to remember, all by default. `whole` and `at` need
        all of them.
        """
        super().__init__(0, keep)
        self._complete = keep is None
        self._marks: list[Tree] = []
        self._newest = 0
        self.on_append: Callable[[Transaction], None] | None = None
        """Called with each transaction once it is committed."""
        self.on_mark: Callable[[Tree], None] | None = None
        """Called with the tree at each `mark`."""
        self.keeper: Keeper | None = None
        """Whoever keeps it on a disk."""

    def mark(self, tree: Tree) -> None:
        """The log starts with ``tree``, or goes on from it after a change that is not a transaction
        of the log. Cost: one reference per znode.
        """
        if self._complete:
            self._marks.append(tree.copy())
        if self.on_mark is not None:
            self.on_mark(tree)
        if self.keeper is not None:
            self.keeper.mark(tree)

    def recover(self, zxid: int) -> None:
        """Goes on after ``zxid``, the last one that was used."""
        self._newest = self.last_zxid = zxid

    def append(self, transaction: Transaction) -> None:
        """Adds a committed transaction. One that was added before is ignored."""
        # Two leaders may commit the same one: the former leader, after a late acknowledgement, and
        # the next one, which has it in its log.
        zxid = transaction.zxid
        if zxid > self._newest:
            self._newest = self.last_zxid = zxid
            self._entries.append(transaction)
            on_append = self.on_append
            if on_append is not None:
                on_append(transaction)
            keeper = self.keeper
            if keeper is not None:
                keeper.append(transaction)

    def whole(self) -> tuple[Transaction, ...]:
        """Every transaction. Raises `ValueError` where the log was not kept."""
        self._require_all()
        return tuple(self._entries)

    def _require_all(self) -> None:
        if not self._complete:
            raise ValueError("the log is not kept: create the FakeZooKeeper with keep_log=True")

    def at(self, zxid: int) -> Tree:
        """The tree right after the last transaction up to ``zxid``. Cost: linear in the log.

        Raises `ValueError` where the log was not kept.
        """
        self._require_all()
        tree = next(mark for mark in reversed(self._marks) if mark.zxid <= zxid).copy()
        for transaction in self.after(tree.zxid):
            if transaction.zxid > zxid:
                break
            tree.apply(transaction)
        return tree
