"""What the doctor finds in runs that are right: a pytest plugin, and kazoo's recipes.

``pytest -p tests.history.doctor tests/dict --zk-backend fake`` records the history of every fake
and every simulation, and lists what the doctor finds in each test. `make doctor` does that with the
tests of the dict and kazoo's own, and with worlds of the study of recipes
(``python -m tests.history.doctor``). What is found there and is right all the same stands in
`docs/doctor.md` and in `ARGUED`; anything else ends the run with 1.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import weakref
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from zkfake import FakeZooKeeper
from zkfake._history.diagnosing import diagnose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zkfake._history.events import Event, Logged
    from zkfake.history import Diagnosis, Habit, History

_PUT_TWICE = "put-twice and double, in docs/recipes.md: the doctor is right"
_ORPHAN = "orphan, in docs/recipes.md: the doctor is right"

ARGUED: dict[tuple[str, str], str] = {
    ("a watch for each child", "tests/dict/"): "kazoo has no persistent watches up to 2.11",
    ("check then act without a version", "test_predecessor.py"): "it is what the predecessor does",
    ("a repeated write", "Counter"): _PUT_TWICE,
    ("a repeated write", "LockingQueue"): _PUT_TWICE,
    ("a large payload", "test_connection_dropped"): "it sends a megabyte on purpose",
    ("a write without a look after an outage", "SetPartitioner"): _ORPHAN,
    (
        "a write without a look after an outage",
        "TreeCache",
    ): "those beside the cache write at random",
}
"""By habit and a part of the name of a test, or of a recipe: why it is found there."""


def is_argued(habit: str, where: str) -> bool:
    return any(habit == name and part in where for name, part in ARGUED)


class Doctor:
    """Diagnoses each test's part of every history."""

    def __init__(self) -> None:
        self._fakes: weakref.WeakSet[FakeZooKeeper] = weakref.WeakSet()
        self._worlds: list[History] = []
        self.found: dict[tuple[str, str], list[str]] = {}
        self.events = 0
        self._patches = pytest.MonkeyPatch()
        init = FakeZooKeeper.__init__

        def recorded(fake: FakeZooKeeper, *arguments: Any, **options: Any) -> None:
            init(fake, *arguments, **{**options, "history": True})
            self._fakes.add(fake)

        self._patches.setattr(FakeZooKeeper, "__init__", recorded)
        if find_spec("greenlet") is not None:
            self._record_simulations()

    def _record_simulations(self) -> None:
        from zkfake.simulation import Simulation

        end = Simulation._end

        def ended(sim: Simulation) -> None:
            self._worlds.append(sim.history)
            end(sim)

        self._patches.setattr(Simulation, "_end", ended)

    def end(self) -> None:
        self._patches.undo()

    def look(self, test: str) -> None:
        """At what happened since the last look."""
        for fake in list(self._fakes):
            with fake._acting():
                history = fake.history
                assert history is not None
                entries = list(history.in_order())
                history._events.clear()
                history._beside.clear()
                assert history.log is not None
                history.log.clear()
            self._look(test, entries)  # meanwhile the fake serves: sessions must not expire
        while self._worlds:
            self._look(test, list(self._worlds.pop().in_order()))

    def _look(self, test: str, entries: list[Event | Logged]) -> None:
        self.events += len(entries)
        self.add(test, diagnose(entries, has_log=True))

    def add(self, where: str, diagnosis: Diagnosis) -> None:
        for habit in diagnosis.habits:
            self.found.setdefault((habit.name, where), []).append(_text(habit))
        assert not diagnosis.more or diagnosis.habits

    def report(self) -> Iterator[str]:
        yield f"the doctor has seen {self.events} events"
        for (habit, where), texts in sorted(self.found.items()):
            mark = " (argued)" if is_argued(habit, where) else ""
            yield f"{habit}{mark}: {where}: {len(texts)}"
            if not mark:
                yield from texts[:2]

    @property
    def argued(self) -> bool:
        return all(is_argued(*each) for each in self.found)


def _text(habit: Habit) -> str:
    return "\n".join(
        [f"    {habit.text}", *(f"        {event!r:.300}" for event in habit.evidence)]
    )


# -- the plugin

_DOCTOR = pytest.StashKey[Doctor]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_DOCTOR] = Doctor()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_DOCTOR].end()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    item.config.stash[_DOCTOR].look(item.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not exitstatus and not session.config.stash[_DOCTOR].argued:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash[_DOCTOR].report():
        terminalreporter.write_line(line)


# -- the recipes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run each recipe in hostile worlds; 1 where the doctor finds what is not argued."""
    from tests.simulation.recipes.programs import RECIPES, run

    parser = argparse.ArgumentParser(prog="python -m tests.history.doctor", description=__doc__)
    parser.add_argument("--recipe", choices=RECIPES, action="append", help="default: all")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    doctor = Doctor()
    for recipe in options.recipe or RECIPES:
        for servers in (1, 3):
            for seed in range(options.first, options.first + options.seeds):
                run(recipe, servers, seed)
                doctor.look(recipe)
                gc.collect()
    doctor.end()
    sys.stdout.write("".join(f"{line}\n" for line in doctor.report()))
    return 0 if doctor.argued else 1


if __name__ == "__main__":
    sys.exit(main())


__all__ = ["ARGUED", "Doctor", "is_argued"]
