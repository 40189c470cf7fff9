"""The role of the leader of one epoch.

* It starts with the log it has, all of which counts as accepted. Each learner that joins gets what
  its own log lacks, or the whole tree where the log does not reach back. Transactions that only the
  learner has are cut off.
* Once a quorum has the same log, all of that is committed and the leader is established: its zxid
  is its epoch with a counter of 0, it starts every session's timeout anew, and it serves.
* A proposal is committed once a quorum has it in its log, on disk, in the order of the log.
  Followers get proposals and then commits; observers get only what is committed.
* From the proposal of a reconfiguration until its commit, a quorum is one of both configurations.
  A server that follows without a vote gets proposals as followers do, but is not counted.
* A leader that has no vote in the configuration it has just committed, or whose address changes,
  hands over to the server that has acknowledged most. It commits nothing more, and steps down at
  its next check for a quorum, because its followers leave as soon as they receive the commit.
* It alone knows which server owns a session: the one where it was last opened or renewed. It alone
  expires sessions, so none expires while there is no leader with a quorum.
* A learner's sync is answered after all that was proposed before it. A sync of one of its own
  clients is answered at once, so it guarantees nothing there: a follower may have applied what its
  leader has yet to apply.
* It checks once a tick whether it has a quorum, and steps down if not. Until then it serves, even
  if another leader, which it does not know, is established by now.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from zkfake._database.reconfig import Membership
from zkfake._ensemble.decisions import Decisions
from zkfake._ensemble.role import Role
from zkfake._ensemble.sessions import SessionTracker
from zkfake._ensemble.store import Sessions, fold
from zkfake._protocol.records import SESSION_OPS, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._database.log import Transaction
    from zkfake._database.reconfig import Configuration
    from zkfake._database.tree import Tree
    from zkfake._ensemble.links import End
    from zkfake._ensemble.role import Completion, EnsembleReplica, Surroundings
    from zkfake._ensemble.sessions import Session
    from zkfake._protocol.records import Request
    from zkfake._timers import Timer


class Catchup(NamedTuple):
    """What a learner gets so that its log becomes the leader's.

    ``floor``: what its own log shares with it. ``entries``: what comes after. ``tree``,
    ``sessions`` and ``config``: the state to start from instead, where the logs do not meet.
    ``zxid``: what the learner then says it has applied, which is where the leader's epoch starts if
    nothing was committed in it.
    """

    epoch: int
    floor: int
    entries: Sequence[Transaction]
    tree: Tree | None = None
    sessions: Sessions | None = None
    config: Configuration | None = None
    zxid: int = 0


class Learner(Protocol):
    """The other end: a follower or an observer.

    The methods are the messages to it, by the names of ZooKeeper's packets. `on_newleader` brings
    what DIFF, TRUNC or SNAP bring before NEWLEADER there; `on_commit` and `on_inform` are
    COMMITANDACTIVATE and INFORMANDACTIVATE where ``designated`` is given.
    """

    @property
    def id(self) -> int: ...
    @property
    def observer(self) -> bool: ...
    def lost(self) -> None: ...
    def on_newleader(self, catchup: Catchup) -> None: ...
    def on_uptodate(self, committed: int, config: Configuration) -> None: ...
    def on_proposal(self, transaction: Transaction, complete: Completion | None) -> None: ...
    def on_commit(self, zxid: int, designated: int | None = None) -> None: ...
    def on_inform(
        self, transaction: Transaction, complete: Completion | None, designated: int | None = None
    ) -> None: ...
    def on_answer(self, done: Callable[[], None]) -> None: ...


@dataclass(slots=True, eq=False)
class LearnerHandler:
    """A learner as its leader knows it; ``acked``: up to where it has the leader's log.
    ``informed``: whether it hears only of what is committed.
    """

    learner: Learner
    end: End = field(init=False)
    acked: int = -1
    informed: bool = False


class _Proposal(NamedTuple):
    transaction: Transaction
    origin: int | None
    complete: Completion | None


class Leading(Role):
    """The leader of one epoch. What learners send it is under "messages", by the names of
    ZooKeeper's packets.
    """

    answers_syncs = True

    def __init__(self, ensemble: Surroundings, replica: EnsembleReplica, epoch: int) -> None:
        """``epoch``: newer than any that a voter of its quorum has promised to follow."""
        self.epoch = epoch
        self.replica = replica
        self.established = False
        self.retired = False
        """Whether it has handed over."""
        self._ensemble = ensemble
        self._store = store = replica.store
        store.accepted_epoch = epoch
        self._connected: dict[LearnerHandler, None] = {}
        self._learners: dict[int, LearnerHandler] = {}
        self._proposals: deque[_Proposal] = deque()
        self._answers: deque[tuple[int, LearnerHandler | None, Callable[[], None]]] = deque()
        self._committed = 0
        self._known = dict(store.sessions)
        tip = store.tree.copy()
        for transaction in store.log.after(tip.zxid):
            tip.apply(transaction)
            fold(self._known, transaction)
        self.sessions = SessionTracker(ensemble.settings.tick_time)
        self.decisions = Decisions(
            ensemble, replica, tip, epoch << 32, self.sessions, self._membership
        )
        self._began = ensemble.now
        patience = ensemble.settings.init_limit * ensemble.settings.tick_time
        self._give_up = self._later(ensemble.now + patience, self._require_establishment)
        self._look: Timer | None = None
        ensemble.turns.post(replica.disk.write, store.log.last_zxid, self._written)

    def _written(self) -> None:
        """Its log is on the disk. Its epoch must not be there earlier, as on a follower."""
        if self.replica.role is self:
            self._store.current_epoch = self.epoch
            self._commit_acked()

    @property
    def settled(self) -> bool:  # type: ignore[override]
        return self.established and not self._proposals

    @property
    def tip(self) -> Tree:
        """The state after every proposal, committed or not."""
        return self.decisions.tip

    @property
    def followers(self) -> set[int]:
        """The ids of the servers that follow it, and its own."""
        return {self.replica.id, *self._learners}

    def _later(self, when: int, action: Callable[[], None]) -> Timer:
        awake = partial(self._ensemble.when_awake, self.replica, action)
        return self._ensemble.timers.at(when, awake)

    def leave(self) -> None:
        self._give_up.cancel()
        if self._look is not None:
            self._look.cancel()
        self._ensemble.step_down(self)
        for handler in list(self._connected):  # a closed link may lose a handler at once
            handler.end.close()

    # -- its quorum

    def _is_quorum(self, zxid: int) -> bool:
        """Whether a quorum has the log up to ``zxid``. Proposals before a reconfiguration do not
        need a quorum of the new configuration.
        """
        config, seen, acked = self._store.config, self._store.seen, self._acked(zxid)
        return config.has_quorum(acked) and (
            seen is config or seen.version > zxid or seen.has_quorum(acked)
        )

    def _is_accompanied(self) -> bool:
        """Whether a quorum follows it, whatever its servers have acknowledged."""
        store, there = self._store, self._acked(-1)
        return store.config.has_quorum(there) and store.seen.has_quorum(there)

    def _acked(self, zxid: int) -> list[int]:
        """The ids of the servers that have the log up to ``zxid`` on disk, with a vote or without;
        -1: of all servers that follow it, and its own.
        """
        acked = [self.replica.id] if self.replica.disk.synced >= zxid else []
        for id_, handler in self._learners.items():
            if handler.acked >= zxid:
                acked.append(id_)
        return acked

    def _membership(self) -> Membership:
        store = self._store
        synced = [self.replica.id]
        for id_, handler in self._learners.items():
            if handler.acked >= 0 and not handler.learner.observer:
                synced.append(id_)
        return Membership(store.config, store.seen is not store.config, synced)

    def _activate(self, config: Configuration) -> int:
        """``config`` is committed. Returns the leader from now on: itself, or its successor."""
        store, own = self._store, self.replica.id
        former = store.config
        self.replica.activate(config)
        self._tell_of_followers()
        if config.keeps_leader(own, former):
            return own
        self.retired = True
        self._look_for_company()
        acked = {
            id_: handler.acked for id_, handler in self._learners.items() if config.may_win(id_)
        }
        most = max(acked.values(), default=-1)
        # There is one: a quorum has acknowledged the configuration.
        return next((id_ for id_ in sorted(acked) if acked[id_] == most), own)

    def needs(self, replica: EnsembleReplica | Learner) -> bool:
        """Whether ``replica`` is asked to acknowledge: an observer is not, unless it has a vote in
        a configuration that is not committed yet.
        """
        return not replica.observer or replica.id in self._store.seen.voters

    def _require_establishment(self) -> None:
        if not self.established:
            self._ensemble.look(self.replica, "it got no quorum to lead")

    def _lost(self, handler: LearnerHandler) -> None:
        self._connected.pop(handler)
        if self._learners.get(handler.learner.id) is handler:
            del self._learners[handler.learner.id]
            self._tell_of_followers()
        self._look_for_company()

    def _tell_of_followers(self) -> None:
        listener = self._ensemble.listener
        listener.followed(self.replica.id, self.epoch, self._store, self.followers)

    def _look_for_company(self) -> None:
        """Without a quorum it steps down at its next check, unless a quorum is back by then."""
        if self.established and self._look is None and not self._is_accompanied():
            tick = self._ensemble.settings.tick_time
            ticks = (self._ensemble.now - self._began) // tick
            self._look = self._later(self._began + (ticks + 1) * tick, self._require_quorum)

    def _require_quorum(self) -> None:
        self._look = None
        if not self._is_accompanied():
            self._ensemble.look(self.replica, "it has no quorum any more")

    def _establish(self) -> None:
        """A quorum has the same log: all of it is committed now."""
        self.established = True
        self.mode = "leader"
        self._give_up.cancel()
        ensemble, store = self._ensemble, self._store
        kept = len(store.log.after(max(store.tree.zxid, ensemble.log.last_zxid)))
        for transaction in store.log.after(store.tree.zxid):
            ensemble.log.append(transaction)
            self.replica.commit(transaction, None)
        self.replica.catch_up()
        if store.seen is not store.config:
            self._activate(store.seen)
        for session_id, timeout in self._known.items():
            self.sessions.open(session_id, timeout, 0, ensemble.now)
        self._committed = store.log.last_zxid
        self.replica.zxid = self.decisions.zxid
        ensemble.log.last_zxid = max(ensemble.log.last_zxid, self.decisions.zxid)
        ensemble.lead(self.replica, self, self.sessions)
        servers = " ".join(map(str, sorted(self.followers)))
        text = f"servers {servers}; {kept or 'no'} proposals of earlier epochs are committed now"
        ensemble.tell(self.replica.id, "leads", text)
        for handler in self._learners.values():
            if handler.acked >= 0:
                handler.end.send(handler.learner.on_uptodate, self._committed, store.config)
        ensemble.review()

    # -- messages

    def connect(self, learner: Learner) -> LearnerHandler:
        """A new connection of ``learner``: the handler by which the leader knows it."""
        handler = LearnerHandler(learner)
        end = self._ensemble.links.connect(
            self.replica.id, learner.id, partial(self._lost, handler), learner.lost
        )
        handler.end = end
        self._connected[handler] = None
        return handler

    def on_followerinfo(self, handler: LearnerHandler, zxid: int) -> None:
        """A learner, whose log ends at ``zxid``, wants to follow."""
        former = self._learners.pop(handler.learner.id, None)
        if former is not None:
            self._connected.pop(former)
            former.end.close()
        self._learners[handler.learner.id] = handler
        self._tell_of_followers()
        log, tree = self._store.log, self._store.tree
        # An observer that may have a vote has to acknowledge: otherwise the voters could be too
        # few.
        handler.informed = self.established and not self.needs(handler.learner)
        if handler.informed:  # it may have been a follower until now
            zxid = min(zxid, self._committed)
        floor = log.floor(zxid)
        if floor is None:
            entries = log.after(tree.zxid)
            catchup = Catchup(
                self.epoch,
                tree.zxid,
                entries,
                tree.copy(),
                self._store.sessions.copy(),
                self._store.config,
                self.replica.zxid,
            )
        else:
            # A real server treats empty logs as logs that do not meet.
            shown = 0 if log.last_zxid else self.replica.zxid
            catchup = Catchup(self.epoch, floor, log.after(floor), zxid=shown)
        if handler.informed:
            committed = [entry for entry in catchup.entries if entry.zxid <= self._committed]
            catchup = catchup._replace(entries=committed)
        handler.end.send(handler.learner.on_newleader, catchup)

    def on_ack(self, handler: LearnerHandler, zxid: int) -> None:
        """The learner has the log up to ``zxid``."""
        new, handler.acked = handler.acked < 0, zxid
        if new and self.established:
            handler.end.send(handler.learner.on_uptodate, self._committed, self._store.config)
        self._commit_acked()

    def on_request(
        self, handler: LearnerHandler, request: Request, complete: Completion | None
    ) -> None:
        """A write of one of the learner's clients."""
        self.carry_out(request, handler.learner.id, complete)

    def on_sync(self, handler: LearnerHandler, done: Callable[[], None]) -> None:
        """A sync of one of the learner's clients."""
        self._answer(handler, done)

    def on_ping(self, session_ids: Sequence[int]) -> None:
        """The learner's clients with these sessions have sent something."""
        for session_id in session_ids:
            session = self.sessions.get(session_id)
            if session is not None:
                self.sessions.touch(session, self._ensemble.now)

    def on_revalidate(
        self, handler: LearnerHandler, session_id: int, timeout: int, done: Callable[[bool], None]
    ) -> None:
        """A client goes on with its session at the learner."""
        handler.end.send(done, self._own(session_id, timeout, handler.learner.id) is not None)

    # -- from a request to its commit

    def carry_out(self, request: Request, origin: int | None, complete: Completion | None) -> None:
        """Decides and proposes ``request``, which came through the server ``origin``."""
        decisions = self.decisions
        transaction = decisions.decide(request, origin)
        if transaction is None:
            return
        if transaction.zxid <= decisions.zxid:
            if complete is not None:
                handler = None if origin is None else self._learners.get(origin)
                self._answer(handler, partial(complete, transaction, ()))
            return
        decisions.zxid = transaction.zxid
        decisions.tip.apply(transaction)
        self._store.append(transaction)
        if transaction.op is Op.RECONFIG and not transaction.error:
            listener, config = self._ensemble.listener, self._store.seen
            listener.configured(self.replica.id, self.epoch, config, proposed=True)
        self._proposals.append(_Proposal(transaction, origin, complete))
        for id_, handler in self._learners.items():
            if not handler.informed:
                handler.end.send(
                    handler.learner.on_proposal, transaction, complete if id_ == origin else None
                )
        self.replica.disk.write(transaction.zxid, self._commit_acked)

    def _answer(self, handler: LearnerHandler | None, done: Callable[[], None]) -> None:
        """Calls ``done``, at the learner or here, once all earlier proposals are committed."""
        if self._proposals:
            self._answers.append((self.decisions.zxid, handler, done))
        elif handler is None:
            self.replica.answer(done)
        else:
            handler.end.send(handler.learner.on_answer, done)

    def _commit_acked(self) -> None:
        """Commits every proposal that a quorum has by now, in the order of the log."""
        # An acknowledgement may be handled after the role has ended. Another leader may have other
        # proposals by then, which this server must not contradict.
        if self.replica.role is not self:
            return
        # Proposals of earlier epochs are committed only together with the whole log, by a quorum
        # that follows this epoch. One by one they could be committed on servers that another
        # leader may still outvote and cut off.
        if not self.established:
            if self._is_quorum(self._store.log.last_zxid):
                self._establish()
            return
        # In order, each by a quorum of its own: a later acknowledgement includes the earlier ones,
        # and a commit of a reconfiguration changes the quorum of those after it. A leader that has
        # handed over commits nothing: its successor decides what follows.
        proposals = self._proposals
        while proposals and not self.retired and self._is_quorum(proposals[0].transaction.zxid):
            self._commit(proposals.popleft())

    def _commit(self, proposal: _Proposal) -> None:
        transaction, origin, complete = proposal
        zxid = transaction.zxid
        self._committed = zxid
        self._ensemble.log.append(transaction)
        designated = self._activate(self._store.seen) if self._store.seen.version == zxid else None
        for id_, handler in self._learners.items():
            if handler.informed:
                done = complete if id_ == origin else None
                handler.end.send(handler.learner.on_inform, transaction, done, designated)
            else:
                handler.end.send(handler.learner.on_commit, zxid, designated)
        own = origin is None or origin == self.replica.id
        self.replica.commit(transaction, complete if own else None)
        if zxid & 0xFFFFFFFF == 1:
            self._ensemble.tell(self.replica.id, "commits", f"{zxid:#x}, the first of its epoch")
        if transaction.op in SESSION_OPS:
            self.decisions.session_committed(transaction, origin)
        while self._answers and self._answers[0][0] <= zxid:
            _, answered, answer = self._answers.popleft()
            if answered is None:
                self.replica.answer(answer)
            else:
                answered.end.send(answered.learner.on_answer, answer)

    def restart(self, tree: Tree, zxid: int) -> None:
        """Goes on from another state, which every server has already."""
        self.decisions.restart(tree.copy(), zxid)
        self._committed = zxid

    # -- its own clients

    def submit(self, request: Request, complete: Completion | None) -> None:
        self._ensemble.turns.post(self.carry_out, request, self.replica.id, complete)

    def touch(self, session: Session) -> bool:
        if session.closing:
            return False
        tracked = self.sessions.get(session.id)
        if tracked is not None:  # a session that was local until now is on its way
            self.sessions.touch(tracked, self._ensemble.now)
        return True

    def opened(self, session: Session) -> Session | None:
        return self.sessions.get(session.id)

    def renew(self, session_id: int, timeout: int, done: Callable[[Session | None], None]) -> None:
        done(self._own(session_id, timeout, self.replica.id))

    def _own(self, session_id: int, timeout: int, server_id: int) -> Session | None:
        session = self.sessions.get(session_id)
        if session is not None:
            if session.server_id not in (0, server_id):
                text = f"{session_id:#x}, from server {session.server_id} to server {server_id}"
                self._ensemble.tell(self.replica.id, "moves session", text)
            session.timeout = timeout
            session.server_id = server_id
            self.sessions.touch(session, self._ensemble.now)
        return session

    def has_moved(self, session: Session) -> bool:
        tracked = self.sessions.get(session.id)
        return tracked is not None and tracked.server_id != self.replica.id

    # -- the clock

    def due(self) -> int | None:
        return self.decisions.due()

    def do(self) -> None:
        for request in self.decisions.overdue():
            self.carry_out(request, None, None)
