"""The role of a server without an ensemble: what it decides is committed, and applied, at once.

One call path leads from the request to the reply: nothing is queued, and nothing waits except for a
slow disk. A write that waits for the disk is decided and applied after the sync. There are no
epochs; zxids count from 1. Stopping keeps everything; sessions get their full timeout again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._ensemble.decisions import Decisions
from zkfake._ensemble.role import Role
from zkfake._ensemble.sessions import SessionTracker
from zkfake._protocol.records import SESSION_OPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._database.tree import Tree
    from zkfake._ensemble.role import Completion, EnsembleReplica, Surroundings
    from zkfake._ensemble.sessions import Session
    from zkfake._protocol.records import Request


class Standalone(Role):
    """The only server there is."""

    mode = "standalone"
    answers_syncs = True
    followers = ()

    def __init__(self, ensemble: Surroundings, replica: EnsembleReplica) -> None:
        self._ensemble = ensemble
        self.replica = replica
        self._store = replica.store
        self._disk = replica.disk
        self._log = ensemble.log
        sessions = SessionTracker(ensemble.settings.tick_time)
        for session_id, timeout in replica.store.sessions.items():
            sessions.open(session_id, timeout, replica.id, ensemble.now)
        self.sessions = sessions
        self.decisions = Decisions(
            ensemble, replica, self._store.tree, ensemble.log.last_zxid, sessions
        )
        ensemble.lead(replica, self, sessions)

    @property
    def tip(self) -> Tree:
        """The state after every transaction, which is what it serves."""
        return self.decisions.tip

    def submit(self, request: Request, complete: Completion | None) -> None:
        if self._disk.instant:
            self._carry_out(request, self.replica.id, complete)
        else:
            self._disk.act(self._carry_out, request, self.replica.id, complete)

    def carry_out(self, request: Request, origin: int | None, complete: Completion | None) -> None:
        self._disk.act(self._carry_out, request, origin, complete)

    def _carry_out(self, request: Request, origin: int | None, complete: Completion | None) -> None:
        decisions = self.decisions
        transaction = decisions.decide(request, origin)
        if transaction is None:
            return
        zxid = transaction.zxid
        if zxid > decisions.zxid:
            decisions.zxid = zxid
            changes = self._store.apply(transaction)
            self._log.append(transaction)
            self.replica.applied(transaction, changes, complete)
        elif complete is not None:
            complete(transaction, ())
        if transaction.op in SESSION_OPS:
            decisions.session_committed(transaction, origin)

    def restart(self, tree: Tree, zxid: int) -> None:
        """Goes on from another state."""
        self.decisions.restart(tree, zxid)

    def touch(self, session: Session) -> bool:
        if session.closing:
            return False
        self.sessions.touch(session, self._ensemble.now)
        return True

    def opened(self, session: Session) -> Session | None:
        return self.sessions.get(session.id)

    def renew(self, session_id: int, timeout: int, done: Callable[[Session | None], None]) -> None:
        session = self.sessions.get(session_id)
        if session is not None:
            session.timeout = timeout
            self.sessions.touch(session, self._ensemble.now)
        done(session)

    def leave(self) -> None:
        self._ensemble.step_down(self)

    def due(self) -> int | None:
        return self.decisions.due()

    def do(self) -> None:
        for request in self.decisions.overdue():
            self.carry_out(request, None, None)
