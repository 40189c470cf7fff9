"""What the leader decides: each request becomes the next transaction, or none.

The leader checks a write against everything accepted before, committed or not: its tip. Every write
uses a zxid, also one that fails, except a write whose body is unreadable. A request of a session
that moved to another server fails as SessionMoved, and the client's connection is closed. A request
of a session that has ended fails as SessionExpired if it comes from a learner, and is dropped
without an answer if it comes from the leader's own client.

The leader also ends sessions that were silent for their timeout, and deletes empty containers and
expired TTL znodes. Each end is a request of its own. Containers and TTL znodes are checked at an
interval; those found are deleted one by one, at a limited rate per minute, and the next check
waits until the last one is deleted.

Transactions carry the time of the leader's clock, and the age of a TTL znode goes by it. Sessions
go by the time that has passed.
"""

from collections import deque
from collections.abc import Callable

from zkfake._database.log import CONTAINER, Transaction
from zkfake._database.reconfig import Membership
from zkfake._database.tree import Tree
from zkfake._ensemble.role import EnsembleReplica, Surroundings
from zkfake._ensemble.sessions import SessionTracker
from zkfake._protocol.records import (
    SESSION_OPS,
    Code,
    CreateSessionRequest,
    EmptyRequest,
    Op,
    PathRequest,
    Request,
)

_MINUTE = 60_000
"""In milliseconds."""


class Decisions:
    """The state from which the leader decides: the tip, the sessions, the last zxid it gave."""

    def __init__(
        self,
        ensemble: Surroundings,
        replica: EnsembleReplica,
        tip: Tree,
        zxid: int,
        sessions: SessionTracker,
        membership: Callable[[], Membership] | None = None,
    ) -> None:
        """``replica``: the leader. ``zxid``: the one before the first that is given.
        ``membership``: what a reconfiguration starts from; ``None`` on a standalone server.
        """
        self._replica = replica
        self._server_id = replica.id
        self._membership = membership
        self.tip = tip
        self.zxid = zxid
        self.sessions = sessions
        self._ensemble = ensemble
        self._settings = ensemble.settings
        self._rules = ensemble.rules
        self._local = ensemble.local_sessions
        self._last_reaping = ensemble.now
        self._over: deque[str] = deque()
        """The containers and TTL znodes that the last check found and that are not deleted yet."""
        self._next_end = ensemble.now
        self._pause = _MINUTE // self._settings.container_max_per_minute

    def decide(self, request: Request, origin: int | None) -> Transaction | None:
        """The transaction for ``request``; its zxid is not new if it uses none. ``None``: the
        request is dropped.

        ``origin``: the server it came through; ``None`` for a request of the leader itself.
        """
        now = self._ensemble.now
        wall = now + self._replica.clock_offset
        zxid, op, session_id = self.zxid + 1, request.op, request.session_id
        session = self.sessions.get(session_id) or self._local.get(session_id)
        if op in SESSION_OPS:
            if op is Op.CLOSE_SESSION:
                if session is not None:
                    self.sessions.start_closing(session)
                return self._rules.close_session(self.tip, session_id, zxid, wall)
            if isinstance(request.record, CreateSessionRequest):
                timeout = request.record.timeout
                if origin is not None:
                    if session is None:
                        self.sessions.open(session_id, timeout, origin, now)
                    else:
                        session.server_id = origin
                return Transaction(zxid, wall, session_id, op, timeout=timeout)
        if origin is not None:
            if session is None:
                if origin == self._server_id:
                    return None
                request = request._replace(session_fault=Code.SESSION_EXPIRED)
            elif session.server_id != origin:
                text = f"of session {session_id:#x}, through server {origin}: it is at another one"
                self._ensemble.tell(self._server_id, "refuses request", text)
                request = request._replace(session_fault=Code.SESSION_MOVED)
        if request.record is None and not request.spends_zxid:
            zxid -= 1
        transaction = self._rules.prepare(self.tip, request, zxid, wall, self._membership)
        if (
            transaction.error
            and transaction.error is Code.EPHEMERAL_ON_LOCAL_SESSION
            and op is Op.MULTI
            and origin != self._server_id
        ):
            # Only a learner knows that the session is its own; in a multi the leader's word counts.
            return transaction._replace(error=Code.SESSION_EXPIRED)
        return transaction

    def session_committed(self, transaction: Transaction, origin: int | None) -> None:
        """The opening or the end of a session was committed."""
        text = f"{transaction.session_id:#x}"
        if transaction.op is Op.CREATE_SESSION:
            text += f", at server {origin or self._server_id}, for {transaction.timeout} ms"
            self._ensemble.tell(self._server_id, "opens session", text)
        else:
            self.sessions.close(transaction.session_id)
            self._ensemble.tell(self._server_id, "closes session", text)

    def restart(self, tree: Tree, zxid: int) -> None:
        """Goes on from another state."""
        self.tip = tree
        self.zxid = zxid

    # -- sessions, containers and TTL znodes that end

    def due(self) -> int | None:
        """When `overdue` next finds something; ``None`` while nothing can end."""
        expiry = self.sessions.next_expiry
        if self._over:
            reaping = self._next_end
        elif self.tip.reapable:
            reaping = self._last_reaping + self._settings.container_check_interval
        else:
            return expiry
        return reaping if expiry is None else min(expiry, reaping)

    def overdue(self) -> list[Request]:
        """The requests that end what is due now."""
        now = self._ensemble.now
        expired = self.sessions.expired(now)
        for session in expired:
            # No client can renew it while its end waits to be committed.
            self.sessions.start_closing(session)
            ensemble, replica = self._ensemble, self._replica
            ensemble.listener.expires(replica.id, replica.store.accepted_epoch, session.id)
            text = f"{session.id:#x}, not heard of for {session.timeout} ms"
            self._ensemble.tell(self._server_id, "expires session", text)
        ends = [closing(session.id) for session in expired]
        interval = self._settings.container_check_interval
        if not self._over and now - self._last_reaping >= interval:
            self._last_reaping = self._next_end = now
            self._over.extend(filter(self._is_over, self.tip.reapable))
        while self._over and self._next_end <= now:
            ends.append(_reaping(self._over.popleft()))
            self._next_end += self._pause
        return ends

    def _is_over(self, path: str) -> bool:
        node = self.tip.nodes[path]
        age = self._ensemble.now + self._replica.clock_offset - node.mtime
        if self.tip.child_count(path):
            return False
        if node.reap == CONTAINER:
            limit = self._settings.container_never_used
            return node.creates > 0 or 0 < limit < age
        return age > node.reap


def creating(session_id: int, timeout: int) -> Request:
    """The request that opens a session. ``timeout``: milliseconds."""
    return Request(session_id, 0, Op.CREATE_SESSION, CreateSessionRequest(timeout), ())


def closing(session_id: int) -> Request:
    """The request that ends a session."""
    return Request(session_id, 0, Op.CLOSE_SESSION, EmptyRequest(), ())


def _reaping(path: str) -> Request:
    return Request(0, 0, Op.DELETE_CONTAINER, PathRequest(path), ())
