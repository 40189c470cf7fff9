"""The ensemble: its servers, the time, and what happens to servers and links.

Each server has a role (`role`); the roles do the work. Here is what needs to see them all:
electing a leader among those who look for one, running timers, letting the leader do what is due,
and the faults: servers that stop, links that are slow or cut.

Knobs, all settable at any time, all calm by default: the latency of each link (`Links.latency`,
`Links.set_latency`), `Ensemble.election_time`, and of each server `lag` and `freeze` (see
`Replica`). Ranges are drawn from the ensemble's own random source, so one seed makes one run.

Nothing here reads a clock or a socket: the driver calls `Ensemble.advance`, and asks
`Ensemble.deadline` when to do so next. Times are milliseconds since the epoch.
"""

from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from zkfake._database import reconfig
from zkfake._database.acl import AccessControl
from zkfake._database.log import Transaction
from zkfake._database.reconfig import Configuration
from zkfake._database.rules import Rules
from zkfake._database.tree import Tree, TreeChange
from zkfake._ensemble.committed import CommittedLog
from zkfake._ensemble.decisions import closing
from zkfake._ensemble.election import elect
from zkfake._ensemble.events import Tell, unheard
from zkfake._ensemble.following import Following
from zkfake._ensemble.leading import Leading
from zkfake._ensemble.links import Links, Range, Turns
from zkfake._ensemble.listener import EnsembleListener
from zkfake._ensemble.looking import Looking
from zkfake._ensemble.role import Completion, EnsembleReplica, Leader, Role
from zkfake._ensemble.sessions import Session, SessionTracker
from zkfake._ensemble.standalone import Standalone
from zkfake._ensemble.store import Sessions
from zkfake._protocol.records import Op, Request
from zkfake._settings import Settings
from zkfake._timers import Timers

__all__ = ["Completion", "Ensemble", "EnsembleReplica"]

_MOST_SERVERS = 254

READ_ONLY_DELAY = 2000
"""Milliseconds without a leader after which a server may serve reads, unless a tick is longer."""


class Ensemble:
    """What the servers share: the time, the links, and the committed log."""

    def __init__(self, settings: Settings, now: int, random: Random | None = None) -> None:
        """``now``: milliseconds since the epoch. ``random``: where chance comes from."""
        self.random = random or Random()
        self.now = now
        self.log = CommittedLog(settings.keep_log)
        """What is committed."""
        self.timers = Timers()
        self.turns = Turns()
        self.links = Links(self, self.turns, self.timers, self.random)
        self.election_time: Range = (0, 0)
        """The time from the loss of a leader until a server takes part in the next election,
        milliseconds.
        """
        self.tell: Tell = unheard
        """Called with what servers do by themselves (`zkfake._ensemble.events`)."""
        self.listener = EnsembleListener()
        self.replicas: list[EnsembleReplica] = []
        self.leader: EnsembleReplica | None = None
        """The server that leads, unless a newer leader has replaced it."""
        self._sessions = SessionTracker(settings.tick_time)
        self._leaders: list[Leader] = []
        """The established leaders, the oldest epoch first."""
        self._newest_epoch = 0
        self._reviewing = False
        self._configured = False
        self._told_of: Configuration | None = None
        self._voters: tuple[int, ...] = ()
        self._held: dict[EnsembleReplica, list[Callable[[], None]]] = {}
        """Overdue actions of servers that are paused or have just resumed."""
        self._set(settings)

    def _set(self, settings: Settings) -> None:
        self.settings = settings
        self.access = AccessControl(settings)
        self.rules = Rules(settings, self.access, self._is_local)
        self.links.patience = settings.sync_limit * settings.tick_time
        self.links.rhythm = max(1, settings.tick_time // 2)
        self.read_only_delay = max(READ_ONLY_DELAY, settings.tick_time)
        self.local_sessions = SessionTracker(settings.tick_time)
        """Local sessions: each is known to one server only and is not in the log."""

    def configure(self, settings: Settings) -> None:
        """Takes other settings for the next start of the servers. No server may run."""
        self._set(settings)
        for replica in self.replicas:
            replica.configured()
        config = self.config
        if self._configured and settings.reconfig_enabled and not config.version:
            # The version that the first leader gives it: the start of its epoch.
            self._agree_on(replace(config, version=self.epoch + 1 << 32))

    # -- its servers

    def join(self, replica: EnsembleReplica, observer: bool) -> None:
        """Adds a server. Servers added before the first one runs are the members. Later ones follow
        without a vote until a reconfiguration makes them members.
        """
        self.introduce(replica, observer)
        for other in self.replicas:
            if other.paused:
                self.links.cut(other.id, replica.id)
        self.replicas.append(replica)

    def withdraw(self, replica: EnsembleReplica) -> None:
        """Takes back a `join` of a server that has never run."""
        self.replicas.remove(replica)

    def check_may_join(self) -> None:
        """Raises `RuntimeError` if no further server can join."""
        if self.standalone:
            raise RuntimeError(
                "no server can join a standalone server; create the ensemble with two or more"
            )
        if not self.settings.reconfig_enabled:
            raise RuntimeError(
                "the members of this ensemble cannot be changed; create it with the setting "
                "reconfigEnabled"
            )
        if len(self.replicas) >= _MOST_SERVERS:
            raise RuntimeError(f"an ensemble can have at most {_MOST_SERVERS} servers")

    def introduce(self, replica: EnsembleReplica, observer: bool = False) -> None:
        """Gives a server that does not run the configuration that an operator writes for a new
        server: the members, and itself. Its version is 0, so every agreed configuration replaces it
        as soon as the server receives one.
        """
        spec = reconfig.member(replica.id, observer, replica.address)
        known = self.config.servers if self._configured else {}
        replica.store.introduce(Configuration({**known, replica.id: spec}, 0))

    def on_disk(self, zxid: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """For a history: the servers that have the log up to ``zxid`` on their disks, and the
        voters of which it takes more than half to commit it. Both are empty where there is one
        server, or where the voters are weighed.
        """
        replicas = self.replicas
        if len(replicas) == 1:
            return (), ()
        have, known = [], self._told_of
        for each in replicas:
            store = each.store
            if each.disk.synced >= zxid and (
                store.log.last_zxid >= zxid or store.tree.zxid >= zxid
            ):
                have.append(each.id)
            config = store.config
            if config is not known and (known is None or config.version > known.version):
                known = config
        if known is not None and known is not self._told_of:
            self._told_of = known
            self._voters = tuple(sorted(known.voters)) if known.groups is None else ()
        return tuple(have), self._voters

    @property
    def config(self) -> Configuration:
        """The newest configuration that a server knows to be committed."""
        return max((m.store.config for m in self.replicas), key=lambda config: config.version)

    @property
    def standalone(self) -> bool:
        return len(self.replicas) == 1

    def replica_started(self, replica: EnsembleReplica) -> None:
        """``replica`` has started: it looks for a leader, unless it is the only server."""
        if not self._configured:
            self._configure()
        if self.standalone:
            replica.become(Standalone(self, replica))
        else:
            self.turns.post(self.look, replica, "it has started")

    def _configure(self) -> None:
        """Gives the servers their first configuration, before the first election. Its version is 0
        without reconfiguration, and otherwise the start of the first leader's epoch.
        """
        self._configured = True
        if not self.standalone:
            version = self.epoch + 1 << 32 if self.settings.reconfig_enabled else 0
            replicas = [
                (replica.id, replica.observer, replica.address) for replica in self.replicas
            ]
            self._agree_on(reconfig.initial(replicas, version))
        self.log.mark(self.replicas[0].store.tree)

    def recover(self, tree: Tree, sessions: Sessions, zxid: int) -> None:
        """Goes on from what another process has left: its tree, its sessions, and the last zxid
        that it used. No server may run.

        A configuration that was agreed on in there counts, if there is reconfiguration.
        """
        self.log.recover(zxid)
        for replica in self.replicas:
            replica.recover(tree, sessions, zxid)
        if not self.standalone and self.settings.reconfig_enabled:
            config = reconfig.parse((tree.nodes[reconfig.CONFIG_PATH].data or b"").decode())
            if config.version:
                self._configured = True
                for replica in self.replicas:
                    replica.activate(config)  # its ports, too
        if self._configured:
            self.log.mark(self.replicas[0].store.tree)

    def _agree_on(self, config: Configuration) -> None:
        """Gives every server this configuration. No server may run."""
        for replica in self.replicas:
            replica.store.config = replica.store.seen = config
        if not self.standalone:
            self._tell(config)

    def _tell(self, config: Configuration) -> None:
        """Puts the configuration into every tree: no transaction in the log has it."""
        for replica in self.replicas:
            nodes = replica.store.tree.nodes
            nodes[reconfig.CONFIG_PATH] = nodes[reconfig.CONFIG_PATH]._replace(
                data=config.render(), version=-1, mzxid=config.version, mtime=self.now
            )

    @property
    def followers(self) -> Collection[int]:
        """The ids of the leader and the servers that follow it; none on a standalone server, or
        without a leader.
        """
        return self._leaders[-1].followers if self._leaders else ()

    @property
    def deposed(self) -> tuple[EnsembleReplica, ...]:
        """The servers that still lead although a newer leader has replaced them."""
        return tuple(role.replica for role in self._leaders if role.replica is not self.leader)

    # -- roles

    def look(self, replica: EnsembleReplica, why: str, designated: int | None = None) -> None:
        """``replica`` has no leader any more. ``designated``: the next leader, if its configuration
        has named one. ``why``: for the history.
        """
        if replica.running:
            if designated is not None:
                replica.dismiss_clients()  # after the watch events of the configuration are sent
            replica.become(Looking(self, designated))
            self.tell(replica.id, "looks", why)

    def review(self) -> None:
        """Something has changed: servers that look for a leader may find one."""
        if not self._reviewing:
            self._reviewing = True
            self.turns.post(self._review)

    def _review(self) -> None:
        self._reviewing = False
        ready = [
            replica
            for replica in self.replicas
            if isinstance(replica.role, Looking) and replica.role.ready and not replica.paused
        ]
        self._let_know(ready)
        self._let_follow(ready)
        left = [replica for replica in ready if isinstance(replica.role, Looking)]
        named = [m.role.designated for m in left if isinstance(m.role, Looking)]
        won = elect(left, self.links.joined, [id_ for id_ in named if id_ is not None])
        if won is not None:
            winner, supporters = won
            epoch = 1 + max(replica.store.accepted_epoch for replica in supporters)
            for replica in supporters:
                replica.store.accepted_epoch = epoch
            current, zxid = winner.store.position
            text = (
                f"by servers {_listed(supporters)}; its log ends at {zxid:#x}, of epoch {current}"
            )
            self.tell(winner.id, "is elected", text)
            self.listener.elected(winner.id, epoch, winner.store, supporters)
            winner.become(Leading(self, winner, epoch))
            self._let_follow([replica for replica in ready if isinstance(replica.role, Looking)])

    def _let_know(self, ready: Sequence[EnsembleReplica]) -> None:
        """Servers that look learn newer configurations from the members of the one they have."""
        newest = self.config.version
        for replica in ready:
            while replica.store.config.version < newest:
                known = replica.store.config
                told = [
                    other.store.config
                    for other in self.replicas
                    if other.id in known.servers
                    and other.running
                    and not other.paused
                    and self.links.joined(replica.id, other.id)
                ]
                best = max(told, key=lambda config: config.version, default=known)
                if best.version <= known.version:
                    break
                replica.activate(best)

    def _let_follow(self, ready: Sequence[EnsembleReplica]) -> None:
        """Servers that look join a leader that they reach and may follow: one that is a voter in
        their configuration, and whose own configuration is not older.
        """
        leaders = [m.role for m in self.replicas if isinstance(m.role, Leading) and not m.paused]
        leaders.sort(key=lambda leader: -leader.epoch)
        for replica in ready:
            for leader in leaders:
                if (
                    not leader.retired
                    and leader.epoch >= replica.store.accepted_epoch
                    and (
                        leader.replica.id in replica.store.config.voters
                        or leader.replica.id in replica.store.seen.voters
                    )
                    and leader.replica.store.config.version >= replica.store.config.version
                    and (leader.established or leader.needs(replica))
                    and self.links.joined(replica.id, leader.replica.id)
                ):
                    replica.become(Following(self, replica, leader))
                    break

    def lead(self, replica: EnsembleReplica, role: Leader, sessions: SessionTracker) -> None:
        """``replica`` leads from now on. A server that was paused when its quorum acknowledged may
        find out that it leads when the next leader is established already.
        """
        epoch = replica.store.accepted_epoch
        self._leaders.append(role)
        self._leaders.sort(key=lambda each: each.replica.store.accepted_epoch)
        if epoch >= self._newest_epoch:
            self._newest_epoch = epoch
            self._sessions = sessions
            self.leader = replica

    def step_down(self, role: Leader) -> None:
        """``role`` leads no more."""
        text = "it was never established"
        if role in self._leaders:
            self._leaders.remove(role)
            text = "no other server leads"
            if role.replica is self.leader:
                self.leader = None
            elif self.leader is not None:
                text = f"server {self.leader.id} leads epoch {self.leader.store.accepted_epoch}"
        if not self.standalone:
            self.tell(role.replica.id, "steps down", text)

    # -- paused servers

    def pause(self, replica: EnsembleReplica) -> None:
        """Pauses ``replica``, as SIGSTOP does a process: its connections stay open, and it does and
        sends nothing. What it had sent arrives once it goes on.
        """
        if replica not in self._held:
            self._held[replica] = []
            self.listener.paused(replica.id, True)
        self.links.stand_still(replica.id)
        for other in self.replicas:
            if other is not replica:
                self.links.cut(replica.id, other.id)

    def go_on(self, replica: EnsembleReplica) -> None:
        """``replica`` goes on. It receives what was sent meanwhile, and does what is overdue, after
        the latency of a message: so requests of its clients may come before both.
        """
        for other in self.replicas:
            if other is not replica:
                self.links.mend(replica.id, other.id)
        self.links.go_on(replica.id)
        delay = self.links.draw_latency(replica.id, replica.id)
        if delay:
            self.timers.at(self.now + delay, partial(self._wake, replica))
        else:
            self._wake(replica)
        self.review()

    def _wake(self, replica: EnsembleReplica) -> None:
        if not replica.paused and replica in self._held:  # it may be paused again
            self.listener.paused(replica.id, False)
            for action in self._held.pop(replica):
                self.turns.post(action)

    def when_awake(self, replica: EnsembleReplica, action: Callable[[], None]) -> None:
        """Runs ``action``, by which ``replica`` acts by itself: now, or once it is not paused."""
        if replica in self._held:
            self._held[replica].append(action)
        else:
            action()

    # -- faults of links

    def cut(self, source: int, target: int) -> None:
        """Stops messages from server ``source`` to server ``target``, until `mend`."""
        self.links.cut(source, target)
        self.listener.link_changed(source, target, True)

    def mend(self, source: int, target: int) -> None:
        """Takes one `cut` back."""
        self.listener.link_changed(source, target, False)  # what it held may arrive at once
        self.links.mend(source, target)
        self.review()

    # -- the state

    @property
    def sessions(self) -> SessionTracker:
        """The sessions as the leader knows them; without a leader, as the last one did."""
        return self._sessions

    def session(self, session_id: int) -> Session | None:
        """The session, global or local, unless it has ended or is closing."""
        return self.sessions.get(session_id) or self.local_sessions.get(session_id)

    def _is_local(self, session_id: int) -> bool:
        return self.local_sessions.get(session_id) is not None

    @property
    def epoch(self) -> int:
        """The newest epoch that a server has promised to follow; 0 on a standalone server."""
        return max(replica.store.accepted_epoch for replica in self.replicas)

    @property
    def tip(self) -> Tree:
        """The state after every transaction that the leader has accepted; without a leader, the
        newest state that a server has. On a standalone server also what it serves.
        """
        if self._leaders:
            return self._leaders[-1].tip
        return max((m.store.tree for m in self.replicas), key=lambda tree: tree.zxid)

    def committed(self) -> tuple[Tree, list[Transaction]]:
        """The newest tree that a server has, and what was committed after it."""
        # What a server has applied was committed. What was, and is not applied yet, is in its log.
        newest = max(self.replicas, key=lambda replica: replica.store.tree.zxid)
        tree = newest.store.tree
        first = newest if self.leader is None else self.leader
        after = first.store.log.after(tree.zxid)
        return tree, [each for each in after if each.zxid <= self.log.last_zxid]

    def keep_recent(self, most: int) -> None:
        """The log keeps its last transactions from now on: `CommittedLog.keep_recent`."""
        self.log.keep_recent(*self.committed(), most)

    def submit(self, request: Request, complete: Completion | None = None) -> None:
        """A write of the leader itself. It is dropped if there is no leader, or its session has
        ended.
        """
        if self._leaders:
            self.turns.post(self._leaders[-1].carry_out, request, None, complete)

    def expire(self, session: Session) -> None:
        """Ends a session as if its client had been silent for its timeout."""
        if session.local:
            self.turns.post(self._end_local, session)
        else:
            self.submit(closing(session.id))

    def _end_local(self, session: Session) -> None:
        """A local session is over: only its own server has to know."""
        for replica in self.replicas:
            if replica.id == session.server_id:
                self.when_awake(replica, partial(replica.end_local, session))

    def replace(self, tree: Tree, zxid: int, changes: Sequence[TreeChange]) -> None:
        """Replaces the tree of every server by ``tree``, as if one transaction had made
        ``changes``.

        Proposals that are not committed are lost.
        """
        # A turn, as a link that is closed tells the other end by the next one: all servers have let
        # go of their roles by then, and none comes back to a leader that is about to go.
        self.turns.post(self._replace, tree, zxid, changes)

    def _replace(self, tree: Tree, zxid: int, changes: Sequence[TreeChange]) -> None:
        tree.zxid = zxid
        running = [replica for replica in self.replicas if replica.running]
        settled = self.standalone or (
            self.links.quiet and all(replica.settled for replica in running)
        )
        if not settled:  # messages on their way belong to the replaced state
            for replica in running:
                replica.become(Role())
        self.log.append(Transaction(zxid, self.now, 0, Op.ERROR))
        self.log.mark(tree)
        config = self.config
        for replica in self.replicas:
            replica.activate(config)
            replica.replace(tree if self.standalone else tree.copy(), changes)
        for leader in self._leaders:
            leader.restart(tree, zxid)
        if not settled:
            for replica in running:
                self.turns.post(self.look, replica, "the ensemble was restored")

    # -- the time

    def advance(self, now: int) -> None:
        """Moves time on to ``now`` and does what is due on the way, each at its own time."""
        first = None if self.links.choose is None else self.links.first
        while (due := self.deadline()) is not None and due <= now:
            self.now = max(self.now, due)
            self.timers.run_due(self.now, self.turns.post, first)
            self.turns.post(self._do_duties)
        self.now = now

    def _do_duties(self) -> None:
        for session in self.local_sessions.expired(self.now):
            self._end_local(session)
        for leader in list(self._leaders):
            if leader.replica not in self._held:
                leader.do()

    def deadline(self) -> int | None:
        """When `advance` next has something to do; ``None`` while nothing is scheduled."""
        # Asked after every call: comparisons cost a tenth of what a list and min() do.
        due = self.timers.next()
        when = self.local_sessions.next_expiry
        if when is not None and (due is None or when < due):
            due = when
        for leader in self._leaders:
            when = None if leader.replica in self._held else leader.due()
            if when is not None and (due is None or when < due):
                due = when
        return due

    def nonce(self) -> str:
        """40 characters for one SASL exchange, drawn from ``random``."""
        return b64encode(self.random.randbytes(30)).decode("ascii")


def _listed(replicas: Sequence[EnsembleReplica]) -> str:
    return " ".join(str(number) for number in sorted(replica.id for replica in replicas))
