"""Whether a simulation can run the kazoo that is installed.

What `zkfake._simulation.patching.patches` replaces in kazoo has to be where it was, or real time,
real threads and an order by addresses in memory would get into the simulation without a word. So it
is looked for, once a process and before anything is patched, and what is not there is an
`UnsupportedKazoo`.
"""

from __future__ import annotations

import dis
import importlib
import inspect
from importlib import metadata
from typing import TYPE_CHECKING, Any

from zkfake._simulation.clients.handler import SimulationHandler
from zkfake._simulation.errors import UnsupportedKazoo
from zkfake._simulation.stand_ins.stand_ins import stand_in_for_default

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, ModuleType

__all__ = ["SUPPORTED", "check", "problems"]

SUPPORTED = "2.8 to 2.11"
"""The versions of kazoo that the tests have seen; the distribution's metadata says the same."""

#: What a `SimulationHandler` gets when it is made.
_OF_AN_INSTANCE = frozenset(("async_result", "running", "select"))


def check(ordered_sets: Sequence[str], default_arguments: Sequence[tuple[str, str]]) -> None:
    """Raises `UnsupportedKazoo` unless every place is there. Cost: some 10 ms."""
    found = [*problems(ordered_sets, default_arguments)]
    if found:
        raise UnsupportedKazoo(
            f"zkfake.simulation supports kazoo {SUPPORTED}, not the installed one "
            f"({metadata.version('kazoo')}): {'; '.join(found)}"
        )


def problems(
    ordered_sets: Sequence[str], default_arguments: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """What is missing: in modules that make sets, as names; in the default arguments of classes, as
    names of module and class; in the handler.
    """
    real = _find("kazoo.client", "SequentialThreadingHandler")
    if real is None:
        yield "there is no kazoo.client.SequentialThreadingHandler to replace"
    else:
        unknown = {*dir(real)} - {*dir(SimulationHandler)} - _OF_AN_INSTANCE
        unknown = {name for name in unknown if not name.startswith("_")}
        if unknown:
            yield f"the simulation's handler has no {', '.join(sorted(unknown))}"
    for module, name in default_arguments:
        kind = _find(module, name)
        defaults = getattr(getattr(kind, "__init__", None), "__defaults__", None) or ()
        if all(stand_in_for_default(value) is value for value in defaults):
            yield f"{module}.{name} has no default argument that stands for time"
    for module in ordered_sets:
        if not any(map(_makes_a_set, _functions(module))):
            yield f"{module} makes no set by set()"


def _find(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def _functions(name: str) -> Iterator[CodeType]:
    """The code of every function of a module, inner ones too."""
    try:
        module: ModuleType = importlib.import_module(name)
    except ImportError:
        return
    todo: list[Any] = [
        value for value in vars(module).values() if getattr(value, "__module__", "") == name
    ]
    for value in todo:  # grows
        if inspect.isclass(value):
            todo += filter(inspect.isfunction, vars(value).values())
        elif inspect.isfunction(value):
            todo.append(value.__code__)
        elif inspect.iscode(value):
            yield value
            todo += filter(inspect.iscode, value.co_consts)


def _makes_a_set(code: CodeType) -> bool:
    return "set" in code.co_names and any(
        step.opname == "LOAD_GLOBAL" and step.argval == "set" for step in dis.get_instructions(code)
    )
