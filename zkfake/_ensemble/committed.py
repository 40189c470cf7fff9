"""What an ensemble has committed: one log, and the tree at any point of it.

A tree is a pure function of the log, so any past state can be rebuilt from an older one by
applying what was committed in between.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from zkfake._database.log import Create, Log, SetData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree

_MOST_BYTES = 64 << 20
"""Of data, in recent transactions."""

_MOST_MARKS = 8
"""Each has a reference per znode."""


class KeeperError(OSError):
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
        self._most: int | None = None
        """The transactions that `keep_recent` keeps."""
        self._size = 0
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
            if self._most is not None and len(self._marks) > _MOST_MARKS:
                self._forget_before(self._marks[1].zxid)
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
            if self._most is not None:
                self._forget(transaction)
            on_append = self.on_append
            if on_append is not None:
                on_append(transaction)
            keeper = self.keeper
            if keeper is not None:
                keeper.append(transaction)

    # -- recent ones

    def keep_recent(self, tree: Tree, between: Iterable[Transaction], most: int) -> None:
        """Keeps the last ``most`` transactions from now on, or those that have 64 MiB of data. Does
        nothing where transactions are kept already.

        ``tree``: a state of the past, ``between``: what has been committed since. Cost: a reference
        per znode.
        """
        if not self._complete:
            self._complete = True
            self._most = most
            self._marks = [tree.copy()]
            self._entries = deque(between)
            self._size = sum(map(_size, self._entries))

    @property
    def first_zxid(self) -> int | None:
        """The oldest that `at` takes; ``None`` where no transactions are kept."""
        return self._marks[0].zxid if self._complete and self._marks else None

    def _forget(self, added: Transaction) -> None:
        """Forgets the oldest transactions, if that is too much."""
        assert self._most is not None
        self._size += _size(added)
        while len(self._entries) > self._most or self._size > _MOST_BYTES:
            oldest = self._entries.popleft()
            self._size -= _size(oldest)
            while len(self._marks) > 1 and self._marks[1].zxid <= oldest.zxid:
                del self._marks[0]
            if oldest.zxid > self._marks[0].zxid:
                self._marks[0].apply(oldest)

    def _forget_before(self, zxid: int) -> None:
        """Forgets what was before a mark."""
        del self._marks[0]
        while self._entries and self._entries[0].zxid <= zxid:
            self._size -= _size(self._entries.popleft())

    # -- reading

    def whole(self) -> tuple[Transaction, ...]:
        """Every transaction. Raises `ValueError` where the log was not kept."""
        if not self._complete or self._most is not None:
            raise ValueError(_NOT_KEPT)
        return tuple(self._entries)

    def at(self, zxid: int) -> Tree:
        """The tree right after the last transaction up to ``zxid``. Cost: linear in the log.

        Raises `ValueError` where the log was not kept so far.
        """
        tree, between = self.towards(zxid)
        for transaction in between:
            tree.apply(transaction)
        return tree

    def towards(self, zxid: int) -> tuple[Tree, list[Transaction]]:
        """A tree of its own, and what is to be applied to it to get that of `at`. Cost: a reference
        per znode and transaction. Raises as `at`.
        """
        if not self._complete:
            raise ValueError(_NOT_KEPT)
        mark = next((each for each in reversed(self._marks) if each.zxid <= zxid), None)
        if mark is None:
            raise ValueError(f"what was at zxid {zxid} is not kept any more")
        between = self.after(mark.zxid)
        return mark.copy(), [each for each in between if each.zxid <= zxid]


_NOT_KEPT = "the log is not kept: create the FakeZooKeeper with keep_log=True"


def _size(transaction: Transaction) -> int:
    """Bytes of data."""
    return sum(
        len(each.data or b"")
        for each in transaction.operations
        if isinstance(each, (Create, SetData))
    )
