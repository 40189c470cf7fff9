"""The transaction log: what the leader has decided, in the one order that all servers apply it in.

A transaction carries outcomes, not requests: the final path of a sequential znode, the next
version, the expanded ACL. Applying it needs neither the client nor the clock, so a tree is a pure
function of the log up to its zxid. A request that failed is a transaction too, without operations:
it uses a zxid like any other.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from zkfake._protocol.records import Acls, Code, Op

CONTAINER = -1
"""`Create.reap` of a container znode."""


class Create(NamedTuple):
    """A znode is created. ``owner``: the session of an ephemeral znode, else 0. ``reap``:
    `CONTAINER`, a TTL in milliseconds, or 0.

    ``parent_cversion``: the parent's count of creates from now on.
    """

    path: str
    data: bytes | None
    acl: Acls
    owner: int
    reap: int
    parent_cversion: int


class Delete(NamedTuple):
    """A znode is deleted."""

    path: str


class SetData(NamedTuple):
    """A znode gets this data. ``version``: its version from now on."""

    path: str
    data: bytes | None
    version: int


class SetAcl(NamedTuple):
    """A znode gets this ACL. ``aversion``: its version of the ACL from now on."""

    path: str
    acl: Acls
    aversion: int


class Check(NamedTuple):
    """Changes nothing; keeps its place among the results of a multi."""

    path: str


Outcome = Create | Delete | SetData | SetAcl | Check
"""What a transaction does to one znode."""


class Transaction(NamedTuple):
    """One entry of the log.

    ``time``: by the leader's clock, milliseconds since the epoch. ``session_id``: of the client
    that asked for it. ``op``: what it asked for. ``operations``: what is done to znodes, in order;
    several in a multi, none where the request failed. ``error`` is not 0 where the request failed;
    ``failed_at`` is then the place in a multi, from 1. ``timeout`` belongs to createSession alone:
    the session's timeout in milliseconds.
    """

    zxid: int
    time: int
    session_id: int
    op: Op
    operations: tuple[Outcome, ...] = ()
    error: Code = Code.OK
    failed_at: int = 0
    timeout: int = 0


class Log:
    """Transactions, oldest first, each with a higher zxid than the one before."""

    def __init__(self, zxid: int, keep: int | None = None) -> None:
        """``zxid``: of the state that the log goes on from. ``keep``: transactions to remember, all
        by default.
        """
        self._entries: deque[Transaction] = deque(maxlen=keep)
        self.start = zxid
        """The zxid before the oldest remembered transaction. Not maintained where ``keep`` drops
        transactions; `trim` maintains it.
        """
        self.last_zxid = zxid

    def append(self, transaction: Transaction) -> None:
        """Adds the next transaction. Cost: O(1)."""
        self._entries.append(transaction)
        self.last_zxid = transaction.zxid

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Transaction]:
        return iter(self._entries)

    def after(self, zxid: int) -> list[Transaction]:
        """The remembered transactions after ``zxid``, oldest first. Cost: linear in them."""
        found: list[Transaction] = []
        for transaction in reversed(self._entries):
            if transaction.zxid <= zxid:
                break
            found.append(transaction)
        found.reverse()
        return found

    def floor(self, zxid: int) -> int | None:
        """The highest zxid in the log that is at most ``zxid``; ``None`` where the log begins after
        ``zxid``. Cost: linear in the transactions after it.
        """
        for transaction in reversed(self._entries):
            if transaction.zxid <= zxid:
                return transaction.zxid
        return self.start if self.start <= zxid else None

    def truncate(self, zxid: int) -> None:
        """Removes the transactions after ``zxid``: they were never committed."""
        while self._entries and self._entries[-1].zxid > zxid:
            self._entries.pop()
        self.last_zxid = self._entries[-1].zxid if self._entries else self.start

    def trim(self, zxid: int, keep: int) -> None:
        """Removes the oldest transactions up to ``zxid``, but keeps the newest ``keep``."""
        while len(self._entries) > keep and self._entries[0].zxid <= zxid:
            self.start = self._entries.popleft().zxid
