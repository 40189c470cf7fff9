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
    from collections.abc import Iterator

    from zkfake.simulation import Simulation

__all__ = ["SIMULATION", "arguments", "zk_simulation"]

#: The simulation of a test that runs.
SIMULATION = pytest.StashKey["Simulation"]()


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
    stash = request.node.stash
    stash[SIMULATION] = simulation
    try:
        if load:
            simulation.load(load)
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
