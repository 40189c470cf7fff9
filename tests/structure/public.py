"""The public API: every public name, with parameters, types and defaults, as `public_api.txt` lists
them; of a public class also what it has from base classes of ours, and of the plugin its fixtures.

``python -m tests.structure.public --write`` writes that file. What is new there is public from then
on: a name that only the package itself uses belongs on a private object, or on a subclass that
users do not name. What a change there asks for, CONTRIBUTING.md says.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import sys
import textwrap
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import signatures

if TYPE_CHECKING:
    from collections.abc import Iterator

FACES = (
    "zkdict",
    "zkdict.redis",
    "zkfake",
    "zkfake.history",
    "zkfake.proxy",
    "zkfake.simulation",
    "zkfake.web",
    "pytest_zkdict.live",
    "pytest_zkdict.live.faults",
    "pytest_zkdict.stateful",
)
"""The modules whose ``__all__`` says what is public."""

FIXTURES = "pytest_zkdict.fixtures"
"""The module whose ``__all__`` has the fixtures: those whose names begin with ``zk_``."""

LISTED = Path(__file__).with_name("public_api.txt")

_OURS = ("zkdict", "zkfake", "pytest_zkdict")


def classes() -> Iterator[tuple[str, type]]:
    """Every public class, by the name under which users import it."""
    for face in FACES:
        module = importlib.import_module(face)
        for name in sorted(module.__all__):
            value = getattr(module, name)
            if isinstance(value, type):
                yield f"{face}.{name}", value


def attributes(kind: type) -> dict[str, bool]:
    """The public attributes that a class has from our own code, but for the fields of values, and
    whether each is told of: a method or a property has a docstring, here or in a base class.
    """
    found: dict[str, bool] = {}
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in _OURS:
            for name, told in defined(_source(base)).items():
                found[name] = found.get(name, False) or told
    return {name: found[name] for name in sorted(found.keys() - _fields(kind))}


def _fields(kind: type) -> set[str]:
    """The fields of a value. They are what it is: none of them is plumbing."""
    fields = {field.name for field in dataclasses.fields(kind)} if is_dataclass(kind) else set()
    return fields | set(getattr(kind, "_fields", ()))


@cache
def _source(kind: type) -> str:
    return textwrap.dedent(inspect.getsource(kind))


def defined(source: str) -> dict[str, bool]:
    """The public names that a class defines, in its body or on ``self``, and whether each is told
    of. The name of a value is enough.
    """
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, bool] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            told = ast.get_docstring(statement) is not None
            found[statement.name] = found.get(statement.name, False) or told
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            stored = (each for each in ast.walk(statement) if isinstance(each, ast.Name))
            found |= {each.id: True for each in stored if isinstance(each.ctx, ast.Store)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            found.setdefault(node.attr, True)
    return {name: told for name, told in found.items() if not name.startswith("_")}


def listing() -> str:
    """A line for each public name and for each public attribute, each with the whole path."""
    lines = []
    for face in FACES:
        for name in sorted(importlib.import_module(face).__all__):
            lines += _below(face, signatures.of_name(face, name))
            kind = getattr(importlib.import_module(face), name)
            if isinstance(kind, type):
                members = members_of(kind)
                for each in sorted(members):
                    lines += _below(f"{face}.{name}", members[each])
    fixtures = (name for name in importlib.import_module(FIXTURES).__all__ if name[:3] == "zk_")
    for name in sorted(fixtures):
        lines += _below(FIXTURES, signatures.of_name(FIXTURES, name))
    return "".join(f"{line}\n" for line in lines)


def members_of(kind: type) -> dict[str, list[str]]:
    """What a class has from our own code, the nearest first."""
    found: dict[str, list[str]] = {}
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in _OURS:
            tree = ast.parse(_source(base)).body[0]
            assert isinstance(tree, ast.ClassDef)
            for name, lines in signatures.of_members(tree).items():
                found.setdefault(name, lines)
    return found


def _below(path: str, lines: list[str]) -> list[str]:
    return [f"{path}: {line}" for line in lines]


def changes(listed: str, now: str) -> str:
    """What is no longer there and what is new, and what to do; empty where nothing has changed."""
    before, after = listed.splitlines(), now.splitlines()
    gone = [f"- {line}" for line in before if line not in after]
    new = [f"+ {line}" for line in after if line not in before]
    if not gone and not new:
        return ""
    told = "\n".join(
        sorted([*gone, *new], key=lambda line: (line[2:].partition("(")[0], line[0] == "+"))
    )
    return (
        f"the public API has changed:\n{told}\n"
        "If users are meant to have this: python -m tests.structure.public --write. A line with + "
        "is a new feature for the changelog; one with - breaks programs, unless the + after it "
        "takes all that it took (CONTRIBUTING.md says what that asks for)"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        LISTED.write_text(listing(), "utf-8")
    else:
        sys.stdout.write(listing())
