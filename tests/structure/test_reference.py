"""The reference has every public name, and each has a docstring."""

from __future__ import annotations

import importlib
import re
import types

import pytest

from . import options, public
from .layers import ROOT

REFERENCE = ROOT / "docs" / "reference"


def _named(face: str) -> set[str]:
    """The public names that the page of a module has directives for."""
    page = (REFERENCE / f"{face}.md").read_text("utf-8")
    return set(re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)$", page, re.MULTILINE))


@pytest.mark.parametrize("face", public.FACES)
def test_the_reference_has_every_public_name_and_no_other(face: str) -> None:
    assert _named(face) - {face} == set(importlib.import_module(face).__all__)


@pytest.mark.parametrize("face", public.FACES)
def test_every_public_class_and_function_has_a_docstring_of_its_own(face: str) -> None:
    module = importlib.import_module(face)
    assert [name for name in module.__all__ if not _is_told_of(getattr(module, name))] == []


def _is_told_of(value: object) -> bool:
    """A constant has its words on the page. For a value without one Python lists its fields."""
    if not isinstance(value, (type, types.FunctionType)):
        return True
    told = value.__doc__ if isinstance(value, types.FunctionType) else vars(value).get("__doc__")
    return bool(told) and not told.startswith(f"{value.__name__}(")


@pytest.mark.parametrize("page", options.PAGES)
def test_the_pages_of_options_are_those_of_the_code(page: str) -> None:
    """`python -m tests.structure.options --write` writes them."""
    assert (REFERENCE / f"{page}.md").read_text("utf-8") == options.PAGES[page]()


def test_a_page_has_each_option() -> None:
    written = options.command_line() + options.pytest_plugin()
    for option in (
        "--data-dir DIR",
        "--zk-replay WORLD",
        "zk_explore(seeds=",
        "zkfake snapshot save",
    ):
        assert f"`{option}" in written


def test_make_docs_knows_the_same_modules() -> None:
    extension = (ROOT / "docs" / "_extensions" / "public_names.py").read_text("utf-8")
    listed = extension.partition("FACES = (")[2].partition(")")[0]
    assert tuple(re.findall(r'"([\w.]+)"', listed)) == public.FACES


def test_every_page_is_behind_a_door() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    doors = re.findall(r"^```{toctree}\n(?::[^\n]*\n)*\n(.*?)```$", index, re.MULTILINE | re.DOTALL)
    assert len(doors) == 4
    listed = [name for door in doors for name in door.split()]
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted({path.with_suffix("").as_posix() for path in pages} - {"index"})
