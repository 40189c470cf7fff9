"""What the report of a failing test has besides the test's own failure: its sections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_zkdict.explained import drawn, search_sections
from pytest_zkdict.marks import marked
from pytest_zkdict.real import KEEP_IN_REAL_TIME
from pytest_zkdict.run import Run
from pytest_zkdict.searching import SEARCHED, swept_of, told_of
from pytest_zkdict.virtual import FAILED, OF_EXAMPLE, SIMULATION, is_simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    import pluggy

    from zkfake._history.events import Event, Logged
    from zkfake.history import History, Verdict
    from zkfake.simulation import Simulation

__all__ = ["pytest_runtest_makereport"]

#: Events of a history that is judged for a report: more would take seconds.
_JUDGED = 200_000

_ON_EXAMPLES = """\
The plugin's other fixtures last for a whole test, so all examples would share their znodes.
For a place of each example's own take the fixture zk_example:
    with zk_example() as example:
        example.client.create("/a")
It has client_factory, dict, faults and more; in virtual time, a simulation of its own."""

_ON_TEST_CASES = """\
unittest calls test methods without arguments. Take the fixtures in an autouse fixture of the class:
    @pytest.fixture(autouse=True)
    def _fixtures(self, zk_client):
        self.client = zk_client"""

_ON_REAL = f"""\
The test runs in virtual time, and what is real cannot take part in it. Modules of your own do once
they are named: @pytest.mark.zookeeper(patch=["shop"]), or --zk-patch=shop.
{KEEP_IN_REAL_TIME}."""

_ON_BOTH_TIMES = """\
The test has clients or servers in real time, too (zk_client, zk_dict, ...). In virtual time nothing
can wait for them: take clients from zk_simulation.client(), or leave zk_simulation out."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Keeps what a test failed with for its fixtures, and adds the sections."""
    outcome = yield
    report = outcome.get_result()
    names = getattr(item, "fixturenames", ())
    if call.when == "call":  # xdist sends what a report has
        if (told := told_of(item)) is not None:
            report.zk_explored = told  # type: ignore[attr-defined]
        if (swept := swept_of(item)) is not None:
            report.zk_swept = swept  # type: ignore[attr-defined]
    if "_zk_target" not in names and "zk_simulation" not in names:
        if call.excinfo is not None and _wants_fixtures(item, call.excinfo.value):
            report.sections.append(("unittest", _ON_TEST_CASES))
        return
    if call.when == "teardown":
        if FAILED in item.stash:
            del item.stash[FAILED]
    elif report.failed and call.excinfo is not None:
        item.stash[FAILED] = call.excinfo.value
        report.sections.extend(_sections(item, call.excinfo.value))


def _wants_fixtures(item: pytest.Item, error: BaseException) -> bool:
    """Whether a method of a `unittest.TestCase` has fixtures of ours as arguments."""
    if not isinstance(error, TypeError) or not re.search(r"missing .* argument.*'zk_", str(error)):
        return False
    from unittest import TestCase

    return issubclass(getattr(item, "cls", None) or object, TestCase)


def _of_servers(item: pytest.Item, run: Run, error: BaseException) -> Iterator[tuple[str, str]]:
    from pytest_zkdict.evidence import witnesses

    for witness in list(witnesses(run.pool, list(getattr(item, "funcargs", {}).values()))):
        server = witness.server
        yield f"ZooKeeper ({server.backend}) at {server.hosts}", _guarded(witness.tell)
    roots = [root for held in run.pool.held for root in held.chroots]
    requests = _guarded(lambda: "\n".join(run.pool.requests.lines(roots)))
    if requests:
        yield "last requests, seconds since the test began", requests
    for server in [*(held.server for held in run.pool.held), *run.pool.lent]:
        history = server.history
        if history is not None and len(history):
            title = f"history of the {server.backend} server at {server.hosts}"
            yield title, _guarded(lambda history=history: _told(history, error, roots))  # type: ignore[misc]


def _of_simulation(simulation: Simulation, test: pytest.Item, error: BaseException) -> str:
    lines = [
        f"seed {simulation.seed}; to run it again: {_again(simulation, test)}",
        f"in code: {simulation.replay}",
    ]
    if len(simulation.history):
        pool = Run.of(test.config).pool if is_simulated(test) else None
        roots = [root for held in pool.held for root in held.chroots] if pool else ()
        lines += ["", _told(simulation.history, error, roots)]
        if (directory := Run.of(test.config).options.timeline) is not None:
            lines += ["", f"A picture of it: {drawn(test, simulation, directory)}"]
    return "\n".join(lines)


def _told(history: History, error: BaseException, roots: Collection[str] = ()) -> str:
    """The story of what is broken in a history, by the verdict that the test fails with, or else by
    what ZooKeeper promises; where nothing is, the last events. Paths are told without ``roots``.
    """
    from zkfake._history.story import story
    from zkfake.history import GuaranteeBroken

    entries = list(history.in_order())
    verdict = error.verdict if isinstance(error, GuaranteeBroken) else None
    if verdict is None or not _is_of(verdict, entries):
        if len(history) > _JUDGED:
            return f"(not judged: it has {len(history)} events)"
        verdict = history.check()
    return story(entries, verdict, roots=roots)


def _is_of(verdict: Verdict, entries: list[Event | Logged]) -> bool:
    """Whether what a verdict shows is in this history."""
    there = set(map(id, entries))
    return all(id(event) in there for found in verdict.broken for event in found.evidence)


def _again(simulation: Simulation, test: pytest.Item) -> str:
    """The command. The test's marks are in the test, and ini options stay as they are."""
    import shlex

    marks = marked(test).simulation
    options = Run.of(test.config).options.given
    given = {"backend": "simulation"} if is_simulated(test) else {}
    if "seed" not in marks:
        given["seed"] = str(simulation.seed)
    for name in ("servers", "version", "settings", "profile", "patch", "load"):
        source, text = options.get(name, ("", ""))
        if source.startswith("--"):
            given[name] = text
    words = ["pytest", *(f"--zk-{name}={text}" for name, text in given.items()), test.nodeid]
    return shlex.join(words)


def _guarded(make: Callable[[], str]) -> str:
    """A report that cannot be made must not hide the test's own failure."""
    try:
        return make()
    except Exception as error:
        return f"(not known: {type(error).__name__}: {error})"


def _sections(item: pytest.Item, error: BaseException) -> Iterator[tuple[str, str]]:
    """Titles and texts. They are made while the test's servers and its simulation still are."""
    simulation = item.stash.get(SIMULATION, None) or item.stash.get(OF_EXAMPLE, None)
    if simulation is not None:
        yield "zk_simulation", _guarded(lambda: _of_simulation(simulation, item, error))
        if "_zk_target" in item.fixturenames and not is_simulated(item):  # type: ignore[attr-defined]
            yield "zk_simulation beside clients in real time", _ON_BOTH_TIMES
    if is_simulated(item) and type(error).__name__ == "SimulationBlocked":
        yield "zk_simulation and what is real", _ON_REAL
    if SEARCHED in item.stash:
        yield from search_sections(item, error)
    if type(error).__name__ == "FailedHealthCheck" and "function-scoped" in str(error):
        yield "zk_example", _ON_EXAMPLES
    run = Run.of(item.config)
    if is_simulated(item):
        return
    if run.started and "_zk_target" in item.fixturenames:  # type: ignore[attr-defined]
        for trouble in run.isolation.troubles():
            yield "zk_server", trouble
        yield from _of_servers(item, run, error)
