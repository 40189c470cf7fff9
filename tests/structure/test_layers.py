"""The picture of the layers is true, and every package of the product is on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import layers

PAGE = layers.ROOT / "docs" / "design.md"
PRODUCT = ("zkdict", "zkfake", "pytest_zkdict")


def _packages() -> list[str]:
    found = [path for each in PRODUCT for path in (layers.ROOT / each).rglob("__init__.py")]
    return sorted(".".join(path.parent.relative_to(layers.ROOT).parts) for path in found)


def test_the_picture_in_the_docs_is_that_of_the_contracts() -> None:
    told = PAGE.read_text("utf-8").partition(layers.BEGIN)[2].partition(layers.END)[0]
    assert told == layers.picture(), "run: python -m tests.structure.layers --write docs/design.md"


def test_every_package_has_a_contract() -> None:
    assert sorted(layers.contracts()) == _packages()


@pytest.mark.parametrize("package", _packages())
def test_a_contract_names_every_module(package: str) -> None:
    exhaustive, found = layers.contracts()[package]
    assert exhaustive
    folder = Path(layers.ROOT, *package.split("."))
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    modules |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert sorted(name for layer in found for name in layer) == sorted(modules)
