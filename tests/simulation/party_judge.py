"""What parties saw, and what became of the values that they wrote, by the judges of histories.

What else their writes did is read from the log, as no promise says it: which transactions were a
call's, who else may have deleted the same, what a whole state was right behind a call.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zkfake._database.log import Create, Delete, SetData
from zkfake.history import DictBroken, PromiseBroken, at_least_once, exactly_once

from .parties import COMMON, ROOT, contents, entries_of, shown

if TYPE_CHECKING:
    from zkfake.simulation import Simulation

    from .parties import Party, Write

ONCE, REPEATED, NEVER = "once", "at least once", "never"
"""How often a value has to be in the log."""

PROMISES = (
    exactly_once(f"stored {ONCE}", of=ONCE),
    at_least_once(f"stored {REPEATED}", of=REPEATED),
    exactly_once(f"stored {NEVER}", of="nothing is"),
)


def _how_often(write: Write) -> str | None:
    """How often what a call writes has to be in the log; ``None`` where nobody knows."""
    if write.outcome == "returned":
        return REPEATED if write.repeats else ONCE
    if write.outcome.startswith("raised") or write.resolved is False:
        return NEVER
    return REPEATED if write.resolved else None


class Judge:
    """What the log says of all that the parties did and saw."""

    def __init__(self, sim: Simulation, parties: list[Party]) -> None:
        self.sim = sim
        self.parties = parties
        self.log = list(sim.log)
        self.stored: dict[bytes, list[int]] = {}
        for transaction in self.log:
            for operation in transaction.operations:
                if isinstance(operation, (Create, SetData)) and operation.data:
                    self.stored.setdefault(operation.data, []).append(transaction.zxid)

    def judge(self) -> None:
        self._record()
        verdict = self.sim.history.check(*PROMISES)
        # The worlds tamper with answers: what clients saw is not judged here.
        own = (DictBroken, PromiseBroken)
        broken = [str(each) for each in verdict.broken if each.error in own]
        assert not broken, "\n".join(broken)
        for party in self.parties:
            for error in party.errors:
                if isinstance(error, AssertionError):  # of the callback
                    raise error
            assert party.followed == shown(entries_of(party.items.snapshot())), "changes told"
            if party.items.stats["forced"] == 0 and not party.jailed:
                for zxid, state in party.steps:
                    assert state == contents(self.sim, zxid), f"the changes up to {zxid}"
            for write in party.writes:
                self._judge(party, write)

    def _record(self) -> None:
        """What was to become of each value, and how often it was stored."""
        history = self.sim.history
        for party in self.parties:
            for write in party.writes:
                kind = _how_often(write)
                if kind is None:
                    continue
                for raw in write.values.values():
                    history.record(kind, raw, str(write))
                    for zxid in self.stored.get(raw, ()):
                        history.record(f"stored {kind}", raw, zxid)

    def _judge(self, party: Party, write: Write) -> None:
        self._deletes(party, write)
        if write.name == "replace_all" and write.outcome == "returned":
            self._replaced(party, write)
        if write.common is not None:
            self._common(party, write, f"{ROOT}/{write.common}")

    def _replaced(self, party: Party, write: Write) -> None:
        """Its last transaction left nothing but its values, and what was gone at its end."""
        own = [
            transaction.zxid
            for transaction in self.log
            if transaction.session_id in party.sessions
            and write.start < transaction.zxid <= write.end
            and transaction.op.name == "MULTI"  # a lease's creates come in between
            and any(isinstance(each, (Create, SetData, Delete)) for each in transaction.operations)
        ]
        if not own:
            return  # it was so already
        then, end = contents(self.sim, own[-1]), contents(self.sim, write.end)
        for key, raw in write.values.items():
            held = then[key][0] == raw or self._made_again(key, raw, then[key])
            assert held, f"{write}: {key} had {then[key]}"
        for key in then.keys() - write.values.keys():
            assert end.get(key, (b"", 0, 0, 0))[2] != then[key][2], f"{write}: {key} was left"

    def _made_again(self, key: str, raw: bytes, found: tuple[bytes, int, int, int]) -> bool:
        """Whether no check of a version can tell this znode from the one that had these bytes."""
        _, version, czxid, _ = found
        return any(
            zxid < czxid and contents(self.sim, zxid)[key][1] == version
            for zxid in self.stored.get(raw, [])
        )

    def _common(self, party: Party, write: Write, path: str) -> None:
        """Whether this party's sessions wrote it while the call was under way."""
        times = [
            transaction.zxid
            for transaction in self.log
            if transaction.session_id in party.sessions
            and write.start < transaction.zxid <= write.end
            and any(
                isinstance(operation, (Create, SetData))
                and (operation.path, operation.data) == (path, f'"{COMMON}"'.encode())
                for operation in transaction.operations
            )
        ]
        if write.outcome == "returned" or write.resolved:
            assert len(times) == 1, f"{write}: it was not applied once, but at {times}"
        elif write.outcome.startswith("raised") or write.resolved is False:
            assert not times, f"{write}: it was applied at {times}"

    def _deletes(self, party: Party, write: Write) -> None:
        """The deletes of this party's sessions while the call was under way are the call's."""
        if write.values or write.repeats or not write.deletes:
            return
        own: Counter[str] = Counter()
        unsure = 0  # deletes that a release may have made as well
        leases = (each for each in party.writes if each.name == "lease")
        leased = {raw for each in leases for raw in each.values.values()}
        made = {zxid for raw in leased for zxid in self.stored.get(raw, [])}
        for transaction in self.log:
            if transaction.session_id not in party.sessions:
                continue
            if not write.start < transaction.zxid <= write.end:
                continue
            for operation in transaction.operations:
                if isinstance(operation, Delete) and transaction.op.name != "CLOSE_SESSION":
                    key = operation.path.removeprefix(f"{ROOT}/")
                    before = contents(self.sim, transaction.zxid - 1)
                    had, _, czxid, _ = before.get(key, (b"", 0, 0, 0))
                    of_a_lease = key.startswith("lease of ") or had in leased or czxid in made
                    if of_a_lease and had != write.taken:
                        unsure += 1  # a release goes on after its call, until the key is gone
                        continue
                    own[key] += 1
                    if write.taken is not None and write.name != "claim":
                        assert had == write.taken, f"{write}: returned {write.taken!r}, had {had!r}"
        if write.outcome == "returned" and write.name != "clear":
            deleted = sum(own.values())
            assert deleted == 1 or (unsure and not deleted), f"{write}: deleted {own}"
        elif write.outcome.startswith("raised"):
            assert not own, f"{write}: deleted {own}"
        elif write.resolved is False:
            assert not own, f"{write}: resolve() lied, it deleted {own}"
