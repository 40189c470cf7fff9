"""One server: its own tree at its own zxid, its watches, its connections.

A server answers reads from what it has applied, and hands writes to its role. When it applies a
transaction it changes its tree, tells the watchers, moves its zxid on and lets the waiting request
be answered, in that order: so a client sees an event before the reply, or the new data, that it
belongs to.

A connection belongs to one role of its server. When the role changes, the connection is dropped,
and requests that are on their way are not answered.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Protocol

from zkfake._database.log import Transaction
from zkfake._database.reconfig import Configuration, member
from zkfake._database.rules import makes_ephemerals
from zkfake._database.tree import Tree, TreeChange
from zkfake._ensemble.addresses import java_address
from zkfake._ensemble.applying import Applying
from zkfake._ensemble.decisions import creating
from zkfake._ensemble.disk import Disk
from zkfake._ensemble.early_checks import refusal
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.links import Range
from zkfake._ensemble.replies import Reads
from zkfake._ensemble.role import Completion, Role
from zkfake._ensemble.sessions import Session, first_session_id, password_of
from zkfake._ensemble.stats import DEFAULT_TRACE_MASK, Counts, Mode, ServerStats
from zkfake._ensemble.store import Sessions, Store
from zkfake._ensemble.watches import Watcher, WatchManager
from zkfake._protocol.records import Code, ConnectRequest, Op, Request
from zkfake._timers import Timer


class ClientConnection(Watcher, Protocol):
    """A connection, as its server sees it."""

    @property
    def host(self) -> str: ...

    def drop(self) -> None:
        """Close it; nothing more is sent."""

    def dismiss(self) -> None:
        """Close it once everything is sent."""


class Replica:
    """One server of an ensemble."""

    def __init__(self, ensemble: Ensemble, server_id: int = 1, *, observer: bool = False) -> None:
        """``server_id``: from 1 to 255, the high byte of the session ids it gives. ``observer``:
        whether it is one in the configuration that the ensemble starts with.
        """
        self.ensemble = ensemble
        self.id = server_id
        self.running = False
        self._paused = 0
        self.store = Store()
        self.disk = Disk(ensemble, self.call_later)
        self.clock_offset = 0
        """How far its clock is ahead of the true time, milliseconds. Negative: it is behind."""
        self.role = Role()
        self.applying = Applying(ensemble)
        """The transactions that are committed and not applied yet."""
        self.zxid = 0
        """The zxid of the last applied transaction, or the start of a leader's epoch."""
        self.stats = ServerStats()
        self.counts = Counts()
        self.trace_mask = DEFAULT_TRACE_MASK
        self.host = ""
        self.ports = (0, -1)
        """Its ports for clients, plain and TLS, as it reports them; -1: none."""
        self.on_move: Callable[[int], None] | None = None
        """Called with the new port for clients after a configuration has changed it."""
        self.since = ensemble.now
        """The time when it took its role, milliseconds since the epoch."""
        self.clients: dict[ClientConnection, None] = {}
        self._by_session: dict[int, ClientConnection] = {}
        self._next_session_id = first_session_id(server_id, ensemble.now)
        self.configured()
        ensemble.join(self, observer)

    def configured(self) -> None:
        """The ensemble has other settings; the server does not run, so it has no clients."""
        self.settings = self.ensemble.settings
        self.access = self.ensemble.access
        self.watches = WatchManager(self.settings.version)
        self._read_from(self.store.tree)

    def _read_from(self, tree: Tree) -> None:
        self.tree = tree
        self.reads = Reads(self.settings, self.access, tree, self.watches)

    @property
    def observer(self) -> bool:
        """Whether it is an observer in the configuration that it knows to be committed."""
        return self.store.config.observes(self.id)

    @property
    def address(self) -> str:
        """Its address for clients, ``host:port``; empty if no driver has set it."""
        return java_address(self.host, self.ports[0]) if self.host else ""

    @property
    def mode(self) -> Mode | None:
        """The server's role in its ensemble; ``None`` while it serves no clients."""
        return self.role.mode

    # -- its pace

    @property
    def lag(self) -> Range:
        """From the commit of a transaction until it is applied here: the shortest and the longest
        time, milliseconds.
        """
        return self.applying.lag

    @lag.setter
    def lag(self, lag: Range) -> None:
        self.applying.lag = lag

    def freeze(self) -> None:
        """Applies nothing from now on; reads find what there is. Each needs an `unfreeze`."""
        self.applying.freeze()

    def unfreeze(self) -> None:
        """Takes one `freeze` back."""
        self.applying.unfreeze()

    @property
    def paused(self) -> bool:
        """Whether it is paused; see `pause`."""
        return self._paused > 0

    def pause(self) -> None:
        """Pauses the server, as SIGSTOP does a process: connections stay open, nothing is read from
        them or sent. Each pause needs a `resume` of its own. The driver must not pass on what its
        clients send meanwhile.
        """
        self._paused += 1
        if self._paused == 1:
            self.applying.freeze()
            self.ensemble.pause(self)

    def resume(self) -> None:
        """Takes one `pause` back."""
        self._paused -= 1
        if not self._paused:
            self.applying.unfreeze()
            self.ensemble.go_on(self)

    # -- its place in the ensemble

    def specification(self, role: Literal["participant", "observer"] = "participant") -> str:
        """What a reconfiguration that adds it says: ``server.<id>=...``. A member has the addresses
        that it has.
        """
        known = self.ensemble.config.servers.get(self.id)
        spec = known or member(self.id, False, self.address)
        return f"server.{self.id}={spec._replace(role=role).render()}"

    @property
    def expelled(self) -> bool:
        """Whether it knows a configuration of which it is not a member. Such a server goes on while
        it runs, but does not start again, because it reads the configuration when it starts.
        """
        return not self.ensemble.standalone and self.id not in self.store.config.servers

    def start(self) -> None:
        """Joins the ensemble, with the state it left it with. Does nothing where it runs, or is
        `expelled`.
        """
        if not self.running and not self.expelled:
            self.running = True
            self.zxid = self.tree.zxid
            # A crash and a start may take no time at all: no id is given twice.
            first = first_session_id(self.id, self.ensemble.now)
            self._next_session_id = max(first, self._next_session_id)
            self.ensemble.tell(self.id, "starts", f"with the state of {self.zxid:#x}")
            self.ensemble.replica_started(self)

    def stop(self) -> None:
        """Leaves: every connection is dropped. Log and tree stay, as on a disk."""
        if self.running:
            self.running = False
            self.ensemble.tell(self.id, "stops", "")
            self.ensemble.turns.post(self.become, Role())

    def lose_power(self) -> None:
        """Loses what it had accepted and its disk had not synced; it does not run. What it has
        applied stays: that is committed, so a quorum has it, and the server would get it back.
        """
        self.ensemble.turns.post(self._lose_power)

    def _lose_power(self) -> None:
        kept = max(self.disk.synced, self.tree.zxid)
        self.store.truncate(kept)
        self.disk.lose(kept)

    @property
    def settled(self) -> bool:
        """Whether it has applied all it knows to be committed, and knows no more to come."""
        return not self.applying and not self.disk and self.role.settled

    def become(self, role: Role) -> None:
        """Takes a role. The old role ends, and every client's connection is dropped."""
        self.role.leave()
        self.role = role
        self.since = self.ensemble.now
        self.stats.reset()
        self.applying.clear()
        self.disk.let_go()
        self._drop_clients()
        self._forget_local_sessions()

    def dismiss_clients(self) -> None:
        """Closes every connection once everything is sent."""
        for client in list(self.clients):
            client.dismiss()

    def _drop_clients(self) -> None:
        for client in list(self.clients):
            client.drop()

    def _forget_local_sessions(self) -> None:
        """Local sessions end with the role: only this server knew them."""
        local = self.ensemble.local_sessions
        for session in [session for session in local if session.server_id == self.id]:
            local.close(session.id)

    def end_local(self, session: Session) -> None:
        """A local session has expired or is closed. No other server knows it."""
        self.ensemble.local_sessions.close(session.id)
        client = self._by_session.get(session.id)
        if client is not None:
            client.drop()

    # -- its tree

    def commit(self, transaction: Transaction, complete: Completion | None) -> None:
        """The next transaction of the log is committed: it is applied after the server's lag."""
        self.applying.put(self._apply, transaction, complete)

    def answer(self, done: Callable[[], None]) -> None:
        """Calls ``done`` once everything committed so far has been applied."""
        self.applying.put_last(done)

    def catch_up(self) -> None:
        """Applies all that is committed, without a lag."""
        self.applying.catch_up()

    def _apply(self, transaction: Transaction, complete: Completion | None) -> None:
        zxid, last = transaction.zxid, self.store.tree.zxid
        if zxid != last + 1:
            self.ensemble.listener.applied_next(self.id, zxid, last)
        self.applied(transaction, self.store.apply(transaction), complete)
        self.store.trim(self.settings.commit_log_count)

    def applied(
        self, transaction: Transaction, changes: Sequence[TreeChange], complete: Completion | None
    ) -> None:
        """The tree has changed: tells the watchers, and whoever asked for it."""
        zxid = transaction.zxid
        if complete is None and transaction.op is Op.CLOSE_SESSION:
            client = self._by_session.get(transaction.session_id)
            if client is not None:
                client.drop()  # it expired: the client gets no event of its own end
                text = f"session {transaction.session_id:#x} is over"
                self.ensemble.tell(self.id, "drops client", text)
        for change in changes:
            self.watches.trigger(change, zxid)
        self.zxid = zxid
        if complete is not None:
            complete(transaction, changes)

    def adopt(self, tree: Tree, sessions: Sessions, config: Configuration) -> None:
        """Goes on from another server's state."""
        self.store.adopt(tree, sessions, config)
        self._read_from(self.store.tree)
        self.zxid = max(self.zxid, tree.zxid)

    def recover(self, tree: Tree, sessions: Sessions, zxid: int) -> None:
        """Goes on from what another process has left on the disk; it does not run. Cost: one
        reference per znode.
        """
        self.adopt(tree, sessions, self.store.config)
        if not self.ensemble.standalone:
            self.store.accepted_epoch = self.store.current_epoch = zxid >> 32
        self.disk.lose(tree.zxid)

    def activate(self, config: Configuration) -> None:
        """``config`` is committed. Where it names another port for clients, that one is open from
        now on, and the old one is not; who is connected stays.
        """
        if config.version > self.store.config.version:
            self.ensemble.tell(self.id, "changes place", config.place_of(self.id))
            self.ensemble.listener.configured(self.id, self.store.accepted_epoch, config)
            self.ensemble.review()  # who looks may hear of it, or may follow now
        self.store.activate(config)
        spec = self.store.config.servers.get(self.id)
        port = None if spec is None else spec.client_port
        if port is not None and port != self.ports[0]:
            self.ports = (port, self.ports[1])
            if self.on_move is not None:
                self.on_move(port)

    def replace(self, tree: Tree, changes: Sequence[TreeChange]) -> None:
        """Goes on from ``tree``, and tells the watchers of ``changes``."""
        self.store.replace(tree)
        self.disk.synced = max(self.disk.synced, tree.zxid)
        self._read_from(tree)
        if self.running:
            self.zxid = tree.zxid
            for change in changes:
                self.watches.trigger(change, tree.zxid)

    # -- its clients

    def admit(self, client: ClientConnection) -> bool:
        """Counts a new connection; whether the server, and its address, may have one more."""
        self.clients[client] = None
        all_, own = self.settings.max_connections, self.settings.max_client_connections
        admitted = (not all_ or len(self.clients) <= all_) and (
            not own or sum(other.host == client.host for other in self.clients) <= own
        )
        self.counts.connection_rejected += not admitted
        return admitted

    def leave(self, client: ClientConnection) -> None:
        """The connection is closed: its watches go, its session stays until it expires."""
        self.clients.pop(client, None)
        self.watches.remove_watcher(client)
        if self._by_session.get(client.session_id) is client:
            del self._by_session[client.session_id]

    def knows(self, session_id: int) -> bool:
        """Whether the log, as far as it was applied here, has the session open."""
        return session_id in self.store.sessions

    def open_session(
        self, client: ClientConnection, timeout: int, done: Callable[[Session | None], None]
    ) -> None:
        """Makes a session for ``client``; ``done`` is called with it once it is committed."""
        session_id = self._next_session_id
        self._next_session_id += 1
        if self.settings.local_sessions and not self.ensemble.standalone:
            local = self.ensemble.local_sessions
            session = local.open(session_id, timeout, self.id, self.ensemble.now)
            session.local = True
            self._by_session[session_id] = client
            return done(session)

        def opened(_transaction: Transaction, _changes: Sequence[TreeChange]) -> None:
            session = self.role.opened(Session(session_id, timeout, self.id, 0))
            if session is not None:
                self._own(client, session, done)

        return self.role.submit(creating(session_id, timeout), opened)

    def renew_session(
        self,
        client: ClientConnection,
        asked: ConnectRequest,
        timeout: int,
        done: Callable[[Session | None], None],
    ) -> None:
        """``done`` is called with the session that ``asked`` names, now this connection's; with
        ``None`` where id or password are wrong.

        The session's connection so far is dropped first, whatever the password.
        """
        old = self._by_session.pop(asked.session_id, None)
        if old is not None:
            old.drop()
        if asked.password != password_of(asked.session_id):
            return done(None)
        session = self.ensemble.local_sessions.get(asked.session_id)
        if session is None:

            def renewed(session: Session | None) -> None:
                self._own(client, session, done)

            return self.role.renew(asked.session_id, timeout, renewed)
        if session.server_id != self.id:
            return done(None)
        session.timeout = timeout
        self.touch(session)
        return self._own(client, session, done)

    def _own(
        self,
        client: ClientConnection,
        session: Session | None,
        done: Callable[[Session | None], None],
    ) -> None:
        if session is not None and client in self.clients:
            old = self._by_session.get(session.id)
            if old is not None and old is not client:
                old.drop()
            self._by_session[session.id] = client
        done(session)

    def touch(self, session: Session) -> bool:
        """The session was heard of; False where it is over."""
        if session.local:
            self.ensemble.local_sessions.touch(session, self.ensemble.now)
            return not session.closing
        return self.role.touch(session)

    def has_moved(self, session: Session) -> bool:
        """Whether it is known here that the session went on at another server."""
        return not session.local and self.role.has_moved(session)

    def sync(self, done: Callable[[], None]) -> None:
        """Calls ``done`` once everything is applied that was committed before."""
        self.role.sync(done)

    def submit(self, session: Session, request: Request, complete: Completion) -> None:
        """A write of one of its clients. A local session that wants ephemerals becomes a global one
        first.
        """
        if session.local and self.settings.local_sessions_upgrading and makes_ephemerals(request):
            self.ensemble.local_sessions.close(session.id)
            session.local = False
            self.role.submit(creating(session.id, session.timeout), None)
        self.role.submit(request, complete)

    def refuses_early(self, request: Request) -> Code:
        """What it refuses by its own state, before the leader hears of it; OK for everything
        unless ``enableEagerACLCheck`` is set.
        """
        if not self.settings.eager_acl_check or self.ensemble.standalone:
            return Code.OK
        return refusal(request, self.tree, self.access)

    def call_later(self, delay: int, action: Callable[[], None]) -> Timer:
        """Runs ``action`` in ``delay`` milliseconds unless the timer is cancelled."""
        awake = partial(self.ensemble.when_awake, self, action)
        return self.ensemble.timers.at(self.ensemble.now + delay, awake)
