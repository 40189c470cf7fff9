"""What a recipe promised, beside what the ensemble has committed.

Rules that live here:

- A client *claims* a znode from the moment when the recipe said "yours" until it begins to give it
  back. Claims of one group exclude each other, up to the group's limit. What a recipe has to
  deliver or to count is *recorded*. The history judges both, when the run is over.
- What was not kept is of a kind, which says why. A lost claim is of the kind that the history says.
- The truth is the committed log, not what a client or a server has heard of it yet. It is read for
  what no judge says: what there is at a moment of the run, whose it was, and why a promise was not
  kept.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

from kazoo.protocol.states import KazooState

from zkfake._database.log import Create
from zkfake.history import Committed, Reply, Sent, StateChange, at_most

from .kinds import BROKEN, DELETED, ERROR, ERRORS, LATE, PAUSED, TOLD, UNAWARE, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree
    from zkfake._history.promises import Promise
    from zkfake.history import Finding
    from zkfake.simulation import Simulation

LOST = {
    "its znode is gone, and its session is not over": DELETED,
    "it was told SUSPENDED or LOST, and went on": TOLD,
    "it claimed in its next session": LATE,
    "it stood still": PAUSED,
    "it had not heard of it yet": UNAWARE,
}
"""How a claim was lost, in the words of the history."""


class Truth:
    """The committed state, and who made which ephemeral znode.

    Judges know it as well, but at the end of a run; recipes are asked in the middle.
    """

    def __init__(self, sim: Simulation) -> None:
        self._history = sim.history
        self._tree: Tree = sim.at(0)
        self._owners: dict[str, list[int]] = {}
        self._read = 0

    @property
    def tree(self) -> Tree:
        """The tree of the last committed transaction."""
        self._catch_up()
        return self._tree

    def transactions(self) -> Iterator[Transaction]:
        """All that was committed, in order."""
        for entry in self._history.log or ():
            assert isinstance(entry, Committed)
            yield entry.transaction

    def owners(self, path: str) -> list[int]:
        """The sessions that made an ephemeral znode at ``path``, in order."""
        self._catch_up()
        return self._owners.get(path, [])

    def children(self, path: str) -> list[str]:
        return sorted(self.tree.child_names(path))

    def _catch_up(self) -> None:
        for transaction in islice(self.transactions(), self._read, None):
            self._read += 1
            self._tree.apply(transaction)
            for operation in transaction.operations:
                if isinstance(operation, Create) and operation.owner:
                    self._owners.setdefault(operation.path, []).append(operation.owner)


@dataclass
class Oracle:
    """Keeps the claims of one run and what was found about them."""

    sim: Simulation
    findings: dict[Kind, list[str]] = field(default_factory=dict)
    """What was found; each text says when and what."""

    def __post_init__(self) -> None:
        self.truth = Truth(self.sim)
        self._limits: dict[str, int] = {}
        self._promises: dict[str, tuple[Promise, Callable[[Finding], Kind]]] = {}
        self.sessions: dict[int, str] = {}
        """Whose a session is, or was."""

    def watch(self, client: Any) -> None:
        """Take note of the sessions of ``client``."""

        def told(state: str) -> None:
            if state == KazooState.CONNECTED:
                self.sessions[_session(client)] = client.handler.client_name

        told(KazooState.CONNECTED)
        client.add_listener(told)

    def found(self, kind: Kind, text: str) -> None:
        self.sim.history.note(f"FOUND {kind.name}: {text}")
        self.findings.setdefault(kind, []).append(f"{self.sim.now:.3f}: {text}")

    def unexpected(self, error: Exception, what: str, client: str) -> None:
        """A recipe raised an error that its users are not told of."""
        name = type(error).__name__
        self.found(ERRORS.get((name, what), ERROR), f"{name} from {what} in {client}")

    def lost_replies(
        self, client: str, operation: str, path: str, begin: float = 0.0, end: float = inf
    ) -> int:
        """How many of a client's requests, sent in that time, were cut off from their reply."""
        replies = {event.number: event.time for event in self.sim.history.of(Reply)}
        cuts = self._cuts(client)
        return sum(
            any(event.time <= cut <= replies.get(event.number, inf) for cut in cuts)
            for event in self._sent(client, operation, path)
            if begin <= event.time <= end
        )

    def was_cut_off(self, client: str, operation: str, path: str) -> bool:
        """Whether a client lost its connection after it had sent such a request."""
        cuts = self._cuts(client)
        return any(
            event.time <= cut for event in self._sent(client, operation, path) for cut in cuts
        )

    def _sent(self, client: str, operation: str, path: str) -> list[Sent]:
        return [
            event
            for event in self.sim.history.of(Sent)
            if (event.client, event.operation) == (client, operation) and path in event.paths
        ]

    def _cuts(self, client: str) -> list[float]:
        """When a client lost its connection."""
        return [
            event.time
            for event in self.sim.history.of(StateChange)
            if event.client == client and event.state == KazooState.SUSPENDED
        ]

    @contextmanager
    def claim(self, client: Any, group: str, node: str, limit: int = 1) -> Iterator[int]:
        """The recipe says that ``client`` holds ``node``, one of ``limit`` in ``group``. The block
        is given the session that made it; 0 where there never was one.
        """
        name = client.handler.client_name
        self._limits[group] = limit
        sessions = [each for each in self.truth.owners(node) if self.sessions[each] == name]
        with self.sim.history.claim(group, znode=node, client=name):
            yield sessions[-1] if sessions else 0

    def promise(self, promise: Promise, explain: Callable[[Finding], Kind]) -> None:
        """What the recipe promises, and of what kind it is where that is broken."""
        self._promises[promise().title] = promise, explain

    def judge(self) -> None:
        """Find what was promised and not kept: at the end of the run."""
        promises = [promise for promise, _ in self._promises.values()]
        promises += [at_most(limit, group) for group, limit in self._limits.items()]
        verdict = self.sim.history.check(*promises)
        for finding in verdict.broken:
            _, explain = self._promises.get(finding.judge, (None, None))
            self.found(BROKEN if explain is None else explain(finding), finding.text)
        for remark in verdict.remarks:
            for how in dict.fromkeys(re.findall(r"\(lost: ([^()]*)\)", remark.text)):
                self.found(LOST[how], remark.text)


def _session(client: Any) -> int:
    """The session that a client has now; 0 for none."""
    return client._session_id or 0  # client_id is nothing while the connection is lost
