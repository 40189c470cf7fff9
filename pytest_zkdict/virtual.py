"""The fixture `zk_simulation`: a test in virtual time.

The rules that live here:

- the arguments are those of the test's marks, then those of the run's settings;
- a failure of the simulation is reported once: not again at its end when the test has failed;
- nothing of a simulation outlives its test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_zkdict.fixtures import FAILED
from pytest_zkdict.marks import marked
from pytest_zkdict.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake.simulation import Simulation

__all__ = ["SIMULATION", "arguments", "program_of", "zk_simulation"]

#: The simulation of a test that runs.
SIMULATION = pytest.StashKey["Simulation"]()
#: A simulation that somebody else has begun for the test.
_GIVEN = pytest.StashKey["Simulation"]()


@pytest.fixture
def zk_simulation(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A `zkfake.simulation.Simulation` that the test runs in: virtual time, one seed.

    ``@pytest.mark.zookeeper(seed=7, servers=3)`` chooses its arguments; ``zk_simulation(...)``
    takes those that only a simulation has. The report of a failing test has the seed, and the
    command that runs it again.
    """
    __tracebackhide__ = True
    if "zk_faults" in request.fixturenames:
        pytest.fail(
            "zk_faults are the faults of a server in real time; those of a simulation are "
            "zk_simulation.faults",
            pytrace=False,
        )
    if "zk_history" in request.fixturenames:
        pytest.fail(
            "zk_history is the history of a server in real time; that of a simulation is "
            "zk_simulation.history",
            pytrace=False,
        )
    given = arguments(Run.of(request.config), request.node)
    load = given.pop("load", None)
    stash = request.node.stash
    if _GIVEN in stash:
        if load:
            stash[_GIVEN].load(load)
        stash[SIMULATION] = stash[_GIVEN]
        yield stash[_GIVEN]
        del stash[SIMULATION]
        return
    # Outside of the except block: the report would show the cause first, and at length.
    refused = ""
    try:
        from zkfake.simulation import Simulation

        simulation = Simulation(**given)
        simulation.__enter__()
    except ModuleNotFoundError as error:
        refused = f"zk_simulation: {error}"
        if error.name == "greenlet":
            refused = "zk_simulation needs greenlet: pip install 'zkdict[pytest]'"
        elif error.name in given.get("patch", ()):
            refused = f"zk_simulation: patch names {error.name!r}, and there is no such module"
    except (ImportError, TypeError, ValueError) as error:
        refused = f"zk_simulation: {error}"
    if refused:
        pytest.fail(refused, pytrace=False)
    stash[SIMULATION] = simulation
    try:
        if load:
            simulation.load(load)
        if (event := Run.of(request.config).options.break_at) is not None:
            simulation.pause_at(event)
        yield simulation
    finally:
        failure = stash.get(FAILED, None)
        simulation.quiet = failure is not None  # the test's report has told of it
        try:
            simulation.__exit__(None if failure is None else type(failure), failure, None)
        finally:
            del stash[SIMULATION]


def arguments(run: Run, item: pytest.Item) -> dict[str, Any]:
    """The arguments of a test's `Simulation`, and its ``load``."""
    options = run.options
    chosen: dict[str, Any] = {
        "seed": options.seed,
        "servers": options.servers,
        "version": options.version,
        "settings": dict(options.settings) or None,
        "profile": options.profile,
        "patch": options.patch or None,
        "load": dict(options.load) or None,
    }
    found = {name: value for name, value in chosen.items() if value is not None}
    for name, value in marked(item).simulation.items():
        if name in ("settings", "load") and name in found and value is not None:
            value = {**found[name], **value}
        found[name] = value
    return found


# -- one test, many simulations


def program_of(item: pytest.Function) -> Callable[[Simulation], None]:
    """A test as a program for `zkfake.simulation.explore`, `sweep` and `replay`.

    Each call sets up the fixtures of the function, calls it and tears them down, as the main task
    of the simulation that it is given, and raises what the test fails with; what its fixtures fail
    with, where it does not. Fixtures of a wider scope stay. The simulation is to have the
    `arguments` of the test, but for what is to be another in each run. Cost: what pytest takes for
    a test without its reports, a millisecond.

    To be called while the test runs: what pytest has set up for it is torn down by the first call.
    """
    state = item.session._setupstate  # noqa: SLF001  # as all plugins that run a test again
    parent: Any = item.parent

    def program(simulation: Simulation) -> None:
        __tracebackhide__ = True
        state.teardown_exact(parent)
        if isinstance(parent, pytest.Class):  # each run has an instance of its own
            for name in ("_instance", "_obj"):
                vars(item).pop(name, None)
        item._initrequest()  # noqa: SLF001
        item.stash[_GIVEN] = simulation
        failed = True
        try:
            state.setup(item)
            item.runtest()
            failed = False
        finally:
            try:
                _torn_down(item, failed=failed)
            finally:
                del item.stash[_GIVEN]

    return program


def _torn_down(item: Any, *, failed: bool) -> None:
    """Tear the fixtures of the function down. What goes wrong there is no news after ``failed``."""
    try:
        item.session._setupstate.teardown_exact(item.parent)  # noqa: SLF001
    except Exception:
        if not failed:
            raise
