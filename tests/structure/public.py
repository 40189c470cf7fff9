"""The public attributes of the public classes, as `public_attributes.txt` lists them.

``python -m tests.structure.public --write`` writes that file. What is new there is public from then
on: a name that only the package itself uses belongs on a private object, or on a subclass that
users do not name.
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

LISTED = Path(__file__).with_name("public_attributes.txt")

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
    """A line for each class: its name, and its attributes."""
    lines = []
    for name, kind in classes():
        names = " ".join(attributes(kind))
        lines.append(textwrap.fill(f"{name}: {names}".rstrip(), 100, subsequent_indent="    "))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        LISTED.write_text(listing(), "utf-8")
    else:
        sys.stdout.write(listing())
