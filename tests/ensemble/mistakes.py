"""Mistakes to plant in the ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zkfake._connection.connection
import zkfake._ensemble.ensemble
import zkfake._ensemble.leading
from zkfake._database.log import Log, Transaction
from zkfake._database.reconfig import Configuration
from zkfake._database.rules import Rules
from zkfake._ensemble.decisions import Decisions
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.following import Following
from zkfake._ensemble.leading import Leading
from zkfake._ensemble.links import Links
from zkfake._ensemble.replica import Replica
from zkfake._ensemble.sessions import SessionTracker
from zkfake._ensemble.store import Store

from ..support.mistakes import Mistakes

if TYPE_CHECKING:
    from ..support.mistakes import Patch

MISTAKES = Mistakes()
OF_MEMBERS = Mistakes()
"""What a change of members brings to light."""


@MISTAKES
def elects_the_least_complete_log(patch: Patch) -> None:
    """An acknowledged write is lost at an election."""

    def elect(candidates: Any, *_rest: Any) -> Any:
        ranked = sorted(candidates, key=lambda member: (*member.store.position, member.id))
        ids = [member.id for member in ranked]
        return (ranked[0], ranked) if ranked and ranked[0].store.config.has_quorum(ids) else None

    patch.setattr(zkfake._ensemble.ensemble, "elect", elect)


@MISTAKES
def ignores_last_zxid_seen(patch: Patch) -> None:
    """A server that is behind takes a client that has seen more."""
    read = zkfake._connection.connection.read_connect_request
    patch.setattr(
        zkfake._connection.connection,
        "read_connect_request",
        lambda reader: read(reader)._replace(last_zxid_seen=0),
    )


@MISTAKES
def keeps_ephemerals(patch: Patch) -> None:
    """A session ends, and its ephemerals stay."""
    close = Rules.close_session
    patch.setattr(
        Rules, "close_session", lambda *arguments: close(*arguments)._replace(operations=())
    )


@MISTAKES
def tells_of_events_late(patch: Patch) -> None:
    """The reply comes before the event it belongs to."""
    applied = Replica.applied

    def late(self: Replica, transaction: Transaction, changes: Any, complete: Any) -> None:
        self.zxid = transaction.zxid
        if complete is not None:
            complete(transaction, changes)
        applied(self, transaction, changes, None)

    patch.setattr(Replica, "applied", late)


@MISTAKES
def applies_half_a_multi(patch: Patch) -> None:
    apply = Store.apply

    def half(self: Store, transaction: Transaction) -> Any:
        changes = apply(self, transaction._replace(operations=transaction.operations[:1]))
        return [*changes, *changes][: len(transaction.operations)]

    patch.setattr(Store, "apply", half)


@MISTAKES
def commits_without_a_quorum(patch: Patch) -> None:
    """One acknowledgement less than a quorum is enough."""

    def is_quorum(self: Leading, zxid: int) -> bool:
        acked = 1 + sum(peer.acked >= zxid for peer in self._learners.values())
        return 2 * (acked + 1) > len(self._store.config.voters)

    patch.setattr(Leading, "_is_quorum", is_quorum)


@MISTAKES
def lets_observers_vote(patch: Patch) -> None:
    """A leader takes observers for its quorum."""

    def is_accompanied(self: Leading) -> bool:
        return 2 * len(self._acked(-1)) > len(self._store.config.voters)

    patch.setattr(Leading, "_is_accompanied", is_accompanied)


@MISTAKES
def answers_syncs_itself(patch: Patch) -> None:
    """A follower does not ask the leader what is committed."""
    patch.setattr(Following, "sync", lambda self, done: done())


@MISTAKES
def keeps_lost_proposals(patch: Patch) -> None:
    """A server that rejoins keeps what the new leader does not have."""
    patch.setattr(Log, "truncate", lambda self, zxid: None)


@MISTAKES
def goes_on_with_the_old_epoch(patch: Patch) -> None:
    """A new leader gives zxids again that the old one gave."""
    init = Leading.__init__

    def start(self: Leading, ensemble: Any, member: Any, epoch: int) -> None:
        init(self, ensemble, member, max(1, epoch - 1))

    patch.setattr(Leading, "__init__", start)


@MISTAKES
def expires_too_early(patch: Patch) -> None:
    touch = SessionTracker.touch

    def short(self: SessionTracker, session: Any, now: int) -> None:
        touch(self, session, now - session.timeout // 2)

    patch.setattr(SessionTracker, "touch", short)


@MISTAKES
def never_reports_touches(patch: Patch) -> None:
    """The leader does not hear of the sessions that its followers hear of."""
    patch.setattr(Leading, "on_ping", lambda self, session_ids: None)


@MISTAKES
def answers_before_it_applies(patch: Patch) -> None:
    """A proposal is answered as if it were committed and applied."""

    def on_proposal(self: Following, transaction: Transaction, complete: Any) -> None:
        if complete is not None:
            complete(transaction, self._store.tree.copy().apply(transaction))
        self._store.log.append(transaction)
        self._accepted.append((transaction, None))
        self._end.send(self.leader.on_ack, self._handler, transaction.zxid)

    patch.setattr(Following, "on_proposal", on_proposal)


@MISTAKES
def crash_forgets_promise(patch: Patch) -> None:
    """A server that was stopped does not know any more which epoch it has promised to follow."""
    start = Replica.start

    def forgetful(self: Replica) -> None:
        self.store.accepted_epoch = self.store.current_epoch
        start(self)

    patch.setattr(Replica, "start", forgetful)


@MISTAKES
def promise_ignored(patch: Patch) -> None:
    """A server follows whoever leads, an older epoch than it has promised to follow included."""
    let_follow = Ensemble._let_follow

    def any_leader(self: Ensemble, ready: Any) -> None:
        for member in ready:
            member.store.accepted_epoch = member.store.current_epoch
        let_follow(self, ready)

    patch.setattr(Ensemble, "_let_follow", any_leader)


@MISTAKES
def forgets_sessions_of_proposals(patch: Patch) -> None:
    """A new leader knows the sessions of what it has applied, not those of its whole log."""
    patch.setattr(zkfake._ensemble.leading, "fold", lambda sessions, transaction: None)


@MISTAKES
def serves_before_it_caught_up(patch: Patch) -> None:
    """A server serves clients as soon as it has the leader's log, without having applied it."""
    patch.setattr(Replica, "catch_up", lambda self: None)


@MISTAKES
def hears_through_a_cut(patch: Patch) -> None:
    """Who connects anew takes no notice of a cut in one direction."""
    patch.setattr(Links, "joined", lambda self, one, other: not self.is_cut(one, other))


@MISTAKES
def snapshot_without_sessions(patch: Patch) -> None:
    """Who gets the whole tree does not get the sessions."""
    adopt = Store.adopt
    patch.setattr(Store, "adopt", lambda self, tree, _, config: adopt(self, tree, {}, config))


@MISTAKES
def counts_who_has_left(patch: Patch) -> None:
    """A leader takes it for granted that its quorum is there."""
    patch.setattr(Leading, "_require_quorum", lambda self: None)


@MISTAKES
def deposed_leader_commits(patch: Patch) -> None:
    """A leader commits what its own log has, once it has been established."""
    acked = Leading._is_quorum
    patch.setattr(Leading, "_is_quorum", lambda self, zxid: self.established or acked(self, zxid))


@OF_MEMBERS
def old_quorum_is_enough(patch: Patch) -> None:
    """What is proposed with a new configuration, and that one itself, waits for no quorum of it."""
    patch.setattr(
        Leading, "_is_quorum", lambda self, zxid: self._store.config.has_quorum(self._acked(zxid))
    )


@OF_MEMBERS
def new_quorum_is_enough(patch: Patch) -> None:
    """What is proposed with a new configuration waits for no quorum of the old one."""
    patch.setattr(
        Leading, "_is_quorum", lambda self, zxid: self._store.seen.has_quorum(self._acked(zxid))
    )


@OF_MEMBERS
def elects_by_the_committed_configuration(patch: Patch) -> None:
    """A winner needs no quorum of the configuration in its log."""
    elect = zkfake._ensemble.ensemble.elect

    def elect_by_old(candidates: Any, *rest: Any) -> Any:
        seen = [(member.store, member.store.seen) for member in candidates]
        for store, _ in seen:
            store.seen = store.config
        try:
            return elect(candidates, *rest)
        finally:
            for store, pending in seen:
                store.seen = pending

    patch.setattr(zkfake._ensemble.ensemble, "elect", elect_by_old)


@OF_MEMBERS
def elects_by_the_newest_configuration(patch: Patch) -> None:
    """A winner needs no quorum but that of the configuration in its log, committed or not."""
    elect = zkfake._ensemble.ensemble.elect

    def elect_by_new(candidates: Any, *rest: Any) -> Any:
        known = [(member.store, member.store.config) for member in candidates]
        for store, _ in known:
            store.config = store.seen
        try:
            return elect(candidates, *rest)
        finally:
            for store, config in known:
                store.config = config

    patch.setattr(zkfake._ensemble.ensemble, "elect", elect_by_new)


@OF_MEMBERS
def commits_after_it_has_handed_over(patch: Patch) -> None:
    """A leader that has lost its vote goes on, and nobody leaves it."""
    patch.setattr(Configuration, "keeps_leader", lambda self, number, former: True)
    patch.setattr(Following, "_keeps_its_place", lambda self: True)


@OF_MEMBERS
def counts_who_has_no_vote(patch: Patch) -> None:
    """Who follows without a vote counts as one that has one."""

    def has_quorum(self: Configuration, there: Any) -> bool:
        return 2 * len(there) > len(self.voters)

    patch.setattr(Configuration, "has_quorum", has_quorum)


@OF_MEMBERS
def changes_while_it_changes(patch: Patch) -> None:
    """A second configuration is proposed before the first one is committed."""
    membership = Leading._membership
    patch.setattr(Leading, "_membership", lambda self: membership(self)._replace(pending=False))


@OF_MEMBERS
def keeps_a_lost_configuration(patch: Patch) -> None:
    """A configuration that was cut off the log is still waited for."""
    patch.setattr(Store, "truncate", lambda self, zxid: self.log.truncate(zxid))


@OF_MEMBERS
def keeps_its_role(patch: Patch) -> None:
    """A server goes on as what it was."""

    def keeps(self: Following) -> bool:
        return self.leader.replica.id in self._store.config.voters

    patch.setattr(Following, "_keeps_its_place", keeps)


@OF_MEMBERS
def an_observer_keeps_what_it_had(patch: Patch) -> None:
    """A follower that has become an observer keeps proposals that were not committed."""
    join = Leading.on_followerinfo

    def keep(self: Leading, peer: Any, zxid: int) -> None:
        committed, self._committed = self._committed, max(self._committed, zxid)
        join(self, peer, zxid)
        self._committed = committed

    patch.setattr(Leading, "on_followerinfo", keep)


@MISTAKES
def acknowledges_what_is_not_on_disk(patch: Patch) -> None:
    """A follower says that it has a proposal which a loss of power could still take."""

    def acknowledge(self: Following, zxid: int) -> None:
        self._end.send(self.leader.on_ack, self._handler, zxid)

    patch.setattr(Following, "_acknowledge", acknowledge)


@MISTAKES
def leader_counts_what_is_not_on_its_disk(patch: Patch) -> None:
    acked = Leading._acked
    patch.setattr(Leading, "_acked", lambda self, zxid: {self.replica.id, *acked(self, zxid)})


@MISTAKES
def expires_by_the_wall_clock(patch: Patch) -> None:
    """How far a leader's clock is wrong moves the end of the sessions."""
    expired = Decisions.overdue

    def overdue(self: Decisions) -> Any:
        ensemble = self._ensemble
        true_time = ensemble.now
        ensemble.now += self._replica.clock_offset  # type: ignore[misc]
        try:
            return expired(self)
        finally:
            ensemble.now = true_time  # type: ignore[misc]

    patch.setattr(Decisions, "overdue", overdue)
