"""What a server keeps when it stops: its log, the applied state, and its promises.

* The log holds what the server has accepted. What is applied is committed and stays; what comes
  after it in the log may be cut off by the next leader.
* Sessions are a function of the log, as the tree is: createSession adds one, closeSession removes
  it.
* ``accepted_epoch`` is the newest leader that the server has promised to follow, ``current_epoch``
  the newest whose log it took over and has on its disk. A server never follows a leader older
  than its promise, so two leaders can never both have a quorum.
* ``config`` is the newest configuration that the server knows to be committed, ``seen`` the newest
  that it has in its log, which may be cut off again. What needs a quorum needs one of both. A
  leader proposes a configuration only after the last one is committed: so a server with the second
  one in its log knows that the first one is committed.
"""

from collections.abc import Sequence

from zkfake._database.log import Log, SetData, Transaction
from zkfake._database.reconfig import Configuration, parse
from zkfake._database.tree import Tree, TreeChange
from zkfake._protocol.records import SESSION_OPS, Code, Op

Sessions = dict[int, int]
"""The timeout, in milliseconds, of each open session."""


def fold(sessions: Sessions, transaction: Transaction) -> None:
    """Applies a transaction to the sessions."""
    if transaction.op is Op.CREATE_SESSION and not transaction.error:
        sessions[transaction.session_id] = transaction.timeout
    elif transaction.op is Op.CLOSE_SESSION:
        sessions.pop(transaction.session_id, None)


class Store:
    """One server's disk."""

    def __init__(self) -> None:
        self.log = Log(0)
        self.tree = Tree()
        self.sessions: Sessions = {}
        self.accepted_epoch = 0
        self.current_epoch = 0
        self.config = self.seen = Configuration()

    @property
    def position(self) -> tuple[int, int]:
        """The position in the log by which elections rank servers: epoch and zxid."""
        return self.current_epoch, self.log.last_zxid

    def append(self, transaction: Transaction) -> None:
        """Adds an accepted transaction to the log."""
        self.log.append(transaction)
        if transaction.op is Op.RECONFIG and transaction.error is Code.OK:
            (configured,) = transaction.operations
            assert isinstance(configured, SetData)
            if transaction.zxid > self.seen.version:
                self.config = self.seen
                self.seen = parse((configured.data or b"").decode())

    def truncate(self, zxid: int) -> None:
        """Removes what the log has after ``zxid``: it was never committed."""
        self.log.truncate(zxid)
        if self.seen.version > zxid:
            self.seen = self.config

    def activate(self, config: Configuration) -> None:
        """``config`` is committed."""
        if config.version > self.config.version:
            self.config = config
        if config.version > self.seen.version:
            self.seen = config

    def introduce(self, config: Configuration) -> None:
        """Replaces the committed configuration by ``config``. One in the log that may be committed
        stays.
        """
        pending = self.seen is not self.config
        self.config = config
        if not pending:
            self.seen = config

    def apply(self, transaction: Transaction) -> Sequence[TreeChange]:
        """Applies the next transaction of the log."""
        if transaction.op in SESSION_OPS:
            fold(self.sessions, transaction)
        return self.tree.apply(transaction)

    def trim(self, keep: int) -> None:
        """Removes applied transactions from the log, except the last ``keep``. Those are for
        servers that lag; a server that lags further gets the whole tree.
        """
        self.log.trim(self.tree.zxid, keep)

    def adopt(self, tree: Tree, sessions: Sessions, config: Configuration) -> None:
        """Replaces everything by another server's state. Cost: one reference per znode."""
        self.tree = tree.copy()
        self.sessions = dict(sessions)
        self.log = Log(tree.zxid)
        self.seen = self.config
        self.activate(config)

    def replace(self, tree: Tree) -> None:
        """Replaces the tree, and starts a new log after it. The sessions stay."""
        self.tree = tree
        self.log = Log(tree.zxid)
        self.seen = self.config
