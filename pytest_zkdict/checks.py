"""What is known to be wrong before the first test.

The rules that live here:

- a mark on a test function that nothing in the test can obey is a usage error, and so is a mark
  that contradicts a fixture. A mark of a class or a module may be meant for some of its tests only,
  and a test that calls ``request.getfixturevalue`` may get any fixture: these are not judged;
- a setting, a version or a profile that no fake and no simulation can have is a usage error. The
  error names the test, or the option that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_zkdict import marks, unittests
from pytest_zkdict.fixtures import ONLY_ON
from pytest_zkdict.virtual import arguments, is_dynamic, is_simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pytest_zkdict.marks import Marked
    from pytest_zkdict.run import Run

__all__ = ["Checks"]

_SERVER = "a fixture with a server, such as zk_client or zk_dict"


class Checks:
    """The checks of one collection. What is the same for many tests is checked once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._done: set[str] = set()

    def check(self, item: Any) -> None:
        """Raises `pytest.UsageError` for a test that cannot be as its marks and settings say."""
        try:
            self._check(item, getattr(item, "fixturenames", ()))
        except ValueError as error:
            raise pytest.UsageError(f"{item.nodeid}: {error}") from None

    def _check(self, item: Any, names: Collection[str]) -> None:
        marked = marks.marked(item)
        own = list(_own(item))
        if own and not is_dynamic(item):
            for mark, argument in own:
                _check_effect(mark, argument, names, marked)
        _check_backend(marked, names)
        if "_zk_target" in names and "fake" in self._backends(item):
            self._check_fake(marked)
        if "zk_simulation" in names or is_simulated(item):
            self._check_simulation(item, marked)
        _check_searches(item, marked, names)

    def _backends(self, item: Any) -> Collection[str]:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        return {target.backend for name, target in parameters.items() if name == "_zk_target"}

    # -- settings, versions, profiles

    def _check_fake(self, marked: Marked) -> None:
        from pytest_zkdict.servers import FakeServer

        options = self._run.options
        self._option("version", lambda: FakeServer.check({}, version=options.version))
        self._option("settings", lambda: FakeServer.check(options.settings, version=None))
        if marked.server.keys() & {"version", "settings"}:
            spec = self._run.spec(self._run.target("fake", marked))
            self._once(
                f"the fake {spec.key}",
                lambda: FakeServer.check(spec.settings, version=spec.version),
            )

    def _check_simulation(self, item: Any, marked: Marked) -> None:
        options = self._run.options
        given_of_run = {"profile", "version", "settings", "break"}
        if not marked.simulation and not options.given.keys() & given_of_run:
            return
        try:
            from zkfake._simulation.breaks import Break
            from zkfake.simulation import Simulation
        except ImportError:
            return  # the fixture tells what is missing
        self._option("profile", lambda: Simulation(profile=options.profile or ""))
        self._option("version", lambda: Simulation(version=options.version or ""))
        self._option("settings", lambda: Simulation(settings=options.settings))
        self._option("break", lambda: Break.parse(options.break_at or ""))
        if marked.simulation:
            given = arguments(self._run, item)
            self._once(f"a simulation {sorted(given.items())!r}", lambda: Simulation(**given))

    def _option(self, name: str, make: Callable[[], object]) -> None:
        """Check what a setting of the run has."""
        given = self._run.options.given.get(name)
        if given is not None:
            try:
                self._once(f"the option {name}", make)
            except ValueError as error:
                source, text = given
                raise pytest.UsageError(f"{source} is {text!r}; {error}") from None

    def _once(self, key: str, make: Callable[[], object]) -> None:
        if key not in self._done:
            try:
                make()
            except TypeError as error:
                raise ValueError(str(error)) from None
            self._done.add(key)


# -- marks that nothing obeys


def _own(item: Any) -> Iterator[tuple[pytest.Mark, str]]:
    """The marks of the test function itself, each with every argument."""
    for mark in getattr(item, "own_markers", ()):
        if mark.name == "zk_backend":
            yield mark, "backend"
        elif mark.name in ("zookeeper", "zk_simulation"):
            for argument in mark.kwargs:
                yield mark, argument
        elif mark.name in ("zk_explore", "zk_sweep"):
            yield mark, ""


def _check_effect(mark: pytest.Mark, argument: str, names: Collection[str], marked: Marked) -> None:
    on_server = "_zk_target" in names
    # This run may have the test elsewhere.
    may_be_simulated = marked.backends is None or "simulation" in marked.backends
    on_simulation = "zk_simulation" in names or (on_server and may_be_simulated)
    simulated = mark.name in ("zk_simulation", "zk_explore", "zk_sweep")
    if argument in ("backend", "history"):
        missing = None if on_server else _SERVER
    elif simulated or argument in ("seed", "profile", "patch"):
        missing = None if on_simulation else "the fixture zk_simulation, or the backend simulation"
    else:
        missing = None if on_server or on_simulation else f"{_SERVER}, or zk_simulation"
    if missing is not None:
        alone = mark.name == "zk_backend" or not argument
        what = mark.name if alone else f"{mark.name}({argument}=...)"
        raise ValueError(
            f"the mark {what} has no effect: it needs {missing}, and the test has none. Name the "
            "fixture as an argument of the test, or in @pytest.mark.usefixtures(...)"
        )


def _check_searches(item: Any, marked: Marked, names: Collection[str]) -> None:
    """Whether a test can run in many worlds as its marks say."""
    searches = [f"zk_{name}" for name in ("explore", "sweep") if getattr(marked, name) is not None]
    if not searches or not ({"zk_simulation", "_zk_target"} & {*names}):
        return
    if len(searches) > 1:
        raise ValueError(
            "it has the marks zk_explore and zk_sweep; a test runs in worlds of one kind. Make two "
            "tests that call one function"
        )
    if marked.explore is not None and "seed" in marked.simulation:
        raise ValueError(
            f"its mark says seed={marked.simulation['seed']!r}, and zk_explore runs it with many "
            "seeds. For one world leave zk_explore out; for some, write zk_explore(seeds=[...])"
        )
    parent: Any = item.parent
    if not isinstance(item, pytest.Function) or unittests.is_test_case(parent):
        raise ValueError(
            f"the mark {searches[0]} is for test functions, and a method of a unittest.TestCase or "
            "a doctest is none. Make it a function"
        )
    faults = (marked.sweep or {}).get("faults")
    if faults is not None and faults != "all":
        from zkfake._simulation.faults.points import fault_point

        try:
            for fault in faults:
                fault_point(fault)
        except ValueError as error:
            raise ValueError(f"the mark zk_sweep: {error}") from None


def _check_backend(marked: Marked, names: Collection[str]) -> None:
    only = {name: backends for name, backends in sorted(ONLY_ON.items()) if name in names}
    if only and not set.intersection(*map(set, only.values())):
        told = " and ".join(f"{name} on {' and '.join(has)}" for name, has in only.items())
        raise ValueError(f"no backend has all of its fixtures: there is {told} only")
    for name, backends in only.items():
        if marked.backends is not None and not set(backends) & set(marked.backends):
            raise ValueError(
                f"its mark wants the backend {' or '.join(marked.backends)}, and the fixture "
                f"{name} is there on {' and '.join(backends)} only"
            )
