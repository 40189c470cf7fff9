"""One server: its own tree at its own zxid, its watches, its connections.

A server answers reads from what it has applied, and hands writes to the ensemble. When it applies a
transaction it changes its tree, tells the watchers, moves its zxid on and lets the waiting request
be answered, in that order: so a client sees an event before the reply, or the new data, that it
belongs to.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from zkfake.ensemble import Completion, Ensemble
from zkfake.four_letter import DEFAULT_TRACE_MASK, Mode, ServerStats
from zkfake.log import Transaction
from zkfake.protocol import ConnectRequest, CreateSessionRequest, Op, Request
from zkfake.replies import Reads
from zkfake.sessions import Session, first_session_id, password_of
from zkfake.timers import Timer
from zkfake.tree import Change, Tree
from zkfake.watches import Watcher, Watches


class Client(Watcher, Protocol):
    """A connection, as its server sees it."""

    @property
    def host(self) -> str: ...

    def drop(self) -> None:
        """Close it; nothing more is sent."""


class Replica:
    """One server of an ensemble."""

    def __init__(self, ensemble: Ensemble, server_id: int = 1, *, observer: bool = False) -> None:
        """``server_id``: from 1 to 255, the high byte of the session ids it gives."""
        self.ensemble = ensemble
        self.settings = ensemble.settings
        self.access = ensemble.access
        self.id = server_id
        self.observer = observer
        self.running = False
        self.stats = ServerStats()
        self.trace_mask = DEFAULT_TRACE_MASK
        self.clients: dict[Client, None] = {}
        self._by_session: dict[int, Client] = {}
        self._next_session_id = first_session_id(server_id, ensemble.now)
        ensemble.join(self)
        self.watches = Watches(self.settings.version)
        self._adopt(ensemble.tip)
        self.zxid = self.tree.zxid

    def _adopt(self, tree: Tree) -> None:
        self.tree = tree
        self.reads = Reads(self.settings, self.access, tree, self.watches)

    @property
    def mode(self) -> Mode | None:
        """What the server is in its ensemble; ``None`` while it serves nobody."""
        if self.ensemble.leader is None:
            return "read-only" if self.running and self.settings.read_only_mode else None
        if self.ensemble.standalone:
            return "standalone"
        if self.ensemble.leader is self:
            return "leader"
        return "observer" if self.observer else "follower"

    # -- its place in the ensemble

    def start(self) -> None:
        """Joins the ensemble, with the state it left it with or later."""
        if not self.running:
            self.running = True
            self._next_session_id = first_session_id(self.id, self.ensemble.now)
            self.ensemble.member_started(self)

    def stop(self) -> None:
        """Leaves: every connection is dropped. The tree stays, as on a disk."""
        if self.running:
            self.running = False
            self._drop_clients()
            self._forget_local_sessions()
            self.ensemble.member_stopped(self)

    def follow(self, zxid: int | None) -> None:
        self._drop_clients()
        self._forget_local_sessions()
        tip = self.ensemble.tip
        if not self.ensemble.standalone and (self.tree is tip or self.tree.zxid != tip.zxid):
            self._adopt(tip.copy())
        self.zxid = max(self.zxid, self.tree.zxid)
        if zxid is not None:
            self.zxid = zxid

    def _drop_clients(self) -> None:
        for client in list(self.clients):
            client.drop()

    def _forget_local_sessions(self) -> None:
        """A server that changes its place starts anew with what the ensemble knows."""
        local = self.ensemble.local_sessions
        for session in [session for session in local if session.server_id == self.id]:
            local.close(session.id)

    def end_local(self, session: Session) -> None:
        """A local session has expired, or is closed: nobody else has to know."""
        self.ensemble.local_sessions.close(session.id)
        client = self._by_session.get(session.id)
        if client is not None:
            client.drop()

    def commit(
        self, transaction: Transaction, changes: Sequence[Change], complete: Completion | None
    ) -> None:
        if self.tree is not self.ensemble.tip:
            self.tree.apply(transaction)
        closing = transaction.op is Op.CLOSE_SESSION
        client = self._by_session.get(transaction.session_id) if closing else None
        if client is not None and complete is None:
            client.drop()  # expired: it is not told of its own end
        version = self.settings.version
        event_zxid = transaction.zxid if version.event_zxid else -1
        for change in changes:
            self.watches.trigger(change, event_zxid)
        self.zxid = transaction.zxid
        if complete is not None:
            complete(transaction, changes)

    def replace(self, changes: Sequence[Change]) -> None:
        tip = self.ensemble.tip
        self._adopt(tip if self.ensemble.standalone else tip.copy())
        self.zxid = tip.zxid
        event_zxid = tip.zxid if self.settings.version.event_zxid else -1
        for change in changes:
            self.watches.trigger(change, event_zxid)

    # -- its clients

    def admit(self, client: Client) -> bool:
        """Counts a new connection; whether its address may have one more."""
        self.clients[client] = None
        limit = self.settings.max_client_connections
        return not limit or sum(other.host == client.host for other in self.clients) <= limit

    def leave(self, client: Client) -> None:
        """The connection is closed: its watches go, its session stays until it expires."""
        self.clients.pop(client, None)
        self.watches.remove_watcher(client)
        if self._by_session.get(client.session_id) is client:
            del self._by_session[client.session_id]

    def open_session(self, client: Client, timeout: int, done: Callable[[Session], None]) -> None:
        """Makes a session for ``client``; ``done`` is called with it once it is committed."""
        session_id = self._next_session_id
        self._next_session_id += 1
        if self.settings.local_sessions and not self.ensemble.standalone:
            local = self.ensemble.local_sessions
            session = local.open(session_id, timeout, self.id, self.ensemble.now)
            session.local = True
            self._by_session[session_id] = client
            return done(session)
        request = Request(session_id, 0, Op.CREATE_SESSION, CreateSessionRequest(timeout), ())

        def opened(_transaction: Transaction, _changes: Sequence[Change]) -> None:
            session = self.ensemble.sessions.get(session_id)
            if session is not None:
                self._by_session[session_id] = client
                done(session)

        return self.ensemble.submit(request, self, opened)

    def renew_session(self, client: Client, asked: ConnectRequest, timeout: int) -> Session | None:
        """The session that ``asked`` names, now this connection's; ``None`` where id or password
        are wrong.

        The session's connection so far is dropped first, whatever the password.
        """
        old = self._by_session.pop(asked.session_id, None)
        if old is not None:
            old.drop()
        session = self.ensemble.session(asked.session_id)
        if session is not None and session.local and session.server_id != self.id:
            return None
        if session is None or asked.password != password_of(session.id):
            return None
        session.timeout = timeout
        session.server_id = self.id
        self.ensemble.touch(session)
        self._by_session[session.id] = client
        return session

    def call_later(self, delay: int, action: Callable[[], None]) -> Timer:
        """Runs ``action`` in ``delay`` milliseconds unless the timer is cancelled."""
        return self.ensemble.timers.at(self.ensemble.now + delay, action)
