"""The program's own promises about what it holds: `History.claim`.

A claim is good while the znode that stands for it is there, the same one as when the claim began;
one without a znode is always good. Who holds something learns late that it has lost it, a process
that stood still as late as it likes: so two claims at once break the promise only while both are
good. Those that are not are worth a remark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.errors import PromiseBroken
from zkfake._history.judge import Judge

if TYPE_CHECKING:
    from zkfake._history.events import Claimed, Logged, Released

__all__ = ["AtMost", "Exclusive"]

NO_LOG = "whether claims at one time were good: that takes the log of what was committed"


class _MadeClaim:
    __slots__ = ("by", "czxid", "made")

    def __init__(self, by: Claimed, czxid: int, made: Logged | None) -> None:
        self.by = by
        self.czxid = czxid
        """Of its znode; 0 where there was none."""
        self.made = made


class AtMost(Judge):
    """At most so many good claims of one name at one time."""

    name = "at most"
    error = PromiseBroken

    def __init__(self, limit: int, name: str, *, good: bool = True) -> None:
        super().__init__()
        if limit < 1:
            raise ValueError(f"at most {limit} of {name!r}: expected at least one")
        self._limit = limit
        self._good = good
        self.title = f"at most {limit} {name}"
        self.claims_of = name
        self._held: dict[int, _MadeClaim] = {}

    @property
    def promise(self) -> str:
        return f"at most {self._limit} at one time holds {self.claims_of!r}."

    def on_claimed(self, event: Claimed) -> None:
        if event.name != self.claims_of:
            return
        node = None if event.znode is None else self.reading.states.now(event.znode)
        made = node.entry if node is not None else None
        self._held[event.number] = _MadeClaim(event, node.czxid if node is not None else 0, made)
        self.times += 1
        if len(self._held) > self._limit:
            self._judge()

    def on_released(self, event: Released) -> None:
        self._held.pop(event.number, None)

    def _judge(self) -> None:
        """More than the limit at once. Judged when a claim begins: later a good one can only turn
        bad.
        """
        held = list(self._held.values())
        znodes = any(claim.by.znode is not None for claim in held)
        if self._good and znodes and not self.reading.has_log:
            self.undecided(NO_LOG)
            return
        stale = [claim for claim in held if self.reading.has_log and not self._is_good(claim)]
        lost = stale if self._good else []
        good = [claim for claim in held if claim not in lost]
        text = ", ".join(f"{claim.by.task}{' (lost)' if claim in stale else ''}" for claim in held)
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

    def _is_good(self, claim: _MadeClaim) -> bool:
        if claim.by.znode is None:
            return True
        node = self.reading.states.now(claim.by.znode)
        return node is not None and node.czxid == claim.czxid != 0


class Exclusive(Judge):
    """What is claimed is claimed by one at a time: for each name that no promise of the program's
    is about.
    """

    name = "claims exclude each other"
    error = PromiseBroken

    def __init__(self, others: frozenset[str]) -> None:
        super().__init__()
        self._others = others
        self._by_name: dict[str, AtMost] = {}

    def on_claimed(self, event: Claimed) -> None:
        if event.name in self._others:
            return
        judge = self._by_name.get(event.name)
        if judge is None:
            judge = self._by_name[event.name] = AtMost(1, event.name)
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
