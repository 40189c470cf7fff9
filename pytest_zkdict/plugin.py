"""The pytest plugin: its hooks. The fixtures are in `fixtures`.

The rules that live here:

- a test that uses a server runs once on each backend and has the backend's name in its id;
- a mark with wrong arguments, or without effect, ends the run before its first test, and names the
  test; so does a setting that cannot be.

pytest loads this module, and those it imports, into every run where the package is installed. So
they import nothing but pytest. kazoo, Hypothesis and the fake are imported when a test asks for
them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_zkdict import marks, options, unittests
from pytest_zkdict.fixtures import *  # noqa: F403  # pytest looks for fixtures here
from pytest_zkdict.fixtures import ONLY_ON
from pytest_zkdict.reports import pytest_runtest_makereport
from pytest_zkdict.run import Run
from pytest_zkdict.searching import pytest_pyfunc_call
from pytest_zkdict.shares import SearchedTests, _zk_part, share

if TYPE_CHECKING:
    from collections.abc import Generator

    import pluggy

    from pytest_zkdict.checks import Checks
    from pytest_zkdict.run import Target

__all__ = ["_zk_part", "pytest_pyfunc_call", "pytest_runtest_makereport"]


#: What is wrong with the marks of a test.
_WRONG = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for line in marks.LINES:
        config.addinivalue_line("markers", line)
    Run.begin(config, options.resolve(config))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SearchedTests(config), "zookeeper searched tests")


def pytest_unconfigure(config: pytest.Config) -> None:
    Run.end(config)


def pytest_report_header(config: pytest.Config) -> str:
    return options.header(Run.of(config).options)


# -- one test, several backends


def _targets(node: Any) -> tuple[list[Target], str | None]:
    """What one test runs on, and why it does not run at all."""
    try:
        wanted = marks.marked(node)
    except pytest.UsageError:
        wanted = marks.Marked()  # it is reported once everything is collected
    is_virtual = (
        "zk_simulation" in node.fixturenames
        or wanted.backends == ("simulation",)
        or wanted.explore is not None
        or wanted.sweep is not None
    )
    for name, backends in ONLY_ON.items():
        if name in node.fixturenames:
            both = [each for each in backends if each in (wanted.backends or backends)]
            wanted.backends = tuple(both) or backends  # `Checks` tells of a contradiction
    return Run.of(node.config).targets(wanted, is_virtual=is_virtual)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    share(metafunc)
    if "_zk_target" not in metafunc.fixturenames:
        return
    targets, reason = _targets(metafunc.definition)
    skip = () if reason is None else (pytest.mark.skip(reason=reason),)
    metafunc.parametrize(
        "_zk_target",
        [pytest.param(target, id=target.backend, marks=skip) for target in targets],
        indirect=True,
        # Of the session, so that pytest runs all tests of one backend side by side.
        scope="session",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pluggy.Result[pytest.CollectReport], None]:
    outcome = yield
    report = outcome.get_result()
    if report.passed and unittests.is_test_case(collector):
        report.result = unittests.expand(report.result, _targets)


@pytest.hookimpl(trylast=True)  # what -k and -m leave out is not judged
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # kazoo's threads draw from the global random generator, and Hypothesis takes that for a
    # strategy's doing when it happens while an example is drawn.
    innocent = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
    checks: Checks | None = None
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "_zk_target" in names:
            item.add_marker(innocent)
            _isolate(item)
        elif "zk_simulation" not in names and not marks.is_marked(item):
            continue
        if checks is None:
            from pytest_zkdict.checks import Checks

            checks = Checks(Run.of(config))
        try:
            checks.check(item)
        except pytest.UsageError as error:
            if not hasattr(config, "workerinput"):
                raise
            item.stash[_WRONG] = str(error)  # a worker of xdist has no way to end the run


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if (wrong := item.stash.get(_WRONG, None)) is not None:
        pytest.fail(wrong, pytrace=False)
    run = Run.of(item.config)
    if run.started:
        run.pool.requests.begin()  # a server may fail to start before the test's own fixtures begin


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Faults end before the first fixture does: clients stop, and znodes go, without them."""
    run = Run.of(item.config)
    if run.started:
        run.pool.heal()


def _isolate(item: Any) -> None:
    """Have `_zk_isolation` begin after all fixtures of a wider scope, and end after all others."""
    names, definitions = item.fixturenames, item._fixtureinfo.name2fixturedefs  # noqa: SLF001
    with suppress(ValueError):
        names.remove("_zk_isolation")
    wider = [
        name for name in names if name in definitions and definitions[name][-1].scope != "function"
    ]
    names.insert(names.index(wider[-1]) + 1 if wider else 0, "_zk_isolation")
