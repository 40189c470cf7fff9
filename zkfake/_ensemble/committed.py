"""What an ensemble has committed: one log, and the tree at any point of it.

A tree is a pure function of the log, so any state that ever was can be built again from an older
one: apply what was committed in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._database.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree


class CommittedLog(Log):
    """The committed transactions of an ensemble, in their one order."""

    def __init__(self, keep: int | None = None) -> None:
        """``keep``: transactions to remember, all by default; without all of them there is no past
        to go back to.
        """
        super().__init__(0, keep)
        self._complete = keep is None
        self._marks: list[Tree] = []
        self._newest = 0
        self.on_append: Callable[[Transaction], None] | None = None
        """Called with each transaction once it is committed."""
        self.on_mark: Callable[[Tree], None] | None = None
        """Called with the tree where the log starts, or goes on after such a change."""

    def mark(self, tree: Tree) -> None:
        """Where the log starts, or goes on after a change that no transaction tells of. Cost: a
        reference a znode.
        """
        if self._complete:
            self._marks.append(tree.copy())
        if self.on_mark is not None:
            self.on_mark(tree)

    def append(self, transaction: Transaction) -> None:
        """One more is committed. Two leaders may find out about the same one: the former, from a
        late acknowledgement, and the next, which has it in its log.
        """
        if transaction.zxid > self._newest:
            self._newest = self.last_zxid = transaction.zxid
            self._entries.append(transaction)
            if self.on_append is not None:
                self.on_append(transaction)

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
