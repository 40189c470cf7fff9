"""What judging, and looking for habits, keeps in memory does not grow with the history."""

from __future__ import annotations

import gc
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.support.garbage import only_new_garbage
from zkfake._history.checking import check
from zkfake._history.diagnosing import diagnose

from .streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake.history import Committed, Event, Verdict


T = TypeVar("T")


def measured(
    events: int, log: bool, use: Callable[[Iterator[Event | Committed]], T]
) -> tuple[T, int]:
    """What it returns, and the most bytes that it keeps at a time, garbage apart."""
    most = 0

    def looked_at() -> Iterator[Event | Committed]:
        nonlocal most
        for number, event in enumerate(stream(events, log)):
            if number % 100 == 0:
                gc.collect()
                most = max(most, tracemalloc.get_traced_memory()[0])
            yield event

    with only_new_garbage():
        tracemalloc.start()
        try:
            result = use(looked_at())
        finally:
            tracemalloc.stop()
    return result, most


def judged(events: int, log: bool) -> tuple[Verdict, int]:
    return measured(events, log, partial(check, has_log=log, complete=True, window=50))


@pytest.mark.parametrize("log", [True, False])
def test_the_memory_of_the_doctor_is_bounded(log: bool) -> None:
    doctor = partial(diagnose, has_log=log, window=50)
    (_, short), (diagnosis, long) = measured(1_000, log, doctor), measured(4_000, log, doctor)
    assert diagnosis.events == 4_000 + 12
    assert long < 1.3 * short


def test_memory_is_bounded_with_a_log() -> None:
    (verdict, short), (_, long) = judged(1_000, log=True), judged(4_000, log=True)
    assert verdict
    assert long < 1.3 * short


def test_memory_is_bounded_without_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkfake._history.judges.facts._MOST", 20)
    monkeypatch.setattr("zkfake._history.known._MOST", 20)
    (verdict, short), (_, long) = judged(1_000, log=False), judged(4_000, log=False)
    assert verdict
    assert long < 1.3 * short


@pytest.mark.parametrize("log", [True, False])
def test_every_event_is_judged(log: bool) -> None:
    verdict, _ = judged(2_000, log)
    checked = {each.judge: each.times for each in verdict.checked}
    assert verdict.events == 2_000 + 12
    assert checked["states are true" if log else "clients agree"] >= 500
    assert checked["writes in order"] == 500
