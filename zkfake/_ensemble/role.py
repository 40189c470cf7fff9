"""What a server is in its ensemble, and what the roles may ask of the server and the ensemble.

A server has one role at a time: stopped, looking for a leader, following one, leading, or standing
alone. A role answers for everything that takes more than one server: writes, syncs, and whose
session is whose. A change of role costs the server its clients, so nothing of a role outlives it;
what was on the way is never answered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from zkfake._database.log import Transaction
from zkfake._database.tree import Tree, TreeChange

if TYPE_CHECKING:
    from random import Random

    from zkfake._database.reconfig import Configuration
    from zkfake._database.rules import Rules
    from zkfake._ensemble.committed import CommittedLog
    from zkfake._ensemble.disk import Disk
    from zkfake._ensemble.events import Tell
    from zkfake._ensemble.links import Links, Range, Turns
    from zkfake._ensemble.listener import EnsembleListener
    from zkfake._ensemble.sessions import Session, SessionTracker
    from zkfake._ensemble.stats import Mode
    from zkfake._ensemble.store import Sessions, Store
    from zkfake._protocol.records import Request
    from zkfake._settings import Settings
    from zkfake._timers import Timers

Completion = Callable[[Transaction, Sequence[TreeChange]], None]
"""Called once a request's transaction was applied where it came from, after the watch events it
caused.
"""


class Role:
    """A server that serves no clients. The base of all roles."""

    mode: Mode | None = None
    """The name of the role, as ``srvr`` prints it; ``None`` while the server serves no clients."""

    settled = True
    """Whether every request is committed."""

    answers_syncs = False
    """Whether the server answers a sync at once, without asking a leader."""

    def submit(self, request: Request, complete: Completion | None) -> None:
        """A write of one of the server's clients."""

    def sync(self, done: Callable[[], None]) -> None:
        """``done`` is called once the server has applied all that was committed before."""

    def touch(self, session: Session) -> bool:
        """A client of the session has sent something. False if the session has ended."""
        return not session.closing

    def opened(self, session: Session) -> Session | None:
        """The session, whose creation was just applied, as its connection is to know it."""
        return session

    def renew(self, session_id: int, timeout: int, done: Callable[[Session | None], None]) -> None:
        """A client goes on with a session here; ``done`` gets it, ``None`` if there is none."""
        done(None)

    def has_moved(self, session: Session) -> bool:
        """Whether it is known here that the session went on at another server."""
        return False

    def leave(self) -> None:
        """The role is over."""


class EnsembleReplica(Protocol):
    """A server, as its role and its ensemble see it."""

    store: Store
    disk: Disk
    role: Role
    zxid: int
    clock_offset: int
    """What its clock says beyond the true time, milliseconds."""

    @property
    def id(self) -> int: ...
    @property
    def observer(self) -> bool:
        """Whether it is an observer in the configuration that it knows to be committed."""

    @property
    def address(self) -> str:
        """Where clients reach it: ``host:port``, empty where no driver has said so."""

    @property
    def running(self) -> bool: ...
    @property
    def paused(self) -> bool:
        """Whether it stands still."""

    @property
    def settled(self) -> bool:
        """Whether it has applied all it knows to be committed, and knows no more to come."""

    def configured(self) -> None:
        """The ensemble has other settings; the server does not run."""

    def become(self, role: Role) -> None:
        """Takes a role; the old one and all clients are let go."""

    def dismiss_clients(self) -> None:
        """Close every connection once everything is sent."""

    def commit(self, transaction: Transaction, complete: Completion | None) -> None:
        """The next transaction of the log is committed: apply it, after the server's own lag."""

    def answer(self, done: Callable[[], None]) -> None:
        """Call ``done`` once everything committed so far has been applied."""

    def applied(
        self, transaction: Transaction, changes: Sequence[TreeChange], complete: Completion | None
    ) -> None:
        """The tree has changed: tell the watchers, and whoever asked for it."""

    def catch_up(self) -> None:
        """Apply all that is committed, without a lag."""

    def adopt(self, tree: Tree, sessions: Sessions, config: Configuration) -> None:
        """Go on from another server's state."""

    def recover(self, tree: Tree, sessions: Sessions, zxid: int) -> None:
        """Go on from what another process has left."""

    def activate(self, config: Configuration) -> None:
        """``config`` is committed: be what it says, and reached where it says."""

    def replace(self, tree: Tree, changes: Sequence[TreeChange]) -> None:
        """Go on from ``tree``, and tell the watchers of ``changes``."""

    def end_local(self, session: Session) -> None:
        """A local session of this server has expired."""


class Leader(Protocol):
    """A role that decides, as the ensemble sees it."""

    replica: EnsembleReplica

    @property
    def tip(self) -> Tree:
        """The state after everything it has accepted."""

    @property
    def followers(self) -> Collection[int]:
        """The ids of the servers of its ensemble that have the leader, and its own; none on a
        standalone server.
        """

    def carry_out(self, request: Request, origin: int | None, complete: Completion | None) -> None:
        """Decides ``request``, which came through the server ``origin`` or is the leader's own."""

    def restart(self, tree: Tree, zxid: int) -> None:
        """Goes on from another state, which every server has by now."""

    def due(self) -> int | None:
        """When there is something to do next; ``None`` while there is not."""

    def do(self) -> None:
        """Does what is due: expire sessions, reap containers."""


class Surroundings(Protocol):
    """The ensemble, as the roles see it."""

    settings: Settings
    links: Links
    turns: Turns
    timers: Timers
    random: Random
    rules: Rules
    log: CommittedLog
    election_time: Range
    read_only_delay: int
    local_sessions: SessionTracker
    tell: Tell
    listener: EnsembleListener

    @property
    def now(self) -> int: ...
    def when_awake(self, replica: EnsembleReplica, action: Callable[[], None]) -> None:
        """Runs ``action`` of ``replica``'s own accord: now, or once it no longer stands still."""

    def look(self, replica: EnsembleReplica, why: str, designated: int | None = None) -> None:
        """``replica`` has no leader any more. ``designated``: the one that a configuration has
        named instead, so there is nothing to elect.
        """

    def review(self) -> None:
        """Something has changed: those who look for a leader may find one."""

    def lead(self, replica: EnsembleReplica, role: Leader, sessions: SessionTracker) -> None:
        """``replica`` leads from now on."""

    def step_down(self, role: Leader) -> None:
        """``role`` leads no more."""
