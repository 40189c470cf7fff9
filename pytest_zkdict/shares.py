"""Explored tests under pytest-xdist: their worlds are shared out. The summary of searched tests.

pytest-xdist gives a test to one worker, and a worker only tests that all of them have collected. So
a test whose worlds are to be shared is as many tests as there are workers, its parts:
``test_it[part1of4]``. With 100 seeds, the second of four has the seeds 1, 5, 9 and so on.

The rules that live here:

- a probe that is demanded has to fire in some part, not in each; and some part has to reach the
  end of the test. So it is judged when all parts have ended, by the process that hears of all;
- what several parts find in the same way is told of once at length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_zkdict.marks import marked
from pytest_zkdict.run import Run
from pytest_zkdict.virtual import may_be_simulated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _pytest.terminal import TerminalReporter

__all__ = ["Part", "SearchedTests", "_zk_part", "never_seen", "nothing_shown", "part_of", "share"]

PARAMETER = "_zk_part"
"""The fixture that makes a test several ones."""


@pytest.fixture
def _zk_part(request: pytest.FixtureRequest) -> Any:
    """The part of an explored test; see `share`."""
    return request.param


class Part(NamedTuple):
    """One of the tests that share the worlds of a test."""

    number: int = 1
    of: int = 1


def share(metafunc: pytest.Metafunc) -> None:
    """Make the parts of an explored test, in a worker of pytest-xdist."""
    workers = getattr(metafunc.config, "workerinput", {}).get("workercount", 1)
    if workers == 1 or Run.of(metafunc.config).options.replay is not None:
        return
    try:
        explore = marked(metafunc.definition).explore
    except pytest.UsageError:
        return  # it is reported once everything is collected
    if explore is None or not may_be_simulated(metafunc.definition):
        return
    parts = [Part(number, workers) for number in range(1, workers + 1)]
    metafunc.fixturenames.append(PARAMETER)
    metafunc.parametrize(
        PARAMETER, parts, ids=[f"part{part.number}of{part.of}" for part in parts], indirect=True
    )


def part_of(item: Any) -> Part:
    """Which part of a test it is; a whole one is the only part."""
    found: Part = getattr(getattr(item, "callspec", None), "params", {}).get(PARAMETER, Part())
    return found


class _Explored:
    """What is known of one test by now."""

    def __init__(self, of: int) -> None:
        self.is_shared = of > 1
        self.missing_parts = of
        self.runs = 0
        self.failed = 0
        self.seconds = 0.0
        self.ended = 0
        self.probes: dict[str, int] = {}
        self.demand: list[str] = []
        self.causes: dict[str, str] = {}
        """The part that first told of each."""

    def add(self, told: dict[str, Any]) -> None:
        self.missing_parts -= 1
        self.runs += told["runs"]
        self.failed += told["failed"]
        self.ended += told["ended"]
        self.seconds = max(self.seconds, told["seconds"])
        self.demand = told["demand"]
        for name, times in told["probes"].items():
            self.probes[name] = self.probes.get(name, 0) + times


class SearchedTests:
    """The explored and the swept tests of a run, in the process that hears of all of them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._explored: dict[str, _Explored] = {}
        self._swept: list[dict[str, Any]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps what a report tells of a swept test, and adds up that of an explored one."""
        if (swept := getattr(report, "zk_swept", None)) is not None:
            self._swept.append(swept)
        told: dict[str, Any] | None = getattr(report, "zk_explored", None)
        if told is None:
            return
        test = self._explored.setdefault(told["test"], _Explored(told["of"]))
        test.add(told)
        if report.failed and (cause := told["cause"]):
            first = test.causes.setdefault(cause, report.nodeid)
            if first != report.nodeid:
                report.longrepr = f"{cause}: as in {first}, which tells of it"
                report.sections = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fails the tests whose parts have not seen, together, what they had to see."""
        for name, test in self._explored.items():
            for wrong in _wrong(test):
                report = pytest.TestReport(
                    name, (name.partition("::")[0], None, name), {}, "failed", wrong, "call"
                )
                self._config.hook.pytest_runtest_logreport(report=report)
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Says in how many worlds and runs tests were searched, which sweeps are not complete, and
        with ``-v`` what each test has seen.
        """
        worlds = sum(test.runs for test in self._explored.values())
        explored = [_told(name, test) for name, test in self._explored.items()]
        self._summarise(terminalreporter, f"explored in {_counted(worlds, 'world')}", explored)
        runs = sum(swept["runs"] for swept in self._swept)
        sweeps = list(map(_of_sweep, self._swept))
        stopped = [_of_sweep(swept) for swept in self._swept if swept["stopped"]]
        self._summarise(terminalreporter, f"swept in {_counted(runs, 'run')}", sweeps, stopped)

    def _summarise(
        self, reporter: TerminalReporter, how: str, lines: list[str], always: Iterable[str] = ()
    ) -> None:
        """``lines``: one for each test; ``always``: those that are shown without ``-v``, too."""
        if not lines:
            return
        title = f"zookeeper: {_counted(len(lines), 'test')} {how}"
        if self._config.get_verbosity() > 0:
            reporter.section(title)
            for line in lines:
                reporter.write_line(line)
        else:
            reporter.write_line(title)
            for line in always:
                reporter.write_line(f"zookeeper: {line}")


def _wrong(test: _Explored) -> Iterator[str]:
    """What is wrong with a test of several parts that none of them can know."""
    if test.missing_parts or not test.is_shared:
        return
    if test.ended == test.runs:
        yield nothing_shown(test.runs)
    elif missing := [name for name in test.demand if not test.probes.get(name)]:
        yield never_seen(missing, test.probes, test.runs, test.ended)


def never_seen(names: Iterable[str], probes: Mapping[str, int], runs: int, ended: int) -> str:
    """What is wrong where probes never fired. ``ended``: how many runs have ended early."""
    from zkfake._search.exploration import missed

    early = f" ({ended} ended early, with an error that the mark allows)" if ended else ""
    head = f"demanded, and never seen in {_counted(runs, 'world')}{early}:"
    return "\n".join([head, *(f"- {missed(name, probes)}" for name in names)])


def nothing_shown(runs: int) -> str:
    """What is wrong where every run has ended early."""
    return (
        f"no run of {runs} has reached the end of the test: each ended with an exception that "
        "allow= names"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _of_sweep(swept: dict[str, Any]) -> str:
    line = f"{swept['test']}: {_counted(swept['runs'], 'run')}, {swept['failed']} failed"
    return f"{line}; not complete: {swept['stopped']}" if swept["stopped"] else line


def _told(name: str, test: _Explored) -> str:
    worlds = _counted(test.runs, "world")
    early = f", {test.ended} ended early" if test.ended else ""
    head = f"{name}: {worlds}, {test.failed} failed{early}, {test.seconds:.1f} s"
    often = sorted(test.probes.items(), key=lambda each: (-each[1], each[0]))
    seen = ", ".join(f"{probe} {times}" for probe, times in often if times)
    return f"{head}; seen: {seen}" if seen else head
