"""The role of a learner: a follower, or an observer, which has no vote.

* It takes over the leader's log when it joins, acknowledges it, and serves clients after the
  leader's UPTODATE.
* It puts each proposal into its log and acknowledges it once that is on disk. It applies what the
  leader has committed, in order, each server at its own pace.
* Reads are its own; writes and syncs go to the leader, and are answered here once they, and all
  before them, have been applied here.
* It tells the leader twice a tick which sessions' clients have sent something. The leader decides
  whether a session may go on here.
* Its role ends when it loses the connection to the leader. It also ends with a committed
  configuration that makes it an observer or a voter, or in which its leader has no vote;
  transactions before that are applied and answered first, except those that lag.
* A server that is not a member of the configuration follows without a vote.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zkfake._ensemble.events import OTHER_PLACE
from zkfake._ensemble.role import Role
from zkfake._ensemble.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._database.log import Transaction
    from zkfake._database.reconfig import Configuration
    from zkfake._ensemble.events import Name
    from zkfake._ensemble.leading import Catchup, Leading
    from zkfake._ensemble.role import Completion, EnsembleReplica, Surroundings
    from zkfake._protocol.records import Request
    from zkfake._timers import Timer


class Following(Role):
    """A follower or observer of one leader."""

    def __init__(self, ensemble: Surroundings, replica: EnsembleReplica, leader: Leading) -> None:
        self.leader = leader
        self._ensemble = ensemble
        self._replica = replica
        self._store = replica.store
        self._store.accepted_epoch = leader.epoch
        self.observer = replica.observer
        zxid = self._store.log.last_zxid
        ensemble.tell(replica.id, "joins", f"server {leader.replica.id}; its log ends at {zxid:#x}")
        self._accepted: deque[tuple[Transaction, Completion | None]] = deque()
        self._touched: dict[int, None] = {}
        self._report: Timer | None = None
        self._handler = leader.connect(self)
        self._end = self._handler.end.peer
        self._end.send(leader.on_followerinfo, self._handler, zxid)

    @property
    def id(self) -> int:
        return self._replica.id

    def leave(self) -> None:
        self._end.close()
        if self._report is not None:
            self._report.cancel()

    def lost(self) -> None:
        """The connection to the leader is lost."""
        self._ensemble.look(self._replica, f"server {self.leader.replica.id}, its leader, is lost")

    # -- messages of the leader

    def on_newleader(self, catchup: Catchup) -> None:
        """The leader sends what the log lacks, or a whole tree."""
        store = self._store
        self._tell_of(catchup)
        if catchup.tree is not None:
            assert catchup.sessions is not None
            assert catchup.config is not None
            self._replica.adopt(catchup.tree, catchup.sessions, catchup.config)
        self._replica.zxid = max(self._replica.zxid, catchup.zxid)
        store.truncate(catchup.floor)
        for transaction in catchup.entries:
            store.append(transaction)
        self._accepted = deque((entry, None) for entry in store.log.after(store.tree.zxid))
        zxid = store.log.last_zxid
        self._replica.disk.write(zxid, self._taken_over, catchup.epoch, zxid)

    def _taken_over(self, epoch: int, zxid: int) -> None:
        """The leader's log is on the disk."""
        # Its epoch must not be there earlier: a server that lost the log and kept the epoch would
        # be elected instead of one that has everything that is committed.
        self._store.current_epoch = epoch
        self._end.send(self.leader.on_ack, self._handler, zxid)

    def _tell_of(self, catchup: Catchup) -> None:
        tell, server, entries = self._ensemble.tell, self.id, catchup.entries
        if catchup.tree is not None:
            tell(server, "takes a tree", f"that of {catchup.tree.zxid:#x}")
        elif cut := len(self._store.log.after(catchup.floor)):
            text = f"what comes after {catchup.floor:#x}, {_counted(cut)}, was never committed"
            tell(server, "cuts its log", text)
        if entries:
            text = f"{_counted(len(entries))}, from {entries[0].zxid:#x} on"
            tell(server, "takes transactions", text)

    def on_uptodate(self, committed: int, config: Configuration) -> None:
        """The leader has a quorum. Everything up to ``committed`` is committed and applied at once,
        and ``config`` is committed.
        """
        self.on_commit(committed)
        self._replica.catch_up()
        self._replica.activate(config)
        # Also where it had that from a tree, or from its log, and nothing has changed.
        self._ensemble.listener.configured(self.id, self.leader.epoch, self._store.config)
        if self._keeps_its_place():
            self.mode = "observer" if self.observer else "follower"
            does: Name = "observes" if self.observer else "follows"
            self._ensemble.tell(self.id, does, f"server {self.leader.replica.id}")
        else:
            self._ensemble.look(self._replica, OTHER_PLACE)

    def _keeps_its_place(self) -> bool:
        """Whether the committed configuration leaves its role and its leader as they are."""
        leads = self.leader.replica.id in self._store.config.voters
        return leads and self._replica.observer == self.observer

    def on_proposal(self, transaction: Transaction, complete: Completion | None) -> None:
        """A proposal. ``complete``: called when it is applied, if the request came through here."""
        self._store.append(transaction)
        self._accepted.append((transaction, complete))
        self._acknowledge(transaction.zxid)

    def _acknowledge(self, zxid: int) -> None:
        self._replica.disk.write(zxid, self._end.send, self.leader.on_ack, self._handler, zxid)

    def on_commit(self, zxid: int, designated: int | None = None) -> None:
        """All proposals up to ``zxid`` are committed. ``designated``: the last one is a
        configuration, and that server leads from now on.
        """
        accepted = self._accepted
        while accepted and accepted[0][0].zxid <= zxid:
            self._replica.commit(*accepted.popleft())
        if designated is not None:
            self._replica.activate(self._store.seen)
            if designated != self.leader.replica.id or not self._keeps_its_place():
                self._ensemble.look(self._replica, OTHER_PLACE, designated)

    def on_inform(
        self, transaction: Transaction, complete: Completion | None, designated: int | None = None
    ) -> None:
        """To an observer: this is committed."""
        self._store.append(transaction)
        self._accepted.append((transaction, complete))
        self.on_commit(transaction.zxid, designated)

    def on_answer(self, done: Callable[[], None]) -> None:
        """The answer to a request without a transaction, or to a sync."""
        self._replica.answer(done)

    # -- its clients

    def submit(self, request: Request, complete: Completion | None) -> None:
        self._end.send(self.leader.on_request, self._handler, request, complete)

    def sync(self, done: Callable[[], None]) -> None:
        self._end.send(self.leader.on_sync, self._handler, done)

    def touch(self, session: Session) -> bool:
        if self._report is None:
            when = self._ensemble.now + self._ensemble.settings.tick_time // 2
            self._report = self._ensemble.timers.at(when, self._report_touched)
        self._touched[session.id] = None
        return True

    def _report_touched(self) -> None:
        self._report = None
        touched, self._touched = self._touched, {}
        self._end.send(self._reported, tuple(touched))

    def _reported(self, session_ids: Sequence[int]) -> None:
        """The report is at the leader."""
        leader = self.leader
        self._ensemble.listener.heard(leader.replica.id, leader.epoch, self.id, session_ids)
        leader.on_ping(session_ids)

    def renew(self, session_id: int, timeout: int, done: Callable[[Session | None], None]) -> None:
        def validated(valid: bool) -> None:
            done(Session(session_id, timeout, self.id, 0) if valid else None)

        self._end.send(self.leader.on_revalidate, self._handler, session_id, timeout, validated)


def _counted(transactions: int) -> str:
    return "1 transaction" if transactions == 1 else f"{transactions} transactions"
