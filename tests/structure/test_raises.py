"""A public docstring names the errors that its code raises.

Looked at are the `raise` statements of each public function and method, and of the private ones of
the same module or class that it calls. What these call in turn is for readers to check.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import types
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import public

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = ("zkdict", "zkfake", "pytest_zkdict")
_OURS = (*_PACKAGES, __name__)
"""Where the functions are that are looked at; the last is for what is planted below."""
_NOT_TOLD = (AssertionError, StopIteration, NotImplementedError)
"""What says that the code is wrong, or is Python's way to say something else."""


def raised(function: types.FunctionType, owner: type | None = None) -> set[type[BaseException]]:
    """The errors that a function raises by name, itself or in a private one that it calls."""
    found = set(_raised(function))
    for node in _nodes(function):
        if isinstance(node, ast.Call) and (called := _private(node.func, function, owner)):
            found |= set(_raised(called))
    return found


def _raised(function: types.FunctionType) -> Iterator[type[BaseException]]:
    for node in _nodes(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            kind = _value(error, function)
            if isinstance(kind, type) and not issubclass(kind, _NOT_TOLD) and _is_known(kind):
                yield kind


@cache
def _is_known(kind: type) -> bool:
    """Whether users know the error: it is another package's, or public."""
    return not kind.__module__.startswith(_PACKAGES) or any(
        getattr(importlib.import_module(face), kind.__name__, None) is kind for face in public.FACES
    )


@cache
def _nodes(function: types.FunctionType) -> tuple[ast.AST, ...]:
    code = function.__code__
    return (*ast.walk(_functions_of(code.co_filename)[code.co_firstlineno]),)


@cache
def _functions_of(file: str) -> dict[int, ast.AST]:
    """The functions of a file, by the line on which each begins, with its decorators."""
    tree = ast.parse(Path(file).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return {
        min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]): node
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    }


def _value(name: ast.expr, function: Any) -> object:
    if not isinstance(name, ast.Name):
        return None
    return function.__globals__.get(name.id, getattr(builtins, name.id, None))


def _private(name: ast.expr, function: Any, owner: type | None) -> types.FunctionType | None:
    if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name):
        found = getattr(owner, name.attr, None) if name.value.id == "self" else None
        named = name.attr
    else:
        found, named = _value(name, function), getattr(name, "id", "")
    private = named.startswith("_") and inspect.isfunction(found)
    ours = private and found.__module__.startswith(_OURS)  # type: ignore[union-attr]
    return inspect.unwrap(found) if ours else None  # type: ignore[arg-type]


def functions() -> Iterator[tuple[str, types.FunctionType, type | None, str]]:
    """Every public function and method: its name, itself, its class, and what is said of it."""
    for face in public.FACES:
        module = importlib.import_module(face)
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, types.FunctionType):
                yield f"{face}.{name}", inspect.unwrap(value), None, value.__doc__ or ""
            elif isinstance(value, type):
                for attribute, function in _methods(value):
                    yield f"{face}.{name}.{attribute}", function, value, _said(value, attribute)


def _methods(kind: type) -> Iterator[tuple[str, types.FunctionType]]:
    for name in ["__init__", "__post_init__", *public.attributes(kind)]:
        value = inspect.getattr_static(kind, name, None)
        parts = (
            (value.fget, value.fset)
            if isinstance(value, property)
            else (getattr(value, "__func__", value),)
        )
        for part in parts:
            function = inspect.unwrap(part) if callable(part) else None
            if inspect.isfunction(function) and _is_written(function):
                yield name, function


def _is_written(function: types.FunctionType) -> bool:
    """Whether it is ours, and not one that Python has made for a class of values."""
    return function.__module__.startswith(_OURS) and function.__code__.co_filename[0] != "<"


def _said(kind: type, name: str) -> str:
    """The docstrings of a method, here and in base classes, and those of the classes."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith(_OURS)]
    methods = [vars(base)[name] for base in ours if name in vars(base)]
    return "\n".join(each.__doc__ or "" for each in [*ours, *methods])


def untold(function: types.FunctionType, owner: type | None, said: str) -> list[str]:
    """The errors of a function that its docstring does not name, by no base class either."""
    words = set(re.findall(r"\w+", said))
    return sorted(
        kind.__name__
        for kind in raised(function, owner)
        if words.isdisjoint(base.__name__ for base in kind.__mro__[:-2])
    )


def test_each_error_is_told_of() -> None:
    found = {name: untold(*rest) for name, *rest in functions()}
    assert {name: errors for name, errors in found.items() if errors} == {}


class _Planted:
    """Says that one of them raises KeyError."""

    def tells(self) -> None:
        raise KeyError

    def hides(self) -> None:
        """Raises OSError, and more."""
        self._check()
        if self:
            raise BlockingIOError("another process has it")

    def _check(self) -> None:
        raise ValueError("not told of")


def test_what_is_hidden_is_found() -> None:
    assert raised(_Planted.hides, _Planted) == {BlockingIOError, ValueError}
    assert untold(_Planted.hides, _Planted, _said(_Planted, "hides")) == ["ValueError"]
    assert untold(_Planted.tells, _Planted, f"{_Planted.__doc__}") == []
