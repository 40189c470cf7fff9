"""The ensemble: who leads, and the one log that all its servers apply.

The leader takes each write, checks it against everything accepted before (`zkfake.transactions`),
gives it the next zxid and appends it to the log; a failed write uses a zxid too. Every server
applies the log in its order. A zxid is an epoch (its upper 32 bits, one more at every election; 0
on a standalone server) and a counter. Sessions belong to the whole ensemble and the leader expires
them; without a quorum nobody does.

Nothing here reads a clock or a socket: the driver calls `Ensemble.advance`, and asks
`Ensemble.deadline` when to do so next. Times are milliseconds since the epoch.
"""

from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import Protocol

from zkfake import reconfig
from zkfake.acl import AccessControl
from zkfake.log import CONTAINER, Log, Transaction
from zkfake.protocol import Code, CreateSessionRequest, EmptyRequest, Op, PathRequest, Request
from zkfake.sessions import Session, SessionTracker
from zkfake.settings import Settings
from zkfake.timers import Timers
from zkfake.transactions import Rules, makes_ephemerals
from zkfake.tree import Change, Tree

Completion = Callable[[Transaction, Sequence[Change]], None]
"""Called once a request's transaction was applied where it came from, after the watch events it
caused.
"""


class Member(Protocol):
    """A server, as the ensemble sees it."""

    @property
    def id(self) -> int: ...
    @property
    def observer(self) -> bool: ...
    @property
    def running(self) -> bool: ...

    def commit(
        self, transaction: Transaction, changes: Sequence[Change], complete: Completion | None
    ) -> None:
        """Apply the next transaction of the log; ``complete`` where the request came from here."""

    def replace(self, changes: Sequence[Change]) -> None:
        """Take over the ensemble's tree as it is, and tell the watchers of ``changes``."""

    def end_local(self, session: Session) -> None:
        """A local session of this server has expired."""

    def follow(self, zxid: int | None) -> None:
        """A leader was lost or found: catch up with the log, and let go of the clients.

        ``zxid``: where the new leader starts, told to that leader alone.
        """


class Ensemble:
    """What the servers share: the leader's tree, the log and the sessions."""

    def __init__(self, settings: Settings, now: int, random: Random | None = None) -> None:
        """``now``: milliseconds since the epoch. ``random``: where chance comes from."""
        self._random = random or Random()
        self.settings = settings
        self.now = now
        self.access = AccessControl(
            super_digest=settings.super_digest,
            skip=settings.skip_acl,
            ipv6=settings.version.ipv6_acl,
            schemes=settings.auth_schemes,
        )
        self.tip = Tree()
        """The state after every accepted transaction; on a standalone server also what it serves.
        """
        self.log = Log(0, keep=settings.keep_log)
        self.sessions = SessionTracker(settings.tick_time)
        self.local_sessions = SessionTracker(settings.tick_time)
        """Each known to one server alone, without a place in the log."""
        self.timers = Timers()
        self.members: list[Member] = []
        self.leader: Member | None = None
        self.epoch = 0
        self._rules = Rules(settings, self.access, self._followers, self._is_local)
        self._last_reaping = now

    @property
    def standalone(self) -> bool:
        return len(self.members) == 1

    def join(self, member: Member) -> None:
        """Adds a server; all are to be there before the first one runs."""
        self.members.append(member)

    @property
    def has_quorum(self) -> bool:
        voters = [member for member in self.members if not member.observer]
        return 2 * sum(member.running for member in voters) > len(voters)

    def member_started(self, member: Member) -> None:
        """``member`` runs again: it follows the leader, or its vote makes one."""
        if self.leader is not None:
            member.follow(None)
        elif self.has_quorum:
            self._elect()
        else:
            member.follow(None)

    def member_stopped(self, member: Member) -> None:
        """``member`` is gone. Losing the leader, or the quorum, costs every server its clients."""
        if member is self.leader or not self.has_quorum:
            self.leader = None
            if self.has_quorum:
                self._elect()
            else:
                for other in self.members:
                    if other.running:
                        other.follow(None)

    def _elect(self) -> None:
        """The running voter with the highest id leads; all voters have the whole log."""
        voters = [member for member in self.members if member.running and not member.observer]
        self.leader = max(voters, key=lambda member: member.id)
        zxid = None
        if not self.standalone:
            self.epoch += 1
            zxid = self.epoch << 32
            self.log.last_zxid = zxid
            if self.epoch == 1:
                self._configure(zxid if self.settings.reconfig_enabled else 0)
        for session in self.sessions:
            self.sessions.touch(session, self.now)
        for member in self.members:
            if member.running:
                member.follow(zxid if member is self.leader else None)

    def _configure(self, version: int) -> None:
        """The first leader writes down who the members are; with reconfiguration that is a version
        of its own, without it stays version 0.
        """
        node = self.tip.nodes[reconfig.CONFIG_PATH]
        text = reconfig.initial([(m.id, m.observer) for m in self.members], version)
        self.tip.nodes[reconfig.CONFIG_PATH] = node._replace(
            data=text, version=-1, mzxid=version, mtime=self.now
        )

    def _followers(self) -> Collection[int]:
        """The ids of the running servers of an ensemble; none on a standalone server."""
        return () if self.standalone else {member.id for member in self.members if member.running}

    def submit(self, request: Request, origin: Member | None, complete: Completion | None) -> None:
        """A write for the leader; lost without a leader, or when its session is gone."""
        if self.leader is None:
            return
        if self.settings.local_sessions_upgrading and makes_ephemerals(request):
            self._upgrade(request.session_id)
        transaction = self._decide(request, origin)
        if transaction is None:
            return
        changes: Sequence[Change] = ()
        if transaction.zxid > self.log.last_zxid:
            changes = self._commit(transaction, origin, complete)
        elif complete is not None:
            complete(transaction, changes)
        if transaction.op is Op.CLOSE_SESSION:
            self.sessions.close(request.session_id)

    def _commit(
        self, transaction: Transaction, origin: Member | None, complete: Completion | None
    ) -> Sequence[Change]:
        changes = self.tip.apply(transaction)
        self.log.append(transaction)
        for member in self.members:
            if member.running:
                member.commit(transaction, changes, complete if member is origin else None)
        return changes

    def session(self, session_id: int) -> Session | None:
        """The session, global or local, unless it is gone or going."""
        return self.sessions.get(session_id) or self.local_sessions.get(session_id)

    def touch(self, session: Session) -> None:
        """The session was heard of."""
        (self.local_sessions if session.local else self.sessions).touch(session, self.now)

    def _is_local(self, session_id: int) -> bool:
        return self.local_sessions.get(session_id) is not None

    def _upgrade(self, session_id: int) -> None:
        """Makes a local session a global one, by a transaction of its own."""
        session = self.local_sessions.get(session_id)
        if session is not None:
            self.local_sessions.close(session_id)
            session.local = False
            self.sessions.take(session, self.now)
            zxid, op = self.log.last_zxid + 1, Op.CREATE_SESSION
            created = Transaction(zxid, self.now, session_id, op, timeout=session.timeout)
            self._commit(created, None, None)

    def _decide(self, request: Request, origin: Member | None) -> Transaction | None:
        """The transaction for ``request``; one without a zxid of its own where it uses none."""
        zxid, op, session_id = self.log.last_zxid + 1, request.op, request.session_id
        session = self.session(session_id)
        if op is Op.CREATE_SESSION and isinstance(request.record, CreateSessionRequest):
            timeout = request.record.timeout
            if session is None and origin is not None:
                self.sessions.open(session_id, timeout, origin.id, self.now)
            return Transaction(zxid, self.now, session_id, op, timeout=timeout)
        if op is Op.CLOSE_SESSION:
            if session is not None:
                self.sessions.start_closing(session)
            return self._rules.close_session(self.tip, session_id, zxid, self.now)
        if session is None and origin is not None:
            return None
        if session is not None and origin is not None and session.server_id != origin.id:
            return Transaction(zxid, self.now, session_id, op, (), Code.SESSION_MOVED)
        if request.record is None and not request.spends_zxid:
            zxid -= 1
        return self._rules.prepare(self.tip, request, zxid, self.now)

    def replace(self, tree: Tree, zxid: int, changes: Sequence[Change]) -> None:
        """Puts ``tree`` in the place of every server's, as if one transaction had made ``changes``."""
        self.tip = tree
        self.log.append(Transaction(zxid, self.now, 0, Op.ERROR))
        for member in self.members:
            if member.running:
                member.replace(changes)

    def expire(self, session: Session) -> None:
        """Ends a session as if it had not been heard of for its timeout."""
        self.submit(Request(session.id, 0, Op.CLOSE_SESSION, EmptyRequest(), ()), None, None)

    def advance(self, now: int) -> None:
        """Moves time on to ``now`` and does what is due: expiry, reaping, timers."""
        self.now = now
        self.timers.run_due(now)
        for session in self.local_sessions.expired(now):
            for member in self.members:
                if member.id == session.server_id:
                    member.end_local(session)
        if self.leader is None:
            return
        for session in self.sessions.expired(now):
            self.expire(session)
        if now - self._last_reaping >= self.settings.container_check_interval:
            self._last_reaping = now
            self._reap()

    def deadline(self) -> int | None:
        """When `advance` next has something to do; ``None`` while nothing is scheduled."""
        due = [self.timers.next(), self.local_sessions.next_expiry()]
        if self.leader is not None:
            due.append(self.sessions.next_expiry())
            if self.tip.reapable:
                due.append(self._last_reaping + self.settings.container_check_interval)
        return min((when for when in due if when is not None), default=None)

    def nonce(self) -> str:
        """40 characters that nobody can guess, for one SASL exchange."""
        return b64encode(self._random.randbytes(30)).decode("ascii")

    def _reap(self) -> None:
        """Deletes empty containers that were used, and TTL znodes that are over: one transaction
        each.
        """
        for path in list(self.tip.reapable):
            node = self.tip.nodes[path]
            if self.tip.child_count(path):
                continue
            over = node.creates if node.reap == CONTAINER else self.now - node.mtime > node.reap
            if over:
                request = Request(0, 0, Op.DELETE_CONTAINER, PathRequest(path), ())
                self.submit(request, None, None)
