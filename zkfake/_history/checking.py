"""All the judges on one history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.judges.claims import AtMost, Exclusive
from zkfake._history.judges.dicts import (
    DictJudge,
    DictNeverBack,
    DictReadsItsWrites,
    DictStatesExisted,
    DictSyncs,
)
from zkfake._history.judges.elections import (
    ElectedByAMajority,
    FollowedByAQuorum,
    NobodyHearsThroughACut,
    OneLeaderAnEpoch,
)
from zkfake._history.judges.facts import ClientsAgree
from zkfake._history.judges.members import MembersAreAgreed, ServersApplyTheLog
from zkfake._history.judges.numbers import SequenceNumbersGrow
from zkfake._history.judges.order import NeverBack, RepliesInOrder, WritesInOrder
from zkfake._history.judges.quorums import CommittedByAQuorum
from zkfake._history.judges.sessions import (
    EndsAreTrue,
    EphemeralsEnd,
    NotExpiredEarly,
    SyncIsABarrier,
    ViewsAreTimely,
)
from zkfake._history.judges.state import Acknowledged, CarriedOutOnce, StatesAreTrue
from zkfake._history.judges.watches import WatchesAreTold
from zkfake._history.reading import WINDOW, Reading
from zkfake._history.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkfake._history.events import Event, Logged
    from zkfake._history.judge import Judge
    from zkfake._history.promises import Promise

__all__ = ["AMONG_SERVERS", "GUARANTEES", "OF_DICTS", "check"]

AMONG_SERVERS: tuple[type[Judge], ...] = (
    OneLeaderAnEpoch,
    ElectedByAMajority,
    FollowedByAQuorum,
    NobodyHearsThroughACut,
    CommittedByAQuorum,
    ServersApplyTheLog,
    MembersAreAgreed,
)
"""What servers owe each other: where there is one alone there is nothing to judge."""

GUARANTEES: tuple[type[Judge], ...] = (
    RepliesInOrder,
    WritesInOrder,
    NeverBack,
    StatesAreTrue,
    ClientsAgree,
    Acknowledged,
    CarriedOutOnce,
    WatchesAreTold,
    EphemeralsEnd,
    NotExpiredEarly,
    EndsAreTrue,
    SequenceNumbersGrow,
    SyncIsABarrier,
    *AMONG_SERVERS,
)
"""What ZooKeeper promises, checked of every history."""

OF_DICTS: tuple[type[DictJudge], ...] = (
    DictReadsItsWrites,
    DictNeverBack,
    DictStatesExisted,
    DictSyncs,
)
"""What dicts promise, checked where one told what it does."""


def check(
    entries: Iterable[Event | Logged],
    promises: Iterable[Promise] = (),
    *,
    has_log: bool,
    complete: bool = False,
    timely: float | None = None,
    window: int = WINDOW,
) -> Verdict:
    """Judge a history, read once from its beginning to its end.

    Cost: linear in the history; memory: bounded by ``window``, the connections that are open at one
    time, and the znodes that there are.
    """
    judges = [kind() for kind in GUARANTEES if not (has_log and kind.needs_no_log)]
    judges += (of_dicts := [kind() for kind in OF_DICTS])
    if timely is not None:
        judges.append(ViewsAreTimely(timely))
    own = [make() for make in promises]
    claimed = frozenset(each.claims_of for each in own if isinstance(each, AtMost))
    judges += [Exclusive(claimed), *own]
    reading = Reading(has_log, complete, window)
    for judge in judges:
        judge.begin(reading)
    reading.read(entries)
    findings = [found for judge in judges for found in judge.found]
    remarks = [remark for judge in judges for remark in judge.remarks]
    idle = [judge for judge in of_dicts if not judge.dicts]
    return Verdict(
        reading.events,
        reading.transactions if has_log else None,
        tuple(judge.checked for judge in judges if judge not in idle),
        tuple(sorted(findings, key=lambda found: found.evidence[-1].time)),
        tuple(remarks),
    )
