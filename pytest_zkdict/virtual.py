"""Tests in virtual time: the simulation that a test runs in, and one test in many simulations.

The rules that live here:

- a test has one simulation. It begins before the first fixture of the function and ends after the
  last one, so all of them run in its main task; fixtures of a wider scope stay in real time;
- its arguments are those of the test's marks, then those of the run's settings;
- a failure of the simulation is reported once: not again at its end when the test has failed;
- nothing of a simulation outlives its test.
"""

from __future__ import annotations

import inspect
import os
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_zkdict.marks import marked
from pytest_zkdict.real import refused
from pytest_zkdict.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._trees.plain import PlainZnode
    from zkfake.simulation import Simulation

__all__ = [
    "FAILED",
    "OF_EXAMPLE",
    "SIMULATION",
    "arguments",
    "has_one_for_each_example",
    "is_dynamic",
    "is_given",
    "is_simulated",
    "load_of",
    "may_be_simulated",
    "program_of",
    "simulated",
]

#: What a test failed with, for its fixtures.
FAILED = pytest.StashKey[BaseException]()
#: The simulation of a test that runs.
SIMULATION = pytest.StashKey["Simulation"]()
#: The simulation of the last example.
OF_EXAMPLE = pytest.StashKey["Simulation"]()
#: A simulation that somebody else has begun for the test.
_GIVEN = pytest.StashKey["Simulation"]()


def is_simulated(item: Any) -> bool:
    """Whether the clients of a test are those of a simulation."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    target = parameters.get("_zk_target")
    return target is not None and target.backend == "simulation"


def is_dynamic(item: Any) -> bool:
    """Whether the test, or a fixture of it, asks for fixtures by their names."""
    info = getattr(item, "_fixtureinfo", None)
    definitions = [] if info is None else info.name2fixturedefs.values()
    functions = [getattr(item, "obj", None), *(each[-1].func for each in definitions)]
    codes = [getattr(inspect.unwrap(each), "__code__", None) for each in functions if each]
    return any(code is not None and "getfixturevalue" in code.co_names for code in codes)


def may_be_simulated(item: Any) -> bool:
    """Whether a test has something that can be simulated: a simulation, or a server."""
    return not {"zk_simulation", "_zk_target"}.isdisjoint(item.fixturenames) or is_dynamic(item)


def has_one_for_each_example(item: Any) -> bool:
    """Whether a simulation begins with each example of a test, and not with the test: it has
    `zk_example`, and nothing else that needs one.
    """
    if is_given(item) or not is_simulated(item) or "zk_example" not in item.fixturenames:
        return False
    info = item._fixtureinfo  # noqa: SLF001
    return "zk_server" not in info.argnames and not any(
        name.startswith("zk_") and definitions[-1].scope == "function"
        for name, definitions in info.name2fixturedefs.items()
    )


# -- one test, one simulation


class simulated:  # noqa: N801  # a context manager that reads as one; pytest hides its frames
    """The simulation of a test, for the length of the ``with`` block, which is its main task.

    That is the one that was given to `program_of`, or else a new one.
    """

    def __init__(self, item: Any) -> None:
        self._item = item
        self._run = Run.of(item.config)
        self._is_ours = False
        """Whether it ends here."""
        self._is_first = SIMULATION not in item.stash
        """Whether no fixture has begun it."""
        self._exits = ExitStack()

    def __enter__(self) -> Simulation:
        __tracebackhide__ = True
        item, stash = self._item, self._item.stash
        if not self._is_first:
            return stash[SIMULATION]  # type: ignore[no-any-return]
        self._is_ours = not is_given(item)
        simulation = _begun(item) if self._is_ours else stash[_GIVEN]
        stash[SIMULATION] = simulation
        if is_simulated(item):
            self._run.pool.begin_simulation(simulation)
            self._exits.enter_context(refused())
        # What is to be below the chroot of its clients is loaded there.
        if "zk_simulation" in item.fixturenames and (load := load_of(self._run, item)):
            simulation.load(load)
        if self._is_ours and (event := self._run.options.break_at) is not None:
            simulation.pause_at(event)
        return simulation

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        __tracebackhide__ = True
        if not self._is_first:
            return
        stash = self._item.stash
        simulation = stash[SIMULATION]
        del stash[SIMULATION]
        self._exits.close()
        if self._run.started:
            self._run.pool.simulation = None
        if self._is_ours:
            is_of_example = has_one_for_each_example(self._item)
            if is_of_example:  # Hypothesis ends with the one that the report is of
                stash[OF_EXAMPLE] = simulation
            failure = error if is_of_example else stash.get(FAILED, None)
            # The test's report has told of it, or is going to.
            simulation.quiet = is_of_example or failure is not None
            simulation.__exit__(None if failure is None else type(failure), failure, None)


def _begun(item: Any) -> Simulation:
    given = arguments(Run.of(item.config), item)
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
    return simulation


def arguments(run: Run, item: Any) -> dict[str, Any]:
    """The arguments of a test's `Simulation`.

    Where the test runs on the backend ``simulation``, its module and the ``conftest.py`` files
    above it are patched, and the servers have the settings that those of all backends have.
    """
    options = run.options
    chosen: dict[str, Any] = {
        "seed": options.seed,
        "servers": options.servers,
        "version": options.version,
        "settings": dict(options.settings) or None,
        "profile": options.profile,
        "patch": options.patch or None,
    }
    found = {name: value for name, value in chosen.items() if value is not None}
    for name, value in marked(item).simulation.items():
        if name == "settings" and name in found and value is not None:
            value = {**found[name], **value}
        found[name] = value
    found.pop("load", None)
    if is_simulated(item):
        from pytest_zkdict.servers import InspectedServer

        found["settings"] = InspectedServer.completed(found.get("settings"))
        found["patch"] = (*found.get("patch", ()), *_own_modules(item))
    return found


def load_of(run: Run, item: Any) -> dict[str, bytes | PlainZnode | None]:
    """The znodes that the simulation starts with."""
    return {**run.options.load, **(marked(item).simulation.get("load") or {})}


def _own_modules(item: Any) -> Iterator[ModuleType]:
    """The module of a test, and every ``conftest.py`` that it may have fixtures from."""
    module = getattr(item, "module", None)
    if isinstance(module, ModuleType):
        yield module
    above = {str(each) for each in Path(item.path).parents}
    for plugin in item.config.pluginmanager.get_plugins():
        if isinstance(plugin, ModuleType):
            directory, name = os.path.split(getattr(plugin, "__file__", None) or "")
            if name == "conftest.py" and directory in above:
                yield plugin


# -- one test, many simulations


def program_of(item: pytest.Function) -> Callable[[Simulation], None]:
    """A test as a program for `zkfake.simulation.explore`, `sweep` and `replay`.

    Each call sets up the fixtures of the function, calls it and tears them down, as the main task
    of the simulation that it is given, and raises what the test fails with; what its fixtures fail
    with, where it does not. Fixtures of a wider scope stay. The simulation is to have the
    `arguments` of the test, but for what is to be another in each run. Cost: what pytest takes for
    a test without its reports, a millisecond.

    To be called by a hook ``pytest_pyfunc_call``, in the place of the test, unless `is_given` says
    that it is the program that calls the test. What pytest has set up for the test is torn down at
    once, its simulation included.
    """
    state = item.session._setupstate  # noqa: SLF001  # as all plugins that run a test again
    parent: Any = item.parent
    state.teardown_exact(parent)

    def program(simulation: Simulation) -> None:
        __tracebackhide__ = True
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
                if is_simulated(item):
                    Run.of(item.config).pool.heal()  # as before the end of every test
                state.teardown_exact(parent)
            except Exception:
                if not failed:  # else the test has failed before
                    raise
            finally:
                del item.stash[_GIVEN]

    return program


def is_given(item: pytest.Item) -> bool:
    """Whether the test runs as a program, in a simulation that somebody else has begun."""
    return _GIVEN in item.stash
