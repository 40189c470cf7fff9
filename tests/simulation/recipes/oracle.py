"""What a recipe promised, beside what the ensemble has committed.

Rules that live here:

- The truth is the committed log, not what a client or a server has heard of it yet.
- A client *claims* a znode from the moment when the recipe said "yours" until it begins to give it
  back. Claims of one group exclude each other, up to the group's limit.
- A claim is *good* while its znode is committed. More good claims than the limit break the promise,
  whatever anybody was told.
- More claims than the limit, not all of them good, are a finding too, named after what was wrong
  with those that were not good.

Claims are judged when one begins: later a good one can turn bad, never a bad one good.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from kazoo.protocol.states import KazooState

from zkfake._database.log import Create, Transaction
from zkfake._protocol.records import Op
from zkfake.history import Reply, Sent, StateChange

from .kinds import BROKEN, DELETED, ERROR, ERRORS, LATE, PAUSED, TOLD, UNAWARE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._database.tree import Tree
    from zkfake.simulation import Simulation


class Truth:
    """The committed state, and who made which ephemeral znode."""

    def __init__(self, sim: Simulation) -> None:
        self._log = sim._network.servers.ensemble.log
        self._tree: Tree = sim.at(0)
        self._owners: dict[str, list[int]] = {}
        self._ended: set[int] = set()

    @property
    def tree(self) -> Tree:
        """The tree of the last committed transaction."""
        self._catch_up()
        return self._tree

    def transactions(self) -> Iterator[Transaction]:
        """All that was committed, in order."""
        return iter(self._log)

    def owners(self, path: str) -> list[int]:
        """The sessions that made an ephemeral znode at ``path``, in order."""
        self._catch_up()
        return self._owners.get(path, [])

    def ended(self, session: int) -> bool:
        self._catch_up()
        return session in self._ended

    def children(self, path: str) -> list[str]:
        return sorted(self.tree.child_names(path))

    def _catch_up(self) -> None:
        tree = self._tree
        for transaction in self._log.after(tree.zxid):
            tree.apply(transaction)
            if transaction.op == Op.CLOSE_SESSION and not transaction.error:
                self._ended.add(transaction.session_id)
            for operation in transaction.operations:
                if isinstance(operation, Create) and operation.owner:
                    self._owners.setdefault(operation.path, []).append(operation.owner)


@dataclass(eq=False)
class Claim:
    """``client`` believes that it holds ``node``."""

    client: str
    group: str
    node: str
    session: int
    """That made the znode; 0 where there never was one."""
    late: bool
    """The client had another session already when the claim began."""
    told: bool
    """The client was not connected when the claim began, or was told so since."""


@dataclass
class Oracle:
    """Keeps the claims of one run and what was found about them."""

    sim: Simulation
    findings: dict[Kind, list[str]] = field(default_factory=dict)
    """What was found; each text says when and what."""

    def __post_init__(self) -> None:
        self.truth = Truth(self.sim)
        self._claims: list[Claim] = []
        self.sessions: dict[int, str] = {}
        """Whose a session is, or was."""

    def watch(self, client: Any) -> None:
        """Take note of what ``client`` is told of its connection."""
        name = client.handler.client_name
        self.sessions[_session(client)] = name

        def told(state: str) -> None:
            if state == KazooState.CONNECTED:
                self.sessions[_session(client)] = name
            else:
                for claim in self._claims:
                    if claim.client == name:
                        claim.told = True

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

    def begin(self, client: Any, group: str, node: str, limit: int = 1) -> Claim:
        """The recipe says that ``client`` holds ``node``, one of ``limit`` in ``group``."""
        name = client.handler.client_name
        sessions = [each for each in self.truth.owners(node) if self.sessions[each] == name]
        session = sessions[-1] if sessions else 0
        late = session != _session(client)
        claim = Claim(name, group, node, session, late, told=not client.connected)
        self._claims.append(claim)
        self.sim.history.note(f"{name} claims {node}")
        rivals = [each for each in self._claims if each.group == group]
        if len(rivals) > limit:
            flaws = [self._flaw(each) for each in rivals]
            text = ", ".join(
                f"{each.client} ({flaw.name if flaw else 'good'})"
                for each, flaw in zip(rivals, flaws, strict=True)
            )
            if flaws.count(None) > limit:
                self.found(BROKEN, text)
            for flaw in dict.fromkeys(flaws):
                if flaw is not None:
                    self.found(flaw, text)
        return claim

    def end(self, claim: Claim) -> None:
        self.sim.history.note(f"{claim.client} gives {claim.node} back")
        self._claims.remove(claim)

    def _flaw(self, claim: Claim) -> Kind | None:
        """What is wrong with a claim; nothing with a good one."""
        node = self.truth.tree.get(claim.node)
        if node is not None and node.owner == claim.session:
            return None
        if not self.truth.ended(claim.session):
            return DELETED
        if claim.told:
            return TOLD
        if claim.late:
            return LATE
        return PAUSED if self._is_paused(claim.client) else UNAWARE

    def _is_paused(self, client: str) -> bool:
        return any(each.name == "pause" and each.text == client for each in self.sim.faults.outages)


def _session(client: Any) -> int:
    """The session that a client has now; 0 for none."""
    return client._session_id or 0  # client_id is nothing while the connection is lost
