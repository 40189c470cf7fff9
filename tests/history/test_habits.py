"""The doctor finds each habit in a program that has it, by the events that show it, and nothing in
one that is right.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.client import KazooClient

from zkfake import FakeZooKeeper
from zkfake._history.detectors import callbacks, herds, leaks, outages, seen, watches, writes
from zkfake._history.diagnosing import HABITS, diagnose
from zkfake.history import History
from zkfake.proxy import ZooKeeperProxy

from . import habits
from .habits import PAIRS, Pair, history_of
from .test_docs import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._history.detector import Detector
    from zkfake.simulation import Simulation


def shown(event: Any) -> tuple[str, str]:
    """What `Pair.shows` has of an event."""
    kind = type(event).__name__
    if kind == "Committed":
        return kind, event.transaction.op.name
    return kind, getattr(event, "operation", getattr(event, "type", ""))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_habit_is_found(pair: Pair) -> None:
    diagnosis = history_of(pair.wrong).diagnose()
    assert not diagnosis
    found = {habit.name for habit in diagnosis.habits}
    assert found == {pair.habit}, str(diagnosis)
    habit = diagnosis.habits[0]
    assert tuple(map(shown, habit.evidence)) == pair.shows, str(diagnosis)
    assert pair.habit in str(diagnosis)
    assert f"advice: {habit.advice}" in str(diagnosis)


@pytest.mark.parametrize(
    "program", [each for pair in PAIRS for each in pair.right], ids=lambda program: program.__name__
)
def test_nothing_is_found_where_there_is_nothing(program: Callable[[Simulation], object]) -> None:
    diagnosis = history_of(program).diagnose()
    assert diagnosis, str(diagnosis)
    assert not diagnosis.unseen


def test_every_habit_has_programs_for_it() -> None:
    assert {pair.habit for pair in PAIRS} == {kind.name for kind in HABITS}
    for kind in HABITS:
        assert any(pair.right for pair in PAIRS if pair.habit == kind.name), kind.name


# -- planted mistakes


def _nothing(*_arguments: object) -> None:
    pass


def _unguarded(exchange: Any) -> Iterator[seen.AskedWrite]:
    for one in seen.asked_writes(exchange):
        yield one._replace(guarded=False)


MISTAKES: dict[str, tuple[Any, str, Any, Callable[[Simulation], object]]] = {
    "a watch that is set again is not noticed": (
        watches.WatchNotSetAgain,
        "on_watch_set",
        _nothing,
        habits.is_told_late,
    ),
    "a client that acts on the event is not noticed": (
        watches.WatchNotSetAgain,
        "on_sent",
        _nothing,
        habits.waits_for_one_change,
    ),
    "a look before counts as one after": (
        watches,
        "AT_ONCE",
        -1.0,
        habits.reads_and_then_watches,
    ),
    "versions are not looked at": (
        writes,
        "asked_writes",
        _unguarded,
        habits.checks_in_the_transaction,
    ),
    "a look before the retry is not noticed": (
        writes,
        "CHILD",
        "no table",
        habits.looks_before_it_creates_again,
    ),
    "the time after a reply does not count": (
        callbacks.BlockingCallback,
        "on_reply",
        _nothing,
        habits.sleeps_in_a_callback,
    ),
    "a list of names does not show what is there": (
        outages,
        "parent_of",
        lambda path: path,
        habits.lists_after_a_lost_write,
    ),
    "what waited for a connection is not known": (
        outages.UncheckedWrite,
        "on_queued",
        _nothing,
        habits.writes_while_suspended,
    ),
    "deletes are not noticed": (
        leaks.LeakedEphemerals,
        "on_write",
        _nothing,
        habits.deletes_its_ephemerals,
    ),
    "a watch stays when it is told": (
        leaks.LeakedWatches,
        "on_watch_told",
        _nothing,
        habits.waits_for_what_comes,
    ),
    "a session that holds something is idle": (
        leaks.LeakedSessions,
        "_is_used",
        _nothing,
        habits.holds_something_with_each,
    ),
    "a herd is larger than any": (herds, "HERD", 100, habits.all_watch_one_queue),
    "the limit is what is near to it": (
        writes,
        "LARGE",
        writes.MAX_BUFFER,
        habits.writes_a_large_znode,
    ),
    "a child's watch stays when it is told": (
        watches.WatchForEachChild,
        "on_watch_told",
        _nothing,
        habits.watches_one_child_after_the_other,
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, instead, program = MISTAKES[name]
    history = history_of(program)
    found = bool(history.diagnose().habits)
    monkeypatch.setattr(where, what, instead)
    assert bool(history.diagnose().habits) != found


# -- other histories


def test_the_same_is_found_without_the_log() -> None:
    """But for what takes it: a delete of what another one has made."""
    for pair in PAIRS:
        if pair.wrong in (habits.deletes_what_another_has_made, habits.all_watch_one_queue):
            continue
        diagnosis = diagnose(iter(history_of(pair.wrong)), has_log=False)
        assert {habit.name for habit in diagnosis.habits} == {pair.habit}, str(diagnosis)


def test_a_loaded_history_has_the_same_diagnosis(tmp_path: Path) -> None:
    history = history_of(habits.reads_and_sets)
    history.save(tmp_path / "h")
    diagnosis = history.diagnose()
    assert History.load(tmp_path / "h").diagnose() == diagnosis
    assert pickle.loads(pickle.dumps(diagnosis)) == diagnosis
    assert repr(diagnosis) == repr(history_of(habits.reads_and_sets).diagnose())


def test_in_real_time() -> None:
    with FakeZooKeeper(history=True) as fake, ZooKeeperProxy(fake.hosts, history=True) as proxy:
        client = KazooClient(proxy.hosts)
        client.start()
        try:
            session = client.client_id[0]
            client.create("/config", b"")
            client.get("/config")
            client.exists("/config", watch=habits.ignore)
        finally:
            client.stop()
            client.close()
        for history in (fake.history, proxy.history):
            assert history is not None
            diagnosis = history.diagnose()
            (habit,) = diagnosis.habits
            assert habit.text.startswith(f"session {session:#x} read /config ")
            unseen = dict(diagnosis.unseen)
            assert "a blocking callback" in unseen
            assert ("check then act without a version" in unseen) == (history.log is None)
            assert "a blocking callback: it was not looked for: only simulations" in str(diagnosis)


def test_what_is_found_often_is_counted() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client("c")
        for number in range(12):
            client.create(f"/large{number}", bytes(writes.LARGE))
            client.set(f"/large{number}", bytes(writes.LARGE))

    diagnosis = history_of(program).diagnose()
    assert len(diagnosis.habits) == 10
    assert diagnosis.more == (("a large payload", 4),)
    assert "a large payload: 4 more" in str(diagnosis)


# -- the page

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_the_example_of_the_page() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (told,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert told == str(run(example)["diagnosis"])


@pytest.mark.parametrize("kind", HABITS, ids=lambda kind: kind.name)
def test_every_habit_is_on_the_page(kind: type[Detector]) -> None:
    assert f"\n## {kind.name[0].upper()}{kind.name[1:]}\n" in PAGE
    assert kind().link == f"docs/doctor.md#{kind.name.replace(' ', '-')}"
    assert kind.__doc__ is not None
    assert "Matched: " in kind.__doc__
    assert "Not matched: " in kind.__doc__
