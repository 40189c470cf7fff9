"""The text of a world, as ``--zk-replay`` takes it: a seed, the statements that make it, or the
point of a sweep.

The rules that live here:

- the statements are those of the program that a report shows, with semicolons between them: first
  ``Simulation(...)`` with what the world has of its own, then what happens to ``sim``;
- the point of a sweep is the call of `zkfake.simulation.replay`, without what it replays;
- nothing but these is carried out. What they cannot be is a usage error.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkfake.simulation import Simulation

__all__ = ["Replay"]

_EXPECTED = (
    "expected a seed, such as 14, or a world as a report shows it, such as "
    "\"Simulation(servers=3); sim.faults.drop_before_reply('ann', nth=2)\""
)


_CALM = {"seed": 0, "servers": 1, "profile": "calm", "schedule": None}
"""What a world is like that does not say otherwise."""


class Replay:
    """One world, to run tests in."""

    def __init__(
        self,
        arguments: dict[str, Any],
        module: ast.Module,
        point: dict[str, Any] | None = None,
    ) -> None:
        """``arguments``: of its `Simulation`. ``module``: what happens to ``sim``. ``point``: the
        arguments of `zkfake.simulation.replay`.
        """
        self._arguments = arguments
        self.point = point
        self.lines = [ast.unparse(each) for each in module.body]
        """What happens in it, a statement each."""
        self._code = compile(module, "--zk-replay", "exec")

    @classmethod
    def parse(cls, text: str) -> Replay:
        """Raises `ValueError` for what is no world."""
        with suppress(ValueError):
            return cls({"seed": int(text)}, ast.Module(body=[], type_ignores=[]))
        try:
            first, *others = ast.parse(text.strip()).body
            name, arguments = _call(first)
            if name == "replay" and not others:
                return cls({}, ast.Module(body=[], type_ignores=[]), arguments)
            if name != "Simulation" or not all(map(_is_of_sim, others)):
                raise ValueError(text)
        except (SyntaxError, TypeError, ValueError):
            raise ValueError(_EXPECTED) from None
        module = ast.Module(body=others, type_ignores=[])
        return cls({**_CALM, **arguments}, module)

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Those of the world's `Simulation`. ``given``: those of the test, of which the world keeps
        what it does not say itself: patched modules, settings, limits.
        """
        if "profile" not in self._arguments:
            return {**given, **self._arguments, **(self.point or {})}
        from dataclasses import fields

        from zkfake.simulation import Profile

        knobs = {field.name for field in fields(Profile)}
        kept = {name: value for name, value in given.items() if name not in knobs}
        # The text of a world has the names of modules, where the test has the modules themselves.
        own = {name: value for name, value in self._arguments.items() if name != "patch"}
        return {**kept, **own}

    def shown(self, given: dict[str, Any]) -> dict[str, Any]:
        """`arguments` without those that every `Simulation` has."""
        return {
            name: value
            for name, value in self.arguments(given).items()
            if name not in _CALM or value != _CALM[name]
        }

    def begin(self, simulation: Simulation) -> None:
        """Arm what happens in it, at the start of a simulation. Raises `ValueError`."""
        try:
            exec(self._code, {"sim": simulation})  # what the user has typed, of `_is_of_sim`
        except (AttributeError, NameError, TypeError) as error:
            raise ValueError(f"{error}; {_EXPECTED}") from None


def _call(statement: ast.stmt) -> tuple[str, dict[str, Any]]:
    """The name of what is called, and its arguments."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or call.args:
        raise ValueError
    return ast.unparse(call.func), {
        str(each.arg): ast.literal_eval(each.value) for each in call.keywords
    }


def _is_of_sim(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func).startswith("sim.faults.")
