"""What a name of the source is, as one line of text each: parameters, types, defaults, decorators.

It is read from the source and not from the objects: so it is the same on every Python, with types
as they are written, and each overload has a line.
"""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST_VALUE = 100
"""Characters of a value: what is longer is a table, and its type says enough."""

_UNTOLD = {"override", "final", "cache", "wraps"}
"""Decorators that change nothing for a caller."""


@cache
def module(name: str) -> ast.Module:
    """The source of a module, which is not imported for that."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    assert spec.origin is not None, name
    return ast.parse(Path(spec.origin).read_text("utf-8"))


def of_name(face: str, name: str) -> list[str]:
    """The lines for a name that a module defines or imports from another of ours."""
    tree = module(face)
    statements = list(_statements(tree.body))
    functions: list[Function] = []
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if statement.name == name:
                functions.append(statement)
        elif isinstance(statement, ast.ClassDef):
            if statement.name == name:
                return [of_class(name, statement)]
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            if name in _stored(statement):
                return [of_value(name, statement)]
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return of_name(_absolute(face, statement), alias.name)
    return of_functions(name, functions)


def of_class(name: str, tree: ast.ClassDef) -> str:
    """``@decorators class name(bases)``."""
    inside = [ast.unparse(each) for each in (*tree.bases, *tree.keywords)]
    bases = f"({', '.join(inside)})" if inside else ""
    return f"{_decorators(tree.decorator_list)}class {name}{bases}"


def of_members(tree: ast.ClassDef) -> dict[str, list[str]]:
    """The lines for every name that a class defines, in its body or on ``self``: public names, and
    Python's own such as ``__getitem__`` where they are functions.
    """
    functions: dict[str, list[Function]] = {}
    found: dict[str, list[str]] = {}
    for statement in _statements(tree.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not statement.name.startswith("_") or statement.name.endswith("__"):
                functions.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            for name in _stored(statement):
                if not name.startswith("_"):
                    found[name] = [of_value(name, statement)]
    found |= {name: of_functions(name, each) for name, each in functions.items()}
    for name, annotation in _on_self(tree).items():
        if name not in found or (annotation and found[name] == [name]):
            found[name] = [f"{name}: {annotation}" if annotation else name]
    return found


def of_functions(name: str, functions: list[Function]) -> list[str]:
    """A line for each overload, or for the function; for a property and its setter, one each."""
    overloads = [each for each in functions if "overload" in _names(each.decorator_list)]
    return [
        f"{_decorators(each.decorator_list)}{_kind(each)}{name}({ast.unparse(each.args)})"
        + (f" -> {ast.unparse(each.returns)}" if each.returns else "")
        for each in overloads or functions
    ]


def of_value(name: str, statement: ast.Assign | ast.AnnAssign) -> str:
    """``name: type = value``."""
    line = name
    if isinstance(statement, ast.AnnAssign):
        line += f": {ast.unparse(statement.annotation)}"
    if statement.value is not None:
        value = ast.unparse(statement.value)
        line += f" = {value if len(value) <= LONGEST_VALUE else '...'}"
    return line


def _kind(function: Function) -> str:
    return "async def " if isinstance(function, ast.AsyncFunctionDef) else "def "


def _names(decorators: list[ast.expr]) -> list[str]:
    return [ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in decorators]


def _decorators(decorators: list[ast.expr]) -> str:
    told = zip(decorators, _names(decorators), strict=True)
    return "".join(f"@{ast.unparse(each)} " for each, name in told if name not in _UNTOLD)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Also those below a condition: a name may be imported for type checkers only."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If):
            yield from _statements(statement.body)
            yield from _statements(statement.orelse)


def _stored(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    names = (each for target in targets for each in ast.walk(target))
    return [each.id for each in names if isinstance(each, ast.Name)]


def _absolute(face: str, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    spec = importlib.util.find_spec(face)
    assert spec is not None
    package = face if spec.submodule_search_locations else face.rpartition(".")[0]
    return importlib.util.resolve_name("." * statement.level + (statement.module or ""), package)


def _on_self(tree: ast.ClassDef) -> dict[str, str]:
    """The public attributes that methods set, and their types as far as they are said there."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        annotation = ""
        if isinstance(node, ast.AnnAssign):
            targets, annotation = [node.target], ast.unparse(node.annotation)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            targets = [node]
        for target in targets:
            if (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
                and not target.attr.startswith("_")
            ):
                found[target.attr] = annotation or found.get(target.attr, "")
    return found
