"""The program's own promises about what it holds: `History.claim`.

Rules that live here:

- A claim is good while the znode that stands for it is there, the same one as when the claim began,
  and made by the client that claims, where the program says who that is. One without a znode is
  always good.
- Who holds something learns late that it has lost it, a process that stood still as late as it
  likes: so two claims at once break the promise only while both are good. Those that are not are
  worth a remark, which says how each was lost.
- Claims are judged when one begins: later a good one can turn bad, never a bad one good.
- Without the log a claim is good then if what clients see later proves it; if nothing does, nothing
  is decided.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zkfake._history.errors import PromiseBroken
from zkfake._history.judge import Judge
from zkfake._history.proofs import Moment, Proofs
from zkfake._protocol.records import Op

if TYPE_CHECKING:
    from zkfake._history.events import (
        Claimed,
        Committed,
        Fault,
        Logged,
        Released,
        Reply,
        StateChange,
    )
    from zkfake._history.reading import ConnectionSeen, Exchange, Reading
    from zkfake._history.states import Changed

__all__ = ["AtMost", "Exclusive"]

NO_LOG = (
    "whether claims at one time were good: there is no log, and nothing that was seen proves it"
)

KEPT = 10_000
"""Sessions that are remembered."""


class _Holders:
    """What clients hold by their ephemeral znodes, and what they know of it."""

    def __init__(self) -> None:
        self._reading: Reading
        self._ended: dict[int, None] = {}
        self.sessions: dict[str, int] = {}
        """The session of each client, as the client knows it."""
        self.breaks: Counter[str] = Counter()
        """How often each client was told that its connection is lost."""
        self.disconnected: set[str] = set()
        self.pauses: Counter[str] = Counter()
        self.proofs: Proofs | None = None
        """Without the log: what proves that znodes were there."""

    def begin(self, reading: Reading) -> None:
        self._reading = reading
        if not reading.has_log:
            self.proofs = Proofs(reading)
        for name in ("on_handshake", "on_committed", "on_state_change", "on_fault"):
            reading.listen(name, getattr(self, name))

    def client(self, session_id: int) -> str | None:
        session = self._reading.sessions.get(session_id)
        return None if session is None else session.client

    def maker(self, znode: str, client: str) -> int:
        """The client's last session that made an ephemeral znode there; 0 for none."""
        for owner in self._reading.states.owners(znode):
            if owner and self.client(owner) == client:
                return owner
        return 0

    def has_ended(self, session_id: int) -> bool:
        return session_id in self._ended

    def on_handshake(
        self, connection: ConnectionSeen, _exchange: Exchange, _reply: Reply, session_id: int
    ) -> None:
        self.sessions[connection.client] = session_id

    def on_committed(self, entry: Committed, _changes: list[Changed]) -> None:
        done = entry.transaction
        if done.op is Op.CLOSE_SESSION and not done.error:
            self._ended[done.session_id] = None
            if len(self._ended) > KEPT:
                del self._ended[next(iter(self._ended))]

    def on_state_change(self, event: StateChange) -> None:
        if event.state == "CONNECTED":
            self.disconnected.discard(event.client)
        else:
            self.disconnected.add(event.client)
            self.breaks[event.client] += 1

    def on_fault(self, event: Fault) -> None:
        if event.name in ("pause", "pause healed"):
            self.pauses[event.text] += 1 if event.name == "pause" else -1


class _MadeClaim:
    """One claim, from its beginning on."""

    __slots__ = ("_breaks", "_disconnected", "_holders", "_later", "by", "client", "created",
                 "czxid", "made", "maker")  # fmt: skip

    def __init__(self, by: Claimed, holders: _Holders, reading: Reading) -> None:
        self.by = by
        self._holders = holders
        node = None if by.znode is None else reading.states.now(by.znode)
        owner = holders.client(node.owner) if node is not None else None
        if node is not None and by.client not in (None, owner):
            node = None  # of somebody else
        self.client = owner if by.client is None else by.client
        """Who claims; ``None`` where nobody says so."""
        self.czxid = 0 if node is None else node.czxid
        """Of its znode; 0 where it had none."""
        seen = holders.proofs
        self.created = 0 if seen is None or by.znode is None else seen.created(by.znode, by.client)
        """The same without the log."""
        self.made = None if node is None else node.entry
        client = self.client or ""
        self.maker = holders.maker(by.znode or "", client)
        self._later = holders.sessions.get(client) != self.maker
        self._breaks = holders.breaks[client]
        self._disconnected = client in holders.disconnected

    def is_good(self, reading: Reading) -> bool:
        if self.by.znode is None:
            return True
        node = reading.states.now(self.by.znode)
        return node is not None and node.czxid == self.czxid != 0

    def how_it_was_lost(self) -> str:
        """In words, for a claim that is not good; empty where nobody knows."""
        holders, client = self._holders, self.client
        if client is None:
            return ""
        if not holders.has_ended(self.maker):
            return "its znode is gone, and its session is not over"
        if self._disconnected or holders.breaks[client] > self._breaks:
            return "it was told SUSPENDED or LOST, and went on"
        if self._later:
            return "it claimed in its next session"
        if holders.pauses[client] > 0:
            return "it stood still"
        return "it had not heard of it yet"


class AtMost(Judge):
    """At most so many good claims of one name at one time."""

    name = "at most"
    error = PromiseBroken

    def __init__(
        self, limit: int, name: str, *, good: bool = True, holders: _Holders | None = None
    ) -> None:
        super().__init__()
        if limit < 1:
            raise ValueError(f"at most {limit} of {name!r}: expected at least one")
        self._limit = limit
        self._good = good
        self._holders = holders
        self.title = f"at most {limit} {name}"
        self.claims_of = name
        self._held: dict[int, _MadeClaim] = {}

    @property
    def promise(self) -> str:
        return f"at most {self._limit} at one time holds {self.claims_of!r}."

    def begin(self, reading: Reading) -> None:
        super().begin(reading)
        if self._holders is None:
            self._holders = _Holders()
            self._holders.begin(reading)

    def on_claimed(self, event: Claimed) -> None:
        if event.name != self.claims_of:
            return
        assert self._holders is not None
        self._held[event.number] = _MadeClaim(event, self._holders, self.reading)
        self.times += 1
        if len(self._held) > self._limit:
            self._judge()

    def on_released(self, event: Released) -> None:
        self._held.pop(event.number, None)

    def _judge(self) -> None:
        """More than the limit at once."""
        held = list(self._held.values())
        znodes = any(claim.by.znode is not None for claim in held)
        if self._good and znodes and not self.reading.has_log:
            self.undecided(NO_LOG)
            self._wait_for_proofs(held)
            return
        stale = [
            claim for claim in held if self.reading.has_log and not claim.is_good(self.reading)
        ]
        lost = stale if self._good else []
        good = [claim for claim in held if claim not in lost]
        text = ", ".join(_named(claim, lost=claim in stale) for claim in held)
        evidence: list[Claimed | Logged | None] = []
        for claim in [*good, *lost][-3:]:
            evidence += [claim.made, claim.by]
            if claim in lost and claim.by.znode is not None:
                gone = self.reading.states.at(claim.by.znode, self.reading.states.last)
                evidence.append(getattr(gone, "entry", None))
        if len(good) > self._limit:
            self.broken(f"{len(good)} hold {self.claims_of!r} at once: {text}", *evidence)
        elif lost:
            self.remark(
                f"{len(held)} believe that they hold {self.claims_of!r}; so many have lost it: "
                f"{len(lost)}: {text}",
                *evidence,
            )

    def _wait_for_proofs(self, held: list[_MadeClaim]) -> None:
        """Without the log: whether they are good shows later, if it does."""
        proofs = None if self._holders is None else self._holders.proofs
        if proofs is None:
            return
        sure = [claim for claim in held if claim.by.znode is None]
        znodes = {
            (znode, claim.created): claim
            for claim in held
            if (znode := claim.by.znode) is not None and claim.created
        }

        def on_proof(moment: Moment) -> None:
            good = [*sure, *(znodes[each] for each in moment.proofs)]
            if len(good) != self._limit + 1:
                return  # not enough, or told already
            self._undecided[NO_LOG] -= 1
            text = ", ".join(claim.by.task for claim in good)
            self.broken(
                f"{len(good)} hold {self.claims_of!r} at once: {text}",
                *(claim.by for claim in good[-2:]),
                moment.after,
                *list(moment.proofs.values())[-2:],
            )

        proofs.wait_for(Moment(znodes, on_proof))


def _named(claim: _MadeClaim, *, lost: bool) -> str:
    if not lost:
        return claim.by.task
    how = claim.how_it_was_lost()
    return f"{claim.by.task} (lost{': ' * bool(how)}{how})"


class Exclusive(Judge):
    """What is claimed is claimed by one at a time: for each name that no promise of the program's
    is about.
    """

    name = "claims exclude each other"
    error = PromiseBroken

    def __init__(self, others: frozenset[str]) -> None:
        super().__init__()
        self._others = others
        self._holders = _Holders()
        self._by_name: dict[str, AtMost] = {}

    def begin(self, reading: Reading) -> None:
        super().begin(reading)
        self._holders.begin(reading)

    def on_claimed(self, event: Claimed) -> None:
        if event.name in self._others:
            return
        judge = self._by_name.get(event.name)
        if judge is None:
            judge = self._by_name[event.name] = AtMost(1, event.name, holders=self._holders)
            judge.reading = self.reading
        judge.on_claimed(event)
        self.times += 1

    def on_released(self, event: Released) -> None:
        if event.name in self._by_name:
            self._by_name[event.name].on_released(event)

    def on_end(self) -> None:
        for judge in self._by_name.values():
            self.found += judge.found
            self.remarks += judge.remarks
            for why, count in judge.checked.undecided:
                self.undecided(why, count)
