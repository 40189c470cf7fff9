"""Tests that run in many worlds: what the marks ``zk_explore`` and ``zk_sweep`` do.

The rules that live here:

- each world has its own run of the test: the fixtures of the function are made anew in it, those of
  a wider scope are there for all;
- a run fails where the test does, and where the judges find something broken in its history. With
  an exception that the mark allows it has ended early, and shown nothing;
- the test fails with what its first failure raises in the smallest world that fails so: that world
  is run once more, for the report;
- all worlds run in the process of the test: fixtures of a wider scope may be anything, and no fork
  is safe for that.
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from pytest_zkdict.marks import marked
from pytest_zkdict.replays import Replay
from pytest_zkdict.run import Run
from pytest_zkdict.shares import Part, never_seen, nothing_shown, part_of
from pytest_zkdict.virtual import arguments, may_be_simulated, program_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkfake.simulation import Exploration, Simulation, SweepFailure, SweepReport

__all__ = [
    "MAX_TIME",
    "SEARCHED",
    "Searched",
    "ended",
    "is_searched",
    "point_of",
    "pytest_pyfunc_call",
    "swept_of",
    "told_of",
    "whole_name",
]

DEFAULT_SEEDS = 100

MAX_TIME = 3600.0
"""Virtual seconds that a run of the test may take, unless a mark says otherwise: a program that
tries again and again, and never gets there, would take a minute of real time for two days.
"""

ENOUGH = 3
"""Ways of failing, after which a search stops: each of them takes a while to be explained."""

ENDED = "the test ended early: "
"""How the probes begin that count the runs that an allowed exception has ended."""


class Searched:
    """What a test has been through, for its report."""

    def __init__(self) -> None:
        self.exploration: Exploration | None = None
        self.swept: SweepReport | None = None
        self.simulation: Simulation | None = None
        """That of the world that is run for the report."""


#: A test that runs in many worlds.
SEARCHED = pytest.StashKey[Searched]()


def is_searched(item: pytest.Item) -> bool:
    """Whether a mark has the test run in many worlds, or may have. A mark of a module or a class is
    not meant for those of its tests that have nothing to simulate.
    """
    wanted = marked(item)
    return (wanted.explore is not None or wanted.sweep is not None) and may_be_simulated(item)


class _Ended(SystemExit):
    """The test has said that it is not to be run: no other world is asked."""

    def __init__(self, outcome: BaseException) -> None:
        super().__init__()
        self.outcome = outcome


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Runs a test that is marked in its worlds. Whoever calls functions otherwise, such as plugins
    for asyncio, calls it in each.
    """
    __tracebackhide__ = True
    if SEARCHED in pyfuncitem.stash or not is_searched(pyfuncitem):
        return None
    pyfuncitem.stash[SEARCHED] = Searched()
    try:
        _search(pyfuncitem)
    except _Ended as ended:
        raise ended.outcome from None
    return True


def _search(item: pytest.Function) -> None:
    __tracebackhide__ = True
    run = Run.of(item.config)
    if run.options.replay is not None:
        _run_in(item, run.options.replay)
    elif marked(item).explore is not None:
        _explore(item, run)
    else:
        _sweep(item, run)


def _world_of(item: pytest.Function, run: Run) -> dict[str, Any]:
    """The arguments of the simulations of a test."""
    given = arguments(run, item)
    if marked(item).explore is None:
        return {"max_time": MAX_TIME, **given}
    given.pop("seed", None)
    return {"profile": "swarm", "max_time": MAX_TIME, **given}


def _run_in(item: pytest.Function, replay: Replay) -> None:
    """Run the test in one world, as in a search."""
    __tracebackhide__ = True
    from zkfake import simulation as zkfake

    run = Run.of(item.config)
    program = _SearchedTest(item)
    given = replay.arguments(_world_of(item, run))
    wrong = ""  # outside of the except block: the report would show the cause first
    try:
        if replay.point is not None:
            zkfake.replay(program, allow=program.allow, pause_at=run.options.break_at, **given)
        else:
            simulation = zkfake.Simulation(**given)
            simulation.quiet = True  # the report tells of it
            simulation._failures.allowed = program.allow  # noqa: SLF001  # as in a search
            with simulation:
                replay.begin(simulation)
                simulation._keep_lines()  # noqa: SLF001  # as a search does for its explanations
                if run.options.break_at is not None:
                    simulation.pause_at(run.options.break_at)
                with suppress(*program.allow):
                    program(simulation)
    except (TypeError, ValueError) as error:
        if error is program.raised:
            raise
        wrong = str(error)
    if wrong:
        _fail(f"--zk-replay: {wrong}")


class _SearchedTest:
    """A test, as a search runs it."""

    def __init__(self, item: pytest.Function) -> None:
        self._item = item
        self._run = program_of(item)
        wanted = marked(item)
        search = wanted.sweep if wanted.explore is None else wanted.explore
        self.allow = _allowed((search or {}).get("allow", ()))
        self.__name__ = item.originalname
        self.raised: BaseException | None = None
        """What the last run has failed with."""

    def __call__(self, simulation: Simulation) -> None:
        __tracebackhide__ = True
        self._item.stash[SEARCHED].simulation = simulation
        _forget_output(self._item)
        try:
            self._whole(simulation)
        except BaseException as error:
            self.raised = error
            raise

    def _whole(self, simulation: Simulation) -> None:
        __tracebackhide__ = True
        try:
            self._run(simulation)
        except (pytest.skip.Exception, pytest.xfail.Exception, pytest.exit.Exception) as outcome:
            raise _Ended(outcome) from None
        except self.allow as error:
            simulation.reachable(ENDED + type(error).__name__)
            simulation.history.check().raise_if_broken()
            raise
        simulation.history.check().raise_if_broken()


def _allowed(allow: tuple[type[BaseException], ...]) -> tuple[type[BaseException], ...]:
    """Whoever allows all errors of kazoo allows the one that its clients fail to start with, too:
    it is none of its `KazooException`.
    """
    from kazoo.exceptions import KazooException
    from kazoo.handlers.threading import KazooTimeoutError

    return (*allow, KazooTimeoutError) if KazooException in allow else allow


def _forget_output(item: pytest.Item) -> None:
    """What a run has printed and logged is of no interest, but for that of the last one."""
    plugins = item.config.pluginmanager
    capture: Any = plugins.getplugin("capturemanager")
    if capture is not None and capture.is_globally_capturing():
        capture.read_global_capture()
    logs: Any = plugins.getplugin("logging-plugin")
    if logs is not None and hasattr(logs, "report_handler"):
        logs.report_handler.reset()


def _seeds(wanted: dict[str, Any], run: Run, part: Part) -> tuple[Iterable[int], float | None]:
    """The seeds, and the budget."""
    budget = wanted.get("budget", run.options.budget)
    seeds = wanted.get("seeds", run.options.seeds)
    if seeds is None and budget is None:
        seeds = DEFAULT_SEEDS
    if seeds is None:
        return count(part.number - 1, part.of), budget
    every = range(seeds) if isinstance(seeds, int) else seeds
    return every[part.number - 1 :: part.of], budget


def _explore(item: pytest.Function, run: Run) -> None:
    __tracebackhide__ = True
    from zkfake.simulation import explore

    wanted = dict(marked(item).explore or {})
    seeds, budget = _seeds(wanted, run, part_of(item))
    program = _SearchedTest(item)
    found = explore(
        program,
        seeds=seeds,
        budget=budget,
        jobs=1,
        stop_after=ENOUGH,
        demand=wanted.get("demand", ()),
        allow=program.allow,
        **_world_of(item, run),
    )
    item.stash[SEARCHED].exploration = found
    if found.stopped == "Ctrl-C":
        raise KeyboardInterrupt
    if found.failures:
        _run_in(item, Replay.parse(found.failures[0].world))
        raise found.failures[0].error  # it depends on more than the seed
    if part_of(item).of > 1:
        return  # what the others have seen counts, too
    if ended(found) == found.runs:
        _fail(nothing_shown(found.runs))
    if found.missing:
        _fail(never_seen(found.missing, found.probes, found.runs, ended(found)))


def _fail(text: str) -> None:
    """Not hidden from tracebacks: of one with no line at all pytest says that all are hidden."""
    pytest.fail(text, pytrace=False)


def ended(found: Exploration) -> int:
    """How many runs an allowed exception has ended."""
    return sum(times for name, times in found.probes.items() if name.startswith(ENDED))


def told_of(item: pytest.Item) -> dict[str, Any] | None:
    """What the report of an explored test tells the process that hears of all its parts; plain
    values, as xdist can send them.
    """
    searched = item.stash.get(SEARCHED, None)
    if searched is None or searched.exploration is None:
        return None
    found, part = searched.exploration, part_of(item)
    return {
        "test": whole_name(item),
        "of": part.of,
        "runs": found.runs,
        "failed": found.failed,
        "ended": ended(found),
        "seconds": found.seconds,
        "probes": {name: n for name, n in found.probes.items() if not name.startswith(ENDED)},
        "demand": list((marked(item).explore or {}).get("demand", ())),
        "cause": str(found.failures[0].cause) if found.failures else "",
    }


def swept_of(item: pytest.Item) -> dict[str, Any] | None:
    """What the report of a swept test tells the process that prints the summary, as `told_of`."""
    searched = item.stash.get(SEARCHED, None)
    if searched is None or searched.swept is None:
        return None
    return {
        "test": item.nodeid,
        "runs": searched.swept.runs,
        "failed": len(searched.swept.failures),
        "stopped": searched.swept.stopped,
    }


def whole_name(item: pytest.Item) -> str:
    """The name of a test without that of its part."""
    part = part_of(item)
    if part.of == 1:
        return item.nodeid
    text = re.escape(f"part{part.number}of{part.of}")
    return re.sub(rf"\[{text}\]|-{text}(?=[-\]])|{text}-", "", item.nodeid)


def _sweep(item: pytest.Function, run: Run) -> None:
    __tracebackhide__ = True
    from zkfake.simulation import ALL, sweep

    wanted = dict(marked(item).sweep or {})
    if wanted.get("faults") == "all":
        wanted["faults"] = ALL
    wanted.pop("allow", None)
    program = _SearchedTest(item)
    swept = sweep(
        program,
        allow=program.allow,
        budget=run.options.budget,
        **wanted,
        **_world_of(item, run),
    )
    item.stash[SEARCHED].swept = swept
    if swept.stopped == "Ctrl-C":
        raise KeyboardInterrupt
    if swept.failures:
        _run_in(item, Replay.parse(point_of(swept.failures[0])))
        raise swept.failures[0].error  # it depends on more than the seed


def point_of(failure: SweepFailure) -> str:
    """A point of a sweep, as ``--zk-replay`` takes it."""
    given: dict[str, Any] = {}
    if failure.fault is not None:
        given = {"request": failure.request, "fault": failure.fault.name}
    if failure.then is not None:
        given["then"] = (failure.then[0], failure.then[1].name)
    if failure.schedule:
        given["schedule"] = failure.schedule
    return f"replay({', '.join(f'{name}={value!r}' for name, value in given.items())})"
