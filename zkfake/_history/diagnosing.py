"""All the detectors on one history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.detectors.callbacks import BlockingCallback
from zkfake._history.detectors.herds import Herd
from zkfake._history.detectors.leaks import LeakedEphemerals, LeakedSessions, LeakedWatches
from zkfake._history.detectors.outages import UncheckedWrite
from zkfake._history.detectors.seen import ClientSide, TellsOfWatches, TellsOfWrites
from zkfake._history.detectors.watches import ReadThenWatch, WatchForEachChild, WatchNotSetAgain
from zkfake._history.detectors.writes import CheckThenAct, LargePayload, RepeatedWrite
from zkfake._history.diagnosis import Diagnosis
from zkfake._history.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkfake._history.detector import Detector
    from zkfake._history.events import Event, Logged

__all__ = ["HABITS", "WINDOW", "diagnose"]

WINDOW = 1_000
"""Transactions back, up to which a state can be asked for."""

HABITS: tuple[type[Detector], ...] = (
    WatchNotSetAgain,
    ReadThenWatch,
    CheckThenAct,
    RepeatedWrite,
    BlockingCallback,
    UncheckedWrite,
    LeakedEphemerals,
    LeakedWatches,
    LeakedSessions,
    Herd,
    LargePayload,
    WatchForEachChild,
)
"""What is looked for in every history."""


def diagnose(
    entries: Iterable[Event | Logged], *, has_log: bool, window: int = WINDOW
) -> Diagnosis:
    """Look for habits in a history, read once from its beginning to its end.

    Cost: linear in the history; memory: bounded by ``window``, the connections that are open at one
    time, their watches, and the znodes that there are.
    """
    detectors = [kind() for kind in HABITS]
    reading = Reading(has_log, False, window, keep_sent=False)
    client_side = ClientSide()
    for each in (client_side, TellsOfWrites(), TellsOfWatches(), *detectors):
        each.begin(reading)
    reading.read(entries)
    habits = [habit for each in detectors for habit in each.found]
    return Diagnosis(
        reading.events,
        tuple(sorted(habits, key=lambda habit: habit.evidence[-1].time)),
        tuple((each.name, each.more) for each in detectors if each.more),
        tuple(
            (each.name, why)
            for each in detectors
            for why in (
                "" if client_side.recorded else each.without_client,
                "" if has_log else each.without_log,
            )
            if why
        ),
    )
