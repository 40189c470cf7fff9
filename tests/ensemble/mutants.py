"""Mistakes to plant in the ensemble: one function each, which takes a `pytest.MonkeyPatch`.

Whoever plants one restores the code by undoing the patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zkfake.connection
import zkfake.ensemble.ensemble
from zkfake.ensemble.following import Following
from zkfake.ensemble.leading import Leading
from zkfake.ensemble.store import Store
from zkfake.log import Log, Transaction
from zkfake.replica import Replica
from zkfake.sessions import SessionTracker
from zkfake.transactions import Rules

if TYPE_CHECKING:
    import pytest

    Patch = pytest.MonkeyPatch


def elects_the_least_complete_log(patch: Patch) -> None:
    """An acknowledged write is lost at an election."""

    def elect(candidates: Any, voters: int, joined: Any) -> Any:
        ranked = sorted(candidates, key=lambda member: (*member.store.position, member.id))
        return (ranked[0], ranked) if 2 * len(ranked) > voters else None

    patch.setattr(zkfake.ensemble.ensemble, "elect", elect)


def ignores_last_zxid_seen(patch: Patch) -> None:
    """A server that is behind takes a client that has seen more."""
    read = zkfake.connection.read_connect_request
    patch.setattr(
        zkfake.connection,
        "read_connect_request",
        lambda reader: read(reader)._replace(last_zxid_seen=0),
    )


def keeps_ephemerals(patch: Patch) -> None:
    """A session ends, and its ephemerals stay."""
    close = Rules.close_session
    patch.setattr(
        Rules, "close_session", lambda *arguments: close(*arguments)._replace(operations=())
    )


def tells_of_events_late(patch: Patch) -> None:
    """The reply comes before the event it belongs to."""
    applied = Replica.applied

    def late(self: Replica, transaction: Transaction, changes: Any, complete: Any) -> None:
        self.zxid = transaction.zxid
        if complete is not None:
            complete(transaction, changes)
        applied(self, transaction, changes, None)

    patch.setattr(Replica, "applied", late)


def applies_half_a_multi(patch: Patch) -> None:
    apply = Store.apply

    def half(self: Store, transaction: Transaction) -> Any:
        changes = apply(self, transaction._replace(operations=transaction.operations[:1]))
        return [*changes, *changes][: len(transaction.operations)]

    patch.setattr(Store, "apply", half)


def commits_without_a_quorum(patch: Patch) -> None:
    """One acknowledgement less than a quorum is enough."""

    def is_quorum(self: Leading, zxid: int) -> bool:
        acked = 1 + sum(peer.acked >= zxid for peer in self._peers.values())
        return 2 * (acked + 1) > self._ensemble.voters

    patch.setattr(Leading, "_is_quorum", is_quorum)


def lets_observers_vote(patch: Patch) -> None:
    def is_quorum(self: Leading, zxid: int) -> bool:
        acked = 1 + sum(peer.acked >= zxid for peer in self._peers.values())
        return 2 * acked > self._ensemble.voters

    patch.setattr(Leading, "_is_quorum", is_quorum)


def answers_syncs_itself(patch: Patch) -> None:
    """A follower does not ask the leader what is committed."""
    patch.setattr(Following, "sync", lambda self, done: done())


def leader_answers_syncs_at_once(patch: Patch) -> None:
    """A leader does not wait until it has applied what is committed."""
    patch.setattr(Leading, "sync", lambda self, done: done())


def keeps_lost_proposals(patch: Patch) -> None:
    """A server that rejoins keeps what the new leader does not have."""
    patch.setattr(Log, "truncate", lambda self, zxid: None)


def goes_on_with_the_old_epoch(patch: Patch) -> None:
    """A new leader gives zxids again that the old one gave."""
    init = Leading.__init__

    def start(self: Leading, ensemble: Any, member: Any, epoch: int) -> None:
        init(self, ensemble, member, max(1, epoch - 1))

    patch.setattr(Leading, "__init__", start)


def expires_too_early(patch: Patch) -> None:
    touch = SessionTracker.touch

    def short(self: SessionTracker, session: Any, now: int) -> None:
        touch(self, session, now - session.timeout // 2)

    patch.setattr(SessionTracker, "touch", short)


def never_reports_touches(patch: Patch) -> None:
    """The leader does not hear of the sessions that its followers hear of."""
    patch.setattr(Leading, "touched", lambda self, session_ids: None)


def answers_before_it_applies(patch: Patch) -> None:
    """A proposal is answered as if it were committed and applied."""

    def accept(self: Following, transaction: Transaction, complete: Any) -> None:
        if complete is not None:
            complete(transaction, self._store.tree.copy().apply(transaction))
        self._store.log.append(transaction)
        self._accepted.append((transaction, None))
        self._end.send(self.leader.ack, self._peer, transaction.zxid)

    patch.setattr(Following, "accept", accept)


MUTANTS = [
    elects_the_least_complete_log,
    ignores_last_zxid_seen,
    keeps_ephemerals,
    tells_of_events_late,
    applies_half_a_multi,
    commits_without_a_quorum,
    lets_observers_vote,
    answers_syncs_itself,
    leader_answers_syncs_at_once,
    keeps_lost_proposals,
    goes_on_with_the_old_epoch,
    expires_too_early,
    never_reports_touches,
    answers_before_it_applies,
]
