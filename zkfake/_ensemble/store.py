"""What a server keeps when it stops: its log, what it has applied of it, and its promises.

* The log holds what the server has accepted. What is committed and applied never leaves the tree;
  what lies above may be cut off by the next leader.
* Sessions are a function of the log as the tree is: createSession adds one, closeSession takes it
  away.
* ``accepted_epoch`` is the newest leader that the server has promised to follow, ``current_epoch``
  the newest whose log it took over and has on its disk. A server never follows a leader older
  than its promise, so two leaders can never both have a quorum.
* ``config`` is the newest configuration that the server knows to be committed, ``seen`` the newest
  that it has in its log, which may be cut off again. Whatever needs a quorum needs one of both. A
  leader proposes no configuration before the last one is committed: so who has the second in its
  log knows that the first is.
"""

from collections.abc import Sequence

from zkfake._database.log import Log, SetData, Transaction
from zkfake._database.reconfig import Configuration, parse
from zkfake._database.tree import Tree, TreeChange
from zkfake._protocol.records import SESSION_OPS, Code, Op

Sessions = dict[int, int]
"""The timeout, in milliseconds, of each open session."""


def fold(sessions: Sessions, transaction: Transaction) -> None:
    """What a transaction does to the sessions."""
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
        """How far the server has come: the higher one knows everything that was committed."""
        return self.current_epoch, self.log.last_zxid

    def append(self, transaction: Transaction) -> None:
        """Accepts a transaction: it goes into the log."""
        self.log.append(transaction)
        if transaction.op is Op.RECONFIG and transaction.error is Code.OK:
            (configured,) = transaction.operations
            assert isinstance(configured, SetData)
            if transaction.zxid > self.seen.version:
                self.config = self.seen
                self.seen = parse((configured.data or b"").decode())

    def truncate(self, zxid: int) -> None:
        """Forgets what the log has above ``zxid``: it was never committed."""
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
        """Starts anew with ``config``; what is in the log and may be committed stays."""
        pending = self.seen is not self.config
        self.config = config
        if not pending:
            self.seen = config

    def apply(self, transaction: Transaction) -> Sequence[TreeChange]:
        """Carries out the next transaction of the log."""
        if transaction.op in SESSION_OPS:
            fold(self.sessions, transaction)
        return self.tree.apply(transaction)

    def trim(self, keep: int) -> None:
        """Forgets what was applied but for the last ``keep`` transactions: those are for servers
        that lag behind, and who is further behind gets the whole tree.
        """
        self.log.trim(self.tree.zxid, keep)

    def adopt(self, tree: Tree, sessions: Sessions, config: Configuration) -> None:
        """Everything anew, from another server's state. Cost: a reference a znode."""
        self.tree = tree.copy()
        self.sessions = dict(sessions)
        self.log = Log(tree.zxid)
        self.seen = self.config
        self.activate(config)

    def replace(self, tree: Tree) -> None:
        """Another tree, and a log that starts with it; the sessions go on."""
        self.tree = tree
        self.log = Log(tree.zxid)
        self.seen = self.config
